//! Look-ups and lists of workspaces.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::domain::workspace::Workspace;
use crate::storage::sqlite::rows;
use crate::storage::{Listed, Page};

/// Returns workspaces, newest first.
pub(crate) fn list(
    connection: &Connection,
    visibility: Visibility,
    page: Page,
) -> rusqlite::Result<Listed<Workspace>> {
    if let Visibility::Workspace(own) = visibility {
        let all: Vec<Workspace> = find(connection, visibility, own)?.into_iter().collect();
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
        .query_map(params![page.limit, rows::offset(page)], rows::workspace)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Listed {
        items,
        total,
        searched: None,
    })
}

/// Returns a workspace that the caller may see.
pub(crate) fn find(
    connection: &Connection,
    visibility: Visibility,
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
    Ok(found.filter(|workspace| visibility.includes(workspace.id)))
}

/// Returns the workspace of that name.
pub(crate) fn find_named(
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
