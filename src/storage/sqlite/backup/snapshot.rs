//! The snapshot that a backup is made of: one read transaction, and the pages that it sees.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::check::Header;
use super::error::{BackupError, CopyProblem};
use crate::storage::sqlite::file::backup_lock::BackupLock;
use crate::storage::sqlite::file::connection::background_read_connection;
use crate::storage::sqlite::file::lock::FileLock;
use crate::storage::sqlite::file::open::{NewerSchema, settle};
use crate::storage::sqlite::file::open_error::OpenError;
use crate::storage::sqlite::file::place;

/// The pages that are kept in memory: each is read once.
const CACHE: &str = "PRAGMA cache_size = -256";

/// The virtual table with the pages of the file as the transaction sees them, log included
/// (<https://sqlite.org/dbpage.html>).
const PAGES: &str = "SELECT pgno, data FROM sqlite_dbpage";

/// An open snapshot. While it is there, the write-ahead log cannot start over.
pub(super) struct Snapshot {
    database: PathBuf,
    connection: Connection,
    page_bytes: u64,
    pages: u64,
    // Last: it is released when the transaction has ended.
    _lock: BackupLock,
}

impl Snapshot {
    /// Begins the transaction, beside a server or without one. `database` is resolved.
    pub(super) fn begin(database: &Path) -> Result<Self, BackupError> {
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
        let (connection, page_bytes, pages) =
            begin(database).map_err(|error| OpenError::from_sqlite(database, &error))?;
        Ok(Self {
            database: database.to_owned(),
            connection,
            page_bytes,
            pages,
            _lock: lock,
        })
    }

    /// Returns the bytes of all pages.
    pub(super) fn bytes(&self) -> u64 {
        self.pages * self.page_bytes
    }

    /// Calls `take` with every page, in the order of the file. The first is checked before.
    pub(super) fn each_page(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let failed = |error: rusqlite::Error| BackupError::Read {
            path: self.database.clone(),
            reason: error.to_string(),
        };
        let mut statement = self.connection.prepare(PAGES).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let mut taken = 0;
        while let Some(row) = rows.next().map_err(failed)? {
            let number: u64 = row.get(0).map_err(failed)?;
            let page = row.get_ref(1).map_err(failed)?;
            let page = page.as_blob().map_err(|error| failed(error.into()))?;
            if number != taken + 1 || page.len() as u64 != self.page_bytes {
                break;
            }
            if number == 1 {
                self.check_first(page)?;
            }
            take(page)?;
            taken += 1;
        }
        if taken == self.pages {
            Ok(())
        } else {
            Err(BackupError::Read {
                path: self.database.clone(),
                reason: format!("page {} of {} is missing", taken + 1, self.pages),
            })
        }
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

fn begin(database: &Path) -> rusqlite::Result<(Connection, u64, u64)> {
    let connection = background_read_connection(database)?;
    connection.execute_batch(CACHE)?;
    connection.execute_batch("BEGIN")?;
    // The first read makes the snapshot.
    let pages = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let page_bytes = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok((connection, page_bytes, pages))
}
