//! Opening a database file: whose it is, who may, and with which settings.
//!
//! One server per file: it holds an advisory lock on `FILE.lock` beside it, as long as it lives; only
//! the holder migrates. Command-line tools work beside it, on a file that is already up to date. A file
//! that is newer than this program, or not ours, is left untouched.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use thiserror::Error;

use super::migrations::{CURRENT_VERSION, migrations};
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
    /// A server uses it.
    #[error("{0} is in use by another Hookpost server")]
    InUse(PathBuf),
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
    /// It has a second name on disk, behind which another server would not be noticed.
    #[error("{0} has more than one hard link; a database must have one name")]
    HardLinked(PathBuf),
    /// It cannot be read or written.
    #[error("cannot open {path}: {reason}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the database says.
        reason: String,
    },
}

/// The file itself, whatever symbolic links lead to it: the lock and the log are named after it, so two
/// servers that reach one file by different names would not see each other otherwise.
pub(super) fn resolve(database: &Path) -> Result<PathBuf, OpenError> {
    let unusable = |source: io::Error| OpenError::Unusable {
        path: database.to_owned(),
        reason: source.to_string(),
    };
    let path = match std::fs::canonicalize(database) {
        Ok(path) => path,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(database.to_owned()),
        Err(error) => return Err(unusable(error)),
    };
    let metadata = std::fs::metadata(&path).map_err(unusable)?;
    if !metadata.is_file() {
        return Err(unusable(io::Error::other("it is not a file")));
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&metadata) > 1 {
        return Err(OpenError::HardLinked(database.to_owned()));
    }
    Ok(path)
}

/// What tells the file at a path from others: device and number. `None` if there is none, or where the
/// system has no such numbers.
pub(super) fn identity(database: &Path) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(database).ok()?;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = database;
        None
    }
}

/// Makes an empty file that only its owner can read: it will hold signing secrets. `SQLite` gives the
/// files beside it the same permissions.
fn make_private(database: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(database) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

/// The lock of a server on its file; held until dropped.
#[derive(Debug)]
pub(super) struct ServerLock(#[expect(dead_code, reason = "held for its lock")] File);

impl ServerLock {
    /// Takes the lock, or says who holds it.
    pub(super) fn take(database: &Path) -> Result<Self, OpenError> {
        let path = lock_path(database);
        let failed = |source: io::Error| match database.parent() {
            Some(folder) if source.kind() == io::ErrorKind::NotFound => OpenError::Unusable {
                path: database.to_owned(),
                reason: format!("there is no folder {}", folder.display()),
            },
            _ => OpenError::Lock {
                path: path.clone(),
                source,
            },
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(database.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Checks the file and brings it up to date; `may_migrate`: this process holds the server lock.
pub(super) fn prepare(database: &Path, may_migrate: bool) -> Result<(), OpenError> {
    let unusable = |error: rusqlite::Error| unusable(database, &error);
    let version = version_of(database)?;
    if version == Some(CURRENT_VERSION) {
        return Ok(());
    }
    if let Some(found) = version
        && found > CURRENT_VERSION
    {
        return Err(OpenError::Newer {
            path: database.to_owned(),
            found,
        });
    }
    if !may_migrate {
        return Err(OpenError::Older {
            path: database.to_owned(),
            found: version.unwrap_or(0),
        });
    }
    make_private(database).map_err(|source| OpenError::Unusable {
        path: database.to_owned(),
        reason: source.to_string(),
    })?;
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
        .pragma_update(None, "journal_mode", "WAL")
        .map_err(unusable)?;
    connection
        .pragma_update(None, "application_id", APPLICATION_ID)
        .map_err(unusable)?;
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
        })
}

/// Looks for damage, for at most [`CHECK_LIMIT`], without writing: better that a server does not start
/// than that it finds out over somebody's message. Of a large file it sees a part.
pub(super) fn look_for_damage(database: &Path) -> Result<(), OpenError> {
    let unusable = |error: rusqlite::Error| unusable(database, &error);
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(unusable)?;
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
    // FULL: a commit is on disk before anybody is told. Checkpoints are made by a thread of their own.
    // Foreign keys document the schema; the writer gets its numbers from the rows themselves.
    connection.execute_batch(
        // 3 MiB of pages: what a group touches again; the system caches the file.
        "PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA journal_size_limit = 134217728;
         PRAGMA foreign_keys = OFF;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -3072;",
    )?;
    super::trace::install(&connection);
    Ok(connection)
}

/// How a reading connection is opened.
pub(super) fn read_flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
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
