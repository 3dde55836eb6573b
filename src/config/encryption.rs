//! The settings of secrets at rest.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use thiserror::Error;

use super::small_file::read_small_file;
use crate::domain::keyring::Keyring;

/// The encryption of stored secrets.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Storage")]
pub struct EncryptionSettings {
    /// A file with the key that encrypts secrets and header values of endpoints in the database: 32 bytes in base64 or
    /// hex.
    ///
    /// The start encrypts what is stored in the clear. A file may have several lines: the first key encrypts, and
    /// all of them decrypt. `hookpost rotate-key` encrypts everything with the first one.
    #[arg(long, env = "HOOKPOST_ENCRYPTION_KEY_FILE", value_name = "FILE")]
    pub encryption_key_file: Option<PathBuf>,
}

/// The reason why the file of keys cannot be used.
#[derive(Debug, Error)]
#[error("cannot use {path} (--encryption-key-file): {reason}")]
pub struct KeyFileError {
    /// The file.
    path: PathBuf,
    /// The system's error, or what is wrong with a line, without its text.
    reason: String,
}

impl EncryptionSettings {
    /// Returns the file if other users can read it. That is worth a warning and no error: containers and orchestrators
    /// hand files over with such permissions.
    #[cfg(unix)]
    #[must_use]
    pub fn exposed_file(&self) -> Option<&Path> {
        use std::os::unix::fs::PermissionsExt;
        let path = self.encryption_key_file.as_deref()?;
        let mode = path.metadata().ok()?.permissions().mode();
        (mode & 0o077 != 0).then_some(path)
    }

    /// Reads the keys; none without a file.
    ///
    /// # Errors
    /// [`KeyFileError`]
    pub fn keys(&self) -> Result<Arc<Keyring>, KeyFileError> {
        let Some(path) = &self.encryption_key_file else {
            return Ok(Arc::default());
        };
        let refused = |reason: String| KeyFileError {
            path: path.clone(),
            reason,
        };
        let bytes = read_small_file(path).map_err(refused)?;
        let text = std::str::from_utf8(&bytes);
        let text = text.map_err(|_| refused("it is no text".to_owned()))?;
        let keys = Keyring::parse(text).map_err(|problem| refused(problem.to_string()))?;
        Ok(Arc::new(keys))
    }
}
