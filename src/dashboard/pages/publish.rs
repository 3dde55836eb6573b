//! The page on which a message is composed, and shown to whom it would go, and published.

use std::time::Instant;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use uuid::Uuid;

use crate::dashboard::composition::Composition;
use crate::dashboard::endpoint_names::EndpointName;
use crate::dashboard::form::FormProblems;
use crate::dashboard::layout::{Layout, Section, html_of};
use crate::dashboard::type_suggestions::event_types;
use crate::dashboard::view::{Bytes, Count};
use crate::dashboard::visit::{Visit, redirect};
use crate::domain::access::{Scope, Visibility};
use crate::domain::clock::Timestamp;
use crate::domain::eligibility::{Eligibility, Refusal};
use crate::domain::event_pattern::Subject;
use crate::domain::json::Tree;
use crate::domain::message::{NewMessage, server_timestamp};
use crate::server::error::ApiError;
use crate::server::publish_trace;
use crate::server::publishing;
use crate::server::rate_limits::Budget;
use crate::server::request_metrics::mark_as_publish;
use crate::storage::{EndpointFilter, Page, Published, Store, StoreError};

/// The most endpoints of a workspace that are compared with the type of a message before it is sent.
const COMPARED_MAX: u64 = 1000;

/// The endpoints that are read at a time.
const READ_AT_ONCE: u64 = 100;

/// The bytes of a form besides its longest field, the data.
const OTHER_FIELDS: usize = 8 << 10;

/// The most bytes that a byte of data takes in a form: a `%` and two digits.
const ENCODED: usize = 3;

/// The endpoints that a message would go to.
#[derive(Default)]
struct Targets {
    /// Those that would get it.
    wanted: Vec<EndpointName>,
    /// Those that want its type, or that it names, and are disabled.
    disabled: Vec<EndpointName>,
    /// Set if the message names its endpoints.
    is_direct: bool,
    /// The endpoints that it names, and that are not there.
    unknown: Vec<Uuid>,
    /// Those whose filter does not match, and the place in the filter.
    filtered: Vec<(EndpointName, String)>,
    /// Set if the workspace has more endpoints than were compared.
    has_more: bool,
}

impl Targets {
    fn add(&mut self, endpoint: EndpointName) {
        if endpoint.is_enabled {
            self.wanted.push(endpoint);
        } else {
            self.disabled.push(endpoint);
        }
    }

    fn count(&self) -> Count {
        Count(self.wanted.len() as u64)
    }
}

#[derive(Template)]
#[template(path = "publish.html")]
struct PublishPage {
    layout: Layout,
    composition: Composition,
    problems: FormProblems,
    event_types: Vec<String>,
    /// Set if an admin has to name the workspace.
    chooses_workspace: bool,
    /// The endpoints that would get the message, once asked for.
    targets: Option<Targets>,
    /// Set if the token may not see endpoints, so that they cannot be shown before.
    hides_targets: bool,
    largest: Bytes,
}

impl PublishPage {
    fn problem(&self, name: &str) -> &str {
        self.problems.of_field(name)
    }

    fn other_problems(&self) -> impl Iterator<Item = &str> {
        self.problems.others(&Composition::FIELDS)
    }
}

/// Handles `GET /publish`.
pub(crate) async fn compose(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.require(&[Scope::WebhooksPublish])?;
    let composition = Composition::of(&visit.query());
    page(&visit, composition, FormProblems::default(), None).await
}

/// Handles `POST /publish`: shows to whom the message would go, or sends it.
pub(crate) async fn send(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    let largest = largest_body(&visit);
    let form = visit.form_of(largest * ENCODED + OTHER_FIELDS).await?;
    visit.require(&[Scope::WebhooksPublish])?;
    let received = Instant::now();
    let composition = Composition::of(&form.fields);
    let is_sent = form.fields.raw("action") == "send";
    if is_sent {
        let server = &visit.dashboard.server;
        mark_as_publish(&visit.request);
        publishing::check_open(server)?;
        let now = server.clock.monotonic();
        server
            .rate_limits
            .count(&visit.caller, Budget::Publish, now)?;
    }
    let (new, size) = match read(&visit, composition.clone(), largest).await? {
        Ok(read) => read,
        Err(problems) => return page(&visit, composition, problems, None).await,
    };
    if !is_sent {
        let targets = targets(&visit, &new).await?;
        return page(&visit, composition, FormProblems::default(), targets).await;
    }
    match publish(&visit, new, size, received).await {
        Ok(published) => Ok(led_on(&visit, &published)),
        Err(error) => match problem_of(&error) {
            Some((field, text)) => {
                let mut problems = FormProblems::default();
                problems.add(field, text);
                page(&visit, composition, problems, None).await
            }
            None => Err(error),
        },
    }
}

fn largest_body(visit: &Visit) -> usize {
    let largest = visit.dashboard.server.settings.max_body_bytes;
    usize::try_from(largest).unwrap_or(usize::MAX / ENCODED / 2)
}

/// Reads the message, and the length of its body; its problems if it has some. A large message takes time, so
/// another thread reads it.
async fn read(
    visit: &Visit,
    composition: Composition,
    largest: usize,
) -> Result<Result<(NewMessage, usize), FormProblems>, ApiError> {
    let server = &visit.dashboard.server;
    let (visibility, store) = (visit.listed(), server.store.clone());
    let work = move || {
        let read = composition.read(visibility, largest);
        Ok(read.map(|(mut new, size)| {
            publishing::read_data(&mut new, &*store);
            (new, size)
        }))
    };
    server.large_bodies.read(visit.caller.owner(), work).await
}

async fn publish(
    visit: &Visit,
    mut new: NewMessage,
    size: usize,
    received: Instant,
) -> Result<Published, ApiError> {
    let server = &visit.dashboard.server;
    new.trace = publish_trace::begin(&visit.request, &server.spans);
    publishing::publish(server, &visit.request, new, size, received).await
}

/// Leads to the page of the message, if the token may see it.
fn led_on(visit: &Visit, published: &Published) -> HttpResponse {
    let message = &published.message;
    let number = Count(message.events.len() as u64);
    let what = match (published.replayed, message.events.len()) {
        (true, _) => {
            "This idempotency key was used before with the same message, so nothing was published again."
                .to_owned()
        }
        (false, 0) => "Published. No enabled endpoint wants it.".to_owned(),
        (false, 1) => "Published. It goes to 1 endpoint.".to_owned(),
        (false, _) => format!("Published. It goes to {number} endpoints."),
    };
    if visit.sees_webhooks() {
        visit.notify(what);
        return redirect(&format!("/messages/{}", message.id));
    }
    visit.notify(format!("{what} The id of the message is {}.", message.id));
    redirect("/publish")
}

/// Returns the field that an error is about, and its text; `None` if it is about no field.
fn problem_of(error: &ApiError) -> Option<(&'static str, &'static str)> {
    match error {
        ApiError::Store(StoreError::IdempotencyKeyReused) => Some((
            "idempotency_key",
            "This key was used with another message: choose a new one",
        )),
        ApiError::Store(StoreError::UnknownEndpoints(_)) => Some((
            "endpoint_ids",
            "The workspace has no endpoint with one of these ids",
        )),
        ApiError::Store(StoreError::UnknownWorkspace(_)) => {
            Some(("workspace_id", "There is no such workspace"))
        }
        _ => None,
    }
}

/// Returns the endpoints that a message would go to; `None` if the token may not see endpoints.
async fn targets(visit: &Visit, new: &NewMessage) -> Result<Option<Targets>, ApiError> {
    if !visit.sees_webhooks() {
        return Ok(None);
    }
    let (visibility, new, now) = (visit.visibility(), new.clone(), visit.now());
    let find = move |store: &dyn Store| {
        if new.endpoint_ids.is_empty() {
            find_targets(store, visibility, &new, now)
        } else {
            named_targets(store, visibility, new.workspace_id, &new.endpoint_ids)
        }
    };
    visit.read(find).await.map(Some)
}

/// Returns the endpoints that a message names.
fn named_targets(
    store: &dyn Store,
    visibility: Visibility,
    workspace: Uuid,
    named: &[Uuid],
) -> Result<Targets, StoreError> {
    let mut targets = Targets {
        is_direct: true,
        ..Targets::default()
    };
    for id in named {
        match store.find_endpoint(visibility, *id) {
            Ok(endpoint) if endpoint.workspace_id == workspace => {
                targets.add(EndpointName::of(&endpoint));
            }
            Ok(_) | Err(StoreError::NotFound) => targets.unknown.push(*id),
            Err(other) => return Err(other),
        }
    }
    Ok(targets)
}

fn find_targets(
    store: &dyn Store,
    visibility: Visibility,
    new: &NewMessage,
    now: Timestamp,
) -> Result<Targets, StoreError> {
    let filter = EndpointFilter {
        visibility,
        workspaces: vec![new.workspace_id],
        states: Vec::new(),
        keys: Vec::new(),
        url: None,
    };
    let timestamp = new.timestamp.clone();
    let subject = Subject {
        event_type: &new.event_type,
        timestamp: &timestamp.unwrap_or_else(|| server_timestamp(now)),
        data: &new.data,
        tree: &Tree::of(new.data.get()),
        tags: &new.tags,
    };
    let mut targets = Targets::default();
    for number in 1..=COMPARED_MAX / READ_AT_ONCE {
        let page = Page {
            number,
            limit: READ_AT_ONCE,
        };
        let paged = store.list_endpoints(&filter, page, usize::MAX)?;
        for endpoint in paged.rows.iter().map(|row| &row.item) {
            let eligibility = Eligibility {
                events: &endpoint.settings.events,
                filter: &endpoint.settings.filter,
                is_disabled: endpoint.disabled_reason.is_some(),
            };
            let name = EndpointName::of(endpoint);
            match eligibility.refusal(&subject) {
                None => targets.wanted.push(name),
                Some(Refusal::Disabled) => targets.disabled.push(name),
                Some(Refusal::Events) => {}
                Some(why @ Refusal::Filter(_)) => targets.filtered.push((name, why.to_text())),
            }
        }
        targets.has_more = paged.total > number * READ_AT_ONCE;
        if !targets.has_more {
            break;
        }
    }
    Ok(targets)
}

async fn page(
    visit: &Visit,
    composition: Composition,
    problems: FormProblems,
    targets: Option<Targets>,
) -> Result<HttpResponse, ApiError> {
    let status = if problems.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let layout = Layout::new(visit, Section::Publish, "Publish a message").await?;
    let chosen = Uuid::parse_str(&composition.workspace_id).ok();
    let workspace = visit
        .workspace()
        .or(chosen)
        .filter(|_| visit.sees_webhooks());
    let visible = visit.visibility();
    let event_types = visit
        .read(move |store| event_types(store, visible, workspace))
        .await?;
    html_of(
        status,
        &PublishPage {
            layout,
            composition,
            problems,
            event_types,
            chooses_workspace: visit.workspace().is_none(),
            targets,
            hides_targets: !visit.sees_webhooks(),
            largest: Bytes(visit.dashboard.server.settings.max_body_bytes.into()),
        },
    )
}
