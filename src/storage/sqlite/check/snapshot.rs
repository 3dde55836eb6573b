//! The connections of a check: two on one snapshot, which change nothing.
//!
//! Beside a running server, both read from one moment of the write-ahead log. Without a write-ahead log, as with
//! a backup, the file is opened as one that does not change. Then nothing is made beside it, and its folder need
//! not be writable; whether it changed after all is checked at the end.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::{Connection, OpenFlags};

use super::error::CheckError;
use crate::storage::sqlite::file::backup_lock::BackupLock;
use crate::storage::sqlite::file::connection::{BUSY_TIMEOUT, READ_FLAGS, immutable_uri};
use crate::storage::sqlite::file::migrations::CURRENT_VERSION;
use crate::storage::sqlite::file::open::APPLICATION_ID;
use crate::storage::sqlite::file::open_error::OpenError;
use crate::storage::sqlite::file::place::beside;
use crate::storage::sqlite::file::trace;

/// The tries to begin both transactions with no commit in between. Each takes some ten microseconds.
const TRIES: u32 = 1000;

/// Two connections on one snapshot.
pub(super) struct Snapshot {
    /// For the pages.
    pub(super) pages: Connection,
    /// For the rows.
    pub(super) rows: Connection,
    pub(super) files: CheckedFile,
    /// Tells a running server that the log cannot start over until the end of the check. If it cannot be taken, the
    /// check is made without it.
    pub(super) lock: Option<BackupLock>,
}

/// The file, and its state at the beginning, if it was opened as one that does not change.
pub(super) struct CheckedFile {
    path: PathBuf,
    unchanged: Option<(SystemTime, u64)>,
}

impl CheckedFile {
    fn of(database: &Path) -> Self {
        let is_alone = |end: &str| !beside(database, end).exists();
        let is_alone = is_alone("-wal") && is_alone("-journal");
        Self {
            path: database.to_owned(),
            unchanged: is_alone.then(|| state(database)).flatten(),
        }
    }

    /// Takes the lock of a backup, if a server may have the file open.
    fn tells_server(&self, database: &Path) -> Option<BackupLock> {
        match self.unchanged {
            Some(_) => None,
            None => BackupLock::shared(database).ok(),
        }
    }

    fn connect(&self) -> rusqlite::Result<Connection> {
        let connection = if self.unchanged.is_some() {
            let uri = immutable_uri(&self.path);
            Connection::open_with_flags(uri, READ_FLAGS | OpenFlags::SQLITE_OPEN_URI)?
        } else {
            Connection::open_with_flags(&self.path, READ_FLAGS)?
        };
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // The cells of a page are checked as the page is read: damage is an error, never a wrong row.
        connection.execute_batch(
            "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384;",
        )?;
        trace::install(&connection);
        Ok(connection)
    }

    /// Checks that the file did not change, if it was opened as one that does not.
    pub(super) fn is_as_it_was(&self) -> bool {
        let is_same =
            |before| state(&self.path) == Some(before) && !beside(&self.path, "-wal").exists();
        self.unchanged.is_none_or(is_same)
    }
}

fn state(database: &Path) -> Option<(SystemTime, u64)> {
    let found = database.metadata().ok()?;
    Some((found.modified().ok()?, found.len()))
}

impl Snapshot {
    /// Opens a file that is up to date, and begins both transactions.
    pub(super) fn open(database: &Path) -> Result<Self, CheckError> {
        let failed = |error: rusqlite::Error| OpenError::from_sqlite(database, &error);
        let files = CheckedFile::of(database);
        let snapshot = Self {
            pages: files.connect().map_err(failed)?,
            rows: files.connect().map_err(failed)?,
            lock: files.tells_server(database),
            files,
        };
        let observer = snapshot.files.connect().map_err(failed)?;
        snapshot.begin(&observer).map_err(failed)?;
        snapshot.check_version(database)?;
        Ok(snapshot)
    }

    /// Begins both transactions. `observer` tells whether there was a commit in between; if there always is one,
    /// the snapshots are two, each of which is whole.
    fn begin(&self, observer: &Connection) -> rusqlite::Result<()> {
        let version =
            || observer.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0));
        let both = [&self.pages, &self.rows];
        for tried in 1.. {
            let before = version()?;
            for connection in both {
                connection.execute_batch("BEGIN")?;
                connection.pragma_query_value(None, "schema_version", |_| Ok(()))?;
            }
            if tried == TRIES || version()? == before {
                break;
            }
            for connection in both {
                connection.execute_batch("ROLLBACK")?;
            }
        }
        Ok(())
    }

    /// Checks that the file is one of Hookpost's, and of this version.
    fn check_version(&self, database: &Path) -> Result<(), CheckError> {
        let pragma = |name| {
            let value = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            let read = self.rows.pragma_query_value(None, name, value);
            read.map_err(|error| OpenError::from_sqlite(database, &error))
        };
        let path = database.to_owned();
        if pragma("application_id")? != i64::from(APPLICATION_ID) {
            return Err(OpenError::Foreign(path).into());
        }
        match pragma("user_version")? {
            CURRENT_VERSION => Ok(()),
            found if found > CURRENT_VERSION => Err(OpenError::Newer { path, found }.into()),
            found => Err(CheckError::Older { path, found }),
        }
    }
}
