//! The workspace of the operator, made at the start.

use rusqlite::Connection;
use uuid::Uuid;

use crate::domain::clock::Timestamp;
use crate::domain::workspace::WorkspaceName;
use crate::storage::sqlite::writes::operational_events::make_operator_workspace;

/// Returns the id of the workspace of this name, and makes it if it is absent. If that fails, a line of the log says so,
/// and the server works without operational events for the operator: what only informs must not keep it from delivering.
pub(super) fn operator_workspace(
    connection: &Connection,
    name: Option<&WorkspaceName>,
    now: Timestamp,
) -> Option<Uuid> {
    let name = name?;
    let made = make_operator_workspace(connection, name, now);
    made.inspect_err(|error| {
        let name = name.as_str();
        tracing::warn!(%error, name, "the operator's workspace cannot be made; its operational events are off");
    })
    .ok()
}
