//! One checkpoint: how it is asked for, how far it came, and the last one of a run.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use thiserror::Error;

use crate::fail_point::FailPoint;
use crate::storage::sqlite::doubt::is_doubtful;
use crate::storage::sqlite::failed_sync::end_if_failed_sync;
use crate::storage::sqlite::files::{Files, Standing};
use crate::storage::sqlite::injected::reach_or_fail;
use crate::storage::sqlite::open;

/// How far a checkpoint came.
pub(in crate::storage::sqlite) struct Checkpoint {
    /// Whether it had to leave off because of others.
    pub(super) busy: bool,
    /// Frames in the log; -1 if it did not begin at all: only one can be made at a time.
    log: i64,
    /// Frames of it that are moved.
    moved: i64,
}

impl Checkpoint {
    /// Whether it had to leave off because of others.
    pub(in crate::storage::sqlite) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Frames of the log that are moved.
    pub(in crate::storage::sqlite) fn moved(&self) -> i64 {
        self.moved
    }

    /// Whether every frame is moved.
    pub(in crate::storage::sqlite) fn is_all(&self) -> bool {
        self.log >= 0 && self.left() == 0
    }

    /// Frames that are left to move.
    pub(super) fn left(&self) -> i64 {
        self.log - self.moved
    }
}

/// Makes a checkpoint; `NOOP` only says how far the others came.
pub(in crate::storage::sqlite) fn checkpoint(
    connection: &Connection,
    mode: &str,
) -> rusqlite::Result<Checkpoint> {
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
    let restarted = checkpoint(connection, "RESTART");
    connection.busy_timeout(open::BUSY_TIMEOUT)?;
    let restarted = restarted?;
    Ok(if !restarted.busy {
        Restart::Done
    } else if restarted.log >= 0 {
        Restart::Readers
    } else {
        Restart::Checkpoint
    })
}

/// Why a store was not left as a clean stop leaves it.
#[derive(Debug, Error)]
pub enum CloseError {
    /// What is in the log could not be moved. It is on the disk all the same.
    #[error("the last checkpoint of {path} failed: {reason}; the next start makes it")]
    Checkpoint {
        /// The database.
        path: PathBuf,
        /// What the database says.
        reason: String,
    },
    /// Its files are not where they were opened.
    #[error("{0}, its -wal or its -shm was moved, removed, replaced or cut while it was in use")]
    Moved(PathBuf),
}

/// Moves everything and empties the log: for a clean stop. A failed sync ends the process.
pub(in crate::storage::sqlite) fn truncate(files: &Files) -> Result<(), CloseError> {
    let mut done = try_truncate(files);
    if done.as_ref().is_err_and(is_doubtful) {
        done = try_truncate(files);
    }
    match done {
        Ok(true) => Ok(()),
        Ok(false) => Err(CloseError::Moved(files.database().to_owned())),
        Err(error) => {
            end_if_failed_sync(&error, files.database());
            Err(CloseError::Checkpoint {
                path: files.database().to_owned(),
                reason: error.to_string(),
            })
        }
    }
}

/// The same; `false`: the files are not where they were.
fn try_truncate(files: &Files) -> rusqlite::Result<bool> {
    if files.standing() != Standing::InPlace {
        return Ok(false);
    }
    let connection = open::write_connection(files.database())?;
    if files.standing_on(&connection)? != Standing::InPlace {
        return Ok(false);
    }
    if checkpoint(&connection, "TRUNCATE")?.busy {
        tracing::info!("another program reads the write-ahead log; the next start empties it");
    } else {
        // Whoever closes the files last removes what is empty now.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    }
    Ok(true)
}
