//! The endpoint's rest in times of the wall clock, for the store.
//!
//! The scheduler waits on the monotonic clock, but what is stored must outlive the process. A time is converted
//! once, when the rest or the hold changes: converted again for each record, it would differ by some microseconds
//! each time, and the store would write the endpoint's row for every attempt.

use std::time::Duration;

use crate::delivery::protocol::Now;
use crate::domain::clock::Timestamp;
use crate::domain::health::{Health, Rest};
use crate::storage::{EndpointRest, HealthEpoch, RestNote};

/// The rest as it was noted last, by both clocks.
#[derive(Debug, Default)]
pub(super) struct NotedRest {
    /// The epoch of the endpoint's health, as of the last notice.
    epoch: HealthEpoch,
    /// By the monotonic clock: the ends of the rest and of the hold, from which `noted` was made.
    ends: (Option<Duration>, Duration),
    /// By the wall clock.
    noted: EndpointRest,
}

impl NotedRest {
    /// Returns the note of an endpoint without rest.
    pub(super) fn of_epoch(epoch: HealthEpoch) -> Self {
        Self {
            epoch,
            ..Self::default()
        }
    }

    /// Returns the note of a rest that an earlier process stored, and the health that goes on with it.
    pub(super) fn resumed(
        rest: EndpointRest,
        epoch: HealthEpoch,
        cap: u32,
        now: Now,
    ) -> (Self, Health) {
        let (rest_left, hold_left) = rest.left(now.wall);
        let rest_end = now.monotonic + rest_left;
        let held_until = if hold_left.is_zero() {
            Duration::ZERO
        } else {
            now.monotonic + hold_left
        };
        let health = Health::resumed(cap, rest.rests, rest_end, held_until);
        let note = Self {
            epoch,
            ends: ((rest.rests > 0).then_some(rest_end), held_until),
            noted: rest.bounded(now.wall),
        };
        (note, health)
    }

    /// Notes that the wall clock was set: the times must be converted again.
    pub(super) const fn forget_wall_times(&mut self) {
        self.ends = (None, Duration::MAX);
    }

    /// Returns the note of the rest as it is now.
    pub(super) fn note(&mut self, health: &Health, now: Now) -> RestNote {
        let Self { ends, noted, epoch } = self;
        noted.rests = health.rests_in_row();
        match health.rest() {
            Rest::None => (ends.0, noted.resting_until) = (None, None),
            Rest::Until(end) if ends.0 != Some(end) => {
                (ends.0, noted.resting_until) = (Some(end), Some(wall_time(end, now)));
            }
            // The rest before the probe is over; its end stays noted, unless the clock was set back since.
            Rest::Probing if ends.0.is_none() => {
                noted.resting_until = noted.resting_until.map(|end| end.min(now.wall));
            }
            Rest::Until(_) | Rest::Probing => {}
        }
        let held_until = health.held_until();
        if ends.1 != held_until {
            let is_held = held_until > Duration::ZERO;
            ends.1 = held_until;
            noted.held_until = is_held.then(|| wall_time(held_until, now));
        }
        RestNote {
            epoch: *epoch,
            rest: *noted,
        }
    }
}

/// Converts a time of the monotonic clock.
fn wall_time(at: Duration, now: Now) -> Timestamp {
    if at >= now.monotonic {
        now.wall.after(at.saturating_sub(now.monotonic))
    } else {
        now.wall.before(now.monotonic.saturating_sub(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::health::{EndedAttempt, HealthSignal};
    use crate::domain::retry::RetryPolicy;

    const S: Duration = Duration::from_secs(1);
    const CAP: u32 = 8;

    fn at(seconds: u64) -> Now {
        Now {
            wall: Timestamp::from_micros(1_700_000_000_000_000).after(Duration::from_secs(seconds)),
            monotonic: Duration::from_secs(seconds),
        }
    }

    fn end(health: &mut Health, signal: HealthSignal, now: Now) {
        let retry = RetryPolicy {
            waits: vec![5 * S, 30 * S],
            expire_after: Duration::from_hours(1),
        };
        let attempt = EndedAttempt {
            signal,
            took: S,
            slow_ones: false,
            probe: health.rest() == Rest::Probing,
        };
        health.finished(attempt, &retry, now.monotonic, 0.5);
    }

    /// Returns the health of an endpoint that begins to rest, and its note.
    fn resting(now: Now) -> (NotedRest, Health) {
        let mut health = Health::new(CAP);
        for _ in 0..3 {
            end(&mut health, HealthSignal::Failure, now);
        }
        (NotedRest::default(), health)
    }

    #[test]
    fn a_rest_is_noted_once_and_stays_as_it_is_until_it_changes() {
        let mut note = NotedRest::default();
        let without = note.note(&Health::new(CAP), at(1)).rest;
        assert_eq!(without, EndpointRest::default());
        let (mut note, mut health) = resting(at(1));
        let noted = note.note(&health, at(1)).rest;
        assert_eq!((noted.rests, noted.resting_until), (1, Some(at(6).wall)));
        // The clocks may drift: what is noted stays the same.
        let drifted = Now {
            wall: at(2).wall.after(Duration::from_millis(3)),
            ..at(2)
        };
        assert_eq!(note.note(&health, drifted).rest, noted);
        assert!(health.started());
        let probing = note.note(&health, at(7)).rest;
        assert_eq!(probing, noted, "the probe is under way");
        end(&mut health, HealthSignal::Failure, at(7));
        let noted = note.note(&health, at(7)).rest;
        assert_eq!((noted.rests, noted.resting_until), (2, Some(at(37).wall)));
        health.started();
        end(&mut health, HealthSignal::Success, at(37));
        assert_eq!(note.note(&health, at(37)).rest, EndpointRest::default());
    }

    #[test]
    fn a_stored_rest_goes_on_and_comes_back_as_it_was() {
        let rest = EndpointRest {
            rests: 3,
            resting_until: Some(at(60).wall),
            held_until: Some(at(40).wall),
        };
        let epoch = HealthEpoch(7);
        let (mut note, health) = NotedRest::resumed(rest, epoch, CAP, at(10));
        assert!(!health.may_start(59 * S) && health.may_start(60 * S));
        assert_eq!(note.note(&health, at(20)), RestNote { epoch, rest });
        // A rest that was over long ago: the next attempt is the probe.
        let (mut note, mut health) = NotedRest::resumed(rest, epoch, CAP, at(5000));
        assert!(health.may_start(at(5000).monotonic) && health.started());
        assert_eq!(note.note(&health, at(5001)).rest, rest);
    }

    #[test]
    fn a_clock_that_was_set_changes_what_is_noted() {
        let (mut note, mut health) = resting(at(1));
        note.note(&health, at(1));
        let back = Now {
            wall: at(2).wall.before(Duration::from_hours(1)),
            ..at(2)
        };
        note.forget_wall_times();
        let noted = note.note(&health, back).rest;
        assert_eq!(noted.resting_until, Some(back.wall.after(4 * S)));
        health.clock_advanced(3 * S);
        note.forget_wall_times();
        let forward = Now {
            wall: back.wall.after(3 * S),
            ..back
        };
        let noted = note.note(&health, forward).rest;
        assert_eq!(noted.resting_until, Some(back.wall.after(4 * S)));
        // The clock is set back during the probe: the rest is over, whatever was noted.
        assert!(health.may_start(at(6).monotonic) && health.started());
        note.forget_wall_times();
        let long_ago = Now {
            wall: back.wall.before(Duration::from_hours(1)),
            ..at(6)
        };
        let noted = note.note(&health, long_ago).rest;
        assert_eq!(noted.resting_until, Some(long_ago.wall));
    }
}
