//! Opening a database file: it is checked, recovered and migrated before any connection uses it.
//!
//! A file has one server, which holds the lock ([`super::lock`]) as long as it runs; only the holder
//! migrates. Command-line tools work beside the server, on a file that is up to date. A file that is newer
//! than this program, or not Hookpost's, stays untouched.

use std::io;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::connection::{BUSY_TIMEOUT, checkpoint_by_hand_only};
use super::damage::with_second_try;
use super::injected_error::hit_or_fail;
use super::lost_frames::LastRun;
use super::migrations::{CURRENT_VERSION, migrations};
use super::open_error::OpenError;
use super::place::{RESTORED, RESTORING, beside};
use super::recovery::{recover, recover_unchecked};
use super::stale_log;
use crate::fail_point::{FailPoint, hit};

/// The mark of a Hookpost database (`SQLite`'s `application_id`): "HKPS".
pub(crate) const APPLICATION_ID: i32 = 0x484B_5053;

/// Checks the file, recovers the log of the last run, and brings the file up to date. `may_migrate` says that
/// this process holds the lock. Returns true if recovery has searched for damage already.
pub(crate) fn prepare(database: &Path, may_migrate: bool) -> Result<bool, OpenError> {
    let unusable = |error: rusqlite::Error| OpenError::from_sqlite(database, &error);
    // Before the first connection, which makes the wal-index anew.
    let last_run = LastRun::read(database).filter(|_| may_migrate);
    // A log that is set aside is reported, and the next connection makes a new one.
    let is_set_aside = stale_log::set_aside(database, last_run)?;
    let last_run = last_run.filter(|_| !is_set_aside);
    if may_migrate {
        undo_unfinished(database)?;
    }
    let version = with_second_try(|| version_of(database))?;
    if let Some(found) = version
        && found > CURRENT_VERSION
    {
        return Err(OpenError::Newer {
            path: database.to_owned(),
            found,
        });
    }
    let looked = may_migrate && version.is_some() && recover(database, last_run)?;
    if version == Some(CURRENT_VERSION) {
        return Ok(looked);
    }
    if !may_migrate {
        return Err(OpenError::Older {
            path: database.to_owned(),
            found: version.unwrap_or(0),
        });
    }
    hit(FailPoint::DatabaseMade);
    let mut connection = Connection::open(database).map_err(unusable)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unusable)?;
    if version.is_none() {
        // This works only before the first table: it lets the file give back the pages that archiving frees.
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
    hit(FailPoint::DatabaseMarked);
    #[cfg(feature = "fail-points")]
    connection
        .commit_hook(Some(|| {
            hit(FailPoint::Migrating);
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

/// Recovers the log of the last run for a repair, which must be able to use a damaged file. This process must hold
/// the lock. The file must be one of this version.
pub(crate) fn prepare_for_repair(database: &Path) -> Result<(), OpenError> {
    let last_run = LastRun::read(database);
    let is_set_aside = stale_log::set_aside(database, last_run)?;
    recover_unchecked(database, last_run.filter(|_| !is_set_aside))
}

/// Recovers the log of the last run, and neither makes nor migrates the file. This process must hold the lock, and
/// have no connection yet. Returns the schema version; `None` for an empty file.
pub(crate) fn settle(database: &Path, newer: NewerSchema) -> Result<Option<i64>, OpenError> {
    let last_run = LastRun::read(database);
    let is_set_aside = stale_log::set_aside(database, last_run)?;
    let last_run = last_run.filter(|_| !is_set_aside);
    undo_unfinished(database)?;
    let version = with_second_try(|| version_of(database))?;
    match version {
        Some(found) if found > CURRENT_VERSION && newer == NewerSchema::Refused => {
            Err(OpenError::Newer {
                path: database.to_owned(),
                found,
            })
        }
        Some(found) => recover(database, last_run).map(|_| Some(found)),
        None => Ok(None),
    }
}

/// The treatment of a file that a newer Hookpost wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewerSchema {
    Refused,
    Allowed,
}

/// Refuses to make a new database where a restore was interrupted: the server would run without the data.
pub(crate) fn refuse_after_interrupted_restore(database: &Path) -> Result<(), OpenError> {
    if database.metadata().is_ok_and(|found| found.len() > 0) {
        return Ok(());
    }
    let left = [RESTORING, RESTORED].map(|end| beside(database, end));
    match left.iter().find(|left| left.exists()) {
        None => Ok(()),
        Some(left) => Err(OpenError::Unusable {
            path: database.to_owned(),
            reason: format!(
                "a restore was interrupted before its end; run it again, or remove {}",
                left.display()
            ),
        }),
    }
}

/// Undoes the first write to a new file if it was interrupted. The file has a write-ahead log only after that
/// write. Until then it has a rollback journal, which only a connection that writes can apply.
fn undo_unfinished(database: &Path) -> Result<(), OpenError> {
    let is_there = |path: &Path| path.metadata().is_ok_and(|found| found.len() > 0);
    if !is_there(&beside(database, "-journal")) || !is_there(database) {
        return Ok(());
    }
    let unusable = |error: rusqlite::Error| OpenError::from_sqlite(database, &error);
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE)
        .map_err(unusable)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unusable)?;
    connection
        .pragma_query_value(None, "schema_version", |_| Ok(()))
        .map_err(unusable)
}

/// Checks that the file is up to date, so that a tool can use it beside the holder of its lock. For a file
/// that is being made or migrated, the error says that it is older.
pub(crate) fn may_share(database: &Path) -> Result<(), OpenError> {
    prepare(database, false).map(drop)
}

/// Returns the schema version of a Hookpost file; `None` for a file that is new or empty.
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
    let unusable = |error: rusqlite::Error| OpenError::from_sqlite(database, &error);
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(unusable)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unusable)?;
    hit_or_fail(FailPoint::Read).map_err(unusable)?;
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let version = pragma("user_version").map_err(unusable)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(unusable)?;
    let application = pragma("application_id").map_err(unusable)?;
    if application == i64::from(APPLICATION_ID) {
        // The file was made, and the process ended before the first migration.
        return Ok((tables > 0 || version > 0).then_some(version));
    }
    if tables == 0 && version == 0 && application == 0 {
        return Ok(None);
    }
    Err(OpenError::Foreign(database.to_owned()))
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
        // Backups read pages through it.
        assert!(options.iter().any(|o| o == "ENABLE_DBPAGE_VTAB"));
        assert!(
            rusqlite::version_number() >= 3_051_003,
            "{}",
            rusqlite::version()
        );
    }
}
