//! Opening a database file: whose it is, who may, and with which settings.
//!
//! One server per file: it holds a lock ([`super::lock`]) as long as it lives; only the holder migrates.
//! Command-line tools work beside it, on a file that is already up to date. A file that is newer than this
//! program, or not ours, is left untouched.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use thiserror::Error;

use super::injected::reach_or_fail;
use super::migrations::{CURRENT_VERSION, migrations};
use super::place::beside;
use super::recovery::recover;
use crate::fail_point::{FailPoint, reach};

/// Tells our files from others (`SQLite`'s `application_id`): "HKPS".
const APPLICATION_ID: i32 = 0x484B_5053;

/// How long a statement waits for another process's lock before it reports it.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a start looks for damage: a start must stay short, however large the file.
const CHECK_LIMIT: Duration = Duration::from_millis(500);

/// Steps of the check between two looks at the clock.
const CHECK_STEPS: i32 = 1000;

/// Why a database was not opened. Each is one clear line; the file is untouched.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A server uses it, or a tool that takes long.
    #[error("{path} is in use by {holder}")]
    InUse {
        /// The file.
        path: PathBuf,
        /// Who uses it, in words.
        holder: String,
    },
    /// Its lock file cannot be made or locked.
    #[error("cannot lock {path}: {source}")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no `SQLite` file, or another program's.
    #[error("{0} is not a Hookpost database")]
    Foreign(PathBuf),
    /// A newer Hookpost wrote it.
    #[error(
        "{path} was written by a newer Hookpost (schema {found}, this one knows {CURRENT_VERSION}); upgrade Hookpost"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
    },
    /// An older Hookpost wrote it, and a server runs on it, so it cannot be migrated now.
    #[error(
        "{path} has schema {found}, this Hookpost needs {CURRENT_VERSION}, and a server is running on it; restart that server with this version first"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
    },
    /// Its pages contradict each other.
    #[error("{path} is damaged: {reason}; restore it from a backup")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It is not there, or is empty, while its log is not: starting anew would delete what is in the log.
    #[error(
        "{path} is missing or empty, but its write-ahead log {log} is not; put the database back into its place, or move the log away to start anew"
    )]
    LogAlone {
        /// The file.
        path: PathBuf,
        /// Its log.
        log: PathBuf,
    },
    /// It has a second name on disk, behind which another server would not be noticed.
    #[error("{0} has more than one hard link; a database must have one name")]
    HardLinked(PathBuf),
    /// It is mounted by itself, without the files that belong beside it.
    #[error(
        "{0} is a mount point; mount the folder that holds the database, and not the file by itself"
    )]
    MountPoint(PathBuf),
    /// The log, its index or the lock is a link, a pipe or a folder.
    #[error("{0} is not a file; remove it, or use another database")]
    NoFile(PathBuf),
    /// What the last run left in the log could not be written to the disk.
    #[error("cannot recover {path} from its write-ahead log: {reason}")]
    NotRecovered {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// It cannot be read or written.
    #[error("cannot open {path}: {reason}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the database says.
        reason: String,
    },
}

/// Checks the file, recovers what the last run left in its log, and brings it up to date; `may_migrate`:
/// this process holds the server lock. Returns whether damage was looked for on the way.
pub(super) fn prepare(database: &Path, may_migrate: bool) -> Result<bool, OpenError> {
    let unusable = |error: rusqlite::Error| unusable(database, &error);
    if may_migrate {
        undo_unfinished(database)?;
    }
    let version = twice(|| version_of(database))?;
    if let Some(found) = version
        && found > CURRENT_VERSION
    {
        return Err(OpenError::Newer {
            path: database.to_owned(),
            found,
        });
    }
    let looked = may_migrate && version.is_some() && recover(database)?;
    if version == Some(CURRENT_VERSION) {
        return Ok(looked);
    }
    if !may_migrate {
        return Err(OpenError::Older {
            path: database.to_owned(),
            found: version.unwrap_or(0),
        });
    }
    reach(FailPoint::DatabaseMade);
    let mut connection = Connection::open(database).map_err(unusable)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unusable)?;
    if version.is_none() {
        // Before the first table, or never: pages that archiving frees can then be given back.
        connection
            .pragma_update(None, "auto_vacuum", "INCREMENTAL")
            .map_err(unusable)?;
    }
    connection
        .pragma_update(None, "secure_delete", "ON")
        .map_err(unusable)?;
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .map_err(unusable)?;
    connection
        .pragma_update(None, "application_id", APPLICATION_ID)
        .map_err(unusable)?;
    checkpoint_by_hand_only(&connection).map_err(unusable)?;
    reach(FailPoint::DatabaseMarked);
    #[cfg(feature = "fail-points")]
    connection
        .commit_hook(Some(|| {
            reach(FailPoint::Migrating);
            false
        }))
        .map_err(unusable)?;
    migrations()
        .to_latest(&mut connection)
        .map_err(|error| OpenError::Unusable {
            path: database.to_owned(),
            reason: error.to_string(),
        })?;
    Ok(looked)
}

/// Undoes the first write to a new file where that was cut off: the file has a log only after it, and until
/// then a rollback journal, which nobody but a connection that writes can apply.
fn undo_unfinished(database: &Path) -> Result<(), OpenError> {
    let is_there = |path: &Path| path.metadata().is_ok_and(|found| found.len() > 0);
    if !is_there(&beside(database, "-journal")) || !is_there(database) {
        return Ok(());
    }
    let unusable = |error: rusqlite::Error| unusable(database, &error);
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(unusable)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unusable)?;
    connection
        .pragma_query_value(None, "schema_version", |_| Ok(()))
        .map_err(unusable)
}

/// Has `SQLite` make no checkpoint by itself: it would not say if the sync of one failed.
fn checkpoint_by_hand_only(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA wal_autocheckpoint = 0")
}

/// Whether the file can be used beside the holder of its lock: it is up to date. Of a file that is being
/// made or migrated an error says that it is older.
pub(super) fn may_share(database: &Path) -> Result<(), OpenError> {
    prepare(database, false).map(drop)
}

/// Looks for damage, for at most [`CHECK_LIMIT`], without writing: better that a server does not start
/// than that it finds out over somebody's message. Of a large file it sees a part.
pub(super) fn look_for_damage(database: &Path) -> Result<(), OpenError> {
    twice(|| look_for_damage_once(database))
}

/// Looks again where the first look found damage: a disk that could not read is reported as that, too.
fn twice<T>(look: impl Fn() -> Result<T, OpenError>) -> Result<T, OpenError> {
    match look() {
        Err(OpenError::Damaged { .. } | OpenError::Foreign(_)) => look(),
        found => found,
    }
}

fn look_for_damage_once(database: &Path) -> Result<(), OpenError> {
    let unusable = |error: rusqlite::Error| unusable(database, &error);
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(unusable)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unusable)?;
    reach_or_fail(FailPoint::Read).map_err(unusable)?;
    let give_up = Instant::now() + CHECK_LIMIT;
    connection
        .progress_handler(CHECK_STEPS, Some(move || Instant::now() > give_up))
        .map_err(unusable)?;
    let found: rusqlite::Result<String> =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match found {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => Err(OpenError::Damaged {
            path: database.to_owned(),
            reason: found.replace('\n', " "),
        }),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(()),
        Err(error) => Err(unusable(error)),
    }
}

/// The schema version of one of our files; `None` for a file that is new or empty.
fn version_of(database: &Path) -> Result<Option<i64>, OpenError> {
    match std::fs::metadata(database) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(OpenError::Unusable {
                path: database.to_owned(),
                reason: error.to_string(),
            });
        }
        Ok(metadata) if metadata.len() == 0 => return Ok(None),
        Ok(_) => {}
    }
    let unusable = |error: rusqlite::Error| unusable(database, &error);
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(unusable)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unusable)?;
    reach_or_fail(FailPoint::Read).map_err(unusable)?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let version = pragma("user_version").map_err(unusable)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(unusable)?;
    let application = pragma("application_id").map_err(unusable)?;
    if application == i64::from(APPLICATION_ID) {
        // Made, and stopped before its first migration.
        return Ok((tables > 0 || version > 0).then_some(version));
    }
    if tables == 0 && version == 0 && application == 0 {
        return Ok(None);
    }
    Err(OpenError::Foreign(database.to_owned()))
}

fn unusable(database: &Path, error: &rusqlite::Error) -> OpenError {
    let path = database.to_owned();
    let reason = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::Foreign(path),
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, reason },
        _ => OpenError::Unusable { path, reason },
    }
}

/// The connection that writes.
pub(super) fn write_connection(database: &Path) -> rusqlite::Result<Connection> {
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
    super::trace::install(&connection);
    Ok(connection)
}

/// A reading connection of one's own, for looks that no caller waits for.
pub(super) fn look_connection(database: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(database, read_flags())?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// How a reading connection is opened.
pub(super) fn read_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// A reading connection of its own.
pub(super) fn read_connection(database: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_with_flags(database, read_flags())?;
    configure_reader(&mut connection)?;
    Ok(connection)
}

/// Settings of a reading connection.
pub(super) fn configure_reader(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(super::lists::STATEMENTS);
    super::lists::install(connection)?;
    connection.execute_batch(
        "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2048;",
    )?;
    super::trace::install(connection);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_is_built_as_the_design_needs_it() {
        let connection = Connection::open_in_memory().unwrap();
        let options: Vec<String> = connection
            .prepare("PRAGMA compile_options")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(!options.iter().any(|o| o == "ENABLE_MEMORY_MANAGEMENT"));
        assert!(options.iter().any(|o| o == "DEFAULT_MEMSTATUS=0"));
        assert!(
            rusqlite::version_number() >= 3_051_003,
            "{}",
            rusqlite::version()
        );
    }
}
