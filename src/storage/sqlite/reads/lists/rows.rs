//! The conversion of database rows to the objects of lists, as many as there is memory for.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::payload::payload_bytes;
use super::statement::prepare;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::{Event, EventStatus};
use crate::domain::event_state::{EventState, Run};
use crate::domain::event_type::{EventType, Subscription};
use crate::domain::rest::Waits;
use crate::storage::filter::RowNumber;
use crate::storage::part;
use crate::storage::part::{LongPayload, Part, PayloadRow};
use crate::storage::sqlite::endpoint_rows;
use crate::storage::sqlite::rows;
use crate::storage::sqlite::rows::Columns;
use crate::storage::sqlite::writer::recent_attempts::RecentAttempts;

/// The bytes that a row counts besides its long texts.
const ROW_BYTES: usize = 512;

/// The weight of a byte of text that is not JSON yet: written out as JSON, a control character takes six
/// bytes, while one of a payload, which is JSON already, takes two.
const TEXT_WEIGHT: usize = 3;

/// The columns that [`event`] reads, from `event e` and the rows that it refers to; the payload only if it
/// has at most as many bytes as parameter 2.
macro_rules! event_columns {
    () => {
        concat!(
            "e.id, m.id, p.id, t.name, e.state, e.run, p.skip_through, e.attempts, e.code, e.due,
             e.run_attempt, e.job IS NULL, p.paused IS NOT NULL, ",
            endpoint_rows::rest_columns!("p."),
            ", e.created_at, e.modified_at, ",
            payload_bytes!(),
            ", CASE WHEN ",
            payload_bytes!(),
            " <= ?2 THEN ",
            rows::body!(),
            " END, e.seq"
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
    " WHERE e.seq = ?1"
);
const DELIVERY: &str = concat!(
    "SELECT ",
    event_columns!(),
    ", d.id, d.attempt, d.succeeded, d.code, d.error, d.response, d.duration_ms, d.created_at
     FROM delivery d JOIN event e ON e.seq = d.event",
    event_joins!(),
    " WHERE d.seq = ?1"
);

/// Returns the first of the events with these numbers, in this order, as they are at `now`: as many as fit into
/// `bytes`.
pub(crate) fn events(
    connection: &Connection,
    numbers: &[RowNumber],
    bytes: usize,
    now: Timestamp,
) -> rusqlite::Result<Part<Event>> {
    with_payloads(connection, EVENT, numbers, bytes, |row| {
        let (item, payload) = event(&mut Columns::of(row), now)?;
        let bytes = item.payload.as_ref().map_or(0, String::len);
        Ok((part::Row { item, payload }, bytes))
    })
}

/// Returns the first of the deliveries with these numbers, in this order, as they are at `now`: as many as fit into
/// `bytes`.
pub(crate) fn deliveries(
    connection: &Connection,
    numbers: &[RowNumber],
    bytes: usize,
    now: Timestamp,
) -> rusqlite::Result<Part<Delivery>> {
    with_payloads(connection, DELIVERY, numbers, bytes, |row| {
        let (item, payload) = delivery(&mut Columns::of(row), now)?;
        let bytes = item.event.payload.as_ref().map_or(0, String::len)
            + TEXT_WEIGHT * item.response.as_ref().map_or(0, String::len);
        Ok((part::Row { item, payload }, bytes))
    })
}

/// Returns the first of the endpoints with these numbers, in this order, as they are at `now`: as many as fit into
/// `bytes`. The connection is in a transaction.
pub(crate) fn endpoints(
    connection: &Connection,
    recent: &RecentAttempts,
    numbers: &[RowNumber],
    bytes: usize,
    now: Timestamp,
) -> rusqlite::Result<Part<Endpoint>> {
    let later = recent.last_results(connection, numbers.iter().map(|RowNumber(n)| *n))?;
    let sql = format!(
        "SELECT {} FROM endpoint e JOIN workspace w ON w.n = e.workspace WHERE e.n = ?1",
        endpoint_rows::ENDPOINT
    );
    let mut statement = prepare(connection, &sql)?;
    first(numbers, bytes, |number, _| {
        let later = later.get(&number).copied().unwrap_or_default();
        let found = statement
            .query_row([number], |row| endpoint_rows::endpoint(row, later, now))
            .optional()?;
        Ok(found.map(|item| {
            let settings = &item.settings;
            let types = settings.events.iter().map(Subscription::as_str);
            let bytes = settings.target.url.as_str().len()
                + types.map(|text| text.len() + 3).sum::<usize>()
                + TEXT_WEIGHT * (settings.name.len() + settings.description.len());
            let payload = None;
            (part::Row { item, payload }, bytes)
        }))
    })
}

/// A row, and the bytes of its long texts.
type Weighed<T> = (part::Row<T>, usize);

fn with_payloads<T>(
    connection: &Connection,
    sql: &str,
    numbers: &[RowNumber],
    bytes: usize,
    map: impl Fn(&Row<'_>) -> rusqlite::Result<Weighed<T>>,
) -> rusqlite::Result<Part<T>> {
    let mut statement = prepare(connection, sql)?;
    first(numbers, bytes, |number, left| {
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        statement.query_row(params![number, left], &map).optional()
    })
}

/// Reads rows while there are bytes left. `read` gets the number of bytes left, and leaves out a payload that
/// is longer; such a row is a part of its own.
fn first<T>(
    numbers: &[RowNumber],
    bytes: usize,
    mut read: impl FnMut(i64, usize) -> rusqlite::Result<Option<Weighed<T>>>,
) -> rusqlite::Result<Part<T>> {
    let mut part = Part {
        rows: Vec::new(),
        done: 0,
    };
    let mut left = bytes;
    for RowNumber(number) in numbers {
        let found = read(*number, left)?;
        let is_long = matches!(&found, Some((row, _)) if row.payload.is_some());
        if is_long && !part.rows.is_empty() {
            break;
        }
        part.done += 1;
        let Some((row, bytes)) = found else {
            continue;
        };
        part.rows.push(row);
        left = left.saturating_sub(bytes + ROW_BYTES);
        if is_long || left == 0 {
            break;
        }
    }
    Ok(part)
}

/// Returns the status of an event. A pending one whose run is skipped is skipped, swept or not.
pub(crate) fn status(state: EventState, run: i64, skip_through: i64) -> EventStatus {
    state.status(Run(run).is_skipped(Run(skip_through)))
}

/// Reads an event. The second value is its payload, if that was left out because it is long.
fn event(
    columns: &mut Columns<'_, '_>,
    now: Timestamp,
) -> rusqlite::Result<(Event, Option<LongPayload>)> {
    let (id, message_id, endpoint_id) = (columns.get()?, columns.get()?, columns.get()?);
    let event_type = EventType::from_stored(columns.get()?);
    let state = columns.get()?;
    let status = status(state, columns.get()?, columns.get()?);
    let (attempts, last_http_code) = (columns.get()?, columns.get()?);
    let due = columns.time_or_null()?;
    let waits = Waits::of(state, columns.get()?, columns.get()?);
    let is_paused: bool = columns.get()?;
    let (rest, created_at) = (endpoint_rows::rest(columns)?, columns.time()?);
    let modified_at = columns.time_or_null()?;
    let (bytes, text) = (columns.get::<Option<u64>>()?, text(columns.get_ref()?)?);
    let event = columns.get()?;
    let (payload, left_out) = match (bytes, text) {
        (Some(bytes), None) => {
            let row = PayloadRow::Event(event);
            (Some(String::new()), Some(LongPayload { row, bytes }))
        }
        (_, payload) => (payload, None),
    };
    let event = Event {
        id,
        message_id,
        endpoint_id,
        event_type,
        status,
        attempts,
        last_http_code,
        next_attempt_at: match (status, state) {
            (EventStatus::Pending, _) if is_paused => None,
            (EventStatus::Pending, EventState::Fresh) => Some(created_at),
            (EventStatus::Pending, _) => due,
            _ => None,
        }
        .map(|due| rest.next_attempt_at(due, waits, now)),
        payload,
        created_at,
        modified_at,
    };
    Ok((event, left_out))
}

fn delivery(
    columns: &mut Columns<'_, '_>,
    now: Timestamp,
) -> rusqlite::Result<(Delivery, Option<LongPayload>)> {
    let (event, left_out) = event(columns, now)?;
    let delivery = Delivery {
        id: columns.get()?,
        endpoint_id: event.endpoint_id,
        event,
        attempt: columns.get()?,
        succeeded: columns.get()?,
        http_code: columns.get()?,
        error: match columns.get::<Option<u8>>()? {
            None => None,
            Some(code) => {
                Some(AttemptFailure::from_code(code).ok_or_else(|| unreadable(code.into()))?)
            }
        },
        response: columns.get()?,
        duration_ms: columns.get()?,
        created_at: columns.time()?,
    };
    Ok((delivery, left_out))
}

/// Reads a body, which is UTF-8, whether its column has it as TEXT or as BLOB.
fn text(value: ValueRef<'_>) -> rusqlite::Result<Option<String>> {
    let bytes = value.as_bytes_or_null()?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

fn unreadable(value: i64) -> rusqlite::Error {
    let message = format!("a column has {value}, which stands for nothing");
    rusqlite::Error::ToSqlConversionFailure(message.into())
}
