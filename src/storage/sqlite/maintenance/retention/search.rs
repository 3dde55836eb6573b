//! The searches for messages that are old enough.
//!
//! A search is made in short reads: a long one would keep the log from starting over. Within a *stretch*, times only
//! rise; a new one begins where the wall clock was set back (table `clock_step`).

use rusqlite::{Connection, OptionalExtension, Statement, params};

use crate::domain::clock::Timestamp;
use crate::storage::sqlite::event_state::state_is;
use crate::storage::sqlite::maintenance::work::Found;
use crate::storage::sqlite::message_events::has_event;
use crate::storage::sqlite::writes::archive::stretch_end;

/// Rows looked at in one read.
const LOOK: i64 = 5_000;

/// Messages found in one read.
const MESSAGES: usize = 1_000;

/// A number above that of every row.
const END: i64 = i64::MAX;

/// A search: finds messages after a number, which is that of a message or of an event.
pub(super) type Search<'a> = dyn Fn(&Connection, i64) -> rusqlite::Result<Found> + 'a;

/// A row that a search looks at.
struct Looked {
    number: i64,
    created_at: i64,
    /// The message, if something of it may go.
    message: Option<i64>,
    /// Set if it must be looked at again another time.
    is_kept: bool,
}

/// The result of a search for payloads.
pub(super) struct FoundPayloads {
    pub(super) found: Found,
    /// The first event that must be looked at again next time.
    pub(super) first_kept: Option<i64>,
}

/// Finds messages published before `before` of which something may be deleted.
pub(super) fn messages_to_delete(
    connection: &Connection,
    before: Timestamp,
    after: i64,
) -> rusqlite::Result<Found> {
    let end = stretch_end(connection, after + 1)?;
    let mut statement = connection.prepare_cached(concat!(
        "SELECT m.seq, m.created_at, CASE WHEN ",
        has_event!(concat!("NOT e.", state_is!(pending))),
        " OR NOT ",
        has_event!("true"),
        " THEN m.seq END, 0
         FROM message m WHERE m.seq > ?1 AND m.seq < ?2 ORDER BY m.seq LIMIT ?3"
    ))?;
    let rows = look(&mut statement, params![after, end, LOOK])?;
    Ok(select(rows, after, end, before).found)
}

/// Finds messages of a workspace published before `before` that have finished events, by events after `after`.
pub(super) fn events_to_delete(
    connection: &Connection,
    workspace: i64,
    before: Timestamp,
    after: i64,
) -> rusqlite::Result<Found> {
    const COLUMNS: &str = concat!(
        "e.seq, e.created_at, CASE WHEN NOT e.",
        state_is!(pending),
        " THEN e.message END, 0"
    );
    Ok(events(connection, COLUMNS, workspace, before, after)?.found)
}

/// Finds messages of a workspace published before `before` that have payloads and no pending event.
pub(super) fn events_to_archive(
    connection: &Connection,
    workspace: i64,
    before: Timestamp,
    after: i64,
) -> rusqlite::Result<FoundPayloads> {
    const COLUMNS: &str = concat!(
        "e.seq, e.created_at,
         CASE WHEN m.body IS NOT NULL AND NOT ",
        has_event!(concat!("e.", state_is!(pending))),
        " THEN e.message END, e.",
        state_is!(pending),
    );
    events(connection, COLUMNS, workspace, before, after)
}

/// Finds messages of a workspace published before `before` that have no event and never had one.
pub(super) fn unrouted_to_delete(
    connection: &Connection,
    workspace: i64,
    before: Timestamp,
    after: i64,
) -> rusqlite::Result<Found> {
    let end = stretch_end(connection, after + 1)?;
    let mut statement = connection.prepare_cached(
        "SELECT seq, created_at, seq, 0 FROM message INDEXED BY message_unrouted
         WHERE workspace = ?1 AND events = 0 AND seq > ?2 AND seq < ?3 ORDER BY seq LIMIT ?4",
    )?;
    let rows = look(&mut statement, params![workspace, after, end, LOOK])?;
    Ok(select(rows, after, end, before).found)
}

/// Finds messages of a workspace published before `before` that have a payload and no event, by messages after
/// `after`.
pub(super) fn unrouted_to_archive(
    connection: &Connection,
    workspace: i64,
    before: Timestamp,
    after: i64,
) -> rusqlite::Result<FoundPayloads> {
    let end = stretch_end(connection, after + 1)?;
    let mut statement = connection.prepare_cached(
        "SELECT seq, created_at, CASE WHEN body IS NOT NULL THEN seq END, 0
         FROM message INDEXED BY message_unrouted
         WHERE workspace = ?1 AND events = 0 AND seq > ?2 AND seq < ?3 ORDER BY seq LIMIT ?4",
    )?;
    let rows = look(&mut statement, params![workspace, after, end, LOOK])?;
    Ok(select(rows, after, end, before))
}

/// Goes through events of a workspace: those in the list index by it, the newer ones in the table.
fn events(
    connection: &Connection,
    columns: &str,
    workspace: i64,
    before: Timestamp,
    after: i64,
) -> rusqlite::Result<FoundPayloads> {
    let indexed: i64 = connection
        .prepare_cached("SELECT value FROM meta WHERE key = 'event_indexed'")?
        .query_row([], |row| row.get(0))?;
    let step: Option<i64> = connection
        .prepare_cached("SELECT min(seq) FROM clock_step WHERE kind = 'event' AND seq > ?1")?
        .query_row([after + 1], |row| row.get(0))
        .optional()?
        .flatten();
    let from = if after < indexed {
        "event_of_workspace w CROSS JOIN event e ON e.seq = w.seq"
    } else {
        "event e NOT INDEXED"
    };
    let row = if after < indexed { "w" } else { "e" };
    let sql = format!(
        "SELECT {columns} FROM {from} CROSS JOIN message m ON m.seq = e.message
         WHERE {row}.workspace = ?1 AND {row}.seq > ?2 AND {row}.seq < ?3 ORDER BY {row}.seq LIMIT ?4"
    );
    let stretch_end = step.unwrap_or(END);
    let end = if after < indexed {
        stretch_end.min(indexed + 1)
    } else {
        stretch_end
    };
    // If the next event of any workspace is too new, this one has nothing to look at.
    let next: Option<(i64, i64)> = connection
        .prepare_cached("SELECT seq, created_at FROM event WHERE seq > ?1 ORDER BY seq LIMIT 1")?
        .query_row([after], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((seq, created_at)) = next
        && seq < end
        && created_at >= before.micros()
    {
        return Ok(done(Vec::new(), end - 1, end == END, Some(seq)));
    }
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = look(&mut statement, params![workspace, after, end, LOOK])?;
    Ok(select(rows, after, end, before))
}

fn look(
    statement: &mut Statement<'_>,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Vec<Looked>> {
    statement
        .query_map(parameters, |row| {
            Ok(Looked {
                number: row.get(0)?,
                created_at: row.get(1)?,
                message: row.get(2)?,
                is_kept: row.get(3)?,
            })
        })?
        .collect()
}

/// Selects the messages of the rows before `before`. `rows` are all between `after` and `end` if they are fewer than
/// [`LOOK`].
fn select(rows: Vec<Looked>, after: i64, end: i64, before: Timestamp) -> FoundPayloads {
    let is_all = i64::try_from(rows.len()).is_ok_and(|rows| rows < LOOK);
    let mut numbers: Vec<i64> = Vec::new();
    let mut first_kept = None;
    let mut through = after;
    for row in rows {
        if row.created_at >= before.micros() {
            first_kept = first_kept.or(Some(row.number));
            // The stretch has nothing older.
            return done(numbers, end - 1, end == END, first_kept);
        }
        if numbers.len() == MESSAGES {
            return done(numbers, through, false, first_kept);
        }
        through = row.number;
        if row.is_kept {
            first_kept = first_kept.or(Some(row.number));
        }
        // The events of a message are neighbours.
        numbers.extend(
            row.message
                .filter(|message| numbers.last() != Some(message)),
        );
    }
    if is_all && end < END {
        through = end - 1;
    }
    done(numbers, through, is_all && end == END, first_kept)
}

fn done(numbers: Vec<i64>, through: i64, is_last: bool, first_kept: Option<i64>) -> FoundPayloads {
    FoundPayloads {
        found: Found {
            numbers,
            through,
            is_last,
        },
        first_kept,
    }
}
