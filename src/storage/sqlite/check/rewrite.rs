//! The rewrite: all rows of all tables, in a new file that takes the place of the old one.
//!
//! `SQLite` cannot free a damaged page, since it would have to read it. So if an index, a derived table or the
//! list of free pages is damaged, every table that is not derived is read in its own order, without an index, and
//! written into a new file. The counters and list indexes of that file are empty: the next round of the repair
//! fills them, as it does in any file. If a row cannot be read, nothing is changed, because only a backup has it.
//!
//! # Crashes
//! 1. The new file is written beside the old one (`-rewritten`), checked, and synced.
//! 2. The write-ahead log of the old file is empty, and is removed with its index.
//! 3. Linux exchanges the two names in one step; elsewhere, the new file replaces the old one.
//! 4. The old file gets its last name (`.damaged`).
//!
//! Until step 3 the old file is in its place, and from then on the new one. Throughout, a transaction keeps tools
//! from writing to the old file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OpenFlags};

use super::error::CheckError;
use super::pages::is_damage;
use super::schema::copied_tables;
use super::tables::CHARTS;
use crate::fail_point::{FailPoint, hit};
use crate::storage::sqlite::file::connection::write_connection;
use crate::storage::sqlite::file::migrations::CURRENT_VERSION;
use crate::storage::sqlite::file::open::APPLICATION_ID;
use crate::storage::sqlite::file::place::{beside, private_options};
use crate::storage::sqlite::file::recovery::sync_folder;
use crate::storage::sqlite::file::wal::checkpoint;

/// Writes all rows into a new file, and puts it in the place of the old one. Returns the new name of the old file.
pub(super) fn rewrite(database: &Path) -> Result<PathBuf, CheckError> {
    let new = beside(database, "-rewritten");
    let failed = |error: rusqlite::Error| CheckError::failed(database, &error);
    let not_written = |error: io::Error| CheckError::NotWritten {
        path: new.clone(),
        reason: error.to_string(),
    };
    tidy(database)
        .and_then(|()| make_empty(&new, database))
        .map_err(not_written)?;
    let old = write_connection(database).map_err(failed)?;
    let done = checkpoint(&old, "TRUNCATE").map_err(failed)?;
    old.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    let log = beside(database, "-wal");
    if done.is_busy() || log.metadata().is_ok_and(|log| log.len() > 0) {
        return Err(CheckError::Failed {
            path: database.to_owned(),
            reason: "another program uses it; end it first".to_owned(),
        });
    }
    if let Err(error) = copy(&old, &new) {
        let _ = std::fs::remove_file(&new);
        let reason = error.to_string();
        return Err(if is_damage(&error) {
            CheckError::Lost {
                path: database.to_owned(),
                reason,
            }
        } else {
            CheckError::NotWritten { path: new, reason }
        });
    }
    let sync = || File::open(&new)?.sync_all();
    sync().map_err(not_written)?;
    hit(FailPoint::Rewritten);
    let aside = free_name(database);
    exchange(&new, database, &aside).map_err(not_written)?;
    drop(old);
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(beside(database, end));
    }
    sync_folder(database)?;
    Ok(aside)
}

/// The place of the schema version in a database file (<https://sqlite.org/fileformat2.html#database_header>).
const VERSION_AT: u64 = 60;

/// Clears away what an interrupted rewrite has left. A new file gets its schema version last, so one without it is
/// not complete and goes. Any other may be the damaged file, and gets the name of one.
pub(super) fn tidy(database: &Path) -> io::Result<()> {
    let left = beside(database, "-rewritten");
    let mut version = [0; 4];
    // A pipe would be waited for.
    if left.symlink_metadata().is_ok_and(|found| !found.is_file()) {
        return std::fs::remove_file(&left);
    }
    let read = File::open(&left).and_then(|mut file| {
        file.seek(SeekFrom::Start(VERSION_AT))?;
        file.read_exact(&mut version)
    });
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(()) if version != [0; 4] => std::fs::rename(&left, free_name(database)),
        _ => std::fs::remove_file(&left),
    }
}

/// Makes an empty file with the permissions and the owner of the database.
fn make_empty(new: &Path, database: &Path) -> io::Result<()> {
    let mut options: OpenOptions = private_options();
    let file = options.create_new(true).open(new)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let owner = std::fs::metadata(database)?;
        let _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
    }
    #[cfg(not(unix))]
    let _ = (file, database);
    Ok(())
}

/// Copies all tables that are not derived into the new file, and what can be read of the charts.
fn copy(old: &Connection, new: &Path) -> rusqlite::Result<()> {
    let made = Connection::open_with_flags(new, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    made.execute_batch(&format!(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA secure_delete = ON; PRAGMA journal_mode = OFF;
         PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;
         PRAGMA application_id = {APPLICATION_ID};"
    ))?;
    super::schema::make_tables(&made)?;
    for table in copied_tables(old)? {
        copy_table(old, &made, &table)?;
    }
    // The highest numbers of workspaces and endpoints, which must not be given again.
    made.execute_batch("DELETE FROM sqlite_sequence")?;
    copy_table(old, &made, "sqlite_sequence")?;
    super::schema::make_missing(&made)?;
    made.execute_batch(&format!(
        "PRAGMA user_version = {CURRENT_VERSION}; PRAGMA journal_mode = WAL;"
    ))?;
    Ok(())
}

fn copy_table(old: &Connection, new: &Connection, table: &str) -> rusqlite::Result<()> {
    let mut select = old.prepare(&format!("SELECT * FROM \"{table}\" NOT INDEXED"))?;
    let columns = select.column_count();
    let marks = vec!["?"; columns].join(", ");
    let transaction = new.unchecked_transaction()?;
    let mut insert = new.prepare(&format!("INSERT INTO \"{table}\" VALUES ({marks})"))?;
    let mut rows = select.query([])?;
    loop {
        let row = match rows.next() {
            Err(error) if table == CHARTS && is_damage(&error) => break,
            next => next?,
        };
        let Some(row) = row else { break };
        for at in 0..columns {
            insert.raw_bind_parameter(at + 1, ToSqlOutput::Borrowed(row.get_ref(at)?))?;
        }
        insert.raw_execute()?;
    }
    drop(insert);
    transaction.commit()
}

/// Returns a name for the old file that no file has.
fn free_name(database: &Path) -> PathBuf {
    let name = |number: u32| match number {
        0 => beside(database, ".damaged"),
        _ => beside(database, &format!(".damaged.{number}")),
    };
    let mut names = (0..).map(name);
    names.find(|path| !path.exists()).unwrap_or_else(|| name(0))
}

/// Puts the new file in the place of the database, and the database under the name `aside`.
fn exchange(new: &Path, database: &Path, aside: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        if renameat_with(CWD, new, CWD, database, RenameFlags::EXCHANGE).is_ok() {
            hit(FailPoint::Exchanged);
            return std::fs::rename(new, aside);
        }
    }
    // The old file must have a name at any moment, and no second one in the end.
    std::fs::copy(database, aside)?;
    File::open(aside)?.sync_all()?;
    std::fs::rename(new, database)
}
