//! The list of events: each is one message for one endpoint, with all of its attempts.

use actix_web::HttpResponse;
use askama::Template;
use uuid::Uuid;

use crate::dashboard::endpoint_names::{EndpointName, EndpointNames};
use crate::dashboard::filter_links::{FilterLink, by_word, filter_links};
use crate::dashboard::job_form::{JobOfList, job_of_list};
use crate::dashboard::job_view::action_in_words;
use crate::dashboard::layout::{Layout, Section, html_of};
use crate::dashboard::list_filters::{ListFilters, ListView};
use crate::dashboard::lists;
use crate::dashboard::next_attempt::is_due;
use crate::dashboard::pager::Pager;
use crate::dashboard::query::Fields;
use crate::dashboard::type_suggestions::event_types;
use crate::dashboard::view::{Badge, Count, Moment, ShortId};
use crate::dashboard::visit::Visit;
use crate::domain::access::{Scope, Visibility};
use crate::domain::clock::Timestamp;
use crate::domain::event::{Event, EventStatus};
use crate::server::error::ApiError;
use crate::server::inputs::filters::event_filter;
use crate::storage::{EventFilter, Listed, Page, Store, StoreError};

/// An event in a list.
pub(crate) struct EventRow {
    pub(crate) id: Uuid,
    pub(crate) status: Badge,
    pub(crate) event_type: String,
    pub(crate) endpoint: EndpointName,
    pub(crate) attempts: u32,
    /// The status code of the last attempt, or a dash.
    pub(crate) last_code: String,
    /// The time of the next attempt, if it is still to come.
    pub(crate) next: Option<Moment>,
    /// Set if the next attempt is due.
    pub(crate) is_due: bool,
    pub(crate) at: Moment,
    /// Set if its box is checked at first.
    pub(crate) is_selected: bool,
    /// Set if it can be sent again.
    pub(crate) is_sendable: bool,
}

impl EventRow {
    pub(crate) fn new(event: &Event, names: &EndpointNames, now: Timestamp) -> Self {
        let endpoint = names.name(event.endpoint_id);
        // The payload is left out of lists, but an archived event has none.
        let is_sendable = endpoint.is_enabled && event.payload.is_some();
        Self {
            id: event.id,
            status: Badge::of_status(event.status),
            event_type: event.event_type.to_string(),
            endpoint,
            attempts: event.attempts,
            last_code: match (event.last_http_code, event.attempts) {
                (Some(code), _) => code.to_string(),
                (None, 0) => "–".to_owned(),
                (None, _) => "no answer".to_owned(),
            },
            next: event
                .next_attempt_at
                .filter(|at| !is_due(*at, now))
                .map(|at| Moment::new(at, now)),
            is_due: event.next_attempt_at.is_some_and(|at| is_due(at, now)),
            at: Moment::new(event.created_at, now),
            is_selected: false,
            is_sendable,
        }
    }

    pub(crate) fn short_id(&self) -> ShortId {
        ShortId(self.id)
    }
}

/// Reads a page of events, and the names of their endpoints.
///
/// # Errors
/// The store's.
pub(crate) fn read(
    store: &dyn Store,
    filter: &EventFilter,
    page: Page,
) -> Result<Listed<Event>, StoreError> {
    let paged = store.list_events(filter, page, lists::NO_PAYLOAD)?;
    lists::whole(store, paged, |store, numbers, bytes| {
        store.read_events(numbers, bytes)
    })
}

impl EventsPage {
    /// Returns the name of a job's action.
    fn verb(job: &JobOfList) -> &'static str {
        action_in_words(job.action)
    }
}

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    layout: Layout,
    filters: ListFilters,
    statuses: Vec<FilterLink>,
    rows: Vec<EventRow>,
    pager: Pager,
    total: Count,
    /// With a text query: the number of rows that were searched, if not all were.
    searched: Option<Count>,
    may_redeliver: bool,
    may_publish: bool,
    /// The job on all events of the list, if there is one that the caller may make.
    job: Option<JobOfList>,
}

struct Found {
    listed: Listed<Event>,
    names: EndpointNames,
    event_types: Vec<String>,
}

/// Handles `GET /deliveries?view=events`.
pub(super) async fn list(visit: Visit, query: Fields) -> Result<HttpResponse, ApiError> {
    let mut filters = ListFilters::new(ListView::Events, query.clone());
    let (page, filter) = filters.read(|input| event_filter(input, visit.listed()));
    let found = find(&visit, filter, page).await?;
    let layout = Layout::new(&visit, Section::Deliveries, filters.title("Events")).await?;
    let pager = Pager::new(page, found.listed.total, "/deliveries", query.clone());
    let events = found.listed.items.iter();
    let selects_all = query.get("select") == Some("all");
    let rows = events.map(|event| {
        let row = EventRow::new(event, &found.names, visit.now());
        EventRow {
            is_selected: selects_all && row.is_sendable,
            ..row
        }
    });
    let rows = rows.collect();
    let has_job = visit.may(Scope::WebhooksWrite) && !filters.have_problems();
    let chosen = visit.workspace().filter(|_| visit.is_admin());
    let job = job_of_list(&query, chosen).filter(|_| has_job && found.listed.total > 0);
    filters.endpoints = found.names.choices;
    filters.event_types = found.event_types;
    html_of(
        filters.status(),
        &EventsPage {
            layout,
            statuses: status_links(&query),
            filters,
            rows,
            pager,
            total: Count(found.listed.total),
            searched: found.listed.searched.map(Count),
            may_redeliver: visit.may(Scope::WebhooksWrite),
            may_publish: visit.may(Scope::WebhooksPublish),
            job,
        },
    )
}

async fn find(visit: &Visit, filter: Option<EventFilter>, page: Page) -> Result<Found, ApiError> {
    let (listed_in, visible): (Visibility, Visibility) = (visit.listed(), visit.visibility());
    let workspace = visit.workspace();
    let find = move |store: &dyn Store| {
        let listed = match filter {
            Some(filter) => read(store, &filter, page)?,
            None => lists::empty(),
        };
        let ids = listed.items.iter().map(|event| event.endpoint_id);
        Ok(Found {
            names: EndpointNames::read(store, listed_in, visible, ids)?,
            event_types: event_types(store, visible, workspace)?,
            listed,
        })
    };
    visit.read(find).await
}

fn status_links(query: &Fields) -> Vec<FilterLink> {
    let current: Vec<_> = query
        .all("status")
        .filter(|status| !status.is_empty())
        .collect();
    let is_current =
        |value: &str| current.contains(&value) || (value.is_empty() && current.is_empty());
    let statuses = by_word(EventStatus::ALL.map(EventStatus::as_str));
    filter_links("/deliveries", query, "status", statuses, is_current)
}
