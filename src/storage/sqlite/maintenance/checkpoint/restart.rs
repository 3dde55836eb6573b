//! The checkpoint after which the log starts over.

use std::time::Duration;

use rusqlite::Connection;

use crate::fail_point::FailPoint;
use crate::storage::sqlite::file::connection::BUSY_TIMEOUT;
use crate::storage::sqlite::file::injected_error::hit_or_fail;
use crate::storage::sqlite::file::wal::checkpoint;

/// The result of making the log start over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    Done,
    /// A connection still reads from it.
    Readers,
    /// Another checkpoint is running, most likely that of the checkpoint thread.
    Checkpoint,
}

/// Makes the log start over with the next commit, if its readers end within `wait`.
pub(super) fn restart_log(connection: &Connection, wait: Duration) -> rusqlite::Result<Restart> {
    connection.busy_timeout(wait)?;
    let restarted =
        hit_or_fail(FailPoint::LongWal).and_then(|()| checkpoint(connection, "RESTART"));
    connection.busy_timeout(BUSY_TIMEOUT)?;
    let restarted = restarted?;
    Ok(if !restarted.is_busy() {
        Restart::Done
    } else if restarted.log >= 0 {
        Restart::Readers
    } else {
        Restart::Checkpoint
    })
}
