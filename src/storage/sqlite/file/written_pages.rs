//! The pages that are written to a write-ahead log, read from the log without `SQLite`, which does not tell them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::connection::BUSY_TIMEOUT;
use super::place::beside;
use super::valid_log::{FRAME_HEADER_BYTES, HEADER_BYTES, big};
use super::wal::checkpoint;

/// The times that the log is read again if it started over meanwhile. It starts over at most once while a connection
/// reads.
const TRIES: usize = 3;

/// The pause between two tries to get the number of frames.
const PAUSE: Duration = Duration::from_millis(1);

/// The reason why the pages could not be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WrittenPagesError {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error("its write-ahead log: {0}")]
    Log(#[from] io::Error),
    #[error("its write-ahead log is busy")]
    Busy,
    #[error("its write-ahead log is not the one that its readers use")]
    OtherLog,
}

/// A place in a log, after some committed transactions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogPosition {
    /// Those of the log's header, which change when the log starts over; zeros without a log.
    salts: [u8; 8],
    frames: u64,
}

/// Reads which pages were written to a log.
#[derive(Debug)]
pub(crate) struct WrittenPages {
    path: PathBuf,
    /// Used for the number of committed frames only. A connection with a transaction open does not tell it.
    connection: Connection,
    page_bytes: u64,
}

impl WrittenPages {
    /// `connection` must have no transaction.
    pub(crate) fn new(database: &Path, connection: Connection, page_bytes: u64) -> Self {
        Self {
            path: beside(database, "-wal"),
            connection,
            page_bytes,
        }
    }

    /// Returns the present end of the log, or a place before it.
    pub(crate) fn position(&self) -> Result<LogPosition, WrittenPagesError> {
        // In this order: if the log starts over in between, its salts are others later.
        Ok(LogPosition {
            salts: self.salts()?,
            frames: self.committed()?,
        })
    }

    /// Adds the pages of all transactions that were committed after `position`, and maybe of some that are committed while
    /// this reads.
    ///
    /// The caller has a read transaction open that began after `position` was taken, so the log cannot start over before
    /// these frames are read. It can under a transaction that began when the whole log was in the database; then there are
    /// no such frames in the old log.
    pub(crate) fn add_since(
        &self,
        position: LogPosition,
        pages: &mut BTreeSet<u32>,
    ) -> Result<(), WrittenPagesError> {
        for _ in 0..TRIES {
            let salts = self.salts()?;
            let end = LogPosition {
                salts,
                frames: self.committed()?,
            };
            if end.frames == 0 {
                // It has started over, and no transaction is in it.
                return Ok(());
            }
            let begin = if position.salts == salts {
                position.frames
            } else {
                0
            };
            // The number of frames may be that of a log with other salts.
            if salts == self.salts()? && self.add_frames(begin, end, pages)? {
                return Ok(());
            }
        }
        Err(WrittenPagesError::OtherLog)
    }

    /// Returns the salts of the log; zeros if there is none, or an empty one.
    fn salts(&self) -> io::Result<[u8; 8]> {
        let mut salts = [0; 8];
        match File::open(&self.path).and_then(|log| log.read_exact_at(&mut salts, 16)) {
            Err(error) if !is_missing(&error) => Err(error),
            _ => Ok(salts),
        }
    }

    /// Returns the number of frames in the log whose transactions are committed.
    fn committed(&self) -> Result<u64, WrittenPagesError> {
        let give_up = Instant::now() + BUSY_TIMEOUT;
        loop {
            let log = checkpoint(&self.connection, "NOOP")?;
            if !log.is_busy() {
                return Ok(u64::try_from(log.log).unwrap_or(0));
            }
            if Instant::now() >= give_up {
                return Err(WrittenPagesError::Busy);
            }
            // A writer changes the index of the log, which takes a moment.
            std::thread::sleep(PAUSE);
        }
    }

    /// Adds the pages of the frames between; returns false if the log has started over since they were counted.
    fn add_frames(
        &self,
        begin: u64,
        end: LogPosition,
        pages: &mut BTreeSet<u32>,
    ) -> io::Result<bool> {
        let log = File::open(&self.path)?;
        let frame_bytes = FRAME_HEADER_BYTES as u64 + self.page_bytes;
        let mut header = [0; FRAME_HEADER_BYTES];
        for frame in begin..end.frames {
            log.read_exact_at(&mut header, HEADER_BYTES as u64 + frame * frame_bytes)?;
            if header[8..16] != end.salts {
                return Ok(false);
            }
            pages.insert(big(&header, 0));
        }
        Ok(true)
    }
}

/// Reports whether there is no log, or an empty one.
fn is_missing(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::NotFound || kind == io::ErrorKind::UnexpectedEof
}
