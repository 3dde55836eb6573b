//! The files of a database, and whether they still are those that were opened.
//!
//! `SQLite` works on open files, and does not notice when the names lead elsewhere: what it commits then
//! is gone with the process, or two processes write one file without knowing of each other. A log that
//! was cut is not noticed either, since nobody reads its end. So the writer looks before each group.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::place::{beside, identity, identity_of};
use super::wal::checkpoint;

/// Bytes before the first frame of a log.
const LOG_HEADER: u64 = 32;

/// Bytes of a frame before its page.
const FRAME_HEADER: u64 = 24;

/// How often a log that seems short is looked at again: others may empty it, once all of it is moved.
const LOOKS: usize = 3;

/// What there is at the names of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The files that were opened.
    InPlace,
    /// The database, but its log was removed and nothing is in its place.
    LogRemoved,
    /// Something else. Writing to the database, even moving pages into it, may destroy what is there.
    Disturbed,
}

/// The database, its log and its wal-index, as they were when they were opened.
pub(crate) struct Files {
    database: PathBuf,
    log: PathBuf,
    index: PathBuf,
    opened: [Option<(u64, u64)>; 3],
    page_bytes: u64,
}

impl Files {
    /// The files that `connection` has open, and has read from.
    pub(crate) fn of(database: &Path, connection: &Connection) -> rusqlite::Result<Self> {
        let page_bytes = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let (log, index) = (beside(database, "-wal"), beside(database, "-shm"));
        let opened = [database, &log, &index].map(identity);
        Ok(Self {
            database: database.to_owned(),
            log,
            index,
            opened,
            page_bytes,
        })
    }

    /// The database's path.
    pub(crate) fn database(&self) -> &Path {
        &self.database
    }

    /// Looks at the names. Takes a few microseconds.
    pub(crate) fn standing(&self) -> Standing {
        self.look().0
    }

    /// The same, and whether the log has as many frames as its index says; `connection` is in no
    /// transaction.
    pub(crate) fn standing_on(&self, connection: &Connection) -> rusqlite::Result<Standing> {
        for _ in 0..LOOKS {
            let frames = frames_in_log(connection)?;
            let (standing, log_bytes) = self.look();
            let needed = match frames {
                0 => 0,
                frames => LOG_HEADER + frames * (FRAME_HEADER + self.page_bytes),
            };
            if standing != Standing::InPlace || log_bytes >= needed {
                return Ok(standing);
            }
        }
        Ok(Standing::Disturbed)
    }

    fn look(&self) -> (Standing, u64) {
        let log = self.log.metadata();
        let log_bytes = log.as_ref().map_or(0, Metadata::len);
        let is_missing = |found: &io::Result<Metadata>| {
            found
                .as_ref()
                .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        };
        let log_is_missing = is_missing(&log);
        let index = self.index.metadata();
        let index_is_missing = is_missing(&index);
        let is_same = |nth: usize, found| {
            self.opened[nth].is_none() || self.opened[nth] == identity_of(found)
        };
        let index_is_same = is_same(2, index);
        let standing = if !is_same(0, self.database.metadata()) {
            Standing::Disturbed
        } else if is_same(1, log) && index_is_same {
            Standing::InPlace
        } else if log_is_missing && (index_is_same || index_is_missing) {
            Standing::LogRemoved
        } else {
            Standing::Disturbed
        };
        (standing, log_bytes)
    }
}

/// Frames in the log, as its index says.
fn frames_in_log(connection: &Connection) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?;
    let frames: i64 = statement.query_row([], |row| row.get(1))?;
    // -1: there is no log.
    Ok(u64::try_from(frames).unwrap_or(0))
}

/// Moves what is in a removed log into the database, which nobody else can: only this process still has
/// the log. Returns whether all of it is there now.
pub(crate) fn save_removed_log(files: &Files, connection: &Connection) -> bool {
    if files.standing() != Standing::LogRemoved {
        return false;
    }
    match checkpoint(connection, "PASSIVE") {
        Ok(done) => done.is_all(),
        Err(error) => {
            super::failed_sync::end_if_failed_sync(&error, files.database());
            tracing::warn!(%error, "cannot save what is in the removed log yet");
            false
        }
    }
}
