//! The deletion of counters and clock steps before the oldest row.

use std::time::{Duration, Instant};

use rusqlite::OptionalExtension;

use crate::storage::sqlite::writer::counters::block_of;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};

/// The time after which a step begins no further block. A block has some counters for each endpoint and type.
const STEP_TIME: Duration = Duration::from_millis(2);

/// Deletes the counters of some blocks that have no row left: they are all zero. Deletes the notes of clock steps
/// before the oldest row. Returns true if there may be more.
pub(crate) fn delete_empty_blocks(context: &mut WriteContext<'_>) -> Result<bool, OperationError> {
    let began = Instant::now();
    let connection = context.connection;
    for (oldest, first_block, delete) in [
        (
            "SELECT min(seq) FROM event",
            "SELECT min(block) FROM event_count",
            "DELETE FROM event_count WHERE block = ?1",
        ),
        (
            "SELECT min(seq) FROM delivery",
            "SELECT min(block) FROM delivery_count",
            "DELETE FROM delivery_count WHERE block = ?1",
        ),
        (
            "SELECT min(seq) FROM message",
            "SELECT min(block) FROM message_count",
            "DELETE FROM message_count WHERE block = ?1",
        ),
    ] {
        let number = |sql: &str| -> rusqlite::Result<Option<i64>> {
            let mut statement = connection.prepare_cached(sql)?;
            Ok(statement
                .query_row([], |row| row.get(0))
                .optional()?
                .flatten())
        };
        // Without rows there is no oldest one: the counters wait for the next row.
        let Some(oldest) = number(oldest)? else {
            continue;
        };
        while let Some(block) = number(first_block)?
            && block < block_of(oldest)
        {
            if began.elapsed() >= STEP_TIME {
                return Ok(true);
            }
            connection.prepare_cached(delete)?.execute([block])?;
        }
    }
    connection
        .prepare_cached(
            "DELETE FROM clock_step WHERE seq <= CASE kind
               WHEN 'event' THEN (SELECT min(seq) FROM event)
               WHEN 'delivery' THEN (SELECT min(seq) FROM delivery)
               ELSE (SELECT min(seq) FROM message) END",
        )?
        .execute([])?;
    Ok(false)
}
