//! Jobs: redelivering, or skipping, all events that match a filter.
//!
//! A job goes through its events in the order of their numbers, each endpoint by itself, and lets some of them
//! go at a time. Its set is fixed when it is made: the events and messages that there are, in the states that
//! they have. So it ends, however many events come or fail meanwhile. It decides on an event when the turn of
//! the event comes: the event may be gone, or have moved on, by then.

use std::time::Duration;

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
    /// Returns the action with that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

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

impl JobState {
    /// Returns the state with that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

impl SelectedStatus {
    /// Returns the status with that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }

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
    /// Whose last attempt was answered with such a code.
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
    /// Its filter. Its `workspace_id` is that of the job.
    pub filter: JobFilter,
    /// The most events that it lets go in a minute, 1 to [`RATE_MAX`]; `None`: as many as get through.
    pub rate: Option<u32>,
    /// The key by which a repeated request gets the first result again.
    pub idempotency: Option<Idempotency>,
}

/// The events that a job left out, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// The facts about an event on which a job decides when the event's turn comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventFacts {
    /// Its status, with skipped runs that were not swept yet counted as skipped.
    pub status: EventStatus,
    /// The time of its last change; `None`: not changed since it was made.
    pub modified_at: Option<Timestamp>,
    /// True if its run was skipped because its endpoint was disabled or deleted. A sweep that marks such an event
    /// later counts as a change of its row, and is none of the event.
    pub is_run_skipped: bool,
    /// True if its payload was dropped.
    pub is_archived: bool,
    /// Whether its endpoint gets events.
    pub endpoint: EndpointCondition,
}

/// The condition of an endpoint, as far as jobs are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointCondition {
    /// It gets events.
    Enabled,
    /// It is disabled.
    Disabled,
    /// It is deleted, whether it was disabled or not.
    Deleted,
}

impl EndpointCondition {
    /// Returns the condition of an endpoint that is disabled, deleted, both or neither.
    #[must_use]
    pub const fn of(is_disabled: bool, is_deleted: bool) -> Self {
        match (is_disabled, is_deleted) {
            (_, true) => Self::Deleted,
            (true, false) => Self::Disabled,
            (false, false) => Self::Enabled,
        }
    }
}

/// Decides whether a job that was made at `made_at` does its action on an event.
///
/// # Errors
/// The reason why it leaves the event out. A pending event is skipped whatever happened to it before: its next
/// attempt may be in a day. No other reason counts for it: there is nothing to deliver.
pub fn decide(
    action: JobAction,
    wanted: &[EventStatus],
    made_at: Timestamp,
    event: EventFacts,
) -> Result<(), LeftOutReason> {
    if !wanted.contains(&event.status) {
        return Err(LeftOutReason::Changed);
    }
    if action == JobAction::Skip {
        return Ok(());
    }
    let has_changed = event.modified_at.is_some_and(|at| at > made_at)
        && !(event.status == EventStatus::Skipped && event.is_run_skipped);
    match event.endpoint {
        EndpointCondition::Deleted => Err(LeftOutReason::EndpointDeleted),
        _ if has_changed => Err(LeftOutReason::Changed),
        EndpointCondition::Disabled => Err(LeftOutReason::EndpointDisabled),
        EndpointCondition::Enabled if event.is_archived => Err(LeftOutReason::Archived),
        EndpointCondition::Enabled => Ok(()),
    }
}

/// Returns the counts of a job that has looked at all of its set: events that have left the set before their turn
/// came are counted as changed, so that the counts add up.
#[must_use]
pub fn settled(matched: Option<u64>, done: u64, left_out: LeftOut) -> (u64, LeftOut) {
    let seen = done + left_out.total();
    let matched = matched.unwrap_or(seen).max(seen);
    let changed = left_out.changed + (matched - seen);
    (
        matched,
        LeftOut {
            changed,
            ..left_out
        },
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MADE_AT: Timestamp = Timestamp::from_micros(1000);

    fn facts() -> impl Strategy<Value = EventFacts> {
        let statuses = prop::sample::select(EventStatus::ALL.to_vec());
        let times = prop::option::of((990_i64..1010).prop_map(Timestamp::from_micros));
        (statuses, times, any::<[bool; 4]>()).prop_map(|(status, modified_at, flags)| EventFacts {
            status,
            modified_at,
            is_run_skipped: flags[0],
            is_archived: flags[1],
            endpoint: EndpointCondition::of(flags[2], flags[3]),
        })
    }

    proptest! {
        #[test]
        fn nothing_is_redelivered_that_could_not_be_redelivered_by_hand(event in facts()) {
            let decided = decide(JobAction::Redeliver, &EventStatus::ALL, MADE_AT, event);
            if decided.is_ok() {
                prop_assert!(!event.is_archived);
                prop_assert_eq!(event.endpoint, EndpointCondition::Enabled);
            }
        }

        #[test]
        fn an_event_that_was_attempted_after_the_job_was_made_is_left_alone(event in facts()) {
            prop_assume!(event.status != EventStatus::Skipped);
            let modified_at = Some(MADE_AT.after(Duration::from_micros(1)));
            let event = EventFacts { modified_at, ..event };
            let decided = decide(JobAction::Redeliver, &EventStatus::ALL, MADE_AT, event);
            prop_assert!(decided.is_err());
        }

        #[test]
        fn only_wanted_statuses_are_touched(event in facts(), action in 0..2_usize) {
            let action = JobAction::ALL[action];
            let others: Vec<EventStatus> =
                EventStatus::ALL.into_iter().filter(|it| *it != event.status).collect();
            let decided = decide(action, &others, MADE_AT, event);
            prop_assert_eq!(decided, Err(LeftOutReason::Changed));
        }

        #[test]
        fn the_counts_of_a_finished_job_add_up(
            matched in prop::option::of(0..50_u64),
            done in 0..20_u64,
            counts in any::<[u8; 4]>(),
        ) {
            let [archived, endpoint_disabled, endpoint_deleted, changed] = counts.map(u64::from);
            let left_out = LeftOut { archived, endpoint_disabled, endpoint_deleted, changed };
            let (all, settled) = settled(matched, done, left_out);
            prop_assert_eq!(all, done + settled.total());
            prop_assert!(matched.is_none_or(|matched| all >= matched));
            prop_assert!(settled.changed >= changed);
        }
    }

    #[test]
    fn a_sweep_after_the_job_was_made_is_no_change_of_the_event() {
        let swept = EventFacts {
            status: EventStatus::Skipped,
            modified_at: Some(Timestamp::from_micros(2000)),
            is_run_skipped: true,
            is_archived: false,
            endpoint: EndpointCondition::Enabled,
        };
        let decided = |event| {
            decide(
                JobAction::Redeliver,
                &[EventStatus::Skipped],
                MADE_AT,
                event,
            )
        };
        assert_eq!(decided(swept), Ok(()));
        let by_hand = EventFacts {
            is_run_skipped: false,
            ..swept
        };
        assert_eq!(decided(by_hand), Err(LeftOutReason::Changed));
    }
}
