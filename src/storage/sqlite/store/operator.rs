//! The workspace of the operator, made at the start.

use rusqlite::Connection;

use crate::domain::clock::Timestamp;
use crate::domain::workspace::WorkspaceName;
use crate::storage::sqlite::writes::operational_events::{
    OperatorWorkspace, make_operator_workspace,
};

/// Returns the workspace of this name, and makes it if it is absent. If that fails, a line of the log says so, and the
/// server works without operational events for the operator: what only informs must not keep it from delivering.
pub(super) fn operator_workspace(
    connection: &Connection,
    name: Option<&WorkspaceName>,
    now: Timestamp,
) -> OperatorWorkspace {
    let Some(name) = name else {
        return OperatorWorkspace::default();
    };
    match make_operator_workspace(connection, name, now) {
        Ok(id) => OperatorWorkspace(Some(id)),
        Err(error) => {
            let name = name.as_str();
            tracing::warn!(%error, name, "the operator's workspace cannot be made; its operational events are off");
            OperatorWorkspace::default()
        }
    }
}
