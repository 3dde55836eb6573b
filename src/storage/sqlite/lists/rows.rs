//! Rows as what they stand for.

use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, Row, params};

use super::ListError;
use super::scan::prepare;
use crate::domain::delivery::Delivery;
use crate::domain::delivery_error::DeliveryError;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::{Event, EventStatus};
use crate::domain::event_type::EventType;
use crate::storage::sqlite::rows;

/// What [`event`] reads, from `event e` and what it points to.
macro_rules! event_columns {
    () => {
        concat!(
            "e.id, m.id, p.id, t.name, e.state, e.run, p.skip_through, e.attempts, e.code, e.due,
             e.created_at, e.modified_at, ",
            rows::body!()
        )
    };
}
macro_rules! event_joins {
    () => {
        " JOIN message m ON m.seq = e.message
          JOIN endpoint p ON p.n = e.endpoint
          JOIN event_type t ON t.n = e.type"
    };
}

const EVENT: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM event e",
    event_joins!(),
    " WHERE e.seq = ?"
);
const DELIVERY: &str = concat!(
    "SELECT ",
    event_columns!(),
    ", d.id, d.attempt, d.succeeded, d.code, d.error, d.response, d.duration_ms, d.created_at
     FROM delivery d JOIN event e ON e.seq = d.event",
    event_joins!(),
    " WHERE d.seq = ?"
);
/// The events with these numbers, in this order.
pub(super) fn events(connection: &Connection, seqs: &[i64]) -> Result<Vec<Event>, ListError> {
    read(connection, EVENT, seqs, event)
}

/// The deliveries with these numbers, in this order.
pub(super) fn deliveries(
    connection: &Connection,
    seqs: &[i64],
) -> Result<Vec<Delivery>, ListError> {
    read(connection, DELIVERY, seqs, delivery)
}

/// The endpoints with these numbers, in this order.
pub(super) fn endpoints(
    connection: &Connection,
    numbers: &[i64],
) -> Result<Vec<Endpoint>, ListError> {
    let sql = format!(
        "SELECT {} FROM endpoint e JOIN workspace w ON w.n = e.workspace WHERE e.n = ?",
        rows::ENDPOINT
    );
    read(connection, &sql, numbers, rows::endpoint)
}

fn read<T>(
    connection: &Connection,
    sql: &str,
    numbers: &[i64],
    map: fn(&Row<'_>) -> Result<T, ListError>,
) -> Result<Vec<T>, ListError> {
    let mut statement = prepare(connection, sql)?;
    let one = |number| statement.query_row(params![number], map);
    numbers.iter().map(one).collect()
}

/// The status of an event. One whose run is to be skipped is skipped, swept or not.
pub(super) fn status(state: i64, run: i64, skip_through: i64) -> Option<EventStatus> {
    match state {
        0 | 1 if run > skip_through => Some(EventStatus::Pending),
        0 | 1 | 4 => Some(EventStatus::Skipped),
        2 => Some(EventStatus::Succeeded),
        3 => Some(EventStatus::Failed),
        _ => None,
    }
}

fn event(row: &Row<'_>) -> Result<Event, ListError> {
    let state = row.get(4)?;
    let status = status(state, row.get(5)?, row.get(6)?).ok_or_else(|| unreadable(4, state))?;
    let created_at = row.get(10)?;
    let next_attempt_at = match (status, state) {
        (EventStatus::Pending, 0) => Some(created_at),
        (EventStatus::Pending, _) => row.get(9)?,
        _ => None,
    };
    Ok(Event {
        id: row.get(0)?,
        message_id: row.get(1)?,
        endpoint_id: row.get(2)?,
        event_type: EventType::from_stored(row.get(3)?),
        status,
        attempts: row.get(7)?,
        last_http_code: row.get(8)?,
        next_attempt_at: next_attempt_at.map(rows::time),
        payload: payload(row.get_ref(12)?)?,
        created_at: rows::time(created_at),
        modified_at: row.get::<_, Option<i64>>(11)?.map(rows::time),
    })
}

fn delivery(row: &Row<'_>) -> Result<Delivery, ListError> {
    let event = event(row)?;
    let error = match row.get::<_, Option<u8>>(17)? {
        None => None,
        Some(code) => {
            Some(DeliveryError::from_code(code).ok_or_else(|| unreadable(17, code.into()))?)
        }
    };
    Ok(Delivery {
        id: row.get(13)?,
        endpoint_id: event.endpoint_id,
        event,
        attempt: row.get(14)?,
        succeeded: row.get(15)?,
        http_code: row.get(16)?,
        error,
        response: row.get(18)?,
        duration_ms: row.get(19)?,
        created_at: rows::time(row.get(20)?),
    })
}

/// Bodies are the UTF-8 that was sent, whichever type their column gave them.
fn payload(value: ValueRef<'_>) -> Result<Option<String>, ListError> {
    let bytes = value.as_bytes_or_null()?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

fn unreadable(column: usize, value: i64) -> ListError {
    ListError::FromSqlConversionFailure(
        column,
        Type::Integer,
        format!("{value} stands for nothing").into(),
    )
}
