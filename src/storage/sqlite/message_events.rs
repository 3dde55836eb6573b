//! The events of a message, as SQL: the one place that says where they are.
//!
//! The events that a publish makes have consecutive numbers, so the message's row names them by a range
//! (`first_event`, `events`). A job may make an event long after the publish, for an endpoint that missed the
//! message. The number of such an event lies outside the range, so the table `later_event` names it. If the
//! message had no event before, its range becomes that one event instead, so that the index `message_unrouted`
//! has exactly the messages without events. A statement that asks for the events of a message uses one of the
//! macros here, and so finds both.
//!
//! The rendered body that several events of a message share is with one of the first two events of the range. A
//! later event never shares it: it has its rendered body itself, because its endpoint may have been made, or
//! given another format, after the publish.

use rusqlite::{Connection, params};

use super::writer::operation::WriteContext;

/// The statement that returns some columns of each event `e` of message `m`, whose number is parameter 1. The
/// second argument joins more tables to `e`. Events of the range come first.
macro_rules! each_event {
    ($columns:literal, $joins:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM message m CROSS JOIN event e
                ON e.seq >= m.first_event AND e.seq < m.first_event + m.events",
            $joins,
            " WHERE m.seq = ?1 UNION ALL SELECT ",
            $columns,
            " FROM message m CROSS JOIN later_event l ON l.message = m.seq
                CROSS JOIN event e ON e.seq = l.event",
            $joins,
            " WHERE m.seq = ?1"
        )
    };
}
pub(crate) use each_event;

/// The condition that a message `m` has an event `e` of which the given condition is true.
macro_rules! has_event {
    ($condition:expr) => {
        concat!(
            "(EXISTS (SELECT 1 FROM event e
                WHERE e.seq >= m.first_event AND e.seq < m.first_event + m.events AND ",
            $condition,
            ") OR EXISTS (SELECT 1 FROM later_event l CROSS JOIN event e ON e.seq = l.event
                WHERE l.message = m.seq AND ",
            $condition,
            "))"
        )
    };
}
pub(crate) use has_event;

/// The sum of an expression of each event `e` of a message `m`; 0 without events.
macro_rules! sum_over_events {
    ($summand:literal) => {
        concat!(
            "((SELECT coalesce(sum(",
            $summand,
            "), 0) FROM event e
                WHERE e.seq >= m.first_event AND e.seq < m.first_event + m.events)
              + (SELECT coalesce(sum(",
            $summand,
            "), 0) FROM later_event l CROSS JOIN event e ON e.seq = l.event
                WHERE l.message = m.seq))"
        )
    };
}
pub(crate) use sum_over_events;

/// The number of events that a message `m` became, deleted ones included.
macro_rules! event_count {
    () => {
        "m.events + (SELECT count(*) FROM later_event l WHERE l.message = m.seq)"
    };
}
pub(crate) use event_count;

/// Notes that `event` was made after the publish of `message`, in the transaction that stored its row.
pub(crate) fn note_later_event(
    context: &mut WriteContext<'_>,
    message: i64,
    event: i64,
) -> rusqlite::Result<()> {
    let connection = context.connection;
    let (workspace, event_type, events): (i64, i64, i64) = connection
        .prepare_cached("SELECT workspace, type, events FROM message WHERE seq = ?1")?
        .query_row([message], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if events > 0 {
        connection
            .prepare_cached("INSERT INTO later_event (message, event) VALUES (?1, ?2)")?
            .execute(params![message, event])?;
        return Ok(());
    }
    connection
        .prepare_cached("UPDATE message SET first_event = ?2, events = 1 WHERE seq = ?1")?
        .execute(params![message, event])?;
    context
        .list_indexes
        .message_routed(message, workspace, event_type);
    Ok(())
}

/// Deletes the notes of a message's later events, with the message. Until then the notes of events that were deleted stay:
/// they tell that the message had more events than there are now.
pub(crate) fn forget_later_events(connection: &Connection, message: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM later_event WHERE message = ?1")?
        .execute([message])?;
    Ok(())
}

#[cfg(test)]
mod tests;
