//! The metrics of the API: publishes, requests and connections.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The upper bounds of the buckets of a publish's duration, in seconds: from a fast disk to a client's timeout.
const PUBLISH_SECONDS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// The outcome of a request that publishes a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PublishOutcome {
    /// The message was stored.
    Accepted,
    /// The message of an earlier publish with the same idempotency key was returned.
    Replayed,
    /// The request was refused, and would be again.
    Invalid,
    /// The token is missing, wrong or not allowed to publish.
    Unauthorized,
    /// The workspace has used up a limit.
    Limited,
    /// The server could not store the message: its disk fails, it is overloaded, or it stops.
    Unavailable,
    /// The server has a fault.
    Error,
}

impl PublishOutcome {
    const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Replayed,
        Self::Invalid,
        Self::Unauthorized,
        Self::Limited,
        Self::Unavailable,
        Self::Error,
    ];

    /// Returns the value of the label.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Replayed => "replayed",
            Self::Invalid => "invalid",
            Self::Unauthorized => "unauthorized",
            Self::Limited => "limited",
            Self::Unavailable => "unavailable",
            Self::Error => "error",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PublishLabels {
    outcome: &'static str,
}

/// The classes of status codes that the API answers with.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    class: &'static str,
}

/// The metrics of the API.
#[derive(Clone, Debug)]
pub struct ApiMetrics {
    publish_family: Family<PublishLabels, Counter>,
    publishes: [Counter; 7],
    publish_duration: Histogram,
    request_family: Family<RequestLabels, Counter>,
    requests: [Counter; 4],
    /// The connections of clients that are open.
    pub open_connections: Gauge,
}

impl Default for ApiMetrics {
    fn default() -> Self {
        let publish_family = Family::default();
        let request_family = Family::default();
        Self {
            publishes: PublishOutcome::ALL.map(|outcome| {
                let outcome = outcome.as_str();
                publish_family.get_or_create_owned(&PublishLabels { outcome })
            }),
            requests: CLASSES
                .map(|class| request_family.get_or_create_owned(&RequestLabels { class })),
            publish_family,
            publish_duration: Histogram::new(PUBLISH_SECONDS),
            request_family,
            open_connections: Gauge::default(),
        }
    }
}

impl ApiMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "publishes",
            "Requests that publish a message, by outcome",
            self.publish_family.clone(),
        );
        registry.register_with_unit(
            "publish_duration",
            "Time from the whole body of a publish to the stored message, of accepted publishes",
            Unit::Seconds,
            self.publish_duration.clone(),
        );
        registry.register(
            "api_requests",
            "Requests of the API and of its pages and probes, by the class of their status code",
            self.request_family.clone(),
        );
        registry.register(
            "api_open_connections",
            "Connections of clients that are open",
            self.open_connections.clone(),
        );
    }

    /// Counts a request that was answered with this status code.
    pub fn count_request(&self, status: u16) {
        let class = usize::from(status / 100).checked_sub(2);
        if let Some(counter) = class.and_then(|class| self.requests.get(class)) {
            counter.inc();
        }
    }

    /// Counts a publish.
    pub fn count_publish(&self, outcome: PublishOutcome) {
        self.publishes[outcome as usize].inc();
    }

    /// Notes how long an accepted publish took.
    pub fn observe_publish(&self, took: Duration) {
        self.publish_duration.observe(took.as_secs_f64());
    }
}
