//! Changes of workspaces: made, changed, deleted.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::jobs::ending::cancel_all_of;
use super::{endpoints, erasure_notes};
use crate::domain::access::Visibility;
use crate::domain::id::new_id;
use crate::domain::retention::{ArchiveAfter, DeleteAfter};
use crate::domain::workspace::{NewWorkspace, Workspace, WorkspaceName, WorkspacePatch};
use crate::storage::sqlite::rows;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{EndpointNumber, StoreError};

/// Makes a workspace.
pub(crate) fn create(
    context: &mut WriteContext<'_>,
    new: &NewWorkspace,
) -> Result<Workspace, OperationError> {
    refuse_taken(context.connection, &new.name, None)?;
    let sql = format!(
        "INSERT INTO workspace (id, name, created_at, archive_after, delete_after, operational_events)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING {}",
        rows::WORKSPACE
    );
    Ok(context.connection.prepare_cached(&sql)?.query_row(
        params![
            new_id(context.now),
            new.name.as_str(),
            context.now.micros(),
            new.retention.archive_after.seconds(),
            new.retention.delete_after.seconds(),
            new.operational_events,
        ],
        rows::workspace,
    )?)
}

/// Changes a workspace. Of what is changed, the writer keeps only the name in memory.
pub(crate) fn update(
    context: &mut WriteContext<'_>,
    visibility: Visibility,
    id: Uuid,
    patch: &WorkspacePatch,
) -> Result<Workspace, OperationError> {
    let number = locate(context.connection, visibility, id)?;
    if let Some(name) = &patch.name {
        refuse_taken(context.connection, name, Some(number))?;
        context.cache.forget_workspace(id);
    }
    // An empty patch changes no column, and no time of the last change.
    let sql = format!(
        "UPDATE workspace SET name = coalesce(?2, name), archive_after = coalesce(?3, archive_after),
                delete_after = coalesce(?4, delete_after),
                operational_events = coalesce(?5, operational_events),
                modified_at = coalesce(?6, modified_at)
         WHERE n = ?1 RETURNING {}",
        rows::WORKSPACE
    );
    Ok(context.connection.prepare_cached(&sql)?.query_row(
        params![
            number,
            patch.name.as_ref().map(WorkspaceName::as_str),
            patch.archive_after.map(ArchiveAfter::seconds),
            patch.delete_after.map(DeleteAfter::seconds),
            patch.operational_events,
            (!patch.is_empty()).then_some(context.now.micros()),
        ],
        rows::workspace,
    )?)
}

/// Deletes a workspace, its tokens and its endpoints. The rest of its data is erased soon after
/// ([`crate::storage::sqlite::maintenance::erase`]).
pub(crate) fn delete(
    context: &mut WriteContext<'_>,
    visibility: Visibility,
    id: Uuid,
) -> Result<(), OperationError> {
    let number = locate(context.connection, visibility, id)?;
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
    cancel_all_of(context, number)?;
    erasure_notes::add(context.connection, number)?;
    context.cache.forget_all_endpoints();
    context.cache.forget_workspace(id);
    Ok(())
}

/// Returns the number of a workspace in use.
pub(crate) fn locate(
    connection: &Connection,
    visibility: Visibility,
    id: Uuid,
) -> Result<i64, OperationError> {
    let number = connection
        .prepare_cached("SELECT n FROM workspace WHERE id = ?1 AND deleted_at IS NULL")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    match number {
        Some(number) if visibility.includes(id) => Ok(number),
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
