//! Pages in parts: together they are the page, however little memory there is for one.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;

use super::list_fixture::ListFixture;
use super::{NOW, list_deliveries, list_events};
use crate::domain::delivery::Delivery;
use crate::domain::event::Event;
use crate::storage::filter::{DeliveryFilter, EventFilter, Page, RowNumber};
use crate::storage::part::{LongPayload, Paged, Part, Row};
use crate::storage::sqlite::reads::lists;
use crate::storage::sqlite::reads::lists::Helpers;

/// Returns the first page of events, of which `room` bytes are read.
fn first_events(connection: &Connection, room: usize) -> Paged<Event> {
    let (none, all) = (Helpers::none(), EventFilter::ALL);
    lists::list_events(connection, &none, &all, Page::FIRST, room, NOW).unwrap()
}

/// Returns the first page of deliveries, of which `room` bytes are read.
fn first_deliveries(connection: &Connection, room: usize) -> Paged<Delivery> {
    let (none, all) = (Helpers::none(), DeliveryFilter::ALL);
    lists::list_deliveries(connection, &none, &all, Page::FIRST, room, NOW).unwrap()
}

/// Returns a fixture whose payloads have characters of every length.
fn fixture(seed: u64) -> ListFixture {
    let fixture = ListFixture::generate(seed);
    let sql = "UPDATE message SET body = CAST('aä€😀' || CAST(body AS TEXT) AS BLOB)
         WHERE body IS NOT NULL";
    fixture.connection.execute(sql, []).unwrap();
    fixture
}

/// Reads the rest of a page in parts of at most `bytes`. Returns all its rows and the number of parts.
fn rest<T>(
    paged: Paged<T>,
    bytes: usize,
    read: impl Fn(&[RowNumber], usize) -> rusqlite::Result<Part<T>>,
) -> (Vec<Row<T>>, usize) {
    let (mut rows, mut numbers, mut parts) = (paged.rows, &paged.rest[..], 1);
    while !numbers.is_empty() {
        let part = read(numbers, bytes).unwrap();
        assert!(part.done > 0, "it goes on");
        let is_alone = part.rows.len() == 1;
        assert!(is_alone || part.rows.iter().all(|row| row.payload.is_none()));
        numbers = &numbers[part.done..];
        rows.extend(part.rows);
        parts += 1;
    }
    (rows, parts)
}

/// Reads a payload piece by piece; `None` if it is archived meanwhile.
fn payload(connection: &Connection, long: LongPayload, bytes: usize) -> Option<String> {
    let (mut text, mut from) = (String::new(), 0);
    loop {
        let piece = lists::read_payload(connection, long, from, bytes).unwrap()?;
        assert!(!piece.text.is_empty() && piece.text.len() <= bytes.max(4));
        text.push_str(&piece.text);
        match piece.next {
            Some(next) => from = next,
            None => return Some(text),
        }
    }
}

fn event(connection: &Connection, row: Row<Event>, bytes: usize) -> Event {
    let mut event = row.item;
    if let Some(long) = row.payload {
        assert_eq!(event.payload.as_deref(), Some(""));
        event.payload = Some(payload(connection, long, bytes).unwrap());
    }
    event
}

fn delivery(connection: &Connection, row: Row<Delivery>, bytes: usize) -> Delivery {
    let mut delivery = row.item;
    let (item, payload) = (delivery.event, row.payload);
    delivery.event = event(connection, Row { item, payload }, bytes);
    delivery
}

#[test]
fn parts_make_up_the_page() {
    let mut long = 0;
    for seed in 0..40 {
        let fixture = fixture(seed);
        let connection = &fixture.connection;
        let mut random = StdRng::seed_from_u64(seed);
        let mut bytes = || match random.random_range(0..3) {
            0 => random.random_range(0..20),
            1 => random.random_range(500..3000),
            _ => 1 << 20,
        };

        let expected = list_events(connection, &EventFilter::ALL, Page::FIRST)
            .unwrap()
            .items;
        let room = bytes();
        let paged = first_events(connection, room);
        let read = |numbers: &[RowNumber], room| lists::events(connection, numbers, room, NOW);
        let (rows, parts) = rest(paged, room, read);
        assert!(parts == 1 || room < 1 << 20, "there is memory for all");
        let events = rows.into_iter().map(|row| {
            long += usize::from(row.payload.is_some());
            event(connection, row, room)
        });
        assert_eq!(events.collect::<Vec<_>>(), expected, "world {seed}, {room}");

        let expected = list_deliveries(connection, &DeliveryFilter::ALL, Page::FIRST).unwrap();
        let room = bytes();
        let paged = first_deliveries(connection, room);
        let read = |numbers: &[RowNumber], room| lists::deliveries(connection, numbers, room, NOW);
        let (rows, _) = rest(paged, room, read);
        let deliveries = rows.into_iter().map(|row| delivery(connection, row, room));
        let deliveries: Vec<_> = deliveries.collect();
        assert_eq!(deliveries, expected.items, "world {seed}, {room}");
    }
    assert!(long > 100, "{long} payloads were long");
}

#[test]
fn a_row_that_is_gone_is_left_out() {
    let fixture = fixture(1);
    let connection = &fixture.connection;
    let whole = list_deliveries(connection, &DeliveryFilter::ALL, Page::FIRST).unwrap();
    let paged = first_deliveries(connection, 1);
    let RowNumber(gone) = paged.rest[1];
    let sql = "DELETE FROM delivery WHERE seq = ?";
    connection.execute(sql, [gone]).unwrap();
    let read = |numbers: &[RowNumber], room| lists::deliveries(connection, numbers, room, NOW);
    let (rows, _) = rest(paged, 1, read);
    let ids: Vec<_> = rows.iter().map(|row| row.item.id).collect();
    let mut expected: Vec<_> = whole.items.iter().map(|row| row.id).collect();
    expected.remove(2);
    assert_eq!(ids, expected);
}

#[test]
fn a_payload_that_is_archived_meanwhile_has_no_more_pieces() {
    let fixture = fixture(1);
    let connection = &fixture.connection;
    let paged = first_events(connection, 0);
    let read = |numbers: &[RowNumber], room| lists::events(connection, numbers, room, NOW);
    let (rows, _) = rest(paged, 0, read);
    let long: Vec<_> = rows.iter().filter_map(|row| row.payload).collect();
    for sql in [
        "UPDATE event SET body = NULL",
        "UPDATE message SET body = NULL",
    ] {
        connection.execute(sql, []).unwrap();
    }
    assert!(!long.is_empty());
    for long in long {
        assert_eq!(payload(connection, long, 8), None);
    }
}
