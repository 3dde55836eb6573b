//! An endpoint that needs attention, with the reason in words.

use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::{DisabledReason, Endpoint};
use crate::domain::endpoint_health::EndpointState;
use crate::domain::overview::{EndpointSummary, TroubledEndpoint};

use super::view::{Badge, Count, Outcome, rate};

/// An endpoint in trouble, as the overview shows it.
pub(super) struct Trouble {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) url: String,
    pub(super) badge: Badge,
    /// The reason, and what to do.
    pub(super) reason: String,
    /// The result of the last attempt, and its time.
    pub(super) last: Option<(Outcome, Timestamp)>,
    pub(super) pending: String,
    pub(super) oldest_pending: Option<Timestamp>,
    /// The part of the attempts of the last day that succeeded.
    pub(super) rate: String,
}

impl Trouble {
    pub(super) fn new(troubled: &TroubledEndpoint) -> Self {
        let (endpoint, summary) = (&troubled.endpoint, &troubled.summary);
        let day = summary.day();
        Self {
            id: endpoint.id.to_string(),
            name: endpoint.settings.name.clone(),
            url: endpoint.settings.target.url.as_str().to_owned(),
            badge: badge(endpoint, summary),
            reason: reason(endpoint, summary),
            last: summary.last_delivery.map(|last| {
                let failure = last.error.map(AttemptFailure::as_str);
                let outcome = Outcome::new(last.succeeded, last.http_code, failure);
                (outcome, last.created_at)
            }),
            pending: format!(
                "{}{}",
                Count(summary.pending.count),
                if summary.pending.is_more { "+" } else { "" }
            ),
            oldest_pending: summary.oldest_pending,
            rate: rate(day.succeeded, day.failed),
        }
    }
}

/// Returns the mark of an endpoint's state.
pub(super) fn badge(endpoint: &Endpoint, summary: &EndpointSummary) -> Badge {
    let is_failing =
        summary.failures > 0 || summary.last_delivery.is_some_and(|last| !last.succeeded);
    let is_untried = is_untried(endpoint, summary);
    let rests = endpoint.health.state == EndpointState::Resting;
    let (kind, text) = match endpoint.disabled_reason {
        Some(DisabledReason::Manual) => ("off", "disabled"),
        Some(DisabledReason::Gone) => ("bad", "disabled: gone"),
        Some(DisabledReason::Failing) => ("bad", "disabled: failing"),
        None if endpoint.paused_reason.is_some() => ("waiting", "paused"),
        None if rests => ("bad", "resting"),
        None if is_failing && is_untried => ("waiting", "not tried since the change"),
        None if is_failing => ("bad", "failing"),
        None if summary.last_delivery.is_none() => ("off", "nothing sent yet"),
        None => ("good", "healthy"),
    };
    Badge { kind, text }
}

/// Reports whether an enabled endpoint was changed after its last attempt, so that nobody knows yet whether it works.
pub(super) fn is_untried(endpoint: &Endpoint, summary: &EndpointSummary) -> bool {
    let changed = endpoint.modified_at.zip(summary.last_delivery);
    endpoint.disabled_reason.is_none() && changed.is_some_and(|(at, last)| at > last.created_at)
}

fn reason(endpoint: &Endpoint, summary: &EndpointSummary) -> String {
    match endpoint.disabled_reason {
        Some(DisabledReason::Manual) => "Somebody disabled it. It gets no messages until it is enabled.".to_owned(),
        Some(DisabledReason::Gone) => {
            "The receiver answered 410 Gone, so it gets no messages any more. Enable it if that was a mistake.".to_owned()
        }
        Some(DisabledReason::Failing) => format!(
            "{} events in a row failed, so it gets no messages any more. Fix the receiver or the URL, then enable it.",
            summary.failures
        ),
        None if is_untried(endpoint, summary) => {
            "It was changed after its last attempt, which failed. No attempt has been made since.".to_owned()
        }
        None if summary.failures > 0 => format!(
            "{} in a row failed for good: all retries were used up.",
            if summary.failures == 1 { "1 event".to_owned() } else { format!("{} events", summary.failures) }
        ),
        None => "The last attempts failed. They are tried again.".to_owned(),
    }
}
