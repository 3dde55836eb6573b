//! The view that a backup has of a database which may be in use: a snapshot that moves on with the time.
//!
//! A snapshot is a read transaction. While one is open, later pages of the write-ahead log cannot be moved into the
//! database. With one snapshot for all of a large database, gigabytes would gather in the log, and publishes would wait
//! when the server moves them at last. So the view takes a newer snapshot from time to time, and tells which pages were
//! written meanwhile.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::check::Header;
use super::error::{BackupError, CopyProblem};
use crate::storage::sqlite::file::backup_lock::BackupLock;
use crate::storage::sqlite::file::connection::background_read_connection;
use crate::storage::sqlite::file::lock::FileLock;
use crate::storage::sqlite::file::open::{NewerSchema, settle};
use crate::storage::sqlite::file::open_error::OpenError;
use crate::storage::sqlite::file::place;
use crate::storage::sqlite::file::written_pages::{LogPosition, WrittenPages};

/// The pages that are kept in memory: each is read once.
const CACHE: &str = "PRAGMA cache_size = -256";

/// A page of the file as the transaction sees it, log included (<https://sqlite.org/dbpage.html>).
const PAGE: &str = "SELECT data FROM sqlite_dbpage WHERE pgno = ?1";

/// An open view. While it is there, the write-ahead log cannot start over.
pub(super) struct View {
    database: PathBuf,
    /// The two connections that have the snapshots in turn.
    readers: [Connection; 2],
    /// The one that has the present snapshot.
    present: usize,
    /// The pages of the present snapshot.
    pages: u32,
    since: Instant,
    /// The time after which a snapshot is old.
    age_max: Duration,
    /// The end of the log before the present snapshot began.
    position: LogPosition,
    log: WrittenPages,
    page_bytes: u64,
    /// The pages that were written since they were last asked for.
    written: BTreeSet<u32>,
    // Last: it is released when the transactions have ended.
    _lock: BackupLock,
}

impl View {
    /// Begins beside a server or without one. `database` is resolved. A snapshot is old after `age_max`.
    pub(super) fn begin(database: &Path, age_max: Duration) -> Result<Self, BackupError> {
        let is_there = std::fs::metadata(database).is_ok_and(|found| found.len() > 0);
        if !is_there {
            place::refuse_log_alone(database)?;
            return Err(BackupError::NoDatabase(database.to_owned()));
        }
        let lock = BackupLock::shared(database)?;
        // Without a server, the log of the last run is as that left it, and is recovered as at a start. Then the
        // lock is given back: a server may start beside the backup.
        let alone = FileLock::if_free(database, "backup")?;
        if alone.is_some() {
            settle(database, NewerSchema::Refused)?;
        }
        let unusable = |error: rusqlite::Error| OpenError::from_sqlite(database, &error);
        let connect = || background_read_connection(database).map_err(unusable);
        let readers = [connect()?, connect()?];
        let page_bytes = readers[0].pragma_query_value(None, "page_size", |row| row.get(0));
        let page_bytes = page_bytes.map_err(unusable)?;
        let log = WrittenPages::new(database, connect()?, page_bytes);
        let position = log
            .position()
            .map_err(|error| unreadable(database, &error))?;
        let pages = begin_snapshot(&readers[0]).map_err(unusable)?;
        Ok(Self {
            database: database.to_owned(),
            readers,
            present: 0,
            pages,
            since: Instant::now(),
            age_max,
            position,
            log,
            page_bytes,
            written: BTreeSet::new(),
            _lock: lock,
        })
    }

    /// Returns the bytes of a page.
    pub(super) fn page_bytes(&self) -> u64 {
        self.page_bytes
    }

    /// Returns the number of pages at present. The first page is 1.
    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    /// Calls `take` with the page as it is at present. Page 1 is checked before.
    pub(super) fn read(
        &self,
        number: u32,
        take: impl FnOnce(&[u8]) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let failed = |error: rusqlite::Error| unreadable(&self.database, &error);
        let statement = self.readers[self.present].prepare_cached(PAGE);
        let mut statement = statement.map_err(failed)?;
        let mut rows = statement.query([number]).map_err(failed)?;
        let row = rows.next().map_err(failed)?;
        let page = match row {
            Some(row) => row.get_ref(0).map_err(failed)?.as_blob().ok(),
            None => None,
        };
        let page = page.filter(|page| page.len() as u64 == self.page_bytes);
        let page = page.ok_or_else(|| self.missing(number))?;
        if number == 1 {
            self.check_first(page)?;
        }
        take(page)
    }

    /// Takes a newer snapshot if the present one is old.
    pub(super) fn keep_up(&mut self) -> Result<(), BackupError> {
        if self.since.elapsed() < self.age_max {
            return Ok(());
        }
        self.move_on()
    }

    /// Takes a newer snapshot.
    pub(super) fn move_on(&mut self) -> Result<(), BackupError> {
        let unreadable = |reason: &dyn Display| unreadable(&self.database, reason);
        let next = 1 - self.present;
        let position = self.log.position().map_err(|error| unreadable(&error))?;
        let pages = begin_snapshot(&self.readers[next]).map_err(|error| unreadable(&error))?;
        self.since = Instant::now();
        // Before the other snapshot ends: then the log can start over.
        let added = self.log.add_since(self.position, &mut self.written);
        added.map_err(|error| unreadable(&error))?;
        // A new page that was freed at once is not in the log.
        self.written.extend(self.pages + 1..=pages);
        let ended = self.readers[self.present].execute_batch("COMMIT");
        ended.map_err(|error| unreadable(&error))?;
        (self.present, self.pages, self.position) = (next, pages, position);
        Ok(())
    }

    /// Returns the pages that were written since the last call, and maybe some more. What was read of another page since
    /// then is as it is at present.
    pub(super) fn take_written(&mut self) -> BTreeSet<u32> {
        std::mem::take(&mut self.written)
    }

    fn missing(&self, number: u32) -> BackupError {
        let reason = format!("page {number} of {} is missing", self.pages);
        unreadable(&self.database, &reason)
    }

    fn check_first(&self, page: &[u8]) -> Result<(), BackupError> {
        let path = self.database.clone();
        match Header::parse(page).and_then(|header| header.check()) {
            Ok(()) => Ok(()),
            Err(CopyProblem::Newer(found)) => Err(OpenError::Newer { path, found }.into()),
            Err(_) => Err(OpenError::Foreign(path).into()),
        }
    }
}

/// Begins a snapshot; returns the number of its pages.
fn begin_snapshot(connection: &Connection) -> rusqlite::Result<u32> {
    connection.execute_batch(CACHE)?;
    connection.execute_batch("BEGIN")?;
    // The first read makes the snapshot.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    connection.pragma_query_value(None, "page_count", |row| row.get(0))
}

fn unreadable(database: &Path, reason: &dyn Display) -> BackupError {
    BackupError::Read {
        path: database.to_owned(),
        reason: reason.to_string(),
    }
}
