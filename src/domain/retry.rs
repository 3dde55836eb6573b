//! The retry schedule: the times at which failed attempts are made again. Pure functions, to which the caller
//! passes the time and random numbers.

use std::time::Duration;

use super::clock::Timestamp;

/// The greatest share by which a random number makes a wait longer or shorter, so that events that failed
/// together are not retried together.
const JITTER: f64 = 0.2;

/// The longest time for which `Retry-After` delays an event.
pub const EVENT_RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// The longest time for which `Retry-After` delays all events of an endpoint.
pub const ENDPOINT_RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// The longest rest of an endpoint. A receiver that works again gets its events no later than that.
pub const REST_MAX: Duration = Duration::from_mins(30);

/// The length of each rest if the schedule has no waits: no event is tried twice, but a dead receiver must not
/// keep senders busy.
const REST_WITHOUT_WAITS: Duration = Duration::from_secs(5);

/// The schedule of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The waits before the second, third … attempt.
    pub waits: Vec<Duration>,
    /// The longest time of a run. When it is over, the run fails at its next failed attempt, or while it
    /// waits for a resting endpoint. A run never fails without any attempt.
    pub expire_after: Duration,
}

impl RetryPolicy {
    /// Returns the time at which the next attempt of a run is due, after `made` attempts. `None` if the
    /// schedule or the time of the run is used up.
    ///
    /// `retry_after` never shortens the wait. `random` is uniform in 0..1.
    #[must_use]
    pub fn next_due(
        &self,
        made: u32,
        run_started: Timestamp,
        now: Timestamp,
        retry_after: Option<Duration>,
        random: f64,
    ) -> Option<Timestamp> {
        let wait = *self
            .waits
            .get(usize::try_from(made.checked_sub(1)?).ok()?)?;
        let end = self.expires_at(run_started);
        if now >= end {
            return None;
        }
        let least = retry_after.unwrap_or_default().min(EVENT_RETRY_AFTER_MAX);
        let due = now.after(vary(wait, random).max(least));
        // An event does not wait beyond the end of its run: its last attempt is made then.
        Some(due.min(end))
    }

    /// Returns the length of an endpoint's rest after `rests` others in a row: the wait of the schedule with that
    /// number, the last wait for all further ones, at most [`REST_MAX`]. So a schedule of short waits, which asks
    /// for quick delivery, gives short rests. `random` is uniform in 0..1.
    #[must_use]
    pub fn rest_length(&self, rests: u32, random: f64) -> Duration {
        let number = usize::try_from(rests).unwrap_or(usize::MAX);
        let wait = self.waits.get(number).or(self.waits.last());
        let wait = wait.copied().unwrap_or(REST_WITHOUT_WAITS);
        vary(wait.min(REST_MAX), random).min(REST_MAX)
    }

    /// Returns the time at which the time of a run is used up.
    #[must_use]
    pub fn expires_at(&self, run_started: Timestamp) -> Timestamp {
        run_started.after(self.expire_after)
    }
}

/// Returns `wait`, lengthened or shortened by up to a fifth. `random` is uniform in 0..1.
#[must_use]
pub fn vary(wait: Duration, random: f64) -> Duration {
    wait.mul_f64((1.0 - JITTER) + 2.0 * JITTER * random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn policy() -> RetryPolicy {
        RetryPolicy {
            waits: vec![Duration::from_secs(5), Duration::from_secs(30)],
            expire_after: Duration::from_hours(72),
        }
    }

    #[test]
    fn waits_follow_the_schedule_until_it_is_used_up() {
        let due = |made| policy().next_due(made, NOW, NOW, None, 0.5);
        assert_eq!(due(1), Some(NOW.after(Duration::from_secs(5))));
        assert_eq!(due(2), Some(NOW.after(Duration::from_secs(30))));
        assert_eq!(due(3), None);
    }

    #[test]
    fn retry_after_lengthens_only_and_is_capped() {
        let due = |seconds| {
            let hold = Some(Duration::from_secs(seconds));
            policy()
                .next_due(1, NOW, NOW, hold, 0.5)
                .unwrap()
                .since(NOW)
        };
        assert_eq!(due(1), Duration::from_secs(5));
        assert_eq!(due(60), Duration::from_mins(1));
        assert_eq!(due(1_000_000), EVENT_RETRY_AFTER_MAX);
    }

    #[test]
    fn no_wait_goes_beyond_the_end_of_the_run() {
        let started = NOW.before(Duration::from_secs(72 * 3600 - 2));
        let due = policy().next_due(1, started, NOW, None, 0.5).unwrap();
        assert_eq!(due, NOW.after(Duration::from_secs(2)));
        let at_the_end = NOW.after(Duration::from_secs(2));
        assert_eq!(policy().next_due(2, started, at_the_end, None, 0.5), None);
    }

    #[test]
    fn rests_follow_the_schedule_up_to_half_an_hour() {
        let lengths = |waits: &[u64]| {
            let waits = waits.iter().copied().map(Duration::from_secs).collect();
            let policy = RetryPolicy { waits, ..policy() };
            [0, 1, 2, 9].map(|rests| policy.rest_length(rests, 0.5).as_secs())
        };
        assert_eq!(lengths(&[5, 30, 7200, 60]), [5, 30, 1800, 60]);
        assert_eq!(lengths(&[1]), [1, 1, 1, 1]);
        assert_eq!(lengths(&[]), [5, 5, 5, 5]);
        let longest = RetryPolicy {
            waits: vec![REST_MAX],
            ..policy()
        };
        assert_eq!(
            longest.rest_length(0, 1.0),
            REST_MAX,
            "a random part makes it no longer"
        );
        assert_eq!(longest.rest_length(0, 0.0), REST_MAX.mul_f64(0.8));
    }

    proptest! {
        #[test]
        fn jitter_stays_within_a_fifth(millis in 0_u64..100_000_000, random in 0.0_f64..1.0) {
            let varied = vary(Duration::from_millis(millis), random).as_secs_f64();
            let wait = Duration::from_millis(millis).as_secs_f64();
            prop_assert!(varied >= wait * 0.799_999 && varied <= wait * 1.200_001);
        }
    }
}
