//! Operational events: what the server tells people of their endpoints and of itself, as messages that are
//! published like any others. Here are their types, their data and the rules for when they are due.
//!
//! The data names an endpoint by its origin, never by its URL: the path of a webhook is often a credential. It has
//! no payload of an event. Each has `text`, one sentence, because the formats for chat services show only members
//! that are no objects.

mod endpoint_news;
mod finished_job;

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

pub use self::endpoint_news::{EndpointFacts, EndpointNews, FailedEvent, LastAttempt};
pub use self::finished_job::FinishedJob;
use super::clock::Timestamp;
use super::event_type::EventType;
use super::words::words;

words! {
    /// The type of an operational event. Each begins with
    /// [`RESERVED_PREFIX`](super::event_type::RESERVED_PREFIX).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum OperationalType {
        /// An endpoint fails, and is going to be disabled if it goes on: the warning before.
        EndpointFailing = "hookpost.endpoint.failing",
        /// The server disabled an endpoint.
        EndpointDisabled = "hookpost.endpoint.disabled",
        /// An endpoint of which it was told that it fails has answered with a 2xx.
        EndpointRecovered = "hookpost.endpoint.recovered",
        /// Events failed for good.
        EventFailed = "hookpost.event.failed",
        /// Events of an endpoint have been due for long.
        BacklogOld = "hookpost.backlog.old",
        /// No event of the endpoint is due for long any more.
        BacklogCleared = "hookpost.backlog.cleared",
        /// A job has finished.
        JobFinished = "hookpost.job.finished",
        /// The disk of the database is nearly full.
        DiskLow = "hookpost.disk.low",
    }
}

impl OperationalType {
    /// Returns it as the type of a message.
    #[must_use]
    pub fn event_type(self) -> EventType {
        EventType::from_stored(self.as_str().to_owned())
    }
}

/// The number of rests in a row at which an endpoint counts as failing. The warning comes when the last of them begins:
/// some 13 minutes after the first one with the default schedule.
pub const FAILING_RESTS: u32 = 5;

/// The shortest time between two events [`OperationalType::EventFailed`] of an endpoint, so that an outage is one
/// message and not a flood.
pub const EVENT_FAILED_PERIOD: Duration = Duration::from_mins(10);

/// The time after which people are told again of a backlog that is still old.
pub const BACKLOG_PERIOD: Duration = Duration::from_hours(1);

words! {
    /// The reason why an endpoint counts as failing.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum FailingReason {
        /// Half as many events in a row failed as disable an endpoint.
        Failures = "failures",
        /// It rests for the [`FAILING_RESTS`]th time in a row.
        Rests = "rests",
    }
}

impl FailingReason {
    /// Returns the reason why an endpoint fails that is not disabled; `None` if it does not. So many failed events in a
    /// row as `disable_after` says disable an endpoint; 0 means never.
    #[must_use]
    pub fn of(failures: u32, rests: u32, disable_after: u32) -> Option<Self> {
        let warned_at = disable_after.div_ceil(2);
        if disable_after > 0 && failures >= warned_at && failures < disable_after {
            Some(Self::Failures)
        } else if rests >= FAILING_RESTS {
            Some(Self::Rests)
        } else {
            None
        }
    }
}

/// Reports whether people are to be told at `now`, if they were told last at `told_at`. A time in the future was noted
/// before the clock was set back.
#[must_use]
pub fn is_due_again(told_at: Option<Timestamp>, period: Duration, now: Timestamp) -> bool {
    told_at.is_none_or(|told_at| told_at > now || now.since(told_at) >= period)
}

/// A workspace, as operational events name it.
#[derive(Clone, Debug, Serialize)]
pub struct WorkspaceFacts {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

/// Returns the data of [`OperationalType::DiskLow`]. Sizes are in bytes.
#[must_use]
pub fn disk_low(free: u64, threshold: u64) -> Box<RawValue> {
    #[derive(Serialize)]
    struct Data {
        text: String,
        free_bytes: u64,
        threshold_bytes: u64,
    }
    let data = Data {
        text: format!(
            "The disk of Hookpost's database has {} MiB left.",
            free >> 20
        ),
        free_bytes: free,
        threshold_bytes: threshold,
    };
    raw(&data)
}

fn number_of_events(count: u64) -> String {
    match count {
        1 => "1 event".to_owned(),
        count => format!("{count} events"),
    }
}

/// Returns the owner of what is told, as a part of a sentence; empty if the owner is told itself.
fn of_workspace(owner: Option<&WorkspaceFacts>) -> String {
    owner.map_or_else(String::new, |it| format!(" of workspace “{}”", it.name))
}

fn raw(data: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(data).expect("its keys are texts, and no value can fail")
}

#[cfg(test)]
mod tests;
