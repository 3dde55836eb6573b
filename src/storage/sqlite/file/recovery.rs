//! The recovery of the last run's log at a start, before anything is added to it.
//!
//! The last run may have ended because a sync failed. Then the disk may lack pages of the log or of the
//! database file that the system has in memory and marks as written. Frames added to such a log would stand
//! behind a gap: after a power cut, the log would end at the gap. So a start writes all of it again: it moves
//! every page into the database file, syncs that, and empties the log.
//!
//! # Other programs
//! A program that reads from the log keeps it from being emptied. The start then writes the log again in
//! its place, byte by byte, and syncs it: that closes a hole as well, and takes nothing from the reader.
//! A program that has the database open also keeps the number of frames that were moved; it is set to 0,
//! since the pages in question may not be on the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::connection::write_connection;
use super::damage::look_for_damage;
use super::failed_sync::{forget_moved_frames, is_failed_sync};
use super::injected_error::sync_or_fail;
use super::lost_frames::{self, LastRun};
use super::open_error::OpenError;
use super::place::beside;
use super::wal::checkpoint;
use crate::fail_point::FailPoint;

/// The time that a start waits for programs that move pages at the same time.
const PATIENCE: Duration = Duration::from_secs(3);

/// The time that a start waits for readers of the log. Those that go on for longer mostly never end: a replicator
/// reads as long as it runs.
const READER_WAIT: Duration = Duration::from_millis(300);

/// The pause between two checks of another program's progress.
const PAUSE: Duration = Duration::from_millis(20);

/// The bytes of the log that are written again at a time.
const PIECE: usize = 1 << 20;

/// Moves all frames of the log into the database file again, if there are any, and empties the log. This
/// process must hold the lock, and have no connection yet. Reports frames of `last_run` that are gone.
/// Returns true if it has looked for damage, as it does before it writes.
///
/// # Errors
/// One line of text. The log is whole then, and the next start tries again.
pub(super) fn recover(database: &Path, last_run: Option<LastRun>) -> Result<bool, OpenError> {
    recover_after(database, last_run, look_for_damage)
}

/// Recovers like [`recover`], without looking for damage.
pub(super) fn recover_unchecked(
    database: &Path,
    last_run: Option<LastRun>,
) -> Result<(), OpenError> {
    recover_after(database, last_run, |_| Ok(())).map(drop)
}

fn recover_after(
    database: &Path,
    last_run: Option<LastRun>,
    look: fn(&Path) -> Result<(), OpenError>,
) -> Result<bool, OpenError> {
    let log = beside(database, "-wal");
    let bytes = log.metadata().map_or(0, |metadata| metadata.len());
    if bytes == 0 {
        lost_frames::report(database, last_run, 0);
        return Ok(false);
    }
    let began = Instant::now();
    let failed = |error: rusqlite::Error| {
        if is_failed_sync(&error) {
            forget_moved_frames(database);
        }
        failed(database, &error)
    };
    let not_synced = |error: &dyn std::fmt::Display| {
        forget_moved_frames(database);
        self::failed(database, error)
    };
    // Before the search for damage, because a connection that takes all frames for moved does not read the
    // log.
    let (connection, frames) = connection_that_moves_all(database)?;
    lost_frames::report(database, last_run, frames);
    look(database)?;
    connection.busy_timeout(READER_WAIT).map_err(failed)?;
    let done = checkpoint(&connection, "TRUNCATE").map_err(failed)?;
    if done.is_busy() {
        write_log_again(&connection, &log).map_err(|error| not_synced(&error))?;
        // What was moved is on the disk, too.
        sync_and_keep(database).map_err(|error| not_synced(&error))?;
        tracing::info!(
            log_bytes = bytes,
            "another program reads the write-ahead log of the last run; it was written again in its place"
        );
    } else {
        let ms = began.elapsed().as_millis();
        tracing::info!(
            log_bytes = bytes,
            ms,
            "the write-ahead log of the last run was moved into the database"
        );
    }
    Ok(true)
}

/// Returns a connection whose next checkpoint moves all frames, also those that were moved before, and the
/// number of frames in the log.
fn connection_that_moves_all(database: &Path) -> Result<(Connection, u64), OpenError> {
    let failed = |error: rusqlite::Error| failed(database, &error);
    let give_up = Instant::now() + PATIENCE;
    loop {
        let connection = write_connection(database).map_err(failed)?;
        let log = checkpoint(&connection, "NOOP").map_err(failed)?;
        if log.moved() <= 0 {
            return Ok((connection, u64::try_from(log.log).unwrap_or(0)));
        }
        // The number is another program's, or it would be 0 now.
        drop(connection);
        if Instant::now() > give_up {
            return Err(self::failed(
                database,
                &"another program moves pages out of its write-ahead log; end it first",
            ));
        }
        forget_moved_frames(database);
        sleep(PAUSE);
    }
}

/// Writes every byte of the log again, and syncs it, in a transaction that keeps others from adding to the
/// log or emptying it.
fn write_log_again(
    connection: &Connection,
    log: &Path,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let mut file = OpenOptions::new().read(true).write(true).open(log)?;
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    loop {
        file.seek(SeekFrom::Start(at))?;
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&piece[..read])?;
        at += u64::try_from(read)?;
    }
    sync_or_fail(FailPoint::SyncWal, || file.sync_all())?;
    connection.execute_batch("ROLLBACK")?;
    Ok(())
}

/// Syncs the database file. Its handle stays open: closing it would drop `SQLite`'s locks (POSIX).
fn sync_and_keep(database: &Path) -> io::Result<()> {
    let file = File::open(database)?;
    let synced = sync_or_fail(FailPoint::SyncDatabase, || file.sync_data());
    std::mem::forget(file);
    synced
}

/// Makes sure that the names of the files are on the disk. `SQLite` does it for a new log, but does not
/// report a failure. Does nothing on systems where a folder cannot be opened like a file.
pub(crate) fn sync_folder(database: &Path) -> Result<(), OpenError> {
    sync_folder_of(database).map_err(|error| failed(database, &error))
}

/// Syncs the folder of a file. Returns only errors of the disk.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if is_of_the_disk(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Reports whether a sync of the folder failed because of the disk. Other errors do not count: not every
/// system syncs folders, and not every user may read this one.
fn is_of_the_disk(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    error.raw_os_error() == Some(EIO) || error.kind() == io::ErrorKind::StorageFull
}

fn failed(database: &Path, error: &dyn std::fmt::Display) -> OpenError {
    OpenError::NotRecovered {
        path: database.to_owned(),
        reason: error.to_string(),
    }
}
