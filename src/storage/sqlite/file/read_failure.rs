//! Failed reads, of which a single one is no proof of damage.
//!
//! `SQLite` reports a disk that could not read as damage (`SQLITE_CORRUPT`), too. So code that gets one of
//! these errors opens the database again and repeats the read. If that fails as well, the process ends: the
//! start of a new one searches for damage, and reports it.

use rusqlite::{Connection, ErrorCode, ffi};

use super::database_files::{DatabaseFiles, FilesState};
use crate::fatal;
use crate::storage::{StoreError, Unavailable};

/// Reports whether `error` means that a page is damaged or could not be read.
pub(crate) fn is_read_failure(error: &rusqlite::Error) -> bool {
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

/// Ends the process after a second read that failed like the first, unless the files were moved or cut: then
/// it returns that reason.
pub(crate) fn end_unless_moved(
    files: &DatabaseFiles,
    connection: &Connection,
    error: &rusqlite::Error,
) -> Unavailable {
    let state = files.state_on(connection);
    if state.unwrap_or_else(|_| files.state()) != FilesState::InPlace {
        return Unavailable::Moved;
    }
    fatal::exit(&format!(
        "{} cannot be read: {error}, twice; the next start looks for damage",
        files.database().display()
    ))
}

/// Returns the error that callers get for a failed read.
pub(crate) fn read_error(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => StoreError::Unavailable(Unavailable::TooSlow),
        // SQLite reports a disk that cannot read as damage, too.
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase,
        ) => StoreError::Unavailable(Unavailable::DiskError),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Unavailable(Unavailable::Locked)
        }
        _ => StoreError::Internal(error.to_string()),
    }
}
