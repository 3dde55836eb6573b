//! The reasons why a database is not opened.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

use super::migrations::CURRENT_VERSION;
use crate::domain::keyring::KeyId;

/// The reason why a database was not opened. Each is one line of text; the file is untouched.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A server uses it, or a tool that takes long.
    #[error("{path} is in use by {holder}")]
    InUse {
        /// The file.
        path: PathBuf,
        /// The process that uses it, in words.
        holder: String,
    },
    /// Its lock file cannot be made or locked.
    #[error("cannot lock {path}: {source}")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The error of the system.
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
    #[error(
        "{path} is damaged: {reason}; repair it with hookpost check --repair, or restore it from a backup"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damage, as the database describes it.
        reason: String,
    },
    /// It is not there, or is empty, while its log is not: a new database would delete the content of the
    /// log.
    #[error(
        "{path} is missing or empty, but its write-ahead log {log} is not; put the database back into its place, or move the log away to start anew"
    )]
    LogAlone {
        /// The file.
        path: PathBuf,
        /// Its log.
        log: PathBuf,
    },
    /// It has a second name on disk (a hard link), by which another server could use it unnoticed.
    #[error("{0} has more than one hard link; a database must have one name")]
    HardLinked(PathBuf),
    /// It is a mount point itself, so the files that belong beside it are missing.
    #[error(
        "{0} is a mount point; mount the folder that holds the database, and not the file by itself"
    )]
    MountPoint(PathBuf),
    /// The log, its index or the lock is a link, a pipe or a folder.
    #[error("{0} is not a file; remove it, or use another database")]
    NoFile(PathBuf),
    /// The log of the last run could not be written to the disk.
    #[error("cannot recover {path} from its write-ahead log: {reason}")]
    NotRecovered {
        /// The file.
        path: PathBuf,
        /// The error.
        reason: String,
    },
    /// Its secrets are encrypted, and the settings do not have the key.
    #[error("{path} has secrets that are encrypted with the key {key}: {remedy}")]
    Sealed {
        /// The file.
        path: PathBuf,
        /// The id of the key.
        key: KeyId,
        /// The thing to do, in words.
        remedy: &'static str,
    },
    /// Its secrets could not be encrypted.
    #[error("cannot encrypt the secrets of {path}: {reason}; the next start tries again")]
    NotSealed {
        /// The file.
        path: PathBuf,
        /// The error.
        reason: String,
    },
    /// It cannot be read or written.
    #[error("cannot open {path}: {reason}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The error of the database.
        reason: String,
    },
}

impl OpenError {
    /// Returns the reason for an error that `SQLite` reported of the file.
    pub(crate) fn from_sqlite(database: &Path, error: &rusqlite::Error) -> Self {
        let path = database.to_owned();
        let reason = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign(path),
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, reason },
            _ => Self::Unusable { path, reason },
        }
    }
}
