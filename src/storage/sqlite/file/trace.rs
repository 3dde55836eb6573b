//! SQL statements in the log: at level `trace`, target `hookpost::sql`.
//!
//! They are logged as they were prepared, without their values, so no secret gets into the log. Unless that
//! target is enabled when a connection is opened, nothing is installed and nothing costs time.

use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use tracing::Level;

/// Logs the statements of this connection, if the log is set to show them.
pub(crate) fn install(connection: &Connection) {
    if tracing::enabled!(target: "hookpost::sql", Level::TRACE) {
        connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(show));
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the driver's signature")]
fn show(event: TraceEvent<'_>) {
    if let TraceEvent::Stmt(_, sql) = event {
        tracing::trace!(target: "hookpost::sql", sql);
    }
}
