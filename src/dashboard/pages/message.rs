//! The page of a message: its payload, and the endpoints that got it.

use actix_web::HttpResponse;
use askama::Template;

use super::event::{ALL_OF_PAYLOAD, PayloadView};
use super::event_list::{self, EventRow};
use crate::dashboard::endpoint_names::EndpointNames;
use crate::dashboard::layout::{Layout, Section, html};
use crate::dashboard::pager::Pager;
use crate::dashboard::tag_text::{TagLink, tag_links};
use crate::dashboard::view::{Count, Moment, ShortId};
use crate::dashboard::visit::Visit;
use crate::domain::access::{Scope, Visibility};
use crate::domain::event::{Event, EventStatus};
use crate::domain::overview::{EventCounts, MessageSummary};
use crate::server::access::SEEING_WEBHOOKS;
use crate::server::error::ApiError;
use crate::server::inputs::page::page;
use crate::storage::{EventFilter, Listed, Page, Store};
use uuid::Uuid;

/// The events on a page: as many as one form sends again.
const EVENTS: u64 = 100;

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    layout: Layout,
    id: ShortId,
    /// The whole id, for a form.
    message_id: Uuid,
    event_type: String,
    tags: Vec<TagLink>,
    published: Moment,
    timestamp: String,
    /// The number of events that it became.
    total: Count,
    /// The events that exist, by status, with a link to each kind.
    counts: Vec<StatusCount>,
    /// Set if it became none.
    is_unwanted: bool,
    rows: Vec<EventRow>,
    pager: Pager,
    /// The number of rows whose box is checked.
    selected: usize,
    payload: Option<PayloadView>,
    may_redeliver: bool,
    is_live: bool,
}

impl MessagePage {
    /// Reports whether the payload is there, and the caller may erase it: whoever may redeliver may.
    fn may_erase(&self) -> bool {
        self.may_redeliver && self.payload.is_some()
    }
}

/// The objects of the store that the page shows.
struct Found {
    message: MessageSummary,
    events: Listed<Event>,
    names: EndpointNames,
}

/// Handles `GET /messages/{id}`.
pub(crate) async fn show(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.require(&SEEING_WEBHOOKS)?;
    let id = visit.path_id()?;
    let page = page_of(&visit)?;
    let found = find(&visit, id, page).await?;
    let (summary, now) = (&found.message, visit.now());
    let message = &summary.message;
    let title = format!("Message {}", message.event_type);
    let layout = Layout::new(&visit, Section::Messages, title).await?;
    let events = found.events.items.iter();
    let rows: Vec<_> = events
        .map(|event| {
            let is_missed = matches!(event.status, EventStatus::Failed | EventStatus::Skipped);
            let row = EventRow::new(event, &found.names, now);
            EventRow {
                is_selected: is_missed && row.is_sendable,
                ..row
            }
        })
        .collect();
    let path = format!("/messages/{id}");
    html(&MessagePage {
        layout,
        id: ShortId(message.id),
        message_id: message.id,
        event_type: message.event_type.to_string(),
        tags: tag_links(&message.tags),
        published: Moment::new(message.created_at, now),
        timestamp: message.timestamp.clone(),
        total: Count(message.events),
        counts: status_counts(summary.counts, id),
        is_unwanted: message.events == 0,
        selected: rows.iter().filter(|row| row.is_selected).count(),
        is_live: page.number == 1
            && found
                .events
                .items
                .iter()
                .any(|event| event.status == EventStatus::Pending),
        rows,
        pager: Pager::new(page, found.events.total, &path, visit.query()),
        payload: summary.payload.as_deref().map(PayloadView::new),
        may_redeliver: visit.may(Scope::WebhooksWrite),
    })
}

/// The number of a message's events with a status.
struct StatusCount {
    status: &'static str,
    count: Count,
    url: String,
}

/// Returns the numbers of events by status, without those that are 0.
fn status_counts(counts: EventCounts, id: Uuid) -> Vec<StatusCount> {
    let all = EventStatus::ALL.map(|status| {
        let count = match status {
            EventStatus::Pending => counts.pending,
            EventStatus::Succeeded => counts.succeeded,
            EventStatus::Failed => counts.failed,
            EventStatus::Skipped => counts.skipped,
        };
        let status = status.as_str();
        StatusCount {
            status,
            count: Count(count),
            url: format!("/deliveries?view=events&message_id={id}&status={status}"),
        }
    });
    all.into_iter().filter(|it| it.count.0 > 0).collect()
}

/// Reads the number of the page.
fn page_of(visit: &Visit) -> Result<Page, ApiError> {
    let query = visit.query();
    let asked = format!("page={}", query.get("page").unwrap_or("1"));
    let mut input = crate::server::validate::Input::new("", &asked);
    let page = page(&mut input);
    let ok = input.finish().map_err(|_| ApiError::UnknownPath)?;
    Ok(Page {
        limit: EVENTS,
        ..page.take(&ok)
    })
}

async fn find(visit: &Visit, id: Uuid, page: Page) -> Result<Found, ApiError> {
    let visibility: Visibility = visit.visibility();
    let read = move |store: &dyn Store| {
        let message = store.find_message(visibility, id, ALL_OF_PAYLOAD)?.item;
        let filter = EventFilter {
            visibility,
            workspaces: Vec::new(),
            endpoints: Vec::new(),
            messages: vec![id],
            event_types: Vec::new(),
            statuses: Vec::new(),
            after: None,
            before: None,
            code_class: None,
            query: None,
        };
        let events = event_list::read(store, &filter, page)?;
        let ids = events.items.iter().map(|event| event.endpoint_id);
        Ok(Found {
            names: EndpointNames::of_ids(store, visibility, ids)?,
            message,
            events,
        })
    };
    visit.read(read).await
}
