//! The states of an event, and the rules by which an attempt moves an event from one to the next.
//!
//! A run is one pass of one event through the retry schedule. An attempt belongs to the run in which it
//! started. When the attempt ends, the event may have left that run: it was redelivered meanwhile, which
//! started another run, or it was skipped because its endpoint was disabled or deleted. Every store applies
//! these rules; none has its own.

use super::clock::Timestamp;
use super::event::EventStatus;

/// The number of a run. It comes from the same sequence as the numbers of events; the first run of an event
/// has the number of the event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Run(pub i64);

impl Run {
    /// Reports whether the run is skipped at an endpoint whose runs are skipped up to and including
    /// `skip_through`.
    #[must_use]
    pub fn is_skipped(self, skip_through: Self) -> bool {
        self <= skip_through
    }
}

/// The state of an event, as a store keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventState {
    /// The event is in its first run, no attempt was made yet, and one is due.
    Fresh,
    /// The event waits until another attempt is due, or the first one of a redelivery.
    Retry,
    /// An attempt succeeded. This state and the two below are final, unless the event is redelivered.
    Succeeded,
    /// The run ended without success.
    Failed,
    /// The endpoint was disabled or deleted while the event was pending.
    Skipped,
}

impl EventState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Fresh,
        Self::Retry,
        Self::Succeeded,
        Self::Failed,
        Self::Skipped,
    ];

    /// Returns the state of a pending event. `attempts` counts those of all its runs.
    #[must_use]
    pub const fn pending(is_first_run: bool, attempts: u32) -> Self {
        if is_first_run && attempts == 0 {
            Self::Fresh
        } else {
            Self::Retry
        }
    }

    /// Reports whether another attempt follows.
    #[must_use]
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::Fresh | Self::Retry)
    }

    /// Returns the status that callers see. A pending event whose run is skipped is shown as skipped at once,
    /// although a sweep changes its stored state only later.
    #[must_use]
    pub const fn status(self, is_run_skipped: bool) -> EventStatus {
        match self {
            Self::Fresh | Self::Retry if is_run_skipped => EventStatus::Skipped,
            Self::Fresh | Self::Retry => EventStatus::Pending,
            Self::Succeeded => EventStatus::Succeeded,
            Self::Failed => EventStatus::Failed,
            Self::Skipped => EventStatus::Skipped,
        }
    }

    /// Returns the states that events of a status have, except for skipped runs that no sweep has marked yet.
    #[must_use]
    pub const fn of_status(status: EventStatus) -> &'static [Self] {
        match status {
            EventStatus::Pending => &[Self::Fresh, Self::Retry],
            EventStatus::Succeeded => &[Self::Succeeded],
            EventStatus::Failed => &[Self::Failed],
            EventStatus::Skipped => &[Self::Skipped],
        }
    }
}

/// The verdict on an event after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The attempt succeeded.
    Succeeded,
    /// Another attempt is made at this time.
    RetryAt(Timestamp),
    /// No further attempt is made.
    Failed,
    /// No further attempt is made, because the receiver is gone for good (410).
    Gone,
}

/// An event's position in its schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its state.
    pub state: EventState,
    /// Its current run; if the state is final, its last run.
    pub run: Run,
    /// The number of attempts made in that run.
    pub run_attempt: u32,
}

impl Progress {
    /// Returns the position of an event just published; the number of its first run is its own number.
    #[must_use]
    pub const fn published(first_run: Run) -> Self {
        Self {
            state: EventState::Fresh,
            run: first_run,
            run_attempt: 0,
        }
    }

    /// Returns the position of an event just redelivered, in the run `new_run`.
    #[must_use]
    pub const fn redelivered(new_run: Run) -> Self {
        Self {
            state: EventState::Retry,
            run: new_run,
            run_attempt: 0,
        }
    }

    /// Reports whether the event is still in `run`, and pending. If not, it has left the run.
    #[must_use]
    pub fn is_in(self, run: Run) -> bool {
        self.run == run && self.state.is_pending()
    }
}

/// The state of an event after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextState {
    /// The state.
    pub state: EventState,
    /// The time of the next attempt, if one follows.
    pub due: Option<Timestamp>,
}

/// Returns the state that an attempt gives to an event that is still in the attempt's run. In a skipped run,
/// whose endpoint was disabled or deleted meanwhile, no attempt follows, and the event has not failed.
#[must_use]
pub const fn next_state(verdict: Verdict, is_run_skipped: bool) -> NextState {
    let (state, due) = match verdict {
        Verdict::Succeeded => (EventState::Succeeded, None),
        _ if is_run_skipped => (EventState::Skipped, None),
        Verdict::RetryAt(at) => (EventState::Retry, Some(at)),
        Verdict::Failed | Verdict::Gone => (EventState::Failed, None),
    };
    NextState { state, due }
}

/// Returns the state that an attempt of `run` gives to an event that has left that run. `None` if the event
/// keeps its state.
///
/// Only a success counts, and only if it is the newest result: the event was skipped in the same run, or the
/// newer run has had no attempt yet. Otherwise the newer run decides.
#[must_use]
pub fn next_state_after_left_run(
    event: Progress,
    run: Run,
    verdict: Verdict,
) -> Option<EventState> {
    let was_skipped = event.state == EventState::Skipped && event.run == run;
    let was_replaced =
        event.state == EventState::Retry && event.run > run && event.run_attempt == 0;
    let is_newest = was_skipped || was_replaced;
    (verdict == Verdict::Succeeded && is_newest).then_some(EventState::Succeeded)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn states() -> impl Strategy<Value = EventState> {
        prop::sample::select(EventState::ALL.to_vec())
    }

    fn verdicts() -> impl Strategy<Value = Verdict> {
        prop_oneof![
            Just(Verdict::Succeeded),
            any::<i64>().prop_map(|at| Verdict::RetryAt(Timestamp::from_micros(at))),
            Just(Verdict::Failed),
            Just(Verdict::Gone),
        ]
    }

    fn events() -> impl Strategy<Value = Progress> {
        (states(), 1..5_i64, 0..3_u32).prop_map(|(state, run, run_attempt)| Progress {
            state,
            run: Run(run),
            run_attempt,
        })
    }

    proptest! {
        #[test]
        fn only_a_retry_is_due_and_only_if_its_run_is_not_skipped(
            verdict in verdicts(),
            is_skipped: bool,
        ) {
            let next = next_state(verdict, is_skipped);
            let expected = match verdict {
                Verdict::RetryAt(at) if !is_skipped => Some(at),
                _ => None,
            };
            prop_assert_eq!(next.due, expected);
            prop_assert_eq!(next.state.is_pending(), next.due.is_some());
            prop_assert_ne!(next.state, EventState::Fresh);
        }

        #[test]
        fn a_success_always_succeeds_and_a_skipped_run_never_fails(
            verdict in verdicts(),
            is_skipped: bool,
        ) {
            let state = next_state(verdict, is_skipped).state;
            prop_assert_eq!(state == EventState::Succeeded, verdict == Verdict::Succeeded);
            prop_assert!(!is_skipped || state != EventState::Failed);
            prop_assert!(is_skipped || state != EventState::Skipped);
        }

        #[test]
        fn a_left_run_changes_an_event_by_a_success_alone_and_never_a_newer_result(
            event in events(),
            run in (1..5_i64).prop_map(Run),
            verdict in verdicts(),
        ) {
            prop_assume!(!event.is_in(run));
            let next = next_state_after_left_run(event, run, verdict);
            if let Some(state) = next {
                prop_assert_eq!(verdict, Verdict::Succeeded);
                prop_assert_eq!(state, EventState::Succeeded);
                // The newest result is this one.
                prop_assert!(event.run >= run);
                prop_assert!(event.run == run || event.run_attempt == 0);
            }
            if matches!(event.state, EventState::Succeeded | EventState::Failed) {
                prop_assert_eq!(next, None);
            }
        }

        #[test]
        fn a_late_success_counts_until_the_newer_run_has_made_an_attempt(
            run in 1..5_i64,
            later in 1..5_i64,
            run_attempt in 0..3_u32,
        ) {
            let event = Progress { run_attempt, ..Progress::redelivered(Run(run + later)) };
            let next = next_state_after_left_run(event, Run(run), Verdict::Succeeded);
            prop_assert_eq!(next.is_some(), run_attempt == 0);
        }

        #[test]
        fn each_state_has_the_status_that_lists_it(state in states()) {
            let status = state.status(false);
            prop_assert!(EventState::of_status(status).contains(&state));
            let skipped = if state.is_pending() { EventStatus::Skipped } else { status };
            prop_assert_eq!(state.status(true), skipped);
        }
    }

    #[test]
    fn a_skipped_event_takes_the_success_of_the_attempt_that_was_under_way() {
        let event = Progress {
            state: EventState::Skipped,
            ..Progress::published(Run(7))
        };
        let next = |run| next_state_after_left_run(event, Run(run), Verdict::Succeeded);
        assert_eq!(next(7), Some(EventState::Succeeded));
        // It was redelivered, and its new run was skipped as well: that one decides.
        assert_eq!(next(6), None);
    }

    #[test]
    fn an_event_is_fresh_until_its_first_attempt_and_never_again() {
        assert_eq!(EventState::pending(true, 0), EventState::Fresh);
        assert_eq!(EventState::pending(true, 1), EventState::Retry);
        assert_eq!(EventState::pending(false, 0), EventState::Retry);
    }
}
