//! The encryption of stored secrets: what a start checks and does, and the change of keys.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::{SqliteSettings, SqliteStore};
use crate::domain::clock::Clock;
use crate::domain::keyring::{KeyId, Keyring};
use crate::storage::StoreError;
use crate::storage::sqlite::file::lock::FileLock;
use crate::storage::sqlite::file::open_error::OpenError;
use crate::storage::sqlite::file::wal::checkpoint;
use crate::storage::sqlite::file::{open, place};
use crate::storage::sqlite::sealing::missing_key;
use crate::storage::sqlite::writes::reseal::{self, SealedAs, Step};

/// Checks that `keys` can open all secrets of a database.
///
/// # Errors
/// [`OpenError::Sealed`]
pub(super) fn check_keys(
    database: &Path,
    connection: &Connection,
    keys: &Keyring,
) -> Result<(), OpenError> {
    let missing = missing_key(connection, keys);
    let missing = missing.map_err(|error| OpenError::from_sqlite(database, &error))?;
    match missing {
        None => Ok(()),
        Some(key) => Err(sealed_with(database, key, keys)),
    }
}

/// Returns the reason why a database with a secret that was sealed with `key` is not opened.
fn sealed_with(database: &Path, key: KeyId, keys: &Keyring) -> OpenError {
    OpenError::Sealed {
        path: database.to_owned(),
        key,
        remedy: match keys.sealing_key() {
            None => "name the file that has this key (--encryption-key-file)",
            Some(_) => "add this key as another line to the file of --encryption-key-file",
        },
    }
}

/// Seals the secrets that are plain, if there is a key, and empties the log, so that no plain one is left in the file. Each
/// step is a transaction of its own; after a crash, the next start does the rest.
///
/// # Errors
/// [`OpenError::NotSealed`]
pub(super) fn seal_plain_secrets(
    database: &Path,
    connection: &Connection,
    keys: &Keyring,
) -> Result<(), OpenError> {
    if keys.sealing_key().is_none() {
        return Ok(());
    }
    let not_sealed = |error: rusqlite::Error| OpenError::NotSealed {
        path: database.to_owned(),
        reason: error.to_string(),
    };
    let (mut secrets, mut after) = (0, 0);
    loop {
        let step = sealing_step(connection, after).map_err(not_sealed)?;
        secrets += step.changed;
        match step.through {
            Some(through) => after = through,
            None => break,
        }
    }
    // Also if nothing was sealed: the start before may have been killed in between. If another process reads the log, the
    // thread for checkpoints tries again.
    checkpoint(connection, "TRUNCATE").map_err(not_sealed)?;
    if secrets > 0 {
        tracing::info!(
            values = secrets,
            "secrets that were in the clear are encrypted"
        );
    }
    Ok(())
}

fn sealing_step(connection: &Connection, after: i64) -> rusqlite::Result<Step> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let step = reseal::step(&transaction, SealedAs::AnyKey, after)?;
    transaction.commit()?;
    Ok(step)
}

impl SqliteStore {
    /// Opens the file to give its secrets another form with [`SqliteStore::reseal`]. No server may use it.
    ///
    /// # Errors
    /// Each is one line of text. The file is untouched.
    pub fn open_to_reseal(
        database: &Path,
        keys: Arc<Keyring>,
        command: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, OpenError> {
        let database = &place::resolve(database)?;
        open::refuse_after_interrupted_restore(database)?;
        let Some(lock) = FileLock::for_tool(database, command)? else {
            return Err(OpenError::InUse {
                path: database.clone(),
                holder: "a server; stop it first".to_owned(),
            });
        };
        let restricted = place::restrict_permissions(database);
        open::prepare(database, true)?;
        let settings = SqliteSettings {
            keys,
            ..SqliteSettings::default()
        };
        let store = Self::start(database, settings, clock, Some(lock), false)?;
        restricted.report();
        let missing = store.read(|connection| Ok(missing_key(connection, &store.settings.keys)?));
        match missing {
            Ok(None) => Ok(store),
            Ok(Some(key)) => Err(sealed_with(database, key, &store.settings.keys)),
            Err(error) => Err(OpenError::Unusable {
                path: database.clone(),
                reason: error.to_string(),
            }),
        }
    }

    /// Gives every stored secret another form: sealed with the first key of the settings, or plain. Each step is a
    /// transaction of its own; after a crash, another call does the rest. Returns the number of values that changed.
    ///
    /// # Errors
    /// Those of writing.
    pub fn reseal(&self, decrypt: bool) -> Result<u64, StoreError> {
        match self.settings.keys.sealing_key() {
            _ if decrypt => self.reseal_as(SealedAs::Plain),
            Some(key) => self.reseal_as(SealedAs::Key(key)),
            None => Ok(0),
        }
    }

    fn reseal_as(&self, form: SealedAs) -> Result<u64, StoreError> {
        let (mut changed, mut after) = (0, 0);
        loop {
            let step = self.write_as_lock_holder(None, 0, move |context| {
                Ok(reseal::step(context.connection, form, after)?)
            });
            let step = step.wait()?;
            changed += step.changed;
            match step.through {
                Some(through) => after = through,
                None => return Ok(changed),
            }
        }
    }
}
