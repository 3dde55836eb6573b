//! Workspaces: made, listed, renamed, deleted.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::operation::{OperationError, WriteContext};
use super::rows;
use super::{endpoints, erase};
use crate::domain::access::Reach;
use crate::domain::id::new_id;
use crate::domain::workspace::{Workspace, WorkspaceName};
use crate::storage::{EndpointNumber, Listed, Page, StoreError};

/// Makes a workspace.
pub(super) fn create(
    context: &mut WriteContext<'_>,
    name: &WorkspaceName,
) -> Result<Workspace, OperationError> {
    refuse_taken(context.connection, name, None)?;
    let sql = format!(
        "INSERT INTO workspace (id, name, created_at) VALUES (?1, ?2, ?3) RETURNING {}",
        rows::WORKSPACE
    );
    Ok(context.connection.prepare_cached(&sql)?.query_row(
        params![new_id(context.now), name.as_str(), context.now.micros()],
        rows::workspace,
    )?)
}

/// Renames a workspace.
pub(super) fn rename(
    context: &mut WriteContext<'_>,
    reach: Reach,
    id: Uuid,
    name: &WorkspaceName,
) -> Result<Workspace, OperationError> {
    let number = locate(context.connection, reach, id)?;
    refuse_taken(context.connection, name, Some(number))?;
    context.state.forget_publisher(id);
    let sql = format!(
        "UPDATE workspace SET name = ?2, modified_at = ?3 WHERE n = ?1 RETURNING {}",
        rows::WORKSPACE
    );
    Ok(context.connection.prepare_cached(&sql)?.query_row(
        params![number, name.as_str(), context.now.micros()],
        rows::workspace,
    )?)
}

/// Deletes a workspace, its tokens and its endpoints. What else belonged to it is erased soon after
/// ([`super::erase`]).
pub(super) fn delete(
    context: &mut WriteContext<'_>,
    reach: Reach,
    id: Uuid,
) -> Result<(), OperationError> {
    let number = locate(context.connection, reach, id)?;
    let endpoints: Vec<EndpointNumber> = context
        .connection
        .prepare_cached("SELECT n FROM endpoint WHERE workspace = ?1 AND deleted_at IS NULL")?
        .query_map([number], |row| row.get(0).map(EndpointNumber))?
        .collect::<rusqlite::Result<_>>()?;
    for endpoint in endpoints {
        endpoints::delete_located(context, endpoint, id)?;
    }
    context
        .connection
        .prepare_cached("DELETE FROM token WHERE workspace = ?1")?
        .execute([number])?;
    context
        .connection
        .prepare_cached("UPDATE workspace SET deleted_at = ?2, name = '' WHERE n = ?1")?
        .execute(params![number, context.now.micros()])?;
    erase::note(context.connection, number)?;
    context.state.forget_all_health();
    context.state.forget_publisher(id);
    Ok(())
}

/// Workspaces, newest first.
pub(super) fn list(
    connection: &Connection,
    reach: Reach,
    page: Page,
) -> rusqlite::Result<Listed<Workspace>> {
    if let Reach::Workspace(own) = reach {
        let all: Vec<Workspace> = find(connection, reach, own)?.into_iter().collect();
        let total = all.len() as u64;
        let items = if page.number == 1 { all } else { Vec::new() };
        return Ok(Listed {
            items,
            total,
            searched: None,
        });
    }
    let total = connection
        .prepare_cached("SELECT count(*) FROM workspace WHERE deleted_at IS NULL")?
        .query_row([], |row| row.get(0))?;
    let sql = format!(
        "SELECT {} FROM workspace WHERE deleted_at IS NULL ORDER BY n DESC LIMIT ?1 OFFSET ?2",
        rows::WORKSPACE
    );
    let items = connection
        .prepare_cached(&sql)?
        .query_map(params![page.limit, offset(page)], rows::workspace)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Listed {
        items,
        total,
        searched: None,
    })
}

/// A page's offset, as `SQLite` takes it.
pub(super) fn offset(page: Page) -> i64 {
    i64::try_from(page.offset()).unwrap_or(i64::MAX)
}

/// One workspace.
pub(super) fn find(
    connection: &Connection,
    reach: Reach,
    id: Uuid,
) -> rusqlite::Result<Option<Workspace>> {
    let sql = format!(
        "SELECT {} FROM workspace WHERE id = ?1 AND deleted_at IS NULL",
        rows::WORKSPACE
    );
    let found = connection
        .prepare_cached(&sql)?
        .query_row([id], rows::workspace)
        .optional()?;
    Ok(found.filter(|workspace| reach.covers(workspace.id)))
}

/// The workspace of that name.
pub(super) fn find_named(
    connection: &Connection,
    name: &str,
) -> rusqlite::Result<Option<Workspace>> {
    let sql = format!(
        "SELECT {} FROM workspace WHERE name = ?1 AND deleted_at IS NULL",
        rows::WORKSPACE
    );
    connection
        .prepare_cached(&sql)?
        .query_row([name], rows::workspace)
        .optional()
}

/// The number of a workspace in use.
pub(super) fn locate(
    connection: &Connection,
    reach: Reach,
    id: Uuid,
) -> Result<i64, OperationError> {
    let number = connection
        .prepare_cached("SELECT n FROM workspace WHERE id = ?1 AND deleted_at IS NULL")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    match number {
        Some(number) if reach.covers(id) => Ok(number),
        _ => Err(StoreError::NotFound.into()),
    }
}

fn refuse_taken(
    connection: &Connection,
    name: &WorkspaceName,
    except: Option<i64>,
) -> Result<(), OperationError> {
    let holder: Option<i64> = connection
        .prepare_cached("SELECT n FROM workspace WHERE name = ?1 AND deleted_at IS NULL")?
        .query_row([name.as_str()], |row| row.get(0))
        .optional()?;
    match holder {
        Some(holder) if Some(holder) != except => Err(StoreError::NameTaken.into()),
        _ => Ok(()),
    }
}
