//! The rest of an endpoint in times of the wall clock: what a store keeps of the circuit breaker in
//! [`health`](super::health), so that a restart does not end a rest and callers see why an event waits.

use std::time::Duration;

use super::clock::Timestamp;
use super::event_state::EventState;
use super::retry::{ENDPOINT_RETRY_AFTER_MAX, REST_MAX};

/// The number of times that an endpoint got another URL or was enabled. Each time it begins without rest, so a
/// rest that was noted in an earlier epoch does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthEpoch(pub i64);

/// The rest of an endpoint, and the wait that its receiver asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointRest {
    /// The number of rests in a row, without a 2xx between them; the last one may be over.
    pub rests: u32,
    /// The end of the last rest.
    pub resting_until: Option<Timestamp>,
    /// The time before which the receiver wants no attempt (`Retry-After`).
    pub held_until: Option<Timestamp>,
}

impl EndpointRest {
    /// Returns the rest with ends that are not too far after `now`.
    ///
    /// No rest is longer than [`REST_MAX`], and no hold than [`ENDPOINT_RETRY_AFTER_MAX`]. A longer one was noted
    /// before the wall clock was set back; it ends that long after `now` at the latest.
    #[must_use]
    pub fn bounded(self, now: Timestamp) -> Self {
        let bounded = |end: Option<Timestamp>, longest| Some(end?.min(now.after(longest)));
        Self {
            rests: self.rests,
            resting_until: bounded(self.resting_until, REST_MAX),
            held_until: bounded(self.held_until, ENDPOINT_RETRY_AFTER_MAX),
        }
    }

    /// Returns what still lies ahead at `now`, [bounded](Self::bounded).
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        let ahead = |end: Option<Timestamp>| end.filter(|end| *end > now);
        let bounded = self.bounded(now);
        Self {
            rests: self.rests,
            resting_until: ahead(bounded.resting_until),
            held_until: ahead(bounded.held_until),
        }
    }

    /// Returns the times from `now` until the ends of the rest and of the hold; zero if they are over.
    #[must_use]
    pub fn left(self, now: Timestamp) -> (Duration, Duration) {
        let Self {
            resting_until,
            held_until,
            ..
        } = self.at(now);
        let left = |end: Option<Timestamp>| end.map_or(Duration::ZERO, |end| end.since(now));
        (left(resting_until), left(held_until))
    }

    /// Returns the time at which the next attempt of a pending event is made: when it is due, and its endpoint
    /// neither rests nor is held. The redelivery of a caller waits for neither of these. A time that has passed
    /// says nothing of the next attempt, which is under way or waits its turn; so it becomes `now`.
    #[must_use]
    pub fn next_attempt_at(self, due: Timestamp, reason: Waits, now: Timestamp) -> Timestamp {
        let due = due.max(now);
        if reason == Waits::AsRedelivery {
            return due;
        }
        let Self {
            resting_until,
            held_until,
            ..
        } = self.at(now);
        resting_until
            .into_iter()
            .chain(held_until)
            .fold(due, Timestamp::max)
    }
}

/// The way in which a pending event waits for its next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// As its schedule says, and for its endpoint.
    AsScheduled,
    /// For the first attempt of a redelivery that a caller requested.
    AsRedelivery,
}

impl Waits {
    /// Returns the way in which an event waits. `is_by_hand`: no job let it go.
    #[must_use]
    pub fn of(state: EventState, run_attempt: u32, is_by_hand: bool) -> Self {
        if state == EventState::Retry && run_attempt == 0 && is_by_hand {
            Self::AsRedelivery
        } else {
            Self::AsScheduled
        }
    }
}

/// The rest of an endpoint, as the engine tells the store with the record of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestNote {
    /// The epoch in which it was noted.
    pub epoch: HealthEpoch,
    /// The rest.
    pub rest: EndpointRest,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn times() -> impl Strategy<Value = Timestamp> {
        (-7_200_000_i64..7_200_000).prop_map(|ms| Timestamp::from_micros(NOW.micros() + ms * 1000))
    }

    fn rests() -> impl Strategy<Value = EndpointRest> {
        let end = || prop::option::of(times());
        (0..9_u32, end(), end()).prop_map(|(rests, resting_until, held_until)| EndpointRest {
            rests,
            resting_until,
            held_until,
        })
    }

    proptest! {
        #[test]
        fn the_next_attempt_is_never_in_the_past_nor_before_the_end_of_a_wait(
            rest in rests(), due in times(),
        ) {
            let at = rest.next_attempt_at(due, Waits::AsScheduled, NOW);
            prop_assert!(at >= NOW && at >= due);
            let ahead = rest.at(NOW);
            for end in [ahead.resting_until, ahead.held_until].into_iter().flatten() {
                prop_assert!(at >= end);
            }
            // It has a reason: one of these is the time itself.
            let reasons = [Some(NOW), Some(due), ahead.resting_until, ahead.held_until];
            prop_assert!(reasons.contains(&Some(at)));
            prop_assert_eq!(rest.next_attempt_at(due, Waits::AsRedelivery, NOW), due.max(NOW));
        }

        #[test]
        fn what_is_ahead_is_bounded_and_the_past_is_left_out(rest in rests()) {
            let ahead = rest.at(NOW);
            let (rests, hold) = ahead.left(NOW);
            prop_assert!(rests <= REST_MAX && hold <= ENDPOINT_RETRY_AFTER_MAX);
            prop_assert!(ahead.resting_until.is_none_or(|end| end > NOW));
            prop_assert!(ahead.held_until.is_none_or(|end| end > NOW));
            prop_assert_eq!(ahead.at(NOW), ahead);
            let is_ahead = rest.resting_until.is_some_and(|end| end > NOW);
            prop_assert_eq!(ahead.resting_until.is_some(), is_ahead);
        }
    }

    #[test]
    fn only_the_first_attempt_of_a_redelivery_by_hand_waits_for_nothing() {
        let by_hand = Waits::of(EventState::Retry, 0, true);
        assert_eq!(by_hand, Waits::AsRedelivery);
        for (state, run_attempt, is_by_hand) in [
            (EventState::Fresh, 0, true),
            (EventState::Retry, 1, true),
            (EventState::Retry, 0, false),
        ] {
            assert_eq!(
                Waits::of(state, run_attempt, is_by_hand),
                Waits::AsScheduled
            );
        }
    }
}
