//! The reasons why a file is not checked or not repaired.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::storage::sqlite::file::migrations::CURRENT_VERSION;
use crate::storage::sqlite::file::open_error::OpenError;

/// The reason why a file was not checked or not repaired.
#[derive(Debug, Error)]
pub enum CheckError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An older Hookpost wrote it.
    #[error(
        "{path} has schema {found}, this Hookpost checks {CURRENT_VERSION}; check it with its own version, or start the server with this one first"
    )]
    Older {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
    },
    /// It cannot be read or written.
    #[error("cannot check {path}: {reason}")]
    Failed {
        /// The file.
        path: PathBuf,
        /// The error.
        reason: String,
    },
    /// Another program has changed it.
    #[error("{0} was changed while it was checked; check it again")]
    Changed(PathBuf),
    /// A row of a table cannot be read.
    #[error("{path} has rows that cannot be read: {reason}; restore a backup")]
    Lost {
        /// The file.
        path: PathBuf,
        /// The error.
        reason: String,
    },
    /// The new file cannot be put into its place.
    #[error("cannot write {path}: {reason}; the database is as it was")]
    NotWritten {
        /// The new file.
        path: PathBuf,
        /// The error.
        reason: String,
    },
}

impl CheckError {
    pub(super) fn failed(path: &Path, error: &rusqlite::Error) -> Self {
        Self::Failed {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }
}
