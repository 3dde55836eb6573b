//! The deletion of old messages: their finished events, the deliveries of those, and the messages without events.
//!
//! # What stays
//! A pending event stays, with its message. So does an event that holds the rendered body which a pending event of
//! the message sends. These holders go last: a step may end inside a message, and an event that is left may be
//! redelivered. A message whose idempotency key has not expired stays as well, without its body: a producer
//! that repeats the publish must get the same answer.
//!
//! # List indexes
//! The entries of a deleted row in the list indexes are not deleted here, but a tombstone is left for each row:
//! [`super::tombstones`].

use std::time::{Duration, Instant};

use rusqlite::{OptionalExtension, params};

use super::drop_bodies::drop_bodies;
use crate::domain::event_state::EventState;
use crate::domain::message::IDEMPOTENCY_PERIOD;
use crate::fail_point::{FailPoint, hit};
use crate::storage::sqlite::message_events::{each_event, forget_later_events};
use crate::storage::sqlite::message_tags;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};

/// The time after which a step begins no further row.
const STEP_TIME: Duration = Duration::from_millis(2);

/// The rows deleted in a step, at most: the bound where the clock of the system has no use.
const STEP_ROWS: usize = 1000;

/// The most rows of one event that are read at a time: an event may have been redelivered for months.
const DELIVERIES: usize = 500;

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeleteStep {
    /// The messages that are done, from the first one on.
    pub(crate) messages: usize,
    /// The rows of messages, events and deliveries that were deleted.
    pub(crate) rows: usize,
}

/// The rows that a step may still delete, and the time that it may take.
struct Budget {
    began: Instant,
    rows: usize,
}

impl Budget {
    fn is_left(&self) -> bool {
        self.rows < STEP_ROWS && self.began.elapsed() < STEP_TIME
    }
}

/// A message that is to be deleted.
struct MessageRow {
    seq: i64,
    workspace: i64,
    event_type: i64,
    created_at: i64,
    /// Set if it has, or had, an event.
    is_routed: bool,
}

/// An event of a message.
struct EventRow {
    seq: i64,
    endpoint: i64,
    event_type: i64,
    state: EventState,
    format: i64,
    has_body: bool,
}

/// Deletes what may go of some of these messages, from the first one on. The caller has found out that they are
/// old enough. At least one row is deleted, if any may go, so that repeated steps come to an end.
pub(crate) fn delete_messages(
    context: &mut WriteContext<'_>,
    messages: &[i64],
) -> Result<DeleteStep, OperationError> {
    context.cache.store_last_numbers(context.connection)?;
    let mut budget = Budget {
        began: Instant::now(),
        rows: 0,
    };
    let mut done = 0;
    for message in messages {
        if done > 0 && !budget.is_left() {
            break;
        }
        if !delete_message(context, *message, &mut budget)? {
            break;
        }
        done += 1;
    }
    context.metrics.deleted_rows.inc_by(budget.rows as u64);
    Ok(DeleteStep {
        messages: done,
        rows: budget.rows,
    })
}

/// Deletes what may go of a message. Returns false if more may go than the budget allowed.
fn delete_message(
    context: &mut WriteContext<'_>,
    message: i64,
    budget: &mut Budget,
) -> Result<bool, OperationError> {
    let Some(row) = message_row(context, message)? else {
        return Ok(true);
    };
    let events = events_of(context, message)?;
    let is_needed = |event: &EventRow| {
        let shares = |other: &EventRow| other.state.is_pending() && other.format == event.format;
        event.state.is_pending() || event.has_body && events.iter().any(shares)
    };
    let mut left = 0;
    for event in &events {
        if is_needed(event) {
            left += 1;
        } else if !delete_event(context, &row, event, budget)? {
            return Ok(false);
        }
    }
    if left == 0 {
        delete_row(context, &row)?;
        budget.rows += 1;
    }
    Ok(true)
}

fn message_row(context: &WriteContext<'_>, message: i64) -> rusqlite::Result<Option<MessageRow>> {
    context
        .connection
        .prepare_cached(
            "SELECT seq, workspace, type, created_at, events > 0 FROM message WHERE seq = ?1",
        )?
        .query_row([message], |row| {
            Ok(MessageRow {
                seq: row.get(0)?,
                workspace: row.get(1)?,
                event_type: row.get(2)?,
                created_at: row.get(3)?,
                is_routed: row.get(4)?,
            })
        })
        .optional()
}

fn events_of(context: &WriteContext<'_>, message: i64) -> rusqlite::Result<Vec<EventRow>> {
    context
        .connection
        .prepare_cached(concat!(
            each_event!(
                "e.seq, e.endpoint, e.type, e.state, e.format, e.body IS NOT NULL",
                ""
            ),
            " ORDER BY 6, 1"
        ))?
        .query_map([message], |row| {
            Ok(EventRow {
                seq: row.get(0)?,
                endpoint: row.get(1)?,
                event_type: row.get(2)?,
                state: row.get(3)?,
                format: row.get(4)?,
                has_body: row.get(5)?,
            })
        })?
        .collect()
}

/// Deletes an event after its deliveries. Returns false if the budget ends before it.
fn delete_event(
    context: &mut WriteContext<'_>,
    message: &MessageRow,
    event: &EventRow,
    budget: &mut Budget,
) -> rusqlite::Result<bool> {
    let workspace = message.workspace;
    loop {
        if budget.rows > 0 && !budget.is_left() {
            return Ok(false);
        }
        let deleted = delete_deliveries(context, workspace, event)?;
        budget.rows += deleted;
        if deleted < DELIVERIES {
            break;
        }
    }
    hit(FailPoint::Deleting);
    let connection = context.connection;
    connection
        .prepare_cached("DELETE FROM event WHERE seq = ?1")?
        .execute([event.seq])?;
    connection
        .prepare_cached(
            "INSERT INTO event_tombstone (seq, workspace, endpoint, type) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute([event.seq, workspace, event.endpoint, event.event_type])?;
    context
        .counters
        .event_deleted(event.seq, event.endpoint, event.event_type, event.state);
    context.list_indexes.event_deleted(event.seq);
    budget.rows += 1;
    Ok(true)
}

/// Deletes some deliveries of an event; returns their number.
fn delete_deliveries(
    context: &mut WriteContext<'_>,
    workspace: i64,
    event: &EventRow,
) -> rusqlite::Result<usize> {
    let connection = context.connection;
    let deliveries: Vec<(i64, Option<u16>)> = connection
        .prepare_cached(
            "SELECT seq, code FROM delivery INDEXED BY delivery_by_event WHERE event = ?1 LIMIT ?2",
        )?
        .query_map(params![event.seq, DELIVERIES], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut delete = connection.prepare_cached("DELETE FROM delivery WHERE seq = ?1")?;
    let mut leave_tombstone = connection.prepare_cached(
        "INSERT INTO delivery_tombstone (seq, workspace, endpoint, type) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (seq, code) in &deliveries {
        delete.execute([seq])?;
        leave_tombstone.execute([*seq, workspace, event.endpoint, event.event_type])?;
        context
            .counters
            .delivery_deleted(*seq, event.endpoint, event.event_type, *code);
        context.charts.delivery_deleted(*seq);
        context.list_indexes.delivery_deleted(*seq);
    }
    Ok(deliveries.len())
}

/// Deletes the row of a message that has no event left, or its body if its idempotency key must stay.
fn delete_row(context: &mut WriteContext<'_>, message: &MessageRow) -> rusqlite::Result<()> {
    let connection = context.connection;
    let seq = message.seq;
    let has_expired = message.created_at < context.now.before(IDEMPOTENCY_PERIOD).micros();
    let mut has_key = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM idempotency WHERE message = ?1)")?;
    if has_key.query_row([seq], |row| row.get(0))? {
        if !has_expired {
            return drop_bodies(connection, &[seq]);
        }
        connection
            .prepare_cached("DELETE FROM idempotency WHERE message = ?1")?
            .execute([seq])?;
    }
    message_tags::delete(connection, message.workspace, seq)?;
    connection
        .prepare_cached("DELETE FROM message WHERE seq = ?1")?
        .execute([seq])?;
    forget_later_events(connection, seq)?;
    connection
        .prepare_cached("INSERT INTO message_tombstone (seq, workspace) VALUES (?1, ?2)")?
        .execute([seq, message.workspace])?;
    context.list_indexes.message_deleted(
        seq,
        message.workspace,
        message.event_type,
        message.is_routed,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::metrics::StorageMetrics;
    use crate::storage::sqlite::writer::cache::WriterCache;
    use crate::storage::sqlite::writer::charts::Charts;
    use crate::storage::sqlite::writer::counters::Counters;
    use crate::storage::sqlite::writer::list_indexes::ListIndexes;
    use crate::storage::sqlite::writer::recent_attempts::RecentAttempts;
    use crate::storage::sqlite::writer::workspace_cache::PublishHints;

    /// An event that is left after a step may be redelivered, and then needs the body.
    #[test]
    fn the_event_that_holds_the_body_of_others_goes_last() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(include_str!("../../../../schema.sql"))
            .unwrap();
        let rows = "PRAGMA foreign_keys = OFF;
            INSERT INTO workspace (n, id, name, created_at) VALUES (1, x'01', 'w', 0);
            INSERT INTO endpoint (n, id, workspace, url, format, secret, events, created_at)
            VALUES (1, x'01', 1, 'u', 1, 's', '*', 0);
            INSERT INTO message VALUES (1, x'01', 1, 1, 0, 1, 3000, NULL, x'7B7D', NULL, 0);
            WITH RECURSIVE n (seq) AS (VALUES (1) UNION ALL SELECT seq + 1 FROM n WHERE seq < 3000)
            INSERT INTO event SELECT seq, CAST(seq AS BLOB), 1, 1, 1, 1, 1, 2, seq, 1, NULL, 1, 200, NULL, 0, 0,
                CASE seq WHEN 1 THEN x'7B7D' END, NULL FROM n;";
        connection.execute_batch(rows).unwrap();
        let count = |what: &str| -> i64 {
            let sql = format!("SELECT count({what}) FROM event");
            connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        let mut cache = WriterCache::load(&connection, PublishHints::default()).unwrap();
        let mut context = WriteContext {
            connection: &connection,
            cache: &mut cache,
            counters: &mut Counters::load(&connection).unwrap(),
            charts: &mut Charts::default(),
            recent: &RecentAttempts::default(),
            list_indexes: &mut ListIndexes::load(&connection).unwrap(),
            notices: &mut Vec::new(),
            operator: None,
            is_size_limit_reached: false,
            has_erased: false,
            now: Timestamp::from_micros(i64::MAX / 2),
            weight: 0,
            metrics: &StorageMetrics::default(),
        };
        let mut steps = 0;
        while delete_messages(&mut context, &[1]).unwrap().messages == 0 {
            assert_eq!(count("body"), 1, "of {}", count("*"));
            steps += 1;
        }
        assert!(steps > 1, "it took one step only");
        assert_eq!(count("*"), 0);
    }
}
