//! The last steps of a restore: the old database goes aside, and the new one takes its place.
//!
//! # The order
//! `SQLite` reads the log that lies beside a database as a part of it. So the new database must never lie beside
//! the old log, nor the old database without a log that is not moved into it. The names are changed in this order,
//! with the lock of the database held. Before each step but the last, the old database is whole and in its place;
//! after step 4, the new one is.
//!
//! 1. The new database is complete, checked and synced, at `FILE.restored`.
//! 2. The log of the old database is moved into it, and synced, as at a start. The log is empty then.
//! 3. The empty log, its index and the journal are removed, and the folder is synced.
//! 4. `FILE.restored` and `FILE` exchange their names, in one step of the system. The folder is synced.
//! 5. The old database, now `FILE.restored`, becomes `FILE.replaced-TIME`.
//!
//! A crash between 4 and 5 leaves `FILE.restored`; so does one between 1 and 4. The next restore keeps it as
//! `FILE.replaced-TIME`, whatever it is.
//!
//! # An old database that cannot be read
//! It was not whole before, and its log cannot be moved into it. Then step 3 moves the log and the journal to
//! `FILE.replaced-TIME-wal` and `-journal`, so that all that was there stays together.
//!
//! # Systems that cannot exchange names
//! There, `FILE` gets `FILE.replaced-TIME` as a second name (a hard link), and then `FILE.restored` takes its
//! place. After a crash in between, a start refuses the old database, because it has two names; nothing is lost.

use std::io;
use std::path::{Path, PathBuf};

use super::error::RestoreError;
use crate::fail_point::{FailPoint, hit};
use crate::storage::sqlite::file::open::{NewerSchema, settle};
use crate::storage::sqlite::file::open_error::OpenError;
use crate::storage::sqlite::file::place::{RESTORED, beside};
use crate::storage::sqlite::file::recovery::sync_folder_of;

/// The most databases that restores of the same second keep; each restore takes longer.
const NAMES_MAX: u32 = 100;

/// Puts `FILE.restored` in the place of the database. Returns the name under which the old one is kept; `None`
/// if there was none. This process must hold the lock.
///
/// # Errors
/// `FILE.restored` is removed if it is still the new database.
pub(super) fn swap(database: &Path, time: &str) -> Result<Option<PathBuf>, RestoreError> {
    let new = beside(database, RESTORED);
    let kept = free_name(database, time);
    let has_old = has_content(database) || has_content(&beside(database, "-wal"));
    let placed = set_aside(database, &kept, has_old).and_then(|()| {
        hit(FailPoint::RestoreAlone);
        put_in_place(&new, database, has_old.then_some(&*kept)).map_err(failed(database))
    });
    let placed = placed.inspect_err(|_| {
        let _ = std::fs::remove_file(&new);
    })?;
    sync_folder_of(database).map_err(failed(database))?;
    hit(FailPoint::RestoreSwapped);
    if placed == Placed::Exchanged {
        std::fs::rename(&new, &kept).map_err(failed(&kept))?;
        sync_folder_of(database).map_err(failed(database))?;
    }
    Ok(has_old.then_some(kept))
}

/// The name of the old database once the new one is in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placed {
    /// The name of the new one before.
    Exchanged,
    /// Its last name; or there is no old one.
    Done,
}

fn put_in_place(new: &Path, database: &Path, old: Option<&Path>) -> io::Result<Placed> {
    if let Some(kept) = old {
        if exchange(new, database)? {
            return Ok(Placed::Exchanged);
        }
        std::fs::hard_link(database, kept)?;
    }
    std::fs::rename(new, database)?;
    Ok(Placed::Done)
}

/// Leaves nothing beside the old database.
fn set_aside(database: &Path, kept: &Path, has_old: bool) -> Result<(), RestoreError> {
    if has_old {
        settle_old(database)?;
    }
    for end in ["-wal", "-journal", "-shm"] {
        let path = beside(database, end);
        let moved = if end != "-shm" && has_content(&path) {
            std::fs::rename(&path, beside(kept, end))
        } else {
            std::fs::remove_file(&path)
        };
        match moved {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&path)(error));
            }
            _ => {}
        }
    }
    sync_folder_of(database).map_err(failed(database))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> RestoreError + use<> {
    let path = path.to_owned();
    move |source| RestoreError::Write { path, source }
}

/// Moves the log of the old database into it, if it can be read.
fn settle_old(database: &Path) -> Result<(), RestoreError> {
    match settle(database, NewerSchema::Allowed) {
        Ok(Some(_)) if has_content(&beside(database, "-wal")) => {
            Err(RestoreError::Log(database.to_owned()))
        }
        // An empty file beside its log, or a file that cannot be read: kept as it is.
        Ok(_) | Err(OpenError::Damaged { .. } | OpenError::Foreign(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Reports whether there is a file that is not empty.
pub(super) fn has_content(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.len() > 0)
}

/// Returns a name for the old database that no file has.
pub(super) fn free_name(database: &Path, time: &str) -> PathBuf {
    let first = beside(database, &format!(".replaced-{time}"));
    let is_free = |path: &PathBuf| {
        ["", "-wal", "-journal"]
            .iter()
            .all(|end| std::fs::symlink_metadata(beside(path, end)).is_err())
    };
    std::iter::once(first.clone())
        .chain((2..=NAMES_MAX).map(|n| beside(&first, &format!("-{n}"))))
        .find(is_free)
        .unwrap_or(first)
}

/// Exchanges two names; returns false if the file system cannot.
#[cfg(target_os = "linux")]
fn exchange(new: &Path, database: &Path) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, new, CWD, database, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "Linux has more to do")]
fn exchange(_: &Path, _: &Path) -> io::Result<bool> {
    Ok(false)
}
