//! The checkpoint after which the log starts over.

use std::time::Duration;

use rusqlite::Connection;

use crate::fail_point::FailPoint;
use crate::storage::sqlite::file::connection::BUSY_TIMEOUT;
use crate::storage::sqlite::file::injected_error::reach_or_fail;
use crate::storage::sqlite::file::wal::checkpoint;

/// What came of having the log start over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    Done,
    /// Somebody still reads from it.
    Readers,
    /// Another checkpoint is being made, most likely by the thread for it.
    Checkpoint,
}

/// Has the log start over with the next commit, if readers leave it within `wait`.
pub(super) fn restart_log(connection: &Connection, wait: Duration) -> rusqlite::Result<Restart> {
    connection.busy_timeout(wait)?;
    let restarted =
        reach_or_fail(FailPoint::LongLog).and_then(|()| checkpoint(connection, "RESTART"));
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let restarted = restarted?;
    Ok(if !restarted.busy {
        Restart::Done
    } else if restarted.log >= 0 {
        Restart::Readers
    } else {
        Restart::Checkpoint
    })
}
