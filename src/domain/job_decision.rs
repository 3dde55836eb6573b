//! The decision of a job on each event, and the counts of a job that has looked at all of its set.

use super::clock::Timestamp;
use super::event::EventStatus;
use super::job::{JobAction, LeftOut, LeftOutReason};

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
    /// The condition of its endpoint.
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

    /// Returns the reason why such an endpoint gets no events; `None` if it does.
    #[must_use]
    pub const fn refusal(self) -> Option<LeftOutReason> {
        match self {
            Self::Enabled => None,
            Self::Disabled => Some(LeftOutReason::EndpointDisabled),
            Self::Deleted => Some(LeftOutReason::EndpointDeleted),
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
    use std::time::Duration;

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
