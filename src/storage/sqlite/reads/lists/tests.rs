//! Tests of lists on a database of random rows: random filters, pages in parts, and query plans.

pub(in crate::storage::sqlite) mod list_fixture;
pub(in crate::storage::sqlite) mod messages;
mod model;
mod parts;
mod plans;
mod random_filters;

use std::cell::RefCell;
use std::collections::BTreeSet;

use rusqlite::Connection;
use uuid::Uuid;

use super::Helpers;
use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::Event;
use crate::storage::filter::{
    DeliveryFilter, EndpointFilter, EventFilter, Listed, ListedMessages, MessageFilter, Page,
};
use crate::storage::part::{Paged, Row};
use crate::storage::sqlite::writer::recent_attempts::RecentAttempts;

/// A time before all times of the fixtures, so that due times are shown as they are.
const NOW: Timestamp = Timestamp::from_micros(0);

fn whole<T>(paged: Paged<T>) -> Listed<T> {
    assert_eq!(paged.rest, [], "there is memory for all");
    Listed {
        items: paged.rows.into_iter().map(|row| row.item).collect(),
        total: paged.total,
        searched: paged.searched,
    }
}

fn list_deliveries(
    connection: &Connection,
    filter: &DeliveryFilter,
    page: Page,
) -> rusqlite::Result<Listed<Delivery>> {
    super::list_deliveries(connection, &Helpers::none(), filter, page, usize::MAX, NOW).map(whole)
}

fn list_events(
    connection: &Connection,
    filter: &EventFilter,
    page: Page,
) -> rusqlite::Result<Listed<Event>> {
    super::list_events(connection, &Helpers::none(), filter, page, usize::MAX, NOW).map(whole)
}

fn list_messages(
    connection: &Connection,
    filter: &MessageFilter,
    page: Page,
) -> rusqlite::Result<ListedMessages> {
    super::list_messages(connection, &Helpers::none(), filter, page)
}

fn list_endpoints(
    connection: &Connection,
    filter: &EndpointFilter,
    page: Page,
) -> rusqlite::Result<Listed<Endpoint>> {
    super::list_endpoints(
        connection,
        &RecentAttempts::default(),
        filter,
        page,
        usize::MAX,
        NOW,
    )
    .map(whole)
}

fn find_event(
    connection: &Connection,
    visibility: Visibility,
    id: Uuid,
) -> rusqlite::Result<Option<Event>> {
    let found = super::find_event(connection, visibility, id, usize::MAX, NOW)?;
    Ok(found.map(|Row { item, .. }| item))
}

thread_local! {
    static NOTED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Remembers a statement that was prepared.
pub(crate) fn note(sql: &str) {
    NOTED.with_borrow_mut(|noted| {
        if !noted.contains(sql) {
            noted.insert(sql.to_owned());
        }
    });
}

/// Returns the statements that this thread has prepared.
fn noted() -> Vec<String> {
    NOTED.with_borrow(|noted| noted.iter().cloned().collect())
}
