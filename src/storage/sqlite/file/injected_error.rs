//! Errors of the database that tests have it report at fail points.

use rusqlite::ffi;

use crate::fail_point::{FailPoint, Fault, fault};

/// A point at which the database may be made to fail, as it would there.
pub(crate) fn reach_or_fail(point: FailPoint) -> rusqlite::Result<()> {
    let code = match (fault(point), point) {
        (None, _) => return Ok(()),
        (Some(Fault::DiskFull), _) => ffi::SQLITE_FULL,
        (_, FailPoint::SyncLog | FailPoint::SyncDatabase) => ffi::SQLITE_IOERR_FSYNC,
        // A disk that cannot read is reported as damage.
        (_, FailPoint::Read | FailPoint::ReadForWrite | FailPoint::ReadLog) => ffi::SQLITE_CORRUPT,
        (Some(Fault::DiskError), _) => ffi::SQLITE_IOERR_WRITE,
    };
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
}
