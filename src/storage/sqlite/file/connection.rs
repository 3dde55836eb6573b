//! Connections to the database file, and their settings.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::trace;

/// The time that a statement waits for another process's lock before it reports the lock.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_millis(500);

/// The flags of a reading connection.
pub(crate) const READ_FLAGS: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Opens the connection that writes.
pub(crate) fn write_connection(database: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        database,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    if connection.is_readonly("main")? {
        // SQLite opens a file that it may not write without an error.
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
        let reason = "it may not be written".to_owned();
        return Err(rusqlite::Error::SqliteFailure(code, Some(reason)));
    }
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(100);
    // The schema has no triggers. Those of another program would change what is written.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    // A thread of its own makes checkpoints, and none after a failed sync.
    checkpoint_by_hand_only(&connection)?;
    // FULL: a commit is on disk before a caller hears of it. secure_delete: SQLite overwrites what is
    // deleted, and freed pages. The cost cannot be measured, except for large bodies, which are written once
    // more when they are dropped. foreign_keys: they document the schema only; the writer gets its numbers
    // from the rows themselves.
    connection.execute_batch(
        // 3 MiB of pages, which a group touches repeatedly; the system caches the file.
        "PRAGMA synchronous = FULL;
         PRAGMA secure_delete = ON;
         PRAGMA foreign_keys = OFF;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -3072;",
    )?;
    trace::install(&connection);
    Ok(connection)
}

/// Opens a reading connection outside the pool, for background work.
pub(crate) fn background_read_connection(database: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(database, READ_FLAGS)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Returns the URI of a file that no process writes. `SQLite` then makes no files beside it.
pub(crate) fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push_str("?immutable=1");
    uri
}

/// Turns off the checkpoints that `SQLite` makes by itself: it does not report a failed sync of those.
pub(super) fn checkpoint_by_hand_only(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA wal_autocheckpoint = 0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_any_character_is_one_in_a_uri() {
        assert_eq!(
            immutable_uri(Path::new("/a b/c?d#é%")),
            "file:/a%20b/c%3Fd%23%C3%A9%25?immutable=1"
        );
    }

    #[test]
    fn no_trigger_of_another_program_changes_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h.db");
        let other = Connection::open(&path).unwrap();
        let theirs = "CREATE TABLE t (x); INSERT INTO t VALUES (1);
             CREATE TRIGGER theirs AFTER INSERT ON t BEGIN DELETE FROM t; END";
        other.execute_batch(theirs).unwrap();
        let ours = write_connection(&path).unwrap();
        ours.execute("INSERT INTO t VALUES (2)", []).unwrap();
        let count = "SELECT count(*) FROM t";
        assert_eq!(ours.query_row(count, [], |row| row.get(0)), Ok(2));
    }
}
