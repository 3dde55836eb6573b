//! The reasons why a backup or a restore failed.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::storage::sqlite::file::migrations::CURRENT_VERSION;
use crate::storage::sqlite::file::open_error::OpenError;

/// The reason why a backup was not made. Each is one line; nothing of the backup is left.
#[derive(Debug, Error)]
pub enum BackupError {
    /// There is no database, or an empty file.
    #[error("there is no database at {0}")]
    NoDatabase(PathBuf),
    /// The database cannot be read.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// The database could not be read to its end.
    #[error("cannot read {path}: {reason}")]
    Read {
        /// The database.
        path: PathBuf,
        /// The error of the database.
        reason: String,
    },
    /// The target exists.
    #[error("{0} exists; choose another name, or replace it with --force")]
    Exists(PathBuf),
    /// The target is a folder, a link, a pipe or a device.
    #[error("{0} is not a file; name a new file for the backup")]
    NoFile(PathBuf),
    /// The target is the database, or a file that belongs to it.
    #[error("{0} belongs to the database itself; name another file for the backup")]
    Own(PathBuf),
    /// Another process writes a backup to the same target.
    #[error("another backup is being written to {0}")]
    Busy(PathBuf),
    /// The target cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The target.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The copy did not pass its check.
    #[error("the backup was not kept, because the copy {0}")]
    Unusable(CopyProblem),
    /// The user has stopped it.
    #[error("stopped before the backup was complete; nothing was kept")]
    Stopped,
}

/// The reason why a backup was not put in place. Each is one line; the database is as it was.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// There is no such backup.
    #[error("there is no file {0}")]
    NoBackup(PathBuf),
    /// The backup is a folder, a pipe or a device.
    #[error("{0} is not a file")]
    NoFile(PathBuf),
    /// The backup is the database, or a file that belongs to it.
    #[error("{0} belongs to the database that is to be restored; name a backup of it")]
    Own(PathBuf),
    /// The file has a log beside it: without it, the file is not whole.
    #[error(
        "{path} is not a backup but a database in use: it has the write-ahead log {log}; make a backup of it with `hookpost backup`"
    )]
    HasLog {
        /// The file.
        path: PathBuf,
        /// Its log.
        log: PathBuf,
    },
    /// The backup cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The backup.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The backup cannot be used.
    #[error("{path} {problem}")]
    Unusable {
        /// The backup.
        path: PathBuf,
        /// The problem.
        problem: CopyProblem,
    },
    /// There is a database already.
    #[error(
        "{0} exists; with --replace, the backup takes its place, and the old database is kept under another name"
    )]
    Exists(PathBuf),
    /// The database is in use, or cannot be opened.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// Another program has the database open.
    #[error("{0} is in use by another program, which reads its write-ahead log; end it first")]
    Log(PathBuf),
    /// A file cannot be written or renamed.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The user has stopped it.
    #[error("stopped; nothing was changed")]
    Stopped,
}

/// The reason why a copy of a database cannot be used.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum CopyProblem {
    /// It is no `SQLite` file, or another program's.
    #[error("is not a Hookpost database")]
    Foreign,
    /// A newer Hookpost wrote it.
    #[error(
        "was written by a newer Hookpost (schema {0}, this one knows {CURRENT_VERSION}); upgrade Hookpost"
    )]
    Newer(i64),
    /// Bytes are missing at its end.
    #[error("is cut: bytes are missing at its end")]
    Cut,
    /// Its pages contradict each other, or its check sum is wrong.
    #[error("is damaged: {0}")]
    Damaged(String),
}
