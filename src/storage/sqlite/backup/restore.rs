//! A restore from its begin to its end. Nothing is changed before the backup was unpacked and checked.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::check::check_pages;
use super::copy_file::CopyFile;
use super::error::RestoreError;
use super::source::{CopyError, Source};
use super::swap::{free_name, has_content, swap};
use super::watch::Watch;
use crate::fail_point::{FailPoint, hit};
use crate::storage::sqlite::file::backup_lock::{self, BackupLock};
use crate::storage::sqlite::file::lock::FileLock;
use crate::storage::sqlite::file::place::{self, Owner, RESTORED, RESTORING, beside, identity};
use crate::storage::sqlite::file::recovery::sync_folder_of;

/// The result of a restore.
#[derive(Debug)]
pub struct Restored {
    /// The database.
    pub database: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Its schema version; the next start migrates an older one.
    pub schema: i64,
    /// The name under which the database before is kept.
    pub kept: Option<PathBuf>,
    /// The name under which is kept what an interrupted restore has left.
    pub leftover: Option<PathBuf>,
}

/// Puts the backup `file` in the place of the database, which no process may use. `time` becomes a part of the
/// name of the old database, which is kept.
///
/// # Errors
/// Each is one line of text, and leaves the database as it was.
pub fn restore(
    file: &Path,
    database: &Path,
    replace: bool,
    time: &str,
    mut watch: Watch<'_>,
) -> Result<Restored, RestoreError> {
    let database = &place::resolve(database)?;
    let mut source = open_source(file, database)?;
    let is_there = has_content(database) || has_content(&beside(database, "-wal"));
    if is_there && !replace {
        return Err(RestoreError::Exists(database.to_owned()));
    }
    let owner = Owner::of(database);
    let is_new = !database.exists();
    let lock = FileLock::for_restore(database)?;
    // Dropped before the lock.
    let _made = MadeDatabase(is_new.then(|| database.to_owned()));
    let backups = BackupLock::exclusive(database)?;
    for end in [".lock", backup_lock::END] {
        owner.give(&beside(database, end));
    }
    let leftover = keep_leftover(database, time)?;
    let bytes = unpack(&mut source, file, database, owner, &mut watch)?;
    hit(FailPoint::RestoreChecked);
    let kept = swap(database, time)?;
    drop((backups, lock));
    Ok(Restored {
        database: database.to_owned(),
        bytes,
        schema: source.schema(),
        kept,
        leftover,
    })
}

fn open_source(file: &Path, database: &Path) -> Result<Source, RestoreError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => RestoreError::NoBackup(file.to_owned()),
        _ => RestoreError::Read {
            path: file.to_owned(),
            source,
        },
    };
    let metadata = std::fs::metadata(file).map_err(failed)?;
    if !metadata.is_file() {
        return Err(RestoreError::NoFile(file.to_owned()));
    }
    let is_own = ["", "-wal", "-shm", RESTORING, RESTORED]
        .iter()
        .any(|end| identity(file).is_some() && identity(file) == identity(&beside(database, end)));
    if is_own {
        return Err(RestoreError::Own(file.to_owned()));
    }
    let log = beside(file, "-wal");
    if has_content(&log) {
        return Err(RestoreError::HasLog {
            path: file.to_owned(),
            log,
        });
    }
    let source = File::open(file).map_err(failed)?;
    let source = Source::open(source).map_err(|error| unusable(file, database, error))?;
    let length = source.check_length();
    length.map_err(|problem| unusable(file, database, CopyError::Problem(problem)))?;
    Ok(source)
}

fn unusable(file: &Path, database: &Path, error: CopyError) -> RestoreError {
    match error {
        CopyError::Read(source) => RestoreError::Read {
            path: file.to_owned(),
            source,
        },
        CopyError::Write(source) => RestoreError::Write {
            path: beside(database, RESTORING),
            source,
        },
        CopyError::Problem(problem) => RestoreError::Unusable {
            path: file.to_owned(),
            problem,
        },
        CopyError::Stopped => RestoreError::Stopped,
    }
}

/// Unpacks the backup beside the database, checks all of it, and gives it the name `FILE.restored`. Returns its
/// bytes.
fn unpack(
    source: &mut Source,
    file: &Path,
    database: &Path,
    owner: Owner,
    watch: &mut Watch<'_>,
) -> Result<u64, RestoreError> {
    let path = beside(database, RESTORING);
    let failed = |source: io::Error| RestoreError::Write {
        path: path.clone(),
        source,
    };
    let copy = CopyFile::create(path.clone()).map_err(failed)?;
    // Only the holder of the lock writes it.
    let mut copy = copy.ok_or_else(|| failed(io::ErrorKind::ResourceBusy.into()))?;
    source
        .copy(&mut copy, watch)
        .map_err(|error| unusable(file, database, error))?;
    copy.sync().map_err(failed)?;
    match check_pages(copy.path(), watch.is_stopped) {
        Ok(true) => {}
        Ok(false) => return Err(RestoreError::Stopped),
        Err(problem) => return Err(unusable(file, database, CopyError::Problem(problem))),
    }
    owner.give(copy.path());
    let bytes = copy.length();
    copy.rename(&beside(database, RESTORED)).map_err(failed)?;
    sync_folder_of(database).map_err(failed)?;
    Ok(bytes)
}

/// Keeps what an interrupted restore has left under a name of its own: it may be the database before.
fn keep_leftover(database: &Path, time: &str) -> Result<Option<PathBuf>, RestoreError> {
    let left = beside(database, RESTORED);
    let kept = free_name(database, time);
    match std::fs::rename(&left, &kept) {
        Ok(()) => Ok(Some(kept)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RestoreError::Write { path: left, source }),
    }
}

/// The empty database that taking the lock makes. Dropping this removes it, unless it has content by then.
struct MadeDatabase(Option<PathBuf>);

impl Drop for MadeDatabase {
    fn drop(&mut self) {
        if let Some(database) = &self.0
            && !has_content(database)
        {
            let _ = std::fs::remove_file(database);
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::storage::sqlite::backup::take::{BackupOptions, back_up};
    use crate::storage::sqlite::file::migrations::{CURRENT_VERSION, migrations};
    use crate::storage::sqlite::file::open;

    fn quiet(progress: &mut dyn FnMut(u64, u64)) -> Watch<'_> {
        Watch {
            progress,
            is_stopped: || false,
        }
    }

    #[test]
    fn an_older_schema_is_backed_up_as_it_is_and_migrated_after_the_restore() {
        let folder = tempfile::tempdir().unwrap();
        let (database, copy) = (folder.path().join("h.db"), folder.path().join("copy"));
        let mut old = Connection::open(&database).unwrap();
        old.pragma_update(None, "journal_mode", "WAL").unwrap();
        old.pragma_update(None, "application_id", open::APPLICATION_ID)
            .unwrap();
        migrations().to_version(&mut old, 5).unwrap();
        drop(old);
        let options = BackupOptions {
            compress: false,
            rate: 0,
            verify: true,
            replace: false,
        };
        let mut last = (0, 0);
        let mut note = |done, total| last = (done, total);
        back_up(&database, &copy, options, quiet(&mut note)).unwrap();
        let schema = |path: &Path| -> i64 {
            let connection = Connection::open(path).unwrap();
            let schema = connection.pragma_query_value(None, "user_version", |row| row.get(0));
            schema.unwrap()
        };
        assert_eq!(schema(&database), 5);
        let mut note = |done, total| last = (done, total);
        let restored = restore(&copy, &database, true, "T", quiet(&mut note)).unwrap();
        assert_eq!(restored.schema, 5);
        assert_eq!(
            restored.kept,
            Some(beside(&place::resolve(&database).unwrap(), ".replaced-T"))
        );
        assert!(last.0 == last.1 && last.0 == restored.bytes);
        open::prepare(&database, true).unwrap();
        assert_eq!(schema(&database), CURRENT_VERSION);
    }
}
