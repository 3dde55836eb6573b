//! The repair of a file by the process that holds its lock.
//!
//! # Order
//! 1. The write-ahead log of the last run is moved into the file, as at a start.
//! 2. `SQLite`'s indexes that disagree with their tables are made anew. If pages are damaged or lost, all tables
//!    are written into a new file ([`super::rewrite`]).
//! 3. Rows that break a rule are corrected, then clock steps, counters and list indexes.
//! 4. The file is checked again. What is found then is corrected in another round.
//!
//! A crash leaves the file as it was after the last transaction: the same repair goes on from there.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::batches::{Corrected, transaction};
use super::correct::correct_all;
use super::error::CheckError;
use super::examination::Examination;
use super::examine::examine;
use super::pages::is_damage;
use super::problem::{Kind, Remedy};
use super::progress::CheckWatch;
use super::report::Report;
use super::rewrite;
use crate::storage::sqlite::file::connection::write_connection;
use crate::storage::sqlite::file::lock::FileLock;
use crate::storage::sqlite::file::wal::checkpoint;
use crate::storage::sqlite::file::{open, place, recovery};

/// The most rounds. An orphan is gone after as many as there are tables between it and the row that is lost.
const ROUNDS_MAX: u32 = 8;

/// The result of a repair.
#[derive(Debug)]
pub struct Repaired {
    /// The corrections in words, and how many there were of each.
    pub corrected: Vec<(&'static str, u64)>,
    /// The damaged file, if a new one took its place.
    pub old_file: Option<PathBuf>,
    /// The last check.
    pub report: Report,
}

/// Repairs a file. No server or tool may use it meanwhile.
///
/// # Errors
/// Each is one line of text. The file is usable as far as it was before.
pub fn repair(database: &Path, watch: CheckWatch<'_>) -> Result<Repaired, CheckError> {
    let database = &place::resolve(database)?;
    let lock = FileLock::for_repair(database)?;
    open::prepare_for_repair(database)?;
    rewrite::tidy(database).map_err(|error| CheckError::Failed {
        path: database.clone(),
        reason: error.to_string(),
    })?;
    let mut repairer = Repairer {
        database,
        done: Corrected::default(),
        old_file: None,
    };
    let mut examined = examine(database, watch)?;
    for _ in 0..ROUNDS_MAX {
        if !Repairer::can_go_on(&examined) {
            break;
        }
        repairer.round(&examined)?;
        examined = examine(database, watch)?;
    }
    recovery::sync_folder(database)?;
    drop(lock);
    Ok(Repaired {
        corrected: repairer.done.in_words(),
        old_file: repairer.old_file,
        report: Report::new(&examined.found),
    })
}

struct Repairer<'a> {
    database: &'a Path,
    done: Corrected,
    old_file: Option<PathBuf>,
}

impl Repairer<'_> {
    /// Reports whether something can be corrected, and no damage forbids to write.
    fn can_go_on(examined: &Examination) -> bool {
        let has = |remedy| {
            let mut kinds = examined.found.kinds();
            kinds.any(|(kind, _)| kind.remedy() == remedy)
        };
        !has(Remedy::Restore) && (has(Remedy::Repair) || has(Remedy::Rewrite))
    }

    fn round(&mut self, examined: &Examination) -> Result<(), CheckError> {
        let failed = |error: rusqlite::Error| CheckError::failed(self.database, &error);
        let connection = write_connection(self.database).map_err(failed)?;
        let found = &examined.found;
        let has = |kind| found.has(kind);
        let must_rewrite = has(Kind::LostPage) || has(Kind::DamagedIndex) || has(Kind::Unreadable);
        if must_rewrite || has(Kind::WrongIndex) {
            if must_rewrite || !reindex(&connection).map_err(failed)? {
                drop(connection);
                self.old_file = Some(rewrite::rewrite(self.database)?);
            }
            for kind in [
                Kind::LostPage,
                Kind::DamagedIndex,
                Kind::WrongIndex,
                Kind::Unreadable,
            ] {
                self.done.add(kind, found.count(kind));
            }
            return Ok(());
        }
        correct_all(&connection, examined, &mut self.done).map_err(failed)?;
        checkpoint(&connection, "TRUNCATE").map_err(failed)?;
        Ok(())
    }
}

/// Makes all of `SQLite`'s indexes anew. Returns false if a page of an index is damaged: `SQLite` must read it to
/// free it.
fn reindex(connection: &Connection) -> rusqlite::Result<bool> {
    let made = transaction(connection, || connection.execute_batch("REINDEX"));
    match made {
        Err(error) if is_damage(&error) => Ok(false),
        made => made.map(|()| true),
    }
}
