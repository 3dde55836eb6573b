//! The health of an endpoint as people see it: whether it gets events now, and how its attempts went.

use super::clock::Timestamp;
use super::rest::EndpointRest;
use super::words::words;

words! {
    /// The state of an endpoint, as the API shows it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum EndpointState {
        /// It gets events.
        Active = "active",
        /// It failed several times in a row, and gets nothing until its rest is over.
        Resting = "resting",
        /// A user paused it: events are made and wait.
        Paused = "paused",
        /// It gets nothing, and its pending events are skipped.
        Disabled = "disabled",
    }
}

impl EndpointState {
    /// Returns the state of an endpoint at `now`.
    #[must_use]
    pub fn of(is_disabled: bool, is_paused: bool, rest: EndpointRest, now: Timestamp) -> Self {
        if is_disabled {
            Self::Disabled
        } else if is_paused {
            Self::Paused
        } else if rest.at(now).resting_until.is_some() {
            Self::Resting
        } else {
            Self::Active
        }
    }
}

/// The times of the last attempts to an endpoint, by their result. `None`: there was no such attempt since the
/// database records these times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastResults {
    /// The time of the last attempt that was answered with a 2xx.
    pub success_at: Option<Timestamp>,
    /// The time of the last attempt that was not.
    pub failure_at: Option<Timestamp>,
}

impl LastResults {
    /// Notes an attempt that comes after all others.
    pub const fn record(&mut self, succeeded: bool, at: Timestamp) {
        if succeeded {
            self.success_at = Some(at);
        } else {
            self.failure_at = Some(at);
        }
    }

    /// Returns these, where `later` has none that came after them.
    #[must_use]
    pub fn followed_by(self, later: Self) -> Self {
        Self {
            success_at: later.success_at.or(self.success_at),
            failure_at: later.failure_at.or(self.failure_at),
        }
    }
}

/// The health of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointHealth {
    /// Its state.
    pub state: EndpointState,
    /// The end of its rest; `None` if it does not rest.
    pub resting_until: Option<Timestamp>,
    /// The time before which its receiver wants no attempt; `None` if it did not ask for a wait, or the wait is
    /// over.
    pub held_until: Option<Timestamp>,
    /// Events in a row that ended as failed: those that `disable_after` counts.
    pub failures_in_a_row: u32,
    /// Its last attempts.
    pub last: LastResults,
}

impl EndpointHealth {
    /// The health of an endpoint that was just made.
    pub const NEW: Self = Self {
        state: EndpointState::Active,
        resting_until: None,
        held_until: None,
        failures_in_a_row: 0,
        last: LastResults {
            success_at: None,
            failure_at: None,
        },
    };

    /// Returns the health of an endpoint at `now`. A disabled endpoint neither rests nor is held.
    #[must_use]
    pub fn of(
        is_disabled: bool,
        is_paused: bool,
        rest: EndpointRest,
        failures_in_a_row: u32,
        last: LastResults,
        now: Timestamp,
    ) -> Self {
        let rest = if is_disabled {
            EndpointRest::default()
        } else {
            rest.at(now)
        };
        Self {
            state: EndpointState::of(is_disabled, is_paused, rest, now),
            resting_until: rest.resting_until,
            held_until: rest.held_until,
            failures_in_a_row,
            last,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    #[test]
    fn the_state_is_disabled_before_all_others_and_resting_until_the_rest_ends() {
        let soon = NOW.after(Duration::from_secs(5));
        let rest = EndpointRest {
            rests: 1,
            resting_until: Some(soon),
            held_until: Some(soon),
        };
        let health = |is_disabled, now| {
            EndpointHealth::of(is_disabled, false, rest, 2, LastResults::default(), now)
        };
        assert_eq!(health(false, NOW).state, EndpointState::Resting);
        assert_eq!(health(false, NOW).resting_until, Some(soon));
        assert_eq!(health(false, soon).state, EndpointState::Active);
        assert_eq!(health(false, soon).resting_until, None);
        let disabled = health(true, NOW);
        assert_eq!(disabled.state, EndpointState::Disabled);
        assert_eq!((disabled.resting_until, disabled.held_until), (None, None));
        assert_eq!(disabled.failures_in_a_row, 2);
        // A receiver that only asked to wait does not make its endpoint rest.
        let held = EndpointRest {
            resting_until: None,
            ..rest
        };
        let held = EndpointHealth::of(false, false, held, 0, LastResults::default(), NOW);
        assert_eq!(
            (held.state, held.held_until),
            (EndpointState::Active, Some(soon))
        );
    }

    #[test]
    fn a_later_result_replaces_an_earlier_one_of_its_kind() {
        let at = |s| NOW.after(Duration::from_secs(s));
        let mut early = LastResults::default();
        early.record(true, at(1));
        early.record(false, at(2));
        let mut later = LastResults::default();
        later.record(true, at(3));
        let both = early.followed_by(later);
        assert_eq!(
            (both.success_at, both.failure_at),
            (Some(at(3)), Some(at(2)))
        );
    }
}
