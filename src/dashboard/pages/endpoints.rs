//! The list of endpoints, with their health at a glance.

use std::collections::HashMap;

use actix_web::HttpResponse;
use askama::Template;

use crate::dashboard::filter_links::{FilterLink, filter_links};
use crate::dashboard::layout::{Layout, Section, html};
use crate::dashboard::pager::Pager;
use crate::dashboard::query::Fields;
use crate::dashboard::sparkline::Sparkline;
use crate::dashboard::trouble;
use crate::dashboard::url_text::{UrlText, short_name};
use crate::dashboard::view::{Badge, Count, Moment, Outcome, rate};
use crate::dashboard::visit::Visit;
use crate::domain::access::Scope;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::endpoint::Endpoint;
use crate::domain::endpoint_health::EndpointState;
use crate::domain::overview::{CappedCount, EndpointSummary};
use crate::server::access::SEEING_WEBHOOKS;
use crate::server::error::ApiError;
use crate::server::inputs::filters::endpoint_filter;
use crate::storage::{EndpointFilter, Page, Store, StoreError};

/// The rows of a page, unless `limit` says otherwise: about two screens.
const ROWS: u64 = 25;

/// The bytes of endpoints that are read at a time. An endpoint has some kilobytes.
const READ_BYTES: usize = 1 << 20;

/// An endpoint of the list.
struct Row {
    endpoint: Endpoint,
    summary: EndpointSummary,
    badge: Badge,
    workspace: String,
    rate: String,
    pending: String,
    last: Option<(Outcome, Moment)>,
}

impl Row {
    fn name(&self) -> String {
        let settings = &self.endpoint.settings;
        short_name(&settings.name, &settings.target.url)
    }

    fn url(&self) -> UrlText<'_> {
        UrlText(&self.endpoint.settings.target.url)
    }

    fn sparkline(&self) -> Sparkline<'_> {
        Sparkline(&self.summary.hours)
    }
}

/// The states that have a link.
const LINKED_STATES: [(&str, EndpointState); 4] = [
    ("Active", EndpointState::Active),
    ("Resting", EndpointState::Resting),
    ("Paused", EndpointState::Paused),
    ("Disabled", EndpointState::Disabled),
];

#[derive(Template)]
#[template(path = "endpoints.html")]
struct EndpointsPage {
    layout: Layout,
    rows: Vec<Row>,
    pager: Pager,
    total: u64,
    /// The text that URLs are searched for; empty: all are shown.
    search: String,
    /// Links to the endpoints in each state.
    states: Vec<FilterLink>,
    /// The states that are shown; none: all.
    chosen_states: Vec<&'static str>,
    /// Set if only endpoints in some states are shown.
    is_by_state: bool,
    shows_workspaces: bool,
    may_create: bool,
}

/// Handles `GET /endpoints`.
pub(crate) async fn list(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.require(&SEEING_WEBHOOKS)?;
    let query = visit.query();
    let mut input = visit.input();
    let filter = endpoint_filter(&mut input, visit.listed());
    let (mut page, filter) = filter(&input.finish()?);
    if !query.has("limit") {
        page.limit = ROWS;
    }
    let chosen = filter.states.clone();
    let (visibility, now) = (visit.listed(), visit.now());
    let (endpoints, total, mut summaries) = visit
        .read(move |store| {
            let (endpoints, total) = read_all(store, &filter, page)?;
            let ids: Vec<_> = endpoints.iter().map(|endpoint| endpoint.id).collect();
            let summaries = store.endpoint_summaries(visibility, &ids, now)?;
            let summaries: HashMap<_, _> = summaries
                .into_iter()
                .map(|summary| (summary.id, summary))
                .collect();
            Ok((endpoints, total, summaries))
        })
        .await?;
    let search = query.get("url").unwrap_or_default().to_owned();
    let title = if search.is_empty() {
        "Endpoints".to_owned()
    } else {
        format!("Endpoints with “{search}”")
    };
    let layout = Layout::new(&visit, Section::Endpoints, title).await?;
    let rows = endpoints.into_iter().filter_map(|endpoint| {
        // One that was deleted between the two reads has no summary.
        let summary = summaries.remove(&endpoint.id)?;
        Some(row(endpoint, summary, &layout))
    });
    html(&EndpointsPage {
        rows: rows.collect(),
        states: state_links(&query, &chosen),
        is_by_state: !chosen.is_empty(),
        chosen_states: chosen.iter().map(|state| state.as_str()).collect(),
        pager: Pager::new(page, total, "/endpoints", query),
        total,
        search,
        shows_workspaces: layout.shows_all(),
        may_create: visit.may(Scope::WebhooksWrite),
        layout,
    })
}

/// Returns links to all endpoints and to those in each state, with the same search.
fn state_links(query: &Fields, chosen: &[EndpointState]) -> Vec<FilterLink> {
    let by_state = LINKED_STATES.map(|(name, state)| (name, state.as_str()));
    let choices = std::iter::once(("All", "")).chain(by_state);
    filter_links("/endpoints", query, "state", choices, |word| match chosen {
        [] => word.is_empty(),
        [one] => word == one.as_str(),
        _ => false,
    })
}

/// Reads all endpoints of a page, and their number on all pages.
fn read_all(
    store: &dyn Store,
    filter: &EndpointFilter,
    page: Page,
) -> Result<(Vec<Endpoint>, u64), StoreError> {
    let listed = store.list_endpoints(filter, page, READ_BYTES)?;
    let mut endpoints: Vec<_> = listed.rows.into_iter().map(|row| row.item).collect();
    let mut rest = listed.rest.as_slice();
    while !rest.is_empty() {
        let part = store.read_endpoints(rest, READ_BYTES)?;
        endpoints.extend(part.rows.into_iter().map(|row| row.item));
        rest = rest.get(part.done.max(1)..).unwrap_or_default();
    }
    Ok((endpoints, listed.total))
}

fn row(endpoint: Endpoint, summary: EndpointSummary, layout: &Layout) -> Row {
    let day = summary.day();
    let last = summary.last_delivery.map(|last| {
        let failure = last.error.map(AttemptFailure::as_str);
        let outcome = Outcome::new(last.succeeded, last.http_code, failure);
        (outcome, layout.time(&last.created_at))
    });
    Row {
        badge: trouble::badge(&endpoint, &summary),
        workspace: workspace_name(layout, &endpoint),
        rate: rate(day.succeeded, day.failed),
        pending: capped(summary.pending),
        last,
        endpoint,
        summary,
    }
}

/// Returns the name of an endpoint's workspace; its id, if there are too many to have read its name.
pub(super) fn workspace_name(layout: &Layout, endpoint: &Endpoint) -> String {
    let id = endpoint.workspace_id.to_string();
    let found = layout.workspaces.iter().find(|choice| choice.id == id);
    found.map_or(id, |choice| choice.name.clone())
}

/// Returns a count, with a mark if there are more.
pub(super) fn capped(counted: CappedCount) -> String {
    let more = if counted.is_more { "+" } else { "" };
    format!("{}{more}", Count(counted.count))
}
