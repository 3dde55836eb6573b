//! The check of a whole file: two threads on one snapshot.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use super::error::CheckError;
use super::examination::Examination;
use super::pages::is_damage;
use super::problem::Kind;
use super::progress::{CheckWatch, Progress};
use super::report::Report;
use super::snapshot::Snapshot;
use super::tables::{DELIVERIES, EVENTS};
use super::{charts, marks, pages, rows, rules, schema};
use crate::storage::sqlite::file::open_error::OpenError;

/// The time between two looks at the thread that checks the pages.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Checks a file, and changes nothing.
///
/// # Errors
/// Each is one line of text.
pub fn check(database: &Path, watch: CheckWatch<'_>) -> Result<Report, CheckError> {
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
pub(super) fn examine(database: &Path, watch: CheckWatch<'_>) -> Result<Examination, CheckError> {
    let Snapshot {
        pages,
        rows,
        files,
        lock: _lock,
    } = Snapshot::open(database)?;
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
    let checks: [(&str, Check); 14] = [
        ("endpoints", |c, out, _| {
            rows::check_small(c, &rules::endpoints(), out)
        }),
        ("old secrets", |c, out, _| {
            rows::check_small(c, &rules::old_secrets(), out)
        }),
        ("tokens", |c, out, _| {
            rows::check_small(c, &rules::tokens(), out)
        }),
        ("jobs", |c, out, _| {
            rows::check_small(c, &rules::jobs(), out)
        }),
        ("places of jobs", |c, out, _| {
            rows::check_small(c, &rules::places(), out)
        }),
        ("idempotency keys", |c, out, _| {
            rows::check_small(c, &rules::keys(), out)
        }),
        ("tags", |c, out, _| {
            rows::check_small(c, &rules::tags(), out)
        }),
        ("later events", |c, out, _| {
            rows::check_small(c, &rules::later_events(), out)
        }),
        ("messages", rows::check_messages),
        ("events", |c, out, progress| {
            rows::check_growing(c, &EVENTS, &rules::events(), out, progress)
        }),
        ("deliveries", |c, out, progress| {
            rows::check_growing(c, &DELIVERIES, &rules::deliveries(), out, progress)
        }),
        ("attempts", |c, out, _| rows::check_attempts(c, out)),
        ("charts", |c, out, _| charts::check(c, out)),
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
/// grows and its entries in list indexes.
fn total(connection: &Connection) -> rusqlite::Result<u64> {
    let mut total = 0;
    for (table, looks) in [("message", 2), ("event", 4), ("delivery", 4)] {
        let span = format!("SELECT coalesce(max(seq) - min(seq) + 1, 0) FROM {table}");
        let span: u64 = connection.query_row(&span, [], |row| row.get(0))?;
        total += span * looks;
    }
    Ok(total)
}
