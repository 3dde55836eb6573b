//! The check of a database file, and its repair.
//!
//! # The check
//! It reads one snapshot and changes nothing, beside a running server or without one. `SQLite` checks the pages
//! and its own indexes (`integrity_check`) on one thread; on another, this module checks what `SQLite` cannot
//! know: that references lead somewhere, that copied columns agree with their source, that states make sense,
//! and that counters and list indexes are those of their rows.
//!
//! # Cost
//! Each large table is read once, in its order, with a search for each row in the tables that it refers to;
//! counters are compared block by block, and list indexes by sums of hashes ([`lists`]). So the memory does not
//! grow with the tables. The snapshot does cost a running server something: its write-ahead log cannot start over
//! until the check ends.
//!
//! # The repair
//! [`repair`] holds the lock of the file. It corrects rows in transactions of some thousand each, in an order in
//! which any of them may be the last. It repeats that until a check finds nothing more, since the correction of one
//! row can be the reason for another. If pages are damaged, but none of a table that only a backup could replace,
//! it writes all tables into a new file ([`rewrite`]).

mod blocks;
mod clock;
mod correct;
mod examination;
mod lists;
mod marks;
mod pages;
mod problem;
mod progress;
mod references;
mod repair;
mod rewrite;
mod rows;
mod rules;
mod schema;
mod snapshot;
mod tables;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use thiserror::Error;

use self::examination::Examination;
use self::pages::is_damage;
use self::problem::{Found, Kind, Part};
use self::progress::Progress;
use self::snapshot::Snapshot;
use self::tables::{DELIVERIES, EVENTS};
use crate::storage::sqlite::file::migrations::CURRENT_VERSION;
use crate::storage::sqlite::file::open_error::OpenError;

pub use self::problem::Remedy;
pub use self::progress::Watch;
pub use self::repair::{Repaired, repair};

/// The time between two looks at the thread that checks the pages.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

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
    fn failed(path: &Path, error: &rusqlite::Error) -> Self {
        Self::Failed {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }
}

/// The result of a check: each of its parts, with the problems that it found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The parts, in the order of the report.
    pub parts: Vec<PartReport>,
}

/// A part of the check.
#[derive(Clone, Debug)]
pub struct PartReport {
    /// Its name, which is stable.
    pub name: &'static str,
    /// The problems that it found; none if all is well.
    pub problems: Vec<Problem>,
}

/// A kind of problem that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The rows or values, in words.
    pub what: &'static str,
    /// The number of them.
    pub count: u64,
    /// The first of them.
    pub first: Vec<String>,
    /// What mends it.
    pub remedy: Remedy,
}

impl Report {
    fn new(found: &Found) -> Self {
        let parts = Part::ALL.map(|part| PartReport {
            name: part.name(),
            problems: found
                .kinds()
                .filter(|(kind, _)| kind.part() == part)
                .map(|(kind, tally)| Problem {
                    what: kind.text(),
                    count: tally.count,
                    first: tally.named.clone(),
                    remedy: kind.remedy(),
                })
                .collect(),
        });
        Self {
            parts: parts.into(),
        }
    }

    /// Returns all problems.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.parts.iter().flat_map(|part| &part.problems)
    }

    /// Reports whether nothing was found.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems().next().is_none()
    }
}

/// Checks a file, and changes nothing.
///
/// # Errors
/// Each is one line of text.
pub fn check(database: &Path, watch: Watch<'_>) -> Result<Report, CheckError> {
    let database = &canonical(database)?;
    Ok(Report::new(&examine(database, watch)?.found))
}

/// Returns the path of the file itself: the write-ahead log is beside that. A check refuses no file with a second
/// name, since backups may have one.
fn canonical(database: &Path) -> Result<PathBuf, OpenError> {
    let unusable = |reason: String| OpenError::Unusable {
        path: database.to_owned(),
        reason,
    };
    let path = database
        .canonicalize()
        .map_err(|error| unusable(error.to_string()))?;
    if path.is_file() {
        Ok(path)
    } else {
        Err(unusable("it is not a file".to_owned()))
    }
}

/// Makes all checks on one snapshot.
fn examine(database: &Path, watch: Watch<'_>) -> Result<Examination, CheckError> {
    let Snapshot { pages, rows, files } = Snapshot::open(database)?;
    let failed = |error: &rusqlite::Error| CheckError::failed(database, error);
    let pages = thread::Builder::new()
        .name("check-pages".to_owned())
        .spawn(move || pages::check(&pages))
        .map_err(|error| CheckError::Failed {
            path: database.to_owned(),
            reason: error.to_string(),
        })?;
    let mut out = Examination::default();
    let total = match total(&rows) {
        Ok(total) => total,
        Err(error) if is_damage(&error) => 0,
        Err(error) => return Err(failed(&error)),
    };
    let mut progress = Progress::new(total, watch);
    let checked = schema::check(&rows, &mut out.found).and_then(|()| {
        // Without a table, no check of rows makes sense.
        if out.found.has(Kind::WrongTable) || out.found.has(Kind::MissingIndex) {
            return Ok(());
        }
        check_rows(&rows, &mut out, &mut progress)
    });
    while !pages.is_finished() {
        progress.report();
        thread::sleep(LOOK_AGAIN);
    }
    let panicked = |_| CheckError::Failed {
        path: database.to_owned(),
        reason: "the thread that checks the pages has ended".to_owned(),
    };
    let of_pages = pages.join().map_err(panicked)?;
    checked.map_err(|error| failed(&error))?;
    out.found.add(of_pages.map_err(|error| failed(&error))?);
    if !files.is_as_it_was() {
        return Err(CheckError::Changed(database.to_owned()));
    }
    out.found.name_rows(&rows);
    Ok(out)
}

/// Makes the checks of rows, and of what is derived from them. One that comes to a damaged page ends there.
fn check_rows(
    connection: &Connection,
    out: &mut Examination,
    progress: &mut Progress<'_>,
) -> rusqlite::Result<()> {
    type Check = fn(&Connection, &mut Examination, &mut Progress<'_>) -> rusqlite::Result<()>;
    let checks: [(&str, Check); 9] = [
        ("endpoints", |c, out, _| {
            rows::check_small(c, &rules::endpoints(), out)
        }),
        ("tokens", |c, out, _| {
            rows::check_small(c, &rules::tokens(), out)
        }),
        ("idempotency keys", |c, out, _| {
            rows::check_small(c, &rules::keys(), out)
        }),
        ("unwanted messages", |c, out, _| {
            rows::check_small(c, &rules::unwanted(), out)
        }),
        ("messages", rows::check_messages),
        ("events", |c, out, progress| {
            rows::check_growing(c, &EVENTS, &rules::events(), out, progress)
        }),
        ("deliveries", |c, out, progress| {
            rows::check_growing(c, &DELIVERIES, &rules::deliveries(), out, progress)
        }),
        ("attempts", |c, out, _| rows::check_attempts(c, out)),
        ("marks", |c, out, _| marks::check(c, out)),
    ];
    for (name, check) in checks {
        match check(connection, out, progress) {
            Err(error) if is_damage(&error) => {
                out.found
                    .note(Kind::Unreadable, || format!("{name}: {error}"));
            }
            checked => checked?,
        }
        progress.report();
    }
    Ok(())
}

/// Returns the number of rows that the checks look at, as if no number were missing: each row of a table that
/// grows and its three entries.
fn total(connection: &Connection) -> rusqlite::Result<u64> {
    let mut total = 0;
    for (table, looks) in [("message", 1), ("event", 4), ("delivery", 4)] {
        let span = format!("SELECT coalesce(max(seq) - min(seq) + 1, 0) FROM {table}");
        let span: u64 = connection.query_row(&span, [], |row| row.get(0))?;
        total += span * looks;
    }
    Ok(total)
}

#[cfg(test)]
mod tests;
