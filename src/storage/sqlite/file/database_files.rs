//! The files of a database, and the check that they still are those that were opened.
//!
//! `SQLite` works on open files, and does not notice when the names lead elsewhere: what it commits then is
//! gone with the process, or two processes write one file without knowing of each other. Nor does it notice a
//! log or a database that was cut, until a read needs what was at its end; and a checkpoint may make the file
//! as long as it was, with a hole in it. So the writer checks the files before each group.
//!
//! # The length of the database file
//! The file may be shorter than the database while the log has frames that were not moved yet. The file only
//! grows, until a checkpoint has moved all frames: that checkpoint makes the file exactly as long as the
//! database is then. So once all frames are moved, the file must have every page. From then on it must be no
//! shorter than that, or than the database was at any check since.
//!
//! Until something is committed, the log of a database that was just opened says nothing of its pages:
//! `SQLite` takes their number from the file. The file must stay as long as it was then, unless another
//! program has changed the database.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::Connection;

use super::least_length::LeastLength;
use super::place::{beside, identity, identity_of};
use super::wal::{Checkpoint, checkpoint};
use crate::vital;

/// Bytes before the first frame of a log.
const LOG_HEADER: u64 = 32;

/// Bytes of a frame before its page.
const FRAME_HEADER: u64 = 24;

/// The most checks of a log that seems short: another process may be emptying it, once all of it is moved.
const LOOKS: usize = 3;

/// The state of the files that the names lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilesState {
    /// The files that were opened.
    InPlace,
    /// The database, but its log was removed and nothing is in its place.
    LogRemoved,
    /// Other files. Writing to the database, even moving pages into it, may destroy them.
    Disturbed,
}

/// The database, its log and its wal-index, as they were when they were opened.
pub(crate) struct DatabaseFiles {
    database: PathBuf,
    log: PathBuf,
    index: PathBuf,
    opened: [Option<(u64, u64)>; 3],
    page_bytes: u64,
    least_length: Mutex<LeastLength>,
}

/// The files that were found at the names.
struct Look {
    state: FilesState,
    database_bytes: u64,
    log_bytes: u64,
}

impl DatabaseFiles {
    /// Returns the files that `connection` has open, and has read from.
    pub(crate) fn of(database: &Path, connection: &Connection) -> rusqlite::Result<Self> {
        let page_bytes = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let (log, index) = (beside(database, "-wal"), beside(database, "-shm"));
        let opened = [database, &log, &index].map(identity);
        let has_frames = checkpoint(connection, "NOOP")?.log > 0;
        let bytes = database.metadata().map_or(0, |metadata| metadata.len());
        let least_length = if has_frames {
            LeastLength::Unknown
        } else {
            LeastLength::AsOpened {
                bytes,
                data_version: data_version(connection)?,
            }
        };
        Ok(Self {
            database: database.to_owned(),
            log,
            index,
            opened,
            page_bytes,
            least_length: Mutex::new(least_length),
        })
    }

    /// Returns the path of the database.
    pub(crate) fn database(&self) -> &Path {
        &self.database
    }

    /// Returns the path of the log.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Returns the bytes of the database file and of its log; 0 for one that is missing.
    pub(crate) fn sizes(&self) -> (u64, u64) {
        let found = self.look();
        (found.database_bytes, found.log_bytes)
    }

    /// Reports whether the database file is shorter than it must be.
    pub(crate) fn is_cut(&self) -> bool {
        self.look().database_bytes < self.least_length().bytes()
    }

    fn least_length(&self) -> LeastLength {
        *vital::lock(&self.least_length)
    }

    /// Checks the names. Takes a few microseconds.
    pub(crate) fn state(&self) -> FilesState {
        self.look().state
    }

    /// Checks the names, and the lengths of the log, by its index, and of the database file. `connection`
    /// must be in no transaction.
    pub(crate) fn state_on(&self, connection: &Connection) -> rusqlite::Result<FilesState> {
        self.state_with(connection, false)
    }

    /// Checks the same for the writer, and notes how long the database file must be.
    pub(crate) fn state_for_writer(&self, connection: &Connection) -> rusqlite::Result<FilesState> {
        self.state_with(connection, true)
    }

    fn state_with(&self, connection: &Connection, is_writer: bool) -> rusqlite::Result<FilesState> {
        for _ in 0..LOOKS {
            let needed = self.note_lengths(connection, is_writer);
            let least_bytes = self.least_length().bytes();
            let found = self.look();
            let is_cut = found.database_bytes < least_bytes;
            // What was cut may read as damage.
            let needed = if is_cut { needed.unwrap_or(0) } else { needed? };
            let is_whole = found.log_bytes >= needed && !is_cut;
            if found.state != FilesState::InPlace || is_whole {
                return Ok(found.state);
            }
        }
        Ok(FilesState::Disturbed)
    }

    /// Notes the least length of the database file, and returns that of the log.
    fn note_lengths(&self, connection: &Connection, is_writer: bool) -> rusqlite::Result<u64> {
        let log = checkpoint(connection, "NOOP")?;
        self.note_length(connection, &log, is_writer)?;
        // -1: there is no log.
        Ok(match u64::try_from(log.log).unwrap_or(0) {
            0 => 0,
            frames => LOG_HEADER + frames * (FRAME_HEADER + self.page_bytes),
        })
    }

    /// Notes the least length of the database file, by the number of pages that the database has now.
    fn note_length(
        &self,
        connection: &Connection,
        log: &Checkpoint,
        is_writer: bool,
    ) -> rusqlite::Result<()> {
        let has_frames = log.log > 0;
        if !has_frames && (!is_writer || self.is_as_opened(connection)?) {
            return Ok(());
        }
        let mut statement = connection.prepare_cached("PRAGMA page_count")?;
        let pages: u64 = statement.query_row([], |row| row.get(0))?;
        let bytes = pages * self.page_bytes;
        let mut least = vital::lock(&self.least_length);
        if is_writer && log.left() == 0 {
            *least = LeastLength::Known { bytes };
            return Ok(());
        }
        least.lower(bytes);
        if is_writer {
            least.note_change();
        }
        Ok(())
    }

    /// Reports whether the log had no frame yet, and no other program has changed the database.
    fn is_as_opened(&self, writer: &Connection) -> rusqlite::Result<bool> {
        match self.least_length() {
            LeastLength::AsOpened { data_version, .. } => {
                Ok(data_version == self::data_version(writer)?)
            }
            LeastLength::Unknown | LeastLength::Known { .. } => Ok(false),
        }
    }

    fn look(&self) -> Look {
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
        let database = self.database.metadata();
        let database_bytes = database.as_ref().map_or(0, Metadata::len);
        // SQLite removes the log of an empty database when it opens that.
        let state = if !is_same(0, database) || database_bytes == 0 {
            FilesState::Disturbed
        } else if is_same(1, log) && index_is_same {
            FilesState::InPlace
        } else if log_is_missing && (index_is_same || index_is_missing) {
            FilesState::LogRemoved
        } else {
            FilesState::Disturbed
        };
        Look {
            state,
            database_bytes,
            log_bytes,
        }
    }
}

/// Returns a number that changes when another connection changes the database.
fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached("PRAGMA data_version")?;
    statement.query_row([], |row| row.get(0))
}

/// Moves the content of a removed log into the database. Only this process can do so, as it alone still has
/// the log open. Returns true if all of it is in the database now.
pub(crate) fn save_removed_log(files: &DatabaseFiles, connection: &Connection) -> bool {
    if files.state() != FilesState::LogRemoved {
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

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::storage::sqlite::file::connection::write_connection;
    use crate::storage::sqlite::file::open;

    /// A database with some hundred pages, its files, and the connection that writes.
    fn database() -> (tempfile::TempDir, DatabaseFiles, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h.db");
        open::prepare(&path, true).unwrap();
        let connection = write_connection(&path).unwrap();
        connection
            .execute_batch("CREATE TABLE filler (n INTEGER PRIMARY KEY, bytes BLOB)")
            .unwrap();
        fill(&connection, 100);
        let files = DatabaseFiles::of(&path, &connection).unwrap();
        (folder, files, connection)
    }

    fn fill(connection: &Connection, pages: usize) {
        for _ in 0..pages {
            connection
                .execute("INSERT INTO filler (bytes) VALUES (zeroblob(4000))", [])
                .unwrap();
        }
    }

    fn length(files: &DatabaseFiles) -> u64 {
        files.database().metadata().unwrap().len()
    }

    fn cut(files: &DatabaseFiles, bytes: u64) {
        let file = File::options().write(true).open(files.database()).unwrap();
        file.set_len(bytes).unwrap();
        // SQLite's locks go with any handle of the file.
        std::mem::forget(file);
    }

    #[track_caller]
    fn assert_in_place(files: &DatabaseFiles, connection: &Connection) {
        assert_eq!(files.state_for_writer(connection), Ok(FilesState::InPlace));
        assert_eq!(files.state_on(connection), Ok(FilesState::InPlace));
    }

    #[test]
    fn a_database_that_is_cut_is_noticed_also_while_its_log_has_frames() {
        for cut_to in [0, 4096] {
            for frames in [0, 20] {
                let (_folder, files, connection) = database();
                assert_in_place(&files, &connection);
                assert!(checkpoint(&connection, "PASSIVE").unwrap().is_all());
                assert_in_place(&files, &connection);
                let before = length(&files);
                fill(&connection, frames);
                assert_in_place(&files, &connection);
                cut(&files, if cut_to == 0 { 0 } else { before - cut_to });
                let is_cut = Ok(FilesState::Disturbed);
                assert_eq!(files.state_on(&connection), is_cut, "{cut_to} {frames}");
                assert_eq!(files.state_for_writer(&connection), is_cut);
            }
        }
    }

    #[test]
    fn a_database_that_is_cut_before_the_first_commit_is_noticed() {
        let (_folder, files, connection) = database();
        assert!(!checkpoint(&connection, "TRUNCATE").unwrap().is_busy());
        let path = files.database().to_owned();
        drop((files, connection));
        let connection = write_connection(&path).unwrap();
        let files = DatabaseFiles::of(&path, &connection).unwrap();
        assert_in_place(&files, &connection);
        let before = length(&files);
        // Another program makes the database smaller, and leaves an empty log.
        let other = write_connection(&path).unwrap();
        other.execute_batch("DELETE FROM filler; VACUUM").unwrap();
        assert!(!checkpoint(&other, "TRUNCATE").unwrap().is_busy());
        assert!(length(&files) < before);
        assert_in_place(&files, &connection);
        drop((files, connection, other));

        let connection = write_connection(&path).unwrap();
        let files = DatabaseFiles::of(&path, &connection).unwrap();
        assert_in_place(&files, &connection);
        cut(&files, 0);
        let is_cut = Ok(FilesState::Disturbed);
        assert_eq!(files.state_for_writer(&connection), is_cut);
        assert_eq!(files.state_on(&connection), is_cut);
        assert_eq!(files.state_for_writer(&connection), is_cut, "still");
    }

    #[test]
    fn a_database_that_gives_pages_back_is_not_taken_for_cut() {
        let (_folder, files, connection) = database();
        assert!(checkpoint(&connection, "PASSIVE").unwrap().is_all());
        assert_in_place(&files, &connection);
        let long = length(&files);
        for mode in ["PASSIVE", "TRUNCATE"] {
            connection.execute("DELETE FROM filler", []).unwrap();
            assert_in_place(&files, &connection);
            let vacuum = "PRAGMA incremental_vacuum";
            let mut statement = connection.prepare(vacuum).unwrap();
            let mut rows = statement.query([]).unwrap();
            while rows.next().unwrap().is_some() {}
            drop(rows);
            assert_in_place(&files, &connection);
            assert!(checkpoint(&connection, mode).unwrap().is_all());
            assert_in_place(&files, &connection);
            assert!(length(&files) < long, "it gave none back");
            fill(&connection, 120);
            assert_in_place(&files, &connection);
            assert!(checkpoint(&connection, mode).unwrap().is_all());
            assert_in_place(&files, &connection);
        }
    }

    #[test]
    fn a_database_that_became_shorter_is_not_taken_for_cut_by_who_looks_before_the_writer() {
        let (_folder, files, connection) = database();
        assert!(checkpoint(&connection, "PASSIVE").unwrap().is_all());
        assert_in_place(&files, &connection);
        connection
            .execute_batch("DELETE FROM filler; VACUUM")
            .unwrap();
        assert!(checkpoint(&connection, "PASSIVE").unwrap().is_all());
        assert_eq!(files.state_on(&connection), Ok(FilesState::InPlace));
        assert_in_place(&files, &connection);
    }

    #[test]
    fn a_database_that_grows_in_its_log_alone_is_not_taken_for_cut() {
        let (_folder, files, connection) = database();
        for _ in 0..5 {
            assert!(checkpoint(&connection, "PASSIVE").unwrap().is_all());
            fill(&connection, 50);
            assert_in_place(&files, &connection);
        }
    }
}
