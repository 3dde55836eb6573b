//! What the page of an endpoint shows, read in one go.

use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::domain::chart::{Chart, ChartRange, ChartScope};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::EventStatus;
use crate::domain::overview::EndpointSummary;
use crate::storage::{DeliveryFilter, EventFilter, Page, Store, StoreError};

/// The last deliveries that are shown: as many as fit beside the rest.
const DELIVERIES: u64 = 10;

/// The bytes of deliveries that are read at a time. Their payloads are not shown; a long one is left out.
const READ_BYTES: usize = 64 << 10;

/// All that is read of an endpoint.
pub(super) struct Found {
    pub(super) endpoint: Endpoint,
    pub(super) summary: EndpointSummary,
    pub(super) chart: Chart,
    /// The last ones, newest first.
    pub(super) deliveries: Vec<Delivery>,
    /// The number of events that failed or were skipped.
    pub(super) missed: u64,
}

/// Reads all that the page of an endpoint shows.
///
/// # Errors
/// [`StoreError::NotFound`]; those of reading the store.
pub(super) fn find(
    store: &dyn Store,
    visibility: Visibility,
    id: Uuid,
    range: ChartRange,
    now: Timestamp,
) -> Result<Found, StoreError> {
    let endpoint = store.find_endpoint(visibility, id)?;
    let summaries = store.endpoint_summaries(visibility, &[id], now)?;
    let summary = summaries.into_iter().next().ok_or(StoreError::NotFound)?;
    Ok(Found {
        chart: store.chart(visibility, ChartScope::Endpoint(id), range, now)?,
        deliveries: last_deliveries(store, visibility, id)?,
        missed: missed(store, visibility, id)?,
        endpoint,
        summary,
    })
}

fn last_deliveries(
    store: &dyn Store,
    visibility: Visibility,
    id: Uuid,
) -> Result<Vec<Delivery>, StoreError> {
    let filter = DeliveryFilter {
        visibility,
        endpoints: vec![id],
        ..DeliveryFilter::ALL
    };
    let page = Page {
        number: 1,
        limit: DELIVERIES,
    };
    let listed = store.list_deliveries(&filter, page, READ_BYTES)?;
    let mut deliveries: Vec<_> = listed.rows.into_iter().map(|row| row.item).collect();
    let mut rest = listed.rest.as_slice();
    while !rest.is_empty() {
        let part = store.read_deliveries(rest, READ_BYTES)?;
        deliveries.extend(part.rows.into_iter().map(|row| row.item));
        rest = rest.get(part.done.max(1)..).unwrap_or_default();
    }
    Ok(deliveries)
}

/// Returns the number of events that the endpoint did not get.
fn missed(store: &dyn Store, visibility: Visibility, id: Uuid) -> Result<u64, StoreError> {
    let filter = EventFilter {
        visibility,
        endpoints: vec![id],
        statuses: vec![EventStatus::Failed, EventStatus::Skipped],
        ..EventFilter::ALL
    };
    let page = Page {
        number: 1,
        limit: 1,
    };
    Ok(store.list_events(&filter, page, READ_BYTES)?.total)
}
