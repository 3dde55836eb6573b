//! stub
use crate::domain::access::Reach;
use crate::domain::{delivery::Delivery, endpoint::Endpoint, event::Event};
use crate::storage::*;
use rusqlite::Connection;
use uuid::Uuid;
pub(super) fn list_endpoints(
    _: &Connection,
    _: &EndpointFilter,
    _: Page,
) -> rusqlite::Result<Listed<Endpoint>> {
    todo!()
}
pub(super) fn list_events(
    _: &Connection,
    _: &EventFilter,
    _: Page,
) -> rusqlite::Result<Listed<Event>> {
    todo!()
}
pub(super) fn list_deliveries(
    _: &Connection,
    _: &DeliveryFilter,
    _: Page,
) -> rusqlite::Result<Listed<Delivery>> {
    todo!()
}
pub(super) fn find_event(_: &Connection, _: Reach, _: Uuid) -> rusqlite::Result<Option<Event>> {
    todo!()
}
