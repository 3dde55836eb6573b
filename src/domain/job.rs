//! Jobs: redelivering, or skipping, all events that match a filter.
//!
//! A job goes through its events in the order of their numbers, each endpoint by itself, and lets some of them
//! go at a time. Its set is fixed when it is made: the events and messages that there are, in the states that
//! they have. So it ends, however many events come or fail meanwhile. It decides on an event when the turn of
//! the event comes: the event may be gone, or have moved on, by then.

use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use super::clock::Timestamp;
use super::delivery::CodeClass;
use super::event::EventStatus;
use super::message::Idempotency;
use super::words::words;

/// The most jobs of one workspace that run at the same time. Jobs take turns, so more of them would only be
/// slower, each.
pub const RUNNING_JOBS_MAX: usize = 10;

/// The most events of one endpoint that a job has let go and that were not attempted yet. They wait behind the
/// live events of the endpoint, and a job that is cancelled cannot take them back.
pub const LET_GO_PER_ENDPOINT: usize = 100;

/// The most events that a job has let go, to all endpoints, and that were not attempted yet.
pub const LET_GO_MAX: usize = 1000;

/// The highest rate of a job, in events a minute.
pub const RATE_MAX: u32 = 60_000;

/// The most events that a filter names by their ids.
pub const EVENT_IDS_MAX: usize = 1000;

/// The time that a job is kept after its end.
pub const JOB_KEPT: Duration = Duration::from_hours(90 * 24);

words! {
    /// The action of a job on each event. The database stores the position of an action in this list.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum JobAction {
        /// Starts a new run of the event.
        Redeliver = "redeliver",
        /// Ends the event without a further attempt.
        Skip = "skip",
    }
}

words! {
    /// The state of a job. The database stores the position of a state in this list.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum JobState {
        /// There are events to look at.
        Running = "running",
        /// All events of its set were looked at.
        Finished = "finished",
        /// A caller cancelled it, or its workspace was deleted.
        Cancelled = "cancelled",
    }
}

words! {
    /// A status by which the filter of a job selects.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum SelectedStatus {
        /// Events that wait for an attempt.
        Pending = "pending",
        /// Events that were delivered.
        Succeeded = "succeeded",
        /// Events whose last run ended without success.
        Failed = "failed",
        /// Events whose endpoint was disabled before they were delivered, or that a caller skipped.
        Skipped = "skipped",
        /// Messages that the endpoint wants, and of which it has no event.
        Missing = "missing",
    }
}

impl JobAction {
    /// Returns the statuses that the filter of such a job may select.
    #[must_use]
    pub const fn selectable(self) -> &'static [SelectedStatus] {
        match self {
            Self::Redeliver => &[
                SelectedStatus::Failed,
                SelectedStatus::Skipped,
                SelectedStatus::Succeeded,
                SelectedStatus::Missing,
            ],
            Self::Skip => &[SelectedStatus::Pending],
        }
    }

    /// Returns the statuses that a filter selects if it names none.
    #[must_use]
    pub const fn default_statuses(self) -> &'static [SelectedStatus] {
        match self {
            Self::Redeliver => &[SelectedStatus::Failed, SelectedStatus::Skipped],
            Self::Skip => &[SelectedStatus::Pending],
        }
    }
}

impl SelectedStatus {
    /// Returns the status of the events that it selects; `None` for messages.
    #[must_use]
    pub const fn event_status(self) -> Option<EventStatus> {
        match self {
            Self::Pending => Some(EventStatus::Pending),
            Self::Succeeded => Some(EventStatus::Succeeded),
            Self::Failed => Some(EventStatus::Failed),
            Self::Skipped => Some(EventStatus::Skipped),
            Self::Missing => None,
        }
    }
}

/// The filter of a job. If a field has several values, any of them matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// The workspace; `None`: all that the caller may see.
    pub workspace_id: Option<Uuid>,
    /// To these endpoints; empty: to all.
    pub endpoints: Vec<Uuid>,
    /// Of these types; empty: of all.
    pub event_types: Vec<String>,
    /// With these statuses: one at least.
    pub statuses: Vec<SelectedStatus>,
    /// Made after this time, not at it.
    pub after: Option<Timestamp>,
    /// Made before this time, not at it.
    pub before: Option<Timestamp>,
    /// With a last attempt that was answered with such a code.
    pub code_class: Option<CodeClass>,
    /// With these ids, at most [`EVENT_IDS_MAX`]; empty: with any.
    pub event_ids: Vec<Uuid>,
}

impl JobFilter {
    /// Returns the statuses of events that it selects; none if it selects only messages.
    #[must_use]
    pub fn event_statuses(&self) -> Vec<EventStatus> {
        let statuses = self.statuses.iter();
        statuses.filter_map(|it| it.event_status()).collect()
    }

    /// Reports whether it selects messages of which its endpoint has no event.
    #[must_use]
    pub fn selects_missing(&self) -> bool {
        self.statuses.contains(&SelectedStatus::Missing)
    }
}

/// A new job, as a caller asks for it.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// The workspace of the job; `None` for a job of an admin on all workspaces.
    pub workspace_id: Option<Uuid>,
    /// Its action.
    pub action: JobAction,
    /// Its filter, as the caller sent it; its `workspace_id` may be `None` although the job has one.
    pub filter: JobFilter,
    /// The most events that it lets go in a minute, 1 to [`RATE_MAX`]; `None`: as many as get through.
    pub rate: Option<u32>,
    /// The key by which a repeated request gets the first result again.
    pub idempotency: Option<Idempotency>,
}

/// The events that a job left out, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Their payload was dropped.
    pub archived: u64,
    /// Their endpoint was disabled.
    pub endpoint_disabled: u64,
    /// Their endpoint was deleted.
    pub endpoint_deleted: u64,
    /// They had another state by then, or were redelivered meanwhile, or were deleted.
    pub changed: u64,
}

impl LeftOut {
    /// Returns their number.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.archived + self.endpoint_disabled + self.endpoint_deleted + self.changed
    }

    /// Counts one more.
    pub const fn count(&mut self, reason: LeftOutReason) {
        match reason {
            LeftOutReason::Archived => self.archived += 1,
            LeftOutReason::EndpointDisabled => self.endpoint_disabled += 1,
            LeftOutReason::EndpointDeleted => self.endpoint_deleted += 1,
            LeftOutReason::Changed => self.changed += 1,
        }
    }
}

/// The reason why a job leaves an event out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOutReason {
    /// Its payload was dropped.
    Archived,
    /// Its endpoint is disabled.
    EndpointDisabled,
    /// Its endpoint is deleted.
    EndpointDeleted,
    /// It has another state, or was redelivered meanwhile.
    Changed,
}

/// A job as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: Uuid,
    /// The time at which it was made.
    pub created_at: Timestamp,
    /// The time of its last step; `None` before the first one.
    pub modified_at: Option<Timestamp>,
    /// Its workspace; `None`: all.
    pub workspace_id: Option<Uuid>,
    /// Its action.
    pub action: JobAction,
    /// Its filter.
    pub filter: JobFilter,
    /// The most events that it lets go in a minute; `None`: as many as get through.
    pub rate: Option<u32>,
    /// Its state.
    pub state: JobState,
    /// The events in its set; `None` until they are known.
    pub matched: Option<u64>,
    /// The events that it redelivered, made or skipped.
    pub done: u64,
    /// The events that it left out.
    pub left_out: LeftOut,
    /// The time of its end; `None` while it runs.
    pub finished_at: Option<Timestamp>,
}
