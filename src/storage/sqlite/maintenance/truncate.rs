//! The checkpoint of a clean stop, which empties the log.

use std::path::PathBuf;

use rusqlite::config::DbConfig;
use thiserror::Error;

use crate::storage::sqlite::file::connection::write_connection;
use crate::storage::sqlite::file::database_files::{DatabaseFiles, FilesState};
use crate::storage::sqlite::file::failed_sync::end_if_failed_sync;
use crate::storage::sqlite::file::read_failure::is_read_failure;
use crate::storage::sqlite::file::wal::checkpoint;

/// The reason why a stop was not clean.
#[derive(Debug, Error)]
pub enum CloseError {
    /// The content of the log could not be moved. It is on the disk nevertheless.
    #[error("the last checkpoint of {path} failed: {reason}; the next start makes it")]
    Checkpoint {
        /// The database.
        path: PathBuf,
        /// The error of the database.
        reason: String,
    },
    /// Its files are not where they were opened.
    #[error("{0}, its -wal or its -shm was moved, removed, replaced or cut while it was in use")]
    Moved(PathBuf),
}

/// Moves all frames and empties the log, for a clean stop. A failed sync ends the process.
pub(crate) fn truncate(files: &DatabaseFiles) -> Result<(), CloseError> {
    let mut done = try_truncate(files);
    if done.as_ref().is_err_and(is_read_failure) {
        done = try_truncate(files);
    }
    match done {
        Ok(true) => Ok(()),
        // SQLite may report a cut file as damage.
        Err(_) if files.is_cut() => Err(CloseError::Moved(files.database().to_owned())),
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

/// Tries once to empty the log. Returns false if the files are not where they were.
fn try_truncate(files: &DatabaseFiles) -> rusqlite::Result<bool> {
    if files.state() != FilesState::InPlace {
        return Ok(false);
    }
    let connection = write_connection(files.database())?;
    if files.state_on(&connection)? != FilesState::InPlace {
        return Ok(false);
    }
    if checkpoint(&connection, "TRUNCATE")?.is_busy() {
        tracing::info!("another program reads the write-ahead log; the next start empties it");
    } else {
        // The last connection that closes the files removes the log, which is empty now.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    }
    Ok(true)
}
