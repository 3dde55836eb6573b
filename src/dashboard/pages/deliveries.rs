//! The list of what was sent: attempts, or events.

use actix_web::HttpResponse;
use askama::Template;
use uuid::Uuid;

use super::event_list;
use crate::dashboard::attempts::{self, AttemptView};
use crate::dashboard::endpoint_names::{EndpointName, EndpointNames};
use crate::dashboard::layout::{Layout, Section, html_of};
use crate::dashboard::list_filters::{ListFilters, ListView};
use crate::dashboard::lists;
use crate::dashboard::pager::Pager;
use crate::dashboard::query::Fields;
use crate::dashboard::type_suggestions::event_types;
use crate::dashboard::view::{Count, Millis, Moment, Outcome, ShortId};
use crate::dashboard::visit::Visit;
use crate::domain::access::Scope;
use crate::domain::delivery::Delivery;
use crate::server::access::SEEING_WEBHOOKS;
use crate::server::error::ApiError;
use crate::server::inputs::filters::delivery_filter;
use crate::storage::{DeliveryFilter, Listed, Page, Store};

/// The parameter with the delivery whose row shows the time line of its event.
const OPEN: &str = "open";

/// An attempt in the list.
struct AttemptRow {
    id: Uuid,
    event_id: Uuid,
    outcome: Outcome,
    event_type: String,
    endpoint: EndpointName,
    attempt: u32,
    duration: Millis,
    at: Moment,
    /// The URL of the list with this row open, or closed if it is open.
    toggle: String,
    /// The attempts of its event, if the row is open.
    timeline: Option<Vec<AttemptView>>,
}

impl DeliveriesPage {
    /// Returns the number of columns.
    fn columns(&self) -> usize {
        8 + usize::from(self.may_redeliver)
    }
}

impl AttemptRow {
    fn short_id(&self) -> ShortId {
        ShortId(self.event_id)
    }

    fn is_open(&self) -> bool {
        self.timeline.is_some()
    }
}

#[derive(Template)]
#[template(path = "deliveries.html")]
struct DeliveriesPage {
    layout: Layout,
    filters: ListFilters,
    rows: Vec<AttemptRow>,
    pager: Pager,
    total: Count,
    /// With a text query: the number of rows that were searched, if not all were.
    searched: Option<Count>,
    may_redeliver: bool,
    may_publish: bool,
}

/// The objects of the store that the page shows.
struct Found {
    listed: Listed<Delivery>,
    names: EndpointNames,
    event_types: Vec<String>,
    timeline: Option<(Uuid, Listed<Delivery>)>,
}

/// Handles `GET /deliveries`.
pub(crate) async fn list(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.require(&SEEING_WEBHOOKS)?;
    let query = visit.query();
    if query.get("view") == Some("events") {
        return event_list::list(visit, query).await;
    }
    let mut filters = ListFilters::new(ListView::Attempts, query.clone());
    let (page, filter) = filters.read(|input| delivery_filter(input, visit.listed()));
    let found = match filter {
        Some(filter) => find(&visit, filter, page, &query).await?,
        None => nothing(&visit).await?,
    };
    let layout = Layout::new(&visit, Section::Deliveries, filters.title("Deliveries")).await?;
    let pager = Pager::new(
        page,
        found.listed.total,
        "/deliveries",
        query.with(OPEN, ""),
    );
    let deliveries = found.listed.items.iter();
    let rows = deliveries.map(|delivery| row(&visit, delivery, &found, &query));
    let rows = rows.collect();
    filters.endpoints = found.names.choices;
    filters.event_types = found.event_types;
    html_of(
        filters.status(),
        &DeliveriesPage {
            layout,
            filters,
            rows,
            pager,
            total: Count(found.listed.total),
            searched: found.listed.searched.map(Count),
            may_redeliver: visit.may(Scope::WebhooksWrite),
            may_publish: visit.may(Scope::WebhooksPublish),
        },
    )
}

async fn find(
    visit: &Visit,
    filter: DeliveryFilter,
    page: Page,
    query: &Fields,
) -> Result<Found, ApiError> {
    let (listed_in, visible, workspace) = (visit.listed(), visit.visibility(), visit.workspace());
    let open = query.get(OPEN).and_then(|id| Uuid::parse_str(id).ok());
    let read = move |store: &dyn Store| {
        let paged = store.list_deliveries(&filter, page, lists::NO_PAYLOAD)?;
        let listed = lists::whole(store, paged, |store, numbers, bytes| {
            store.read_deliveries(numbers, bytes)
        })?;
        let ids = listed.items.iter().map(|delivery| delivery.endpoint_id);
        let names = EndpointNames::read(store, listed_in, visible, ids)?;
        let opened = listed.items.iter().find(|row| Some(row.id) == open);
        let timeline = match opened {
            Some(row) => Some((row.id, attempts::of_event(store, visible, row.event.id)?)),
            None => None,
        };
        Ok(Found {
            names,
            event_types: event_types(store, visible, workspace)?,
            timeline,
            listed,
        })
    };
    visit.read(read).await
}

/// Returns what the page shows if its filters are not valid.
async fn nothing(visit: &Visit) -> Result<Found, ApiError> {
    let (listed_in, visible, workspace) = (visit.listed(), visit.visibility(), visit.workspace());
    let read = move |store: &dyn Store| {
        Ok(Found {
            listed: lists::empty(),
            names: EndpointNames::read(store, listed_in, visible, [])?,
            event_types: event_types(store, visible, workspace)?,
            timeline: None,
        })
    };
    visit.read(read).await
}

fn row(visit: &Visit, delivery: &Delivery, found: &Found, query: &Fields) -> AttemptRow {
    let timeline = match &found.timeline {
        Some((id, attempts)) if *id == delivery.id => {
            Some(AttemptView::all(&attempts.items, visit.now()))
        }
        _ => None,
    };
    let open = if timeline.is_some() {
        String::new()
    } else {
        delivery.id.to_string()
    };
    AttemptRow {
        id: delivery.id,
        event_id: delivery.event.id,
        outcome: attempts::outcome(delivery),
        event_type: delivery.event.event_type.to_string(),
        endpoint: found.names.name(delivery.endpoint_id),
        attempt: delivery.attempt,
        duration: Millis(delivery.duration_ms.into()),
        at: Moment::new(delivery.created_at, visit.now()),
        toggle: format!(
            "/deliveries?{}#row-{}",
            query.with(OPEN, &open).to_query(),
            delivery.id
        ),
        timeline,
    }
}
