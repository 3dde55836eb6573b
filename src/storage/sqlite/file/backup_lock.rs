//! The lock that a backup holds while it reads: on `FILE.backup-lock`, beside the database.
//!
//! A backup always has a read transaction open, so the write-ahead log cannot start over meanwhile. The server looks
//! at this lock when the log is long. While it is held, the writer does not wait for readers, which would delay
//! publishes for nothing ([`crate::storage::sqlite::maintenance::checkpoint`]). A restore does not begin then.
//!
//! Backups share the lock. The lock of the database itself is not enough: a server holds that one.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use super::lock::open_lock_file;
use super::open_error::OpenError;
use super::place::beside;

/// The time that a process waits for the lock. A server holds it for microseconds, to see whether it is free.
const WAIT: Duration = Duration::from_secs(2);

/// The pause between two tries.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The end of the lock's name.
pub(crate) const END: &str = ".backup-lock";

/// The lock; held until dropped.
#[derive(Debug)]
pub(crate) struct BackupLock {
    _file: File,
}

impl BackupLock {
    /// Takes the lock for a backup.
    pub(crate) fn shared(database: &Path) -> Result<Self, OpenError> {
        take(database, File::try_lock_shared)
    }

    /// Takes the lock for a restore: no backup reads while it is held.
    pub(crate) fn exclusive(database: &Path) -> Result<Self, OpenError> {
        take(database, File::try_lock)
    }
}

fn take(
    database: &Path,
    try_lock: fn(&File) -> Result<(), TryLockError>,
) -> Result<BackupLock, OpenError> {
    let path = beside(database, END);
    let failed = |source| OpenError::Lock {
        path: path.clone(),
        source,
    };
    let file = open_lock_file(&path, database).map_err(failed)?;
    let give_up = Instant::now() + WAIT;
    loop {
        match try_lock(&file) {
            Ok(()) => return Ok(BackupLock { _file: file }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) if Instant::now() >= give_up => {
                return Err(OpenError::InUse {
                    path: database.to_owned(),
                    holder: "`hookpost backup` or `hookpost restore`".to_owned(),
                });
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK_AGAIN),
        }
    }
}

/// Reports whether a backup reads the database at the moment. Takes some microseconds.
pub(crate) fn is_held(database: &Path) -> bool {
    let Ok(file) = File::open(beside(database, END)) else {
        return false;
    };
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}
