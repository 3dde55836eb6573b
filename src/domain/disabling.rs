//! The rules by which the server disables an endpoint on its own: its receiver answered 410 Gone, or too many
//! events in a row failed.
//!
//! Events count, not attempts: an event fails when its run ends without success. Any success sets the count
//! to zero. An attempt that did not succeed changes nothing if its event was skipped or is in another run by
//! now, if the endpoint is already disabled or deleted, or if the attempt tells nothing about the endpoint.

use super::endpoint::DisabledReason;
use super::event_state::{EventState, Verdict};

/// The part of an endpoint that the rules need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureStreak {
    /// The number of events in a row that failed.
    pub failures: u32,
    /// True while the endpoint is neither disabled nor deleted.
    pub is_enabled: bool,
}

/// The part of an attempt that the rules need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointAttempt {
    /// The verdict on its event.
    pub verdict: Verdict,
    /// The state that the attempt gave to its event; `None` if the event was no longer in the attempt's run.
    pub state: Option<EventState>,
    /// True if it tells something about the endpoint. False for a run that ended while it waited, and for a failure
    /// of the operator's egress proxy.
    pub tells: bool,
}

/// The effect of an attempt on its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointEffect {
    /// The new number of events in a row that failed.
    pub failures: u32,
    /// The reason for disabling the endpoint now, if there is one.
    pub disable: Option<DisabledReason>,
}

/// Returns the effect of an attempt. So many failed events in a row as `disable_after` says disable an
/// endpoint; 0 means never.
#[must_use]
pub fn after_attempt(
    endpoint: FailureStreak,
    attempt: EndpointAttempt,
    disable_after: u32,
) -> EndpointEffect {
    if attempt.verdict == Verdict::Succeeded {
        return EndpointEffect {
            failures: 0,
            disable: None,
        };
    }
    let has_failed = attempt.state == Some(EventState::Failed) && attempt.tells;
    if !has_failed || !endpoint.is_enabled {
        return EndpointEffect {
            failures: endpoint.failures,
            disable: None,
        };
    }
    let failures = endpoint.failures.saturating_add(1);
    EndpointEffect {
        failures,
        disable: reason(attempt.verdict, failures, disable_after),
    }
}

fn reason(verdict: Verdict, failures: u32, disable_after: u32) -> Option<DisabledReason> {
    if verdict == Verdict::Gone {
        Some(DisabledReason::Gone)
    } else if disable_after > 0 && failures >= disable_after {
        Some(DisabledReason::Failing)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::event_state::next_state;

    const ENABLED: FailureStreak = FailureStreak {
        failures: 0,
        is_enabled: true,
    };

    fn verdicts() -> impl Strategy<Value = Verdict> {
        prop::sample::select(vec![
            Verdict::Succeeded,
            Verdict::RetryAt(Timestamp::from_micros(1)),
            Verdict::Failed,
            Verdict::Gone,
        ])
    }

    fn attempt(verdict: Verdict, is_run_skipped: bool) -> EndpointAttempt {
        EndpointAttempt {
            verdict,
            state: Some(next_state(verdict, is_run_skipped).state),
            tells: true,
        }
    }

    proptest! {
        #[test]
        fn exactly_so_many_failed_events_in_a_row_disable(
            verdicts in prop::collection::vec(verdicts(), 0..30),
            disable_after in 0..5_u32,
        ) {
            let mut endpoint = ENABLED;
            let mut in_a_row = 0;
            for verdict in verdicts {
                in_a_row = match verdict {
                    Verdict::Succeeded => 0,
                    Verdict::RetryAt(_) => in_a_row,
                    Verdict::Failed | Verdict::Gone => in_a_row + 1,
                };
                let effect = after_attempt(endpoint, attempt(verdict, false), disable_after);
                prop_assert_eq!(effect.failures, in_a_row);
                let expected = match verdict {
                    Verdict::Gone => Some(DisabledReason::Gone),
                    Verdict::Failed if disable_after > 0 && in_a_row >= disable_after => {
                        Some(DisabledReason::Failing)
                    }
                    _ => None,
                };
                prop_assert_eq!(effect.disable, expected);
                endpoint.failures = effect.failures;
            }
        }

        #[test]
        fn nothing_counts_that_says_nothing_of_the_endpoint(
            verdict in verdicts(),
            failures in 0..5_u32,
            why in 0..4,
        ) {
            prop_assume!(verdict != Verdict::Succeeded);
            let endpoint = FailureStreak { failures, is_enabled: why != 0 };
            let attempt = EndpointAttempt {
                tells: why != 1,
                state: if why == 2 { None } else { attempt(verdict, why == 3).state },
                ..attempt(verdict, false)
            };
            let effect = after_attempt(endpoint, attempt, 1);
            prop_assert_eq!(effect, EndpointEffect { failures, disable: None });
        }

        #[test]
        fn a_success_always_ends_the_row(failures: u32, is_enabled: bool, is_left: bool) {
            let endpoint = FailureStreak { failures, is_enabled };
            let success = attempt(Verdict::Succeeded, false);
            let state = success.state.filter(|_| !is_left);
            let effect = after_attempt(endpoint, EndpointAttempt { state, ..success }, 1);
            prop_assert_eq!(effect, EndpointEffect { failures: 0, disable: None });
        }
    }
}
