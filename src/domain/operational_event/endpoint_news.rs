//! The operational events of endpoints, and their data.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{FailingReason, OperationalType, WorkspaceFacts, number_of_events, of_workspace, raw};
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::DisabledReason;
use crate::domain::event_type::EventType;

/// An endpoint, as operational events name it.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointFacts {
    /// Its id.
    pub id: Uuid,
    /// Its name for people; may be empty.
    pub name: String,
    /// The scheme, host and port of its URL.
    pub origin: String,
    /// Its description for people; may be empty.
    pub description: String,
}

impl EndpointFacts {
    /// Returns the endpoint in words.
    fn in_words(&self) -> String {
        if self.name.is_empty() {
            format!("Endpoint {}", self.origin)
        } else {
            format!("Endpoint “{}” ({})", self.name, self.origin)
        }
    }
}

/// The last attempt to an endpoint.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LastAttempt {
    /// The time at which it was recorded.
    pub at: Timestamp,
    /// The status code, if there was an answer.
    pub http_code: Option<u16>,
    /// The reason why there was no answer, as a word.
    pub error: Option<&'static str>,
}

/// The event of which the failure is told.
#[derive(Clone, Debug, Serialize)]
pub struct FailedEvent {
    /// Its id.
    pub id: Uuid,
    /// Its type.
    pub r#type: EventType,
}

/// A change of an endpoint that people are told of.
#[derive(Clone, Debug)]
pub enum EndpointNews {
    /// It fails.
    Failing {
        /// The reason.
        reason: FailingReason,
        /// Events in a row that failed.
        failures: u32,
        /// Rests in a row.
        rests: u32,
        /// The number of failed events in a row that disables it; 0: none does.
        disable_after: u32,
        /// The attempt that showed it.
        last: LastAttempt,
    },
    /// The server disabled it.
    Disabled {
        /// The reason.
        reason: DisabledReason,
        /// Events in a row that failed.
        failures: u32,
        /// The number of its pending events, which are skipped; `None` if there are too many to count.
        skipped: Option<u64>,
        /// The attempt that showed it.
        last: LastAttempt,
    },
    /// It has answered with a 2xx after it failed.
    Recovered {
        /// The time when people were told that it fails.
        failing_since: Timestamp,
        /// The attempt that succeeded.
        last: LastAttempt,
    },
    /// Events failed for good.
    EventFailed {
        /// The number of events that failed since people were told last.
        count: u32,
        /// Events in a row that failed.
        failures: u32,
        /// The last of them; `None` if it is not known.
        event: Option<FailedEvent>,
        /// The last attempt of that event.
        last: Option<LastAttempt>,
    },
    /// Its oldest due event has waited for long.
    BacklogOld {
        /// The time at which that event became due.
        due_since: Timestamp,
        /// The time that it has waited.
        waited: Duration,
    },
    /// No event waits for long any more.
    BacklogCleared,
}

/// The data of an operational event of an endpoint, in the order of the members.
#[derive(Serialize)]
struct EndpointData<'a> {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<&'a WorkspaceFacts>,
    endpoint: &'a EndpointFacts,
    #[serde(flatten)]
    news: NewsData<'a>,
}

/// A number of events that were skipped; null if it is not known.
#[derive(Serialize)]
struct Skipped(Option<u64>);

/// The members that depend on the news. A member that an event does not have is left out.
#[derive(Default, Serialize)]
struct NewsData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rests: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_after: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<Skipped>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a FailedEvent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<LastAttempt>,
}

impl EndpointNews {
    /// Returns the type of the event.
    #[must_use]
    pub const fn kind(&self) -> OperationalType {
        match self {
            Self::Failing { .. } => OperationalType::EndpointFailing,
            Self::Disabled { .. } => OperationalType::EndpointDisabled,
            Self::Recovered { .. } => OperationalType::EndpointRecovered,
            Self::EventFailed { .. } => OperationalType::EventFailed,
            Self::BacklogOld { .. } => OperationalType::BacklogOld,
            Self::BacklogCleared => OperationalType::BacklogCleared,
        }
    }

    /// Returns the data of the event. `workspace`: the owner of the endpoint, unless it is told itself.
    #[must_use]
    pub fn data(
        &self,
        workspace: Option<&WorkspaceFacts>,
        endpoint: &EndpointFacts,
    ) -> Box<RawValue> {
        let of = of_workspace(workspace);
        let data = EndpointData {
            text: format!("{}{of} {}.", endpoint.in_words(), self.in_words()),
            workspace,
            endpoint,
            news: self.members(),
        };
        raw(&data)
    }

    fn members(&self) -> NewsData<'_> {
        let none = NewsData::default();
        match self {
            Self::Failing {
                reason,
                failures,
                rests,
                disable_after,
                last,
            } => NewsData {
                reason: Some(reason.as_str()),
                failures: Some(*failures),
                rests: Some(*rests),
                disable_after: Some(*disable_after),
                last: Some(*last),
                ..none
            },
            Self::Disabled {
                reason,
                failures,
                skipped,
                last,
            } => NewsData {
                reason: Some(reason.as_str()),
                failures: Some(*failures),
                skipped: Some(Skipped(*skipped)),
                last: Some(*last),
                ..none
            },
            Self::Recovered {
                failing_since,
                last,
            } => NewsData {
                failures: Some(0),
                failing_since: Some(*failing_since),
                last: Some(*last),
                ..none
            },
            Self::EventFailed {
                count,
                failures,
                event,
                last,
            } => NewsData {
                failures: Some(*failures),
                count: Some(*count),
                event: event.as_ref(),
                last: *last,
                ..none
            },
            Self::BacklogOld { due_since, waited } => NewsData {
                due_since: Some(*due_since),
                waited_seconds: Some(waited.as_secs()),
                ..none
            },
            Self::BacklogCleared => none,
        }
    }

    /// Returns what is told, as the end of a sentence that begins with the endpoint.
    fn in_words(&self) -> String {
        let events = |count: u32| number_of_events(count.into());
        match self {
            Self::Failing {
                reason: FailingReason::Failures,
                failures,
                disable_after,
                ..
            } => format!(
                "is failing: {} in a row failed; at {disable_after} it is disabled",
                events(*failures)
            ),
            Self::Failing { rests, .. } => {
                format!("is failing: no attempt has succeeded in {rests} rests in a row")
            }
            Self::Disabled {
                reason, failures, ..
            } => match reason {
                DisabledReason::Gone => "was disabled: it answered 410 Gone".to_owned(),
                DisabledReason::Failing => {
                    format!("was disabled: {} in a row failed", events(*failures))
                }
                DisabledReason::Manual => "was disabled by a user".to_owned(),
            },
            Self::Recovered { .. } => "has recovered: it answered with a 2xx".to_owned(),
            Self::EventFailed { count, .. } => {
                format!("did not get {} after all retries", events(*count))
            }
            Self::BacklogOld { waited, .. } => format!(
                "has a backlog: its oldest due event has waited for {}",
                match waited.as_secs() {
                    seconds @ 0..120 => format!("{seconds} seconds"),
                    seconds => format!("{} minutes", seconds / 60),
                }
            ),
            Self::BacklogCleared => "has no old backlog any more".to_owned(),
        }
    }
}
