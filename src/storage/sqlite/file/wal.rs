//! Checkpoints: the statement that moves frames from the write-ahead log into the database file.

use rusqlite::Connection;

use super::injected_error::reach_or_fail;
use crate::fail_point::FailPoint;

/// How far a checkpoint came.
pub(crate) struct Checkpoint {
    /// Whether it had to leave off because of others.
    pub(crate) busy: bool,
    /// Frames in the log; -1 if it did not begin at all: only one can be made at a time.
    pub(crate) log: i64,
    /// Frames of it that are moved.
    moved: i64,
}

impl Checkpoint {
    /// Whether it had to leave off because of others.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Frames of the log that are moved.
    pub(crate) fn moved(&self) -> i64 {
        self.moved
    }

    /// Whether every frame is moved.
    pub(crate) fn is_all(&self) -> bool {
        self.log >= 0 && self.left() == 0
    }

    /// Frames that are left to move.
    pub(crate) fn left(&self) -> i64 {
        self.log - self.moved
    }
}

/// Makes a checkpoint; `NOOP` only says how far the others came.
pub(crate) fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Checkpoint> {
    if mode != "NOOP" {
        reach_or_fail(FailPoint::ReadLog)?;
        reach_or_fail(FailPoint::SyncDatabase)?;
    }
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok(Checkpoint {
            busy: row.get(0)?,
            log: row.get(1)?,
            moved: row.get(2)?,
        })
    })
}
