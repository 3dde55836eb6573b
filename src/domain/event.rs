//! Events: one message bound for one endpoint.

use uuid::Uuid;

use super::clock::Timestamp;
use super::event_type::EventType;

/// Where an event stands, as the API tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventStatus {
    /// Not through yet: waiting, in flight, or between retries.
    Pending,
    /// Answered 2xx.
    Succeeded,
    /// Retries used up, or refused for good.
    Failed,
    /// Its endpoint was disabled or deleted before it got through.
    Skipped,
}

impl EventStatus {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Succeeded, Self::Failed, Self::Skipped];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// The status of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

/// An event as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id: the `webhook-id` header on every attempt.
    pub id: Uuid,
    /// The message it carries.
    pub message_id: Uuid,
    /// Where it goes.
    pub endpoint_id: Uuid,
    /// The message's type.
    pub event_type: EventType,
    /// Where it stands.
    pub status: EventStatus,
    /// Attempts so far, over all runs.
    pub attempts: u32,
    /// The status code of the last attempt that got an answer or not (`None`).
    pub last_http_code: Option<u16>,
    /// When the next attempt is due; `None` unless pending.
    pub next_attempt_at: Option<Timestamp>,
    /// The exact body sent; `None` once archived.
    pub payload: Option<String>,
    /// When it was published.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Option<Timestamp>,
}
