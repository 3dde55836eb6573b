//! A write-ahead log that is behind the database file: it was damaged, cut or replaced by an older one after
//! pages of later frames were moved.
//!
//! `SQLite` reads a log up to the first frame that is not valid, and takes the pages in it for the newest. If
//! the database file has newer ones, it would be taken back to an old state, or become a mixture of two states.
//! The wal-index of the last run tells how far the file is. So a start compares the two before its first
//! connection, and sets aside a log that is behind. The file alone then has more than the file with that log.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use super::lost_frames::{LastRun, path_of_copy};
use super::open_error::OpenError;
use super::place::beside;
use super::recovery::sync_folder;
use super::valid_log::ValidLog;

/// Moves a log that is behind the database file out of the way, and says so. Returns true if it has. This
/// process must hold the lock, and have no connection yet.
///
/// # Errors
/// One line of text. Nothing was changed then.
pub(super) fn set_aside(database: &Path, last_run: Option<LastRun>) -> Result<bool, OpenError> {
    let log = beside(database, "-wal");
    let is_there = database.metadata().is_ok_and(|found| found.len() > 0);
    let Some(last_run) = last_run.filter(|last_run| is_there && last_run.has_frames()) else {
        return Ok(false);
    };
    let failed = |error: io::Error| OpenError::NotRecovered {
        path: database.to_owned(),
        reason: error.to_string(),
    };
    let valid = match File::open(&log) {
        Ok(file) => ValidLog::read(&mut BufReader::with_capacity(1 << 20, file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => Err(error),
    };
    if !last_run.is_ahead_of(valid.map_err(failed)?) {
        return Ok(false);
    }
    let copy = path_of_copy(database);
    std::fs::rename(&log, &copy).map_err(failed)?;
    match std::fs::remove_file(beside(database, "-shm")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    sync_folder(database)?;
    let (frames, copy) = (last_run.not_moved(), copy.display());
    if frames > 0 {
        tracing::error!(
            frames,
            "the write-ahead log of the last run was cut, damaged, removed or replaced since, and is behind \
             the database: that many frames of 4 KiB, which were committed, are lost; it is kept as {copy}"
        );
    } else {
        tracing::warn!(
            "the write-ahead log of the last run was cut, damaged, removed or replaced since, but all of it is \
             in the database; it is kept as {copy}"
        );
    }
    Ok(true)
}
