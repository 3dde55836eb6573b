//! Frames of the last run's write-ahead log that are gone: the log was cut, damaged, removed or replaced.
//!
//! `SQLite` reads a log up to the first frame that is not valid, and drops the rest without an error. After a
//! power cut that is right. In other cases the wal-index of the last run may still be there. It has the
//! number of committed frames, each of which was synced before it was counted. So a start reads the wal-index
//! before the first connection makes it anew, and reports the frames that are missing.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::place::beside;
use super::valid_log::ValidLog;

/// Bytes of a wal-index that are read: its header, twice, and the numbers of moved frames
/// (<https://sqlite.org/walformat.html#the_wal_index_file_format>).
const INDEX_BYTES: usize = 132;

/// Bytes of one copy of the header.
const HEADER_BYTES: usize = 48;

/// The most times that a log may have started over since one that is taken for an older log of the same run: days
/// of checkpoints. Salts of another run are within it by chance once in 400,000 times.
const GENERATIONS_MAX: u32 = 10_000;

/// The version of the format.
const VERSION: u32 = 3_007_000;

/// The state of the last run's log, as the wal-index has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastRun {
    /// Committed frames in the log.
    frames: u64,
    /// Those of them that were moved into the database file.
    moved: u64,
    /// Those whose move had at least begun.
    begun: u64,
    /// The salts that all frames of the log have; the first half is one higher each time the log starts over.
    salts: [u8; 8],
}

impl LastRun {
    /// Reads the wal-index beside `database`, before a connection makes it anew; `None` if there is none, or
    /// it is not valid.
    pub(super) fn read(database: &Path) -> Option<Self> {
        let mut bytes = [0; INDEX_BYTES];
        let mut index = File::open(beside(database, "-shm")).ok()?;
        let read = index.read_exact(&mut bytes);
        // Closing any handle of the file drops the locks that SQLite holds on it in this process (POSIX).
        std::mem::forget(index);
        read.ok()?;
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8; INDEX_BYTES]) -> Option<Self> {
        let (first, second) = (
            &bytes[..HEADER_BYTES],
            &bytes[HEADER_BYTES..2 * HEADER_BYTES],
        );
        let is_complete = bytes[12] == 1;
        if first != second || !is_complete || number(bytes, 0)? != VERSION {
            return None;
        }
        Some(Self {
            frames: number(bytes, 16)?.into(),
            moved: number(bytes, 96)?.into(),
            begun: number(bytes, 128)?.into(),
            salts: bytes[32..40].try_into().ok()?,
        })
    }

    /// Reports whether the log had any frame.
    pub(super) fn has_frames(&self) -> bool {
        self.frames > 0
    }

    /// Returns the number of committed frames that were not moved.
    pub(super) fn not_moved(&self) -> u64 {
        self.frames.saturating_sub(self.moved)
    }

    /// Reports whether the database file has, or may have, pages that are newer than those in `log`: frames of
    /// the log are gone that were moved, or it is an older log.
    pub(super) fn is_ahead_of(&self, log: Option<ValidLog>) -> bool {
        let Some(ValidLog { salts, frames }) = log else {
            // SQLite will not read it.
            return false;
        };
        if salts == self.salts {
            frames < self.frames && frames < self.moved.max(self.begun)
        } else {
            // After a power cut the disk may have the index of an earlier run, whose salts are no relation of
            // these: the first salts of a run are random. Such a log must be read.
            (1..=GENERATIONS_MAX).contains(&count(self.salts).wrapping_sub(count(salts)))
        }
    }

    /// Returns the number of committed frames that are gone, given the number that `SQLite` found in the log.
    ///
    /// If the log has started over since the wal-index was written, none are: after a power cut the disk may
    /// have an old index.
    fn lost(&self, found: u64, salts: Option<[u8; 8]>) -> u64 {
        let found = match salts {
            Some(salts) if salts == self.salts => found,
            Some(salts) if is_later(salts, self.salts) => return 0,
            _ => 0,
        };
        self.frames.saturating_sub(found.max(self.moved))
    }
}

/// Returns the half of the salts that is one higher each time the log starts over.
fn count(salts: [u8; 8]) -> u32 {
    u32::from_be_bytes([salts[0], salts[1], salts[2], salts[3]])
}

/// Reports whether a log with the salts `than` has since started over as a log with `salts`.
fn is_later(salts: [u8; 8], than: [u8; 8]) -> bool {
    let ahead = count(salts).wrapping_sub(count(than));
    ahead > 0 && ahead < u32::MAX / 2
}

/// Returns the number at `at`; a wal-index has the byte order of the machine.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u32::from_ne_bytes(four))
}

/// Writes a line to the log if committed frames are gone, and keeps a copy of what is left of the write-ahead
/// log. `found` is the number of frames that `SQLite` found in it.
pub(super) fn report(database: &Path, last_run: Option<LastRun>, found: u64) {
    let log = beside(database, "-wal");
    let lost = last_run.map_or(0, |last_run| last_run.lost(found, salts_of(&log)));
    if lost == 0 {
        return;
    }
    let copy = match keep_copy(database, &log) {
        Ok(Some(copy)) => format!("what was there of it is kept as {}", copy.display()),
        Ok(None) => "nothing was there of it".to_owned(),
        Err(error) => format!("no copy of it could be made: {error}"),
    };
    tracing::error!(
        frames = lost,
        found,
        "the write-ahead log of the last run was cut, damaged, removed or replaced since: that many frames of \
         4 KiB, which were committed, are lost; {copy}"
    );
}

/// Returns the salts in the header of the log.
fn salts_of(log: &Path) -> Option<[u8; 8]> {
    let mut header = [0; 24];
    File::open(log).ok()?.read_exact(&mut header).ok()?;
    header[16..24].try_into().ok()
}

/// Returns the path at which a damaged log is kept.
pub(super) fn path_of_copy(database: &Path) -> PathBuf {
    beside(database, "-wal.damaged")
}

/// Copies the log, if it has anything, to a file that only its owner may read.
fn keep_copy(database: &Path, log: &Path) -> io::Result<Option<PathBuf>> {
    if log.metadata().map_or(0, |metadata| metadata.len()) == 0 {
        return Ok(None);
    }
    let copy = path_of_copy(database);
    match std::fs::remove_file(&copy) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&copy)?;
    io::copy(&mut File::open(log)?, &mut file)?;
    file.sync_all()?;
    Ok(Some(copy))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALTS: [u8; 8] = [0, 0, 0, 5, 1, 2, 3, 4];
    const LATER: [u8; 8] = [0, 0, 0, 6, 9, 9, 9, 9];

    fn index(frames: u32, moved: u32) -> [u8; INDEX_BYTES] {
        let mut bytes = [0; INDEX_BYTES];
        bytes[0..4].copy_from_slice(&VERSION.to_ne_bytes());
        bytes[12] = 1;
        bytes[16..20].copy_from_slice(&frames.to_ne_bytes());
        bytes[32..40].copy_from_slice(&SALTS);
        bytes.copy_within(..HEADER_BYTES, HEADER_BYTES);
        bytes[96..100].copy_from_slice(&moved.to_ne_bytes());
        bytes[128..132].copy_from_slice(&moved.to_ne_bytes());
        bytes
    }

    #[test]
    fn a_log_is_behind_if_it_lacks_frames_that_were_moved_or_is_an_older_one() {
        let last_run = LastRun::parse(&index(100, 30)).unwrap();
        let of = |salts, frames| Some(ValidLog { salts, frames });
        assert!(!last_run.is_ahead_of(of(SALTS, 100)), "whole");
        assert!(
            !last_run.is_ahead_of(of(SALTS, 30)),
            "all that was moved is there"
        );
        assert!(last_run.is_ahead_of(of(SALTS, 29)));
        assert!(!last_run.is_ahead_of(of(LATER, 1)), "it has started over");
        assert!(!last_run.is_ahead_of(None), "nothing of it counts");
        let begun = LastRun {
            begun: 60,
            ..last_run
        };
        assert!(begun.is_ahead_of(of(SALTS, 59)), "a move was under way");
        let later = LastRun {
            salts: LATER,
            ..last_run
        };
        assert!(later.is_ahead_of(of(SALTS, 100)), "replaced by an old one");
        for unrelated in [[9, 0, 0, 5, 1, 2, 3, 4], [0xf9, 0, 0, 5, 1, 2, 3, 4]] {
            let log = of(unrelated, 1);
            assert!(!last_run.is_ahead_of(log), "the index is of an earlier run");
        }
        let same_count = [0, 0, 0, 5, 9, 9, 9, 9];
        assert!(!last_run.is_ahead_of(of(same_count, 1)), "by chance");
    }

    #[test]
    fn what_is_missing_is_neither_in_the_log_nor_in_the_database() {
        let last_run = LastRun::parse(&index(100, 30)).unwrap();
        assert_eq!(last_run.lost(100, Some(SALTS)), 0, "whole");
        assert_eq!(last_run.lost(120, Some(SALTS)), 0, "the index is older");
        assert_eq!(last_run.lost(60, Some(SALTS)), 40, "cut");
        assert_eq!(
            last_run.lost(10, Some(SALTS)),
            70,
            "cut into what was moved"
        );
        assert_eq!(last_run.lost(0, None), 70, "removed");
        assert_eq!(last_run.lost(10, Some(LATER)), 0, "it has started over");
        let earlier = LastRun {
            salts: LATER,
            ..last_run
        };
        assert_eq!(earlier.lost(100, Some(SALTS)), 70, "replaced by an old one");
        let all_moved = LastRun::parse(&index(100, 100)).unwrap();
        assert_eq!(all_moved.lost(0, None), 0);
    }

    #[test]
    fn an_index_that_is_not_complete_says_nothing() {
        let whole = index(100, 30);
        for (at, byte) in [(0, 9), (12, 0), (16, 9), (60, 9)] {
            let mut torn = whole;
            torn[at] = byte;
            assert_eq!(LastRun::parse(&torn), None, "{at}");
        }
    }
}
