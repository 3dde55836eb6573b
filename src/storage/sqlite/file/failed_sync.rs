//! A failed sync ends the process.
//!
//! When Linux cannot write a page to the disk, it reports that once to each open file, at its next sync, and
//! marks the page as clean. The sync after that succeeds, although the disk lacks the page. So a process in
//! which a sync failed must end. Its commits are in the write-ahead log, which must stay as it is until a new
//! process has written all of it again ([`super::recovery`]): the process makes no checkpoint as it ends.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use rusqlite::ffi;

use super::place::beside;
use crate::fatal;

/// The place in the wal-index of the number of frames that were moved into the database file
/// (<https://sqlite.org/walformat.html#the_wal_index_file_format>).
const MOVED_FRAMES_AT: u64 = 96;

/// Reports whether `error` is a failed sync, of any file. A full disk can be the cause, too: some file
/// systems look for space only when they write.
pub(crate) fn is_failed_sync(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(
        code,
        Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
    )
}

/// Ends the process if `error` is a failed sync.
pub(crate) fn end_if_failed_sync(error: &rusqlite::Error, database: &Path) {
    if is_failed_sync(error) {
        end(database, error);
    }
}

/// Ends the process because of a failed sync.
pub(crate) fn end(database: &Path, error: &dyn std::fmt::Display) -> ! {
    forget_moved_frames(database);
    fatal::exit(&format!(
        "a sync of {} or its log failed: {error}; the disk may lack what was written, and the next start \
         writes it again from the log",
        database.display()
    ))
}

/// Sets the number of moved frames to 0, so that the next checkpoint of any process begins with the first
/// frame. Another program that has the database open keeps the wal-index in memory, and with it the claim
/// that some frames are moved already, although the disk may lack them.
///
/// A smaller number than the true one is always safe: pages are only written again.
pub(crate) fn forget_moved_frames(database: &Path) {
    let Ok(mut index) = OpenOptions::new()
        .write(true)
        .open(beside(database, "-shm"))
    else {
        // There is none: no other process has the database open.
        return;
    };
    let done = index.metadata().and_then(|metadata| {
        if metadata.len() < MOVED_FRAMES_AT + 4 {
            return Ok(());
        }
        index.seek(SeekFrom::Start(MOVED_FRAMES_AT))?;
        index.write_all(&[0; 4])
    });
    if let Err(error) = done {
        tracing::warn!(%error, "cannot write to the wal-index");
    }
    // Closing any handle of the file drops the locks that SQLite holds on it in this process (POSIX).
    std::mem::forget(index);
}
