//! Reads that fail: once is no proof of damage.
//!
//! `SQLite` reports a disk that could not read as damage (`SQLITE_CORRUPT`), too. So whoever meets one of
//! these errors opens the database again and makes the same read again. If that fails as well, a new
//! process is the best there is: its start looks for damage, and says so if there is any.

use rusqlite::{Connection, ErrorCode, ffi};

use super::database_files::{Files, Standing};
use crate::fatal;
use crate::storage::{StoreError, Unavailable};

/// Whether `error` says that what was read is not what was written, or could not be read.
pub(crate) fn is_doubtful(error: &rusqlite::Error) -> bool {
    match error.sqlite_error() {
        Some(error) => match error.code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => true,
            _ => matches!(
                error.extended_code,
                ffi::SQLITE_IOERR_READ
                    | ffi::SQLITE_IOERR_SHORT_READ
                    | ffi::SQLITE_IOERR_CORRUPTFS
                    | ffi::SQLITE_IOERR_DATA
            ),
        },
        None => false,
    }
}

/// After a second look that failed like the first: ends the process, unless somebody moved or cut the
/// files, which is reason enough.
pub(crate) fn confirmed(
    files: &Files,
    connection: &Connection,
    error: &rusqlite::Error,
) -> Unavailable {
    let standing = files.standing_on(connection);
    if standing.unwrap_or_else(|_| files.standing()) != Standing::InPlace {
        return Unavailable::Moved;
    }
    fatal::exit(&format!(
        "{} cannot be read: {error}, twice; the next start looks for damage",
        files.database().display()
    ))
}

/// The error that callers get for a failed read.
pub(crate) fn read_error(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => StoreError::Unavailable(Unavailable::TooSlow),
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
            StoreError::Unavailable(Unavailable::DiskError)
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Unavailable(Unavailable::Locked)
        }
        _ => StoreError::Internal(error.to_string()),
    }
}
