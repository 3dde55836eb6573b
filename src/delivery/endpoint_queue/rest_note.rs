//! The endpoint's rest in times of the wall clock, for the store.
//!
//! The scheduler waits on the monotonic clock, but what is stored must outlive the process. A time is converted
//! once, when the rest or the hold changes: converted again for each record, it would differ by some microseconds
//! each time, and the store would write the endpoint's row for every attempt.

use std::time::Duration;

use super::EndpointQueue;
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

impl EndpointQueue {
    /// Begins with the rest and the hold that were stored by an earlier process.
    pub(in crate::delivery) fn resume_rest(&mut self, rest: EndpointRest, cap: u32, now: Now) {
        let (rest_left, hold_left) = rest.left(now.wall);
        let rest_end = now.monotonic + rest_left;
        let held_until = if hold_left.is_zero() {
            Duration::ZERO
        } else {
            now.monotonic + hold_left
        };
        self.health = Health::resumed(cap, rest.rests, rest_end, held_until);
        let rest_end = (rest.rests > 0).then_some(rest_end);
        self.noted_rest.ends = (rest_end, held_until);
        self.noted_rest.noted = rest.bounded(now.wall);
    }

    /// Notes the epoch of a new queue.
    pub(in crate::delivery) const fn begin_epoch(&mut self, epoch: HealthEpoch) {
        self.noted_rest.epoch = epoch;
    }

    /// Forgets the health of the endpoint, and begins another epoch. The attempts in flight do not count for it.
    pub(in crate::delivery) fn reset(&mut self, epoch: HealthEpoch) {
        self.health.reset();
        self.in_flight.reset();
        self.noted_rest = NotedRest {
            epoch,
            ..NotedRest::default()
        };
    }

    /// Notes that the wall clock was set forward by `step`.
    pub(in crate::delivery) fn clock_advanced(&mut self, step: Duration) {
        self.health.clock_advanced(step);
        self.forget_wall_times();
    }

    /// Notes that the wall clock was set: the times must be converted again.
    pub(in crate::delivery) const fn forget_wall_times(&mut self) {
        self.noted_rest.ends = (None, Duration::MAX);
    }

    /// Returns the rest as it is now, for the store.
    pub(in crate::delivery) fn rest_note(&mut self, now: Now) -> RestNote {
        let NotedRest { ends, noted, .. } = &mut self.noted_rest;
        noted.rests = self.health.rests_in_row();
        match self.health.rest() {
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
        let held_until = self.health.held_until();
        if ends.1 != held_until {
            let is_held = held_until > Duration::ZERO;
            ends.1 = held_until;
            noted.held_until = is_held.then(|| wall_time(held_until, now));
        }
        RestNote {
            epoch: self.noted_rest.epoch,
            rest: self.noted_rest.noted,
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
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::delivery::limits::Limits;
    use crate::delivery::target::LiveTarget;
    use crate::domain::endpoint::{Format, TargetSettings};
    use crate::domain::endpoint_url::EndpointUrl;
    use crate::domain::health::{EndedAttempt, HealthSignal};
    use crate::domain::retry::RetryPolicy;
    use crate::domain::secret::Secret;
    use crate::domain::signing_secrets::SigningSecrets;
    use crate::storage::{EndpointNumber, Run, Target, WorkspaceNumber};

    const S: Duration = Duration::from_secs(1);
    const CAP: u32 = 8;

    fn at(seconds: u64) -> Now {
        Now {
            wall: Timestamp::from_micros(1_700_000_000_000_000).after(Duration::from_secs(seconds)),
            monotonic: Duration::from_secs(seconds),
        }
    }

    fn queue() -> EndpointQueue {
        let target = Target {
            number: EndpointNumber(1),
            workspace: WorkspaceNumber(1),
            id: Uuid::nil(),
            workspace_id: Uuid::nil(),
            settings: TargetSettings {
                url: EndpointUrl::from_stored("https://a".to_owned()),
                secrets: SigningSecrets::new(Secret::generate()),
                format: Format::Raw,
            },
            enabled: true,
            skip_through: Run(0),
            health_epoch: HealthEpoch::default(),
        };
        let target = Arc::new(LiveTarget::new(target));
        EndpointQueue::of_new_endpoint(target, CAP, Limits::PRODUCTION)
    }

    fn end(queue: &mut EndpointQueue, signal: HealthSignal, now: Now) {
        let retry = RetryPolicy {
            waits: vec![5 * S, 30 * S],
            expire_after: Duration::from_hours(1),
        };
        let attempt = EndedAttempt {
            signal,
            took: S,
            slow_ones: false,
            probe: queue.health.rest() == Rest::Probing,
        };
        queue.health.finished(attempt, &retry, now.monotonic, 0.5);
    }

    fn resting(queue: &mut EndpointQueue, now: Now) {
        for _ in 0..3 {
            end(queue, HealthSignal::Failure, now);
        }
    }

    #[test]
    fn a_rest_is_noted_once_and_stays_as_it_is_until_it_changes() {
        let mut queue = queue();
        assert_eq!(queue.rest_note(at(1)).rest, EndpointRest::default());
        resting(&mut queue, at(1));
        let noted = queue.rest_note(at(1)).rest;
        assert_eq!(noted.rests, 1);
        assert_eq!(noted.resting_until, Some(at(6).wall));
        // The clocks may drift: what is noted stays the same.
        let drifted = Now {
            wall: at(2).wall.after(Duration::from_millis(3)),
            ..at(2)
        };
        assert_eq!(queue.rest_note(drifted).rest, noted);
        assert!(queue.health.started());
        assert_eq!(queue.rest_note(at(7)).rest, noted, "the probe is under way");
        end(&mut queue, HealthSignal::Failure, at(7));
        let noted = queue.rest_note(at(7)).rest;
        assert_eq!((noted.rests, noted.resting_until), (2, Some(at(37).wall)));
        queue.health.started();
        end(&mut queue, HealthSignal::Success, at(37));
        assert_eq!(queue.rest_note(at(37)).rest, EndpointRest::default());
    }

    #[test]
    fn a_stored_rest_goes_on_and_comes_back_as_it_was() {
        let rest = EndpointRest {
            rests: 3,
            resting_until: Some(at(60).wall),
            held_until: Some(at(40).wall),
        };
        let mut queue = queue();
        queue.resume_rest(rest, CAP, at(10));
        assert!(!queue.health.may_start(59 * S) && queue.health.may_start(60 * S));
        assert_eq!(queue.rest_note(at(20)).rest, rest);
        // A rest that was over long ago: the next attempt is the probe.
        queue.resume_rest(rest, CAP, at(5000));
        assert!(queue.health.may_start(at(5000).monotonic) && queue.health.started());
        assert_eq!(queue.rest_note(at(5001)).rest, rest);
    }

    #[test]
    fn a_clock_that_was_set_changes_what_is_noted() {
        let mut queue = queue();
        resting(&mut queue, at(1));
        queue.rest_note(at(1));
        let back = Now {
            wall: at(2).wall.before(Duration::from_hours(1)),
            ..at(2)
        };
        queue.forget_wall_times();
        let noted = queue.rest_note(back).rest;
        assert_eq!(noted.resting_until, Some(back.wall.after(4 * S)));
        queue.clock_advanced(3 * S);
        let forward = Now {
            wall: back.wall.after(3 * S),
            ..back
        };
        let noted = queue.rest_note(forward).rest;
        assert_eq!(noted.resting_until, Some(back.wall.after(4 * S)));
        assert!(queue.health.may_start(3 * S));
    }

    #[test]
    fn another_epoch_begins_without_rest() {
        let mut queue = queue();
        resting(&mut queue, at(1));
        queue.reset(HealthEpoch(7));
        let expected = RestNote {
            epoch: HealthEpoch(7),
            rest: EndpointRest::default(),
        };
        assert_eq!(queue.rest_note(at(1)), expected);
    }
}
