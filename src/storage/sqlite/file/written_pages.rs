//! The pages that are written to a write-ahead log, read from the log without `SQLite`, which does not tell them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::place::beside;
use super::valid_log::{FRAME_HEADER_BYTES, HEADER_BYTES, big};
use super::wal::checkpoint;

/// The times that the log is read again if it started over meanwhile. It starts over at most once while a connection
/// reads.
const TRIES: usize = 3;

/// The reason why a log could not be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FollowError {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error("its write-ahead log: {0}")]
    Log(#[from] io::Error),
    #[error("its write-ahead log is not the one that its readers use")]
    OtherLog,
}

/// Follows a log, and gathers the pages that transactions write to it.
///
/// The caller always has a read transaction open: it begins the next one, follows, and then ends the one before. So the
/// log cannot start over before all of it was seen. The log is allowed to start over under a transaction that began when
/// all of it was in the database; then no frame came between.
#[derive(Debug)]
pub(crate) struct LogFollower {
    path: PathBuf,
    /// Used for the number of committed frames only. A connection with a transaction open does not tell it.
    connection: Connection,
    page_bytes: u64,
    /// Those of the log's header, which change when it starts over.
    salts: [u8; 8],
    /// The number of frames that were seen.
    seen: u64,
}

impl LogFollower {
    /// Begins at the present end of the log, before the caller's first transaction. The connection must have none.
    pub(crate) fn begin(
        database: &Path,
        connection: Connection,
        page_bytes: u64,
    ) -> Result<Self, FollowError> {
        let mut follower = Self {
            path: beside(database, "-wal"),
            connection,
            page_bytes,
            salts: [0; 8],
            seen: 0,
        };
        // In this order: if the log starts over in between, its salts are seen to change later.
        let salts = File::open(&follower.path).and_then(|log| salts(&log));
        match salts {
            Ok(salts) => follower.salts = salts,
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(error.into()),
        }
        follower.seen = follower.committed()?;
        Ok(follower)
    }

    /// Adds the pages of all transactions that were committed since the last call. The caller has begun its next
    /// transaction, and has the one before open: then no page is missing that differs between the two.
    pub(crate) fn follow(&mut self, pages: &mut BTreeSet<u32>) -> Result<(), FollowError> {
        for _ in 0..TRIES {
            let committed = self.committed()?;
            if committed == 0 || self.read_up_to(committed, pages)? {
                return Ok(());
            }
        }
        Err(FollowError::OtherLog)
    }

    /// Returns the number of frames in the log whose transactions are committed.
    fn committed(&self) -> rusqlite::Result<u64> {
        let frames = checkpoint(&self.connection, "NOOP")?.log;
        Ok(u64::try_from(frames).unwrap_or(0))
    }

    /// Reads the frames up to this one; returns false if the log has started over since they were counted.
    fn read_up_to(&mut self, committed: u64, pages: &mut BTreeSet<u32>) -> io::Result<bool> {
        let log = File::open(&self.path)?;
        let salts = salts(&log)?;
        if salts != self.salts {
            self.salts = salts;
            self.seen = 0;
        }
        if committed < self.seen {
            return Ok(false);
        }
        let mut header = [0; FRAME_HEADER_BYTES];
        while self.seen < committed {
            let frame_bytes = FRAME_HEADER_BYTES as u64 + self.page_bytes;
            let at = HEADER_BYTES as u64 + self.seen * frame_bytes;
            log.read_exact_at(&mut header, at)?;
            if header[8..16] != self.salts {
                return Ok(false);
            }
            pages.insert(big(&header, 0));
            self.seen += 1;
        }
        Ok(true)
    }
}

fn salts(log: &File) -> io::Result<[u8; 8]> {
    let mut salts = [0; 8];
    log.read_exact_at(&mut salts, 16)?;
    Ok(salts)
}

/// Reports whether there is no log, or an empty one.
fn is_missing(error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::NotFound || kind == io::ErrorKind::UnexpectedEof
}
