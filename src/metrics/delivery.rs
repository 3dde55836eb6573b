//! The metrics of the delivery engine: attempts, senders, endpoints and look-ups of names.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// The upper bounds of the buckets of an attempt's duration, in seconds. The longest attempt takes 120 s.
const ATTEMPT_SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0,
];

/// The upper bounds of the buckets of the time from a publish to its delivery, in seconds: from a quick receiver
/// to a backlog of an hour.
const END_TO_END_SECONDS: [f64; 14] = [
    0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0,
];

/// The outcome of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryOutcome {
    /// The receiver answered 2xx.
    Succeeded,
    /// It failed, and another attempt follows.
    Retry,
    /// It failed, and no other attempt follows.
    Failed,
    /// The receiver is gone for good (410).
    Gone,
    /// No attempt was made, because the endpoint was disabled or deleted.
    Skipped,
    /// No attempt was made, because the time of the run was over.
    Expired,
}

impl DeliveryOutcome {
    /// Returns the value of the label.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Retry => "retry",
            Self::Failed => "failed",
            Self::Gone => "gone",
            Self::Skipped => "skipped",
            Self::Expired => "expired",
        }
    }
}

/// The outcome of a look-up of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LookUpOutcome {
    /// The name has addresses.
    Found,
    /// The look-up failed.
    Failed,
}

impl LookUpOutcome {
    /// Returns the value of the label.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    outcome: &'static str,
    error: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookUpLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabels {
    state: &'static str,
}

/// The constructor of the histograms of attempts.
#[derive(Clone, Debug)]
struct AttemptHistogram;

impl MetricConstructor<Histogram> for AttemptHistogram {
    fn new_metric(&self) -> Histogram {
        Histogram::new(ATTEMPT_SECONDS)
    }
}

/// The metrics of the delivery engine.
#[derive(Clone, Debug)]
pub struct DeliveryMetrics {
    deliveries: Family<DeliveryLabels, Counter>,
    attempt_duration: Family<AttemptLabels, Histogram, AttemptHistogram>,
    succeeded_duration: Histogram,
    unsuccessful_duration: Histogram,
    end_to_end: Histogram,
    look_ups: Family<LookUpLabels, Counter>,
    endpoints: Family<EndpointLabels, Gauge>,
    /// Attempts that were started and have not ended.
    pub in_flight: Gauge,
    /// The sender threads that run.
    pub senders: Gauge,
    /// The most sender threads.
    pub senders_max: Gauge,
    /// Enabled endpoints that are not paused and do not rest.
    pub endpoints_active: Gauge,
    /// Enabled endpoints that are paused.
    pub endpoints_paused: Gauge,
    /// Enabled endpoints that are not paused and rest.
    pub endpoints_resting: Gauge,
    /// Disabled endpoints.
    pub endpoints_disabled: Gauge,
    /// The time for which the event that is due for longest has been due, in seconds.
    pub oldest_due_age: Gauge<f64, AtomicU64>,
}

impl Default for DeliveryMetrics {
    fn default() -> Self {
        let attempt_duration = Family::new_with_constructor(AttemptHistogram);
        let endpoints = Family::default();
        let attempt = |result| attempt_duration.get_or_create_owned(&AttemptLabels { result });
        let endpoint = |state| endpoints.get_or_create_owned(&EndpointLabels { state });
        Self {
            deliveries: Family::default(),
            succeeded_duration: attempt("succeeded"),
            unsuccessful_duration: attempt("unsuccessful"),
            end_to_end: Histogram::new(END_TO_END_SECONDS),
            look_ups: Family::default(),
            in_flight: Gauge::default(),
            senders: Gauge::default(),
            senders_max: Gauge::default(),
            endpoints_active: endpoint("active"),
            endpoints_resting: endpoint("resting"),
            endpoints_paused: endpoint("paused"),
            endpoints_disabled: endpoint("disabled"),
            oldest_due_age: Gauge::default(),
            attempt_duration,
            endpoints,
        }
    }
}

impl DeliveryMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "deliveries",
            "Deliveries, by outcome and by the word for the error, which is none if there was an answer",
            self.deliveries.clone(),
        );
        registry.register_with_unit(
            "attempt_duration",
            "Time of an attempt, from the look-up of the name to the end of the answer",
            Unit::Seconds,
            self.attempt_duration.clone(),
        );
        registry.register_with_unit(
            "end_to_end_duration",
            "Time from the publish of an event to the end of its first attempt, if that succeeded",
            Unit::Seconds,
            self.end_to_end.clone(),
        );
        registry.register(
            "attempts_in_flight",
            "Attempts under way",
            self.in_flight.clone(),
        );
        registry.register(
            "sender_threads",
            "Threads for attempts that run, busy or idle",
            self.senders.clone(),
        );
        registry.register(
            "sender_threads_max",
            "The most threads for attempts (the setting max-threads)",
            self.senders_max.clone(),
        );
        registry.register_with_unit(
            "oldest_due_age",
            "Time for which the event that is due for longest has been due, without endpoints that rest, \
             are paused or disabled",
            Unit::Seconds,
            self.oldest_due_age.clone(),
        );
        registry.register(
            "endpoints",
            "Endpoints, by state: resting ones failed three times in a row and are tried again later",
            self.endpoints.clone(),
        );
        registry.register(
            "name_lookups",
            "Look-ups of receivers' names, by outcome",
            self.look_ups.clone(),
        );
    }

    /// Returns the counter of deliveries with this outcome and this word for the error. To be called at the
    /// start, since it takes a lock.
    #[must_use]
    pub fn delivery_counter(&self, outcome: DeliveryOutcome, error: &'static str) -> Counter {
        let outcome = outcome.as_str();
        let labels = DeliveryLabels { outcome, error };
        self.deliveries.get_or_create_owned(&labels)
    }

    /// Returns the counter of look-ups with this outcome. To be called at the start, since it takes a lock.
    #[must_use]
    pub fn look_up_counter(&self, outcome: LookUpOutcome) -> Counter {
        let outcome = outcome.as_str();
        self.look_ups.get_or_create_owned(&LookUpLabels { outcome })
    }

    /// Notes how long an attempt took.
    pub fn observe_attempt(&self, took: Duration, has_succeeded: bool) {
        let histogram = if has_succeeded {
            &self.succeeded_duration
        } else {
            &self.unsuccessful_duration
        };
        histogram.observe(took.as_secs_f64());
    }

    /// Notes how long after its publish an event was delivered.
    pub fn observe_end_to_end(&self, took: Duration) {
        self.end_to_end.observe(took.as_secs_f64());
    }
}
