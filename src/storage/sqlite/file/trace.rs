//! The statements that run, in the log, for whoever asks for them: at `trace`, as `hookpost::sql`.
//!
//! They are shown as they were prepared, without their values, so no secret gets into the log. Unless
//! they are asked for when a connection is opened, nothing is installed and nothing is paid.

use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use tracing::Level;

/// Shows the statements of this connection, if somebody wants to see them.
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
