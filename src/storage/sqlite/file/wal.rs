//! Checkpoints: the statement that moves frames from the write-ahead log into the database file.

use rusqlite::Connection;

use super::injected_error::hit_or_fail;
use crate::fail_point::FailPoint;

/// The result of a checkpoint.
pub(crate) struct Checkpoint {
    /// Set if it had to stop because of other connections.
    busy: bool,
    /// Frames in the log; -1 if it did not begin: only one checkpoint can run at a time, and no number can be read while a
    /// writer changes the index of the log. Both are [busy](Self::is_busy). -1 also without a log.
    pub(crate) log: i64,
    /// Frames in the log that are moved.
    moved: i64,
}

impl Checkpoint {
    /// Reports whether it had to stop because of other connections.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Returns the number of frames in the log that are moved.
    pub(crate) fn moved(&self) -> i64 {
        self.moved
    }

    /// Reports whether every frame is moved.
    pub(crate) fn is_all(&self) -> bool {
        self.log >= 0 && self.left() == 0
    }

    /// Returns the number of frames that are left to move.
    pub(crate) fn left(&self) -> i64 {
        self.log - self.moved
    }
}

/// Makes a checkpoint. Mode `NOOP` moves nothing, and only reads the numbers.
pub(crate) fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Checkpoint> {
    if mode != "NOOP" {
        hit_or_fail(FailPoint::ReadWal)?;
        hit_or_fail(FailPoint::SyncDatabase)?;
    }
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok(Checkpoint {
            busy: row.get(0)?,
            log: row.get(1)?,
            moved: row.get(2)?,
        })
    })
}
