//! `hookpost rotate-key`: encrypts the stored secrets and header values with another key, or decrypts them.

use std::sync::Arc;

use clap::Args;

use super::output::{self, UsageError};
use crate::config::{EncryptionSettings, StorageSettings};
use crate::domain::clock::SystemClock;
use crate::storage::sqlite::SqliteStore;

/// Encrypt the secrets and header values in the database with the first key of the file; no server may run on it.
///
/// For a new key: put it into a new first line of the file, run this, and remove the old line. What is stored in the
/// clear is encrypted, too. It may be stopped at any time, and run again. Backups keep the old key: keep it as long as
/// them.
#[derive(Args, Debug)]
pub(super) struct RotateKey {
    /// Store them in the clear; the server can then start without the file.
    #[arg(long)]
    decrypt: bool,

    #[command(flatten)]
    storage: StorageSettings,
    #[command(flatten)]
    encryption: EncryptionSettings,
}

impl RotateKey {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let database = &self.storage.database;
        if !database.exists() {
            anyhow::bail!("there is no database at {}", database.display());
        }
        let keys = self.encryption.keys()?;
        let Some(key) = keys.sealing_key() else {
            let text =
                "name the file with the keys: --encryption-key-file (HOOKPOST_ENCRYPTION_KEY_FILE)";
            return Err(UsageError(text.to_owned()).into());
        };
        let clock = Arc::new(SystemClock::new());
        let store = SqliteStore::open_to_reseal(database, keys, "rotate-key", clock)?;
        let changed = store.reseal(self.decrypt);
        // What is done is done, also if the rest failed; the write-ahead log goes with the old values.
        store.close()?;
        let values = match changed? {
            1 => "1 value".to_owned(),
            count => format!("{count} values"),
        };
        output::result(&if self.decrypt {
            format!("{values} decrypted\n")
        } else {
            format!("{values} encrypted with the key {key}\n")
        })
    }
}
