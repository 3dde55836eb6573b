//! The consequences of a failed transaction: for its callers, for the writer, and for `/readyz`.

use rusqlite::ErrorCode;

use crate::storage::{StoreError, Unavailable};

/// The result of the last write, as `/readyz` reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum WriterCondition {
    Healthy = 0,
    Full = 1,
    Failing = 2,
    Locked = 3,
    Stopped = 4,
    Moved = 5,
}

/// The consequences of a failed transaction.
pub(super) struct Failure {
    pub(super) error: StoreError,
    pub(super) condition: WriterCondition,
    pub(super) text: String,
    pub(super) reopen: bool,
}

/// Returns the error for files that are not those that were opened.
pub(super) fn moved() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY_DBMOVED);
    rusqlite::Error::SqliteFailure(code, None)
}

impl Failure {
    pub(super) fn of(error: &rusqlite::Error) -> Self {
        let moved = rusqlite::ffi::SQLITE_READONLY_DBMOVED;
        let extended = error.sqlite_error().map(|error| error.extended_code);
        let (unavailable, condition) = match error.sqlite_error_code() {
            _ if extended == Some(moved) => (Some(Unavailable::Moved), WriterCondition::Moved),
            Some(ErrorCode::DiskFull) => (Some(Unavailable::DiskFull), WriterCondition::Full),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                (Some(Unavailable::Locked), WriterCondition::Locked)
            }
            // SQLite reports a disk that cannot read as damage.
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase,
            ) => (Some(Unavailable::DiskError), WriterCondition::Failing),
            _ => (None, WriterCondition::Healthy),
        };
        Self {
            error: unavailable.map_or_else(
                || StoreError::Internal(error.to_string()),
                StoreError::Unavailable,
            ),
            condition,
            text: error.to_string(),
            reopen: condition == WriterCondition::Failing,
        }
    }
}
