//! The search for damage in a database file at a start.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::connection::BUSY_TIMEOUT;
use super::injected_error::hit_or_fail;
use super::open_error::OpenError;
use crate::fail_point::FailPoint;

/// The time that a start searches for damage: a start must be short, however large the file is.
const CHECK_LIMIT: Duration = Duration::from_millis(500);

/// Steps of the check between two looks at the clock.
const CHECK_STEPS: i32 = 1000;

/// Searches for damage without writing, for at most [`CHECK_LIMIT`]: a server that does not start is better
/// than one that finds damage while it stores a message. Of a large file, this sees a part.
pub(crate) fn look_for_damage(database: &Path) -> Result<(), OpenError> {
    with_second_try(|| look_for_damage_once(database))
}

/// Repeats a check that found damage: `SQLite` reports a disk that could not read as damage, too.
pub(super) fn with_second_try<T>(look: impl Fn() -> Result<T, OpenError>) -> Result<T, OpenError> {
    match look() {
        Err(OpenError::Damaged { .. } | OpenError::Foreign(_)) => look(),
        found => found,
    }
}

fn look_for_damage_once(database: &Path) -> Result<(), OpenError> {
    let unusable = |error: rusqlite::Error| OpenError::from_sqlite(database, &error);
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .map_err(unusable)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(unusable)?;
    hit_or_fail(FailPoint::Read).map_err(unusable)?;
    let give_up = Instant::now() + CHECK_LIMIT;
    connection
        .progress_handler(CHECK_STEPS, Some(move || Instant::now() > give_up))
        .map_err(unusable)?;
    let found: rusqlite::Result<String> =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match found {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => Err(OpenError::Damaged {
            path: database.to_owned(),
            reason: found.replace('\n', " "),
        }),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(()),
        Err(error) => Err(unusable(error)),
    }
}
