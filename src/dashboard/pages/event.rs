//! The page of an event: what was sent, what came back, and what to do.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use askama::Template;
use uuid::Uuid;

use crate::config::parse_duration;
use crate::dashboard::attempts::{self, AttemptView};
use crate::dashboard::endpoint_names::EndpointName;
use crate::dashboard::json_text::JsonText;
use crate::dashboard::layout::{Layout, Section, html};
use crate::dashboard::next_attempt::NextAttempt;
use crate::dashboard::request_view::{RequestView, payload_file};
use crate::dashboard::state::Dashboard;
use crate::dashboard::view::{Badge, Bytes, Count, Moment, ShortId};
use crate::dashboard::visit::{Visit, redirect};
use crate::domain::access::Scope;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::Endpoint;
use crate::domain::event::{Event, EventStatus};
use crate::server::access::SEEING_WEBHOOKS;
use crate::server::error::ApiError;
use crate::storage::{Listed, Store, StoreError};

/// The room for a payload that is read as a whole: the largest request body limits it to some megabytes.
pub(super) const ALL_OF_PAYLOAD: usize = usize::MAX;

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage {
    layout: Layout,
    id: ShortId,
    event_id: Uuid,
    message_id: Uuid,
    message: ShortId,
    status: Badge,
    event_type: String,
    endpoint: EndpointName,
    published: Moment,
    /// The number of attempts that were made.
    attempted: Count,
    attempts: Vec<AttemptView>,
    /// Set if there are more attempts than are shown.
    has_more: bool,
    next: Option<NextAttempt>,
    /// The meaning of its state, and the next step.
    summary: String,
    payload: Option<PayloadView>,
    request: Option<RequestView>,
    /// Set while it waits for an attempt: it can be skipped, and its state may change by itself.
    is_pending: bool,
    may_redeliver: bool,
    /// The reason why it cannot be sent again; empty if it can.
    obstacle: &'static str,
}

/// A payload on a page.
pub(crate) struct PayloadView {
    pub(crate) json: JsonText,
    pub(crate) length: Bytes,
}

impl PayloadView {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            json: JsonText::new(text),
            length: Bytes(text.len() as u64),
        }
    }
}

/// The objects of the store that the page shows.
struct Found {
    event: Event,
    /// `None` if it was deleted.
    endpoint: Option<Endpoint>,
    attempts: Listed<Delivery>,
}

/// Handles `GET /events/{id}`. The id of a message leads to the page of the message.
pub(crate) async fn show(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.require(&SEEING_WEBHOOKS)?;
    let (id, visibility) = (visit.path_id()?, visit.visibility());
    let read = move |store: &dyn Store| {
        let event = match store.find_event(visibility, id, ALL_OF_PAYLOAD) {
            Err(StoreError::NotFound) if store.has_message(visibility, id)? => return Ok(None),
            found => found?.item,
        };
        let endpoint = match store.find_endpoint(visibility, event.endpoint_id) {
            Ok(endpoint) => Some(endpoint),
            Err(StoreError::NotFound) => None,
            Err(other) => return Err(other),
        };
        Ok(Some(Found {
            attempts: attempts::of_event(store, visibility, id)?,
            event,
            endpoint,
        }))
    };
    let Some(found) = visit.read(read).await? else {
        return Ok(redirect(&format!("/messages/{id}")));
    };
    let title = format!("Event {}", found.event.event_type);
    let layout = Layout::new(&visit, Section::Deliveries, title).await?;
    html(&page(&visit, layout, &found))
}

fn page(visit: &Visit, layout: Layout, found: &Found) -> EventPage {
    let (event, now) = (&found.event, visit.now());
    let last = found.attempts.items.first();
    let endpoint = found.endpoint.as_ref();
    let request = endpoint
        .zip(event.payload.as_deref())
        .map(|(endpoint, body)| {
            RequestView::new(endpoint, event.id, body, last, now, visit.scopes())
        });
    EventPage {
        layout,
        id: ShortId(event.id),
        event_id: event.id,
        message_id: event.message_id,
        message: ShortId(event.message_id),
        status: Badge::of_status(event.status),
        event_type: event.event_type.to_string(),
        endpoint: endpoint.map_or_else(
            || EndpointName::deleted(event.endpoint_id),
            EndpointName::of,
        ),
        published: Moment::new(event.created_at, now),
        attempted: Count(found.attempts.total),
        attempts: AttemptView::all(&found.attempts.items, now),
        has_more: found.attempts.total > found.attempts.items.len() as u64,
        next: NextAttempt::of(
            event,
            last,
            endpoint.map(|endpoint| &endpoint.health),
            &retry_schedule(&visit.dashboard, endpoint),
            now,
        ),
        summary: summary(event, endpoint),
        payload: event.payload.as_deref().map(PayloadView::new),
        request,
        is_pending: event.status == EventStatus::Pending,
        may_redeliver: visit.may(Scope::WebhooksWrite),
        obstacle: obstacle(found),
    }
}

/// Returns what the state of an event means.
fn summary(event: &Event, endpoint: Option<&Endpoint>) -> String {
    match event.status {
        EventStatus::Succeeded => "The receiver has taken it.".to_owned(),
        EventStatus::Pending if endpoint.is_some_and(|it| it.paused_reason.is_some()) => {
            "Its endpoint is paused: it waits until the pause ends.".to_owned()
        }
        EventStatus::Pending if event.attempts == 0 => "It waits for its first attempt.".to_owned(),
        EventStatus::Pending => "It has failed so far, and is tried again.".to_owned(),
        EventStatus::Failed => {
            "It is not tried again by itself. Remove the cause, then redeliver it.".to_owned()
        }
        EventStatus::Skipped if endpoint.is_none() => {
            "Its endpoint was deleted before it was delivered.".to_owned()
        }
        EventStatus::Skipped if endpoint.is_some_and(|it| it.disabled_reason.is_some()) => {
            "It is not tried again: somebody skipped it, or its endpoint was disabled before it was delivered. \
             Enable the endpoint, then redeliver it."
                .to_owned()
        }
        EventStatus::Skipped => {
            "It is not tried again: somebody skipped it, or its endpoint was disabled before it was delivered. \
             Redeliver it to send it."
                .to_owned()
        }
    }
}

/// Returns the reason why an event cannot be sent again; empty if it can.
fn obstacle(found: &Found) -> &'static str {
    match &found.endpoint {
        None => "It cannot be sent again: its endpoint was deleted.",
        Some(_) if found.event.payload.is_none() => {
            "It cannot be sent again: its payload is archived. Publish the message again."
        }
        Some(endpoint) if endpoint.disabled_reason.is_some() => {
            "It cannot be sent again while its endpoint is disabled. Enable the endpoint first."
        }
        Some(_) => "",
    }
}

/// Returns the waits of the endpoint's retry schedule, or of the server's; empty if the settings do not tell.
fn retry_schedule(dashboard: &Dashboard, endpoint: Option<&Endpoint>) -> Vec<Duration> {
    let own = endpoint.and_then(|it| it.settings.target.policy.retry_schedule.as_ref());
    if let Some(own) = own {
        return own
            .iter()
            .map(|seconds| Duration::from_secs(u64::from(*seconds)))
            .collect();
    }
    let settings = &dashboard.facts.settings;
    let found = settings
        .iter()
        .find(|setting| setting.name == "retry-schedule");
    let waits = found.map_or("", |setting| setting.value.as_str());
    let waits: Result<_, _> = waits.split(',').map(parse_duration).collect();
    waits.unwrap_or_default()
}

/// Handles `GET /events/{id}/payload`: the bytes that are sent, as a file.
pub(crate) async fn payload(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.require(&SEEING_WEBHOOKS)?;
    let (id, visibility) = (visit.path_id()?, visit.visibility());
    let read = move |store: &dyn Store| {
        let event = store.find_event(visibility, id, ALL_OF_PAYLOAD)?.item;
        event.payload.ok_or(StoreError::EventArchived)
    };
    let text = visit.read(read).await?;
    // A browser must neither show it as a page of this server nor guess what it is: a stranger wrote it.
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{}\"", payload_file(id)),
        ))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header(("cross-origin-resource-policy", "same-origin"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(text))
}
