//! The cutting of a log file that has become long, once the log has started over.
//!
//! `SQLite` can cut it by itself (`journal_size_limit`), but all at once, in a commit: the system took 150 ms for 600 MB, and
//! publishes wait meanwhile. So the writer cuts small pieces between groups.

use std::fs::OpenOptions;
use std::io;

use crate::storage::sqlite::file::database_files::{DatabaseFiles, FilesState};

/// Bytes that are kept: it is faster to write over them than to make the file longer.
const KEPT: u64 = 128 << 20;

/// Bytes that are cut between two groups, which takes some two milliseconds.
const STEP: u64 = 8 << 20;

/// The most bytes in use while it is cut: far from where it is cut, whatever another process adds meanwhile.
const USED_MAX: u64 = KEPT / 2;

/// The file is cut until it has [`KEPT`] bytes.
#[derive(Debug, Default)]
pub(super) struct Shrinking {
    is_due: bool,
}

impl Shrinking {
    /// Notes that the log has started over. So many bytes of it were in use.
    pub(super) fn started_over(&mut self, used: u64) {
        self.is_due |= used > KEPT;
    }

    /// Cuts a piece, if the file is long and the log short. `used`: the bytes of the log that are in use now. Only the writer
    /// calls this, in no transaction.
    pub(super) fn step(&mut self, files: &DatabaseFiles, used: u64) {
        if !self.is_due || used > USED_MAX || files.state() != FilesState::InPlace {
            return;
        }
        match cut(files) {
            Ok(is_done) => self.is_due = !is_done,
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log cannot be cut; it stays long");
                self.is_due = false;
            }
        }
    }
}

/// Cuts a piece; returns true if it was the last.
fn cut(files: &DatabaseFiles) -> io::Result<bool> {
    let log = OpenOptions::new().write(true).open(files.log())?;
    let length = log.metadata()?.len();
    let cut_length = length.saturating_sub(STEP).max(KEPT);
    if cut_length < length {
        log.set_len(cut_length)?;
    }
    Ok(cut_length == KEPT)
}
