//! The page of an endpoint: how it does, what it missed, its secret, and how a receiver verifies with it.

use std::borrow::{Borrow, Cow};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use uuid::Uuid;

use super::endpoint_facts;
use super::endpoint_form::skipped_in_words;
use super::endpoints::{capped, workspace_name};
use super::overview::{RangeLink, range_links, range_of};
use crate::dashboard::chart::{AttemptsChart, LatencyChart, bucket_in_words, range_in_words};
use crate::dashboard::field_problem::{Described, FieldProblem};
use crate::dashboard::form::FormProblems;
use crate::dashboard::json_text::JsonText;
use crate::dashboard::layout::{Layout, Section, html_of};
use crate::dashboard::secret_form::SecretForm;
use crate::dashboard::settings_form::policy_facts;
use crate::dashboard::snippets::{self, Snippet};
use crate::dashboard::trouble;
use crate::dashboard::url_text::{UrlText, short_name};
use crate::dashboard::view::{Badge, Copy, Count, Millis, Moment, Outcome, ShortId, rate};
use crate::dashboard::visit::Visit;
use crate::domain::access::Scope;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::chart::Chart;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::{DisabledReason, Endpoint, EndpointSettings, Format};
use crate::domain::event_type::Subscription;
use crate::domain::format::mismatch;
use crate::domain::overview::EndpointSummary;
use crate::domain::secret::SecretType;
use crate::server::access::{SEEING_WEBHOOKS, shown_secret};
use crate::server::error::ApiError;

/// A day.
const DAY: Duration = Duration::from_hours(24);

/// The length of a time up to its seconds, without a zone.
const DATE_AND_CLOCK: usize = 19;

/// The most characters of an answer that a row shows: more than fit.
const RESPONSE_MAX: usize = 200;

/// A delivery of the list of the last ones.
struct DeliveryRow {
    id: Uuid,
    event: Uuid,
    event_type: String,
    outcome: Outcome,
    attempt: u32,
    duration: Millis,
    at: Moment,
    response: String,
}

#[derive(Template)]
#[template(path = "endpoint.html")]
struct EndpointPage {
    layout: Layout,
    endpoint: Endpoint,
    summary: EndpointSummary,
    name: String,
    badge: Badge,
    workspace: String,
    ranges: Vec<RangeLink>,
    chart: Chart,
    deliveries: Vec<DeliveryRow>,
    /// The number of events that failed or were skipped.
    missed: u64,
    /// The time from which on a recovery looks at first, as a field for times shows it.
    recover_since: String,
    /// The filter, unless every message matches.
    filter: Option<JsonText>,
    pending: String,
    /// The effect of disabling or deleting on its pending events.
    skipped: String,
    /// The future of the pending events, in words, if the last attempt failed.
    failing: Option<String>,
    /// Set if no attempt was made since the endpoint was changed.
    is_untried: bool,
    /// The reason why the endpoint is disabled, in words, and what to do.
    disabled: Option<&'static str>,
    /// The reason why the receiver is unlikely to understand the format.
    mismatch: Option<String>,
    snippets: Vec<Snippet>,
    export_line: String,
    /// The text with which receivers verify; `None` if the caller may not see it.
    secret: Option<String>,
    /// The form that rotates the secret.
    rotation: SecretForm,
    problems: FormProblems,
    may_write: bool,
}

impl EndpointPage {
    fn url(&self) -> UrlText<'_> {
        UrlText(&self.endpoint.settings.target.url)
    }

    /// Reports whether the server disabled the endpoint because its events failed.
    fn is_failing(&self) -> bool {
        self.endpoint.disabled_reason == Some(DisabledReason::Failing)
    }

    fn copy_url(&self) -> Copy<'_> {
        Copy::new(self.endpoint.settings.target.url.as_str(), "URL")
    }

    fn id(&self) -> ShortId {
        ShortId(self.endpoint.id)
    }

    fn format(&self) -> &'static str {
        self.endpoint.settings.target.format.as_str()
    }

    /// Reports whether a receiver is to verify signatures; services do not.
    fn is_raw(&self) -> bool {
        self.endpoint.settings.target.format == Format::Raw
    }

    /// Returns the text with which receivers verify, if the caller may see it.
    fn secret(&self) -> Option<&str> {
        self.secret.as_deref()
    }

    fn copy_secret<'s>(&self, secret: &'s str) -> Copy<'s> {
        let what = if self.is_key_pair() {
            "public key"
        } else {
            "secret"
        };
        Copy::new(secret, what)
    }

    /// Reports whether receivers verify with a public key.
    fn is_key_pair(&self) -> bool {
        self.endpoint
            .settings
            .target
            .secrets
            .present()
            .secret_type()
            == SecretType::Ed25519
    }

    fn overlap_ends_at(&self) -> Option<Moment> {
        let ends_at = self.endpoint.settings.target.secrets.overlap_ends_at()?;
        Some(self.layout.time(&ends_at))
    }

    fn copy_export(&self) -> Copy<'_> {
        Copy::new(&self.export_line, "line")
    }

    fn copy_code(snippet: &Snippet) -> Copy<'_> {
        Copy::new(&snippet.code, "program")
    }

    fn events(&self) -> Vec<&str> {
        let events = self.endpoint.settings.events.iter();
        events.map(Subscription::as_str).collect()
    }

    /// Returns the members of its policy, each with its label.
    fn policy(&self) -> Vec<(&'static str, String)> {
        policy_facts(&self.endpoint.settings.target.policy)
    }

    fn attempts(&self) -> AttemptsChart<'_> {
        AttemptsChart(&self.chart)
    }

    fn latency(&self) -> LatencyChart<'_> {
        LatencyChart(&self.chart)
    }

    fn range(&self) -> &'static str {
        range_in_words(self.chart.range)
    }

    fn bucket(&self) -> &'static str {
        bucket_in_words(self.chart.range)
    }

    fn attempted(&self) -> u64 {
        self.chart.total.succeeded + self.chart.total.failed
    }

    fn rate(&self) -> String {
        rate(self.chart.total.succeeded, self.chart.total.failed)
    }

    fn problem<'a>(&'a self, field: &'a str) -> FieldProblem<'a> {
        FieldProblem::new(&self.problems, field)
    }

    fn described<'a>(&'a self, field: &'a str) -> Described<'a> {
        Described::new(&self.problems, field)
    }

    fn count(number: impl Borrow<u64>) -> Count {
        Count(*number.borrow())
    }

    fn p50(&self) -> Option<Millis> {
        self.chart.total.p50_ms.map(|ms| Millis(u64::from(ms)))
    }

    fn p99(&self) -> Option<Millis> {
        self.chart.total.p99_ms.map(|ms| Millis(u64::from(ms)))
    }
}

/// Handles `GET /endpoints/{id}`.
pub(crate) async fn show(visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.require(&SEEING_WEBHOOKS)?;
    let id = visit.path_id()?;
    let form = SecretForm::blank(visit.default_overlap());
    page(&visit, id, form, FormProblems::default()).await
}

/// Returns the page, with the form of a rotation that was not accepted, and its problems.
pub(super) async fn page(
    visit: &Visit,
    id: Uuid,
    rotation: SecretForm,
    problems: FormProblems,
) -> Result<HttpResponse, ApiError> {
    let (visibility, now, range) = (visit.visibility(), visit.now(), range_of(visit));
    let found = visit
        .read(move |store| endpoint_facts::find(store, visibility, id, range, now))
        .await?;
    let settings = &found.endpoint.settings;
    let secret = shown_secret(settings.target.secrets.present(), visit.scopes());
    let secret = secret.map(Cow::into_owned);
    let name = short_name(&settings.name, &settings.target.url);
    let layout = Layout::new(visit, Section::Endpoints, format!("Endpoint {name}")).await?;
    let status = if problems.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let pending = found.summary.pending;
    let url = settings.target.url.url();
    let deliveries = found
        .deliveries
        .iter()
        .map(|delivery| delivery_row(delivery, &layout));
    html_of(
        status,
        &EndpointPage {
            name,
            badge: trouble::badge(&found.endpoint, &found.summary),
            is_untried: trouble::is_untried(&found.endpoint, &found.summary),
            workspace: workspace_name(&layout, &found.endpoint),
            ranges: range_links(range),
            deliveries: deliveries.collect(),
            missed: found.missed,
            recover_since: recover_since(&found.endpoint, now),
            filter: filter_of(settings),
            pending: capped(pending),
            skipped: skipped_in_words(pending),
            failing: failing_in_words(&found.endpoint, &found.summary),
            disabled: found.endpoint.disabled_reason.map(disabled_in_words),
            mismatch: url.and_then(|url| mismatch(settings.target.format, &url)),
            snippets: snippets::snippets(settings.target.secrets.present()),
            export_line: match &secret {
                Some(_) => snippets::export_line(settings.target.secrets.present()),
                None => String::new(),
            },
            secret,
            rotation,
            problems,
            may_write: visit.may(Scope::WebhooksWrite),
            summary: found.summary,
            chart: found.chart,
            endpoint: found.endpoint,
            layout,
        },
    )
}

/// Returns the filter of an endpoint, unless every message matches.
fn filter_of(settings: &EndpointSettings) -> Option<JsonText> {
    let filter = &settings.filter;
    (!filter.matches_everything()).then(|| JsonText::new(filter.as_str()))
}

fn delivery_row(delivery: &Delivery, layout: &Layout) -> DeliveryRow {
    let failure = delivery.error.map(AttemptFailure::as_str);
    let response = delivery.response.as_deref().unwrap_or_default();
    DeliveryRow {
        id: delivery.id,
        event: delivery.event.id,
        event_type: delivery.event.event_type.as_str().to_owned(),
        outcome: Outcome::new(delivery.succeeded, delivery.http_code, failure),
        attempt: delivery.attempt,
        duration: Millis(u64::from(delivery.duration_ms)),
        at: layout.time(&delivery.created_at),
        response: response.chars().take(RESPONSE_MAX).collect(),
    }
}

/// Returns the time from which on a recovery looks at first: that of the last success, or a day ago, if that is earlier.
/// A success of the last day may be one after the outage.
fn recover_since(endpoint: &Endpoint, now: Timestamp) -> String {
    let last = endpoint.health.last.success_at;
    let last = last.unwrap_or(endpoint.created_at);
    let text = last.min(now.before(DAY)).to_string();
    text.get(..DATE_AND_CLOCK).unwrap_or_default().to_owned()
}

/// Returns the reason why an endpoint is disabled, and what to do.
const fn disabled_in_words(reason: DisabledReason) -> &'static str {
    match reason {
        DisabledReason::Manual => {
            "Somebody disabled this endpoint. Messages that are published meanwhile make no event for it. Enable it, \
             then recover what it missed."
        }
        DisabledReason::Gone => {
            "The receiver answered 410 Gone, which means that it wants no more webhooks, so this endpoint was \
             disabled. If that was a mistake, fix the receiver or the URL, enable the endpoint, then recover what \
             it missed."
        }
        DisabledReason::Failing => {
            "Too many events in a row failed after all retries, so this endpoint was disabled. Fix the receiver or the URL, enable the endpoint, then recover what it missed."
        }
    }
}

/// Returns what becomes of the pending events of an endpoint whose last attempt failed; `None` for any other.
fn failing_in_words(endpoint: &Endpoint, summary: &EndpointSummary) -> Option<String> {
    let last = summary.last_delivery?;
    let is_untried = trouble::is_untried(endpoint, summary);
    if last.succeeded || endpoint.disabled_reason.is_some() || is_untried {
        return None;
    }
    let failure = last.error.map(AttemptFailure::as_str);
    let outcome = Outcome::new(false, last.http_code, failure).text;
    Some(match summary.pending.count {
        0 => format!("The last attempt failed ({outcome})."),
        _ => format!(
            "The last attempt failed ({outcome}). What is pending ({}) is tried again by itself, and goes to a new URL \
             as soon as there is one.",
            capped(summary.pending)
        ),
    })
}
