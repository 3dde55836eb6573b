//! The numbers of workspaces and endpoints, if the caller may see them.

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use crate::domain::access::Visibility;

/// An endpoint in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VisibleEndpoint {
    /// Its number.
    pub(super) number: i64,
    /// The number of its workspace.
    pub(super) workspace: i64,
    /// Its runs up to this one are skipped.
    pub(super) skip_through: i64,
    /// Events in a row that ended as failed.
    pub(super) failures: u32,
}

/// Returns the number of a workspace in use that the caller may see.
pub(super) fn visible_workspace(
    connection: &Connection,
    visibility: Visibility,
    id: Uuid,
) -> rusqlite::Result<Option<i64>> {
    if !visibility.includes(id) {
        return Ok(None);
    }
    connection
        .prepare_cached("SELECT n FROM workspace WHERE id = ?1 AND deleted_at IS NULL")?
        .query_row([id], |row| row.get(0))
        .optional()
}

/// Returns an endpoint in use that the caller may see.
pub(super) fn visible_endpoint(
    connection: &Connection,
    visibility: Visibility,
    id: Uuid,
) -> rusqlite::Result<Option<VisibleEndpoint>> {
    let found = connection
        .prepare_cached(
            "SELECT w.id, e.n, e.workspace, e.skip_through, e.failures
             FROM endpoint e JOIN workspace w ON w.n = e.workspace
             WHERE e.id = ?1 AND e.deleted_at IS NULL",
        )?
        .query_row([id], |row| {
            let workspace: Uuid = row.get(0)?;
            let endpoint = VisibleEndpoint {
                number: row.get(1)?,
                workspace: row.get(2)?,
                skip_through: row.get(3)?,
                failures: row.get(4)?,
            };
            Ok((workspace, endpoint))
        })
        .optional()?;
    let visible = found.filter(|(workspace, _)| visibility.includes(*workspace));
    Ok(visible.map(|(_, endpoint)| endpoint))
}

#[cfg(test)]
pub(super) mod tests {
    use rusqlite::{Connection, params_from_iter};

    /// Returns the steps of a statement's query plan.
    pub(crate) fn plan(sql: &str) -> Vec<String> {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(include_str!("../../../../schema.sql"))
            .unwrap();
        let mut explain = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let parameters = vec![0; explain.parameter_count()];
        explain
            .query_map(params_from_iter(parameters), |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    }
}
