//! Connections to the database file, and their settings.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::trace;

/// How long a statement waits for another process's lock before it reports it.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_millis(500);

/// The flags of a reading connection.
pub(crate) const READ_FLAGS: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// The connection that writes.
pub(crate) fn write_connection(database: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        database,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    if connection.is_readonly("main")? {
        // SQLite opens what it may not write all the same.
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
        let reason = "it may not be written".to_owned();
        return Err(rusqlite::Error::SqliteFailure(code, Some(reason)));
    }
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(100);
    // Checkpoints are made by a thread of their own, and none after a sync that failed.
    checkpoint_by_hand_only(&connection)?;
    // FULL: a commit is on disk before anybody is told.
    // What is deleted is overwritten, freed pages too: it costs nothing that can be measured, but for large
    // bodies, which are written once more when they are dropped.
    // Foreign keys document the schema; the writer gets its numbers from the rows themselves.
    connection.execute_batch(
        // 3 MiB of pages: what a group touches again; the system caches the file.
        "PRAGMA synchronous = FULL;
         PRAGMA secure_delete = ON;
         PRAGMA journal_size_limit = 134217728;
         PRAGMA foreign_keys = OFF;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -3072;",
    )?;
    trace::install(&connection);
    Ok(connection)
}

/// A reading connection of one's own, for looks that no caller waits for.
pub(crate) fn look_connection(database: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(database, READ_FLAGS)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Has `SQLite` make no checkpoint by itself: it would not say if the sync of one failed.
pub(super) fn checkpoint_by_hand_only(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA wal_autocheckpoint = 0")
}
