//! Overviews: what a person wants to see first of endpoints and of the queue.

use uuid::Uuid;

use super::attempt_failure::AttemptFailure;
use super::clock::Timestamp;
use super::endpoint::{DisabledReason, Endpoint};
use super::event::EventStatus;
use super::message::StoredMessage;

/// The most endpoints that one read summarises: a page of a list.
pub const SUMMARIES_MAX: usize = 100;

/// The most endpoints in trouble that an overview shows: as many as fit a screen.
pub const TROUBLED_MAX: usize = 20;

/// The hours of an [`EndpointSummary`].
pub const SUMMARY_HOURS: usize = 24;

/// A count that was ended early, because counting takes time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CappedCount {
    /// The number of things counted.
    pub count: u64,
    /// Set if there are more.
    pub is_more: bool,
}

/// The last attempt that was made to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastDelivery {
    /// The id of the delivery.
    pub id: Uuid,
    /// The time at which it was recorded.
    pub created_at: Timestamp,
    /// Set if the answer was a 2xx.
    pub succeeded: bool,
    /// The status code; `None` without an answer.
    pub http_code: Option<u16>,
    /// The reason why there was no answer.
    pub error: Option<AttemptFailure>,
    /// The time that the attempt took.
    pub duration_ms: u32,
}

/// The attempts of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HourCounts {
    /// Attempts that were answered with a 2xx.
    pub succeeded: u64,
    /// Attempts that were not.
    pub failed: u64,
}

/// The state of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSummary {
    /// The endpoint's id.
    pub id: Uuid,
    /// The attempts of the last [`SUMMARY_HOURS`] hours, oldest first. Each hour begins at a quarter of an hour,
    /// and the last one has not ended yet.
    pub hours: [HourCounts; SUMMARY_HOURS],
    /// The last attempt; `None` if there was none yet, or it was deleted.
    pub last_delivery: Option<LastDelivery>,
    /// Its pending events.
    pub pending: CappedCount,
    /// The time at which the oldest of its pending events was published.
    pub oldest_pending: Option<Timestamp>,
    /// Events in a row that ended as failed.
    pub failures: u32,
}

impl EndpointSummary {
    /// Returns the attempts of all hours.
    #[must_use]
    pub fn day(&self) -> HourCounts {
        HourCounts {
            succeeded: self.hours.iter().map(|hour| hour.succeeded).sum(),
            failed: self.hours.iter().map(|hour| hour.failed).sum(),
        }
    }
}

/// The numbers of endpoints that are in use, by the reason why they are disabled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointCounts {
    /// Not disabled.
    pub enabled: u64,
    /// Disabled by a caller of the API.
    pub manual: u64,
    /// Disabled because its receiver answered 410 Gone.
    pub gone: u64,
    /// Disabled because too many events in a row failed.
    pub failing: u64,
}

impl EndpointCounts {
    /// Counts an endpoint.
    pub fn count(&mut self, disabled: Option<DisabledReason>) {
        let count = match disabled {
            None => &mut self.enabled,
            Some(DisabledReason::Manual) => &mut self.manual,
            Some(DisabledReason::Gone) => &mut self.gone,
            Some(DisabledReason::Failing) => &mut self.failing,
        };
        *count += 1;
    }

    /// Returns the number of all endpoints.
    #[must_use]
    pub const fn all(self) -> u64 {
        self.enabled + self.manual + self.gone + self.failing
    }
}

/// An endpoint that needs attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TroubledEndpoint {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// Its state.
    pub summary: EndpointSummary,
}

/// The state of the queue and of the endpoints, of a workspace or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Pending events.
    pub pending: u64,
    /// The time at which the oldest pending event was published.
    pub oldest_pending: Option<Timestamp>,
    /// The endpoints.
    pub endpoints: EndpointCounts,
    /// The endpoints in trouble, worst first, at most [`TROUBLED_MAX`]: those that the server disabled, the last one
    /// first; then those whose last events ended as failed, most of them first; then those with events that wait
    /// for another attempt after the last attempt failed.
    pub troubled: Vec<TroubledEndpoint>,
}

/// The numbers of a message's events that exist, by status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Not delivered yet.
    pub pending: u64,
    /// Delivered.
    pub succeeded: u64,
    /// Ended without success.
    pub failed: u64,
    /// Their endpoint was disabled or deleted first, or a caller or a job skipped them.
    pub skipped: u64,
}

impl EventCounts {
    /// Counts an event.
    pub const fn count(&mut self, status: EventStatus) {
        match status {
            EventStatus::Pending => self.pending += 1,
            EventStatus::Succeeded => self.succeeded += 1,
            EventStatus::Failed => self.failed += 1,
            EventStatus::Skipped => self.skipped += 1,
        }
    }
}

/// A message, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSummary {
    /// The message.
    pub message: StoredMessage,
    /// The body of raw deliveries; `None` once archived.
    pub payload: Option<String>,
    /// Its events.
    pub counts: EventCounts,
}
