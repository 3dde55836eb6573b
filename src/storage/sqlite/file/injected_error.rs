//! Errors of the database and the disk that are reported at fail points, in tests.

use std::io;

use rusqlite::ffi;

use crate::fail_point::{FailPoint, Fault, inject};

/// Returns the error that a test has injected at `point`: one that the database would report there.
pub(crate) fn hit_or_fail(point: FailPoint) -> rusqlite::Result<()> {
    let code = match (inject(point), point) {
        (None, _) => return Ok(()),
        (Some(Fault::DiskFull), _) => ffi::SQLITE_FULL,
        (_, FailPoint::SyncWal | FailPoint::SyncDatabase | FailPoint::LongWal) => {
            ffi::SQLITE_IOERR_FSYNC
        }
        // SQLite reports a disk that cannot read as damage.
        (_, FailPoint::Read | FailPoint::ReadForWrite | FailPoint::ReadWal) => ffi::SQLITE_CORRUPT,
        (Some(Fault::DiskError), _) => ffi::SQLITE_IOERR_WRITE,
    };
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
}

/// Syncs a file by calling `sync`, or reports the failure that a test injected at `point`.
pub(crate) fn sync_or_fail(
    point: FailPoint,
    sync: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    match inject(point) {
        None => sync(),
        Some(_) => Err(io::Error::other("the disk fails")),
    }
}
