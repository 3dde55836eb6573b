//! Events: each is one message for one endpoint.

use uuid::Uuid;

use super::clock::Timestamp;
use super::event_type::EventType;
use super::words::words;

words! {
    /// The status of an event, as the API shows it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum EventStatus {
        /// Not delivered yet: an attempt is under way, or the event waits for one.
        Pending = "pending",
        /// The receiver answered with a 2xx.
        Succeeded = "succeeded",
        /// The last run ended without success.
        Failed = "failed",
        /// The endpoint was disabled or deleted before the event was delivered, or a caller or a job skipped it.
        Skipped = "skipped",
    }
}

/// An event as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id: the `webhook-id` header on every attempt.
    pub id: Uuid,
    /// The message that it carries.
    pub message_id: Uuid,
    /// The endpoint that it goes to.
    pub endpoint_id: Uuid,
    /// The message's type.
    pub event_type: EventType,
    /// Its status.
    pub status: EventStatus,
    /// The number of attempts so far, over all runs.
    pub attempts: u32,
    /// The status code of the last attempt; `None` if it got no answer.
    pub last_http_code: Option<u16>,
    /// The time at which the next attempt is made, with regard to the rest of its endpoint; `None` unless pending.
    /// It was not in the past when it was read.
    pub next_attempt_at: Option<Timestamp>,
    /// The exact body sent; `None` once archived.
    pub payload: Option<String>,
    /// The time at which its message was published.
    pub created_at: Timestamp,
    /// The time of its last change.
    pub modified_at: Option<Timestamp>,
}
