//! The rate of attempts: so many a minute, spread evenly.
//!
//! The generic cell rate algorithm (ITU-T I.371): one time says all. Each start moves it on by the time that one attempt
//! has, and it may run ahead of the present by what one second brings. So nothing is saved up beyond that, and there is
//! nothing to fill.

use std::time::Duration;

/// The rate of attempts to an endpoint. Times are monotonic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptRate {
    /// The time that each attempt has.
    interval: Duration,
    /// The longest time that [`used_until`](Self::used_until) may be ahead of a start: the attempts of a second but one.
    ahead: Duration,
    /// The time that the attempts so far have used up.
    used_until: Duration,
}

impl AttemptRate {
    /// Returns the rate of so many attempts a minute, at least one. The first may start at once.
    #[must_use]
    pub fn new(per_minute: u32) -> Self {
        let interval = Duration::from_mins(1) / per_minute.max(1);
        Self {
            interval,
            ahead: Duration::from_secs(1).saturating_sub(interval),
            used_until: Duration::ZERO,
        }
    }

    /// Returns another rate that takes over what this one has used up.
    #[must_use]
    pub fn changed_to(self, per_minute: u32) -> Self {
        let new = Self::new(per_minute);
        // An attempt of a slow rate does not hold up a quick one for longer than one of its own.
        let before = self.used_until.saturating_sub(self.interval);
        let used_until = self.used_until.min(before + new.interval);
        Self { used_until, ..new }
    }

    /// Returns the time from which on an attempt may start; it may have passed.
    #[must_use]
    pub fn opens_at(self) -> Duration {
        self.used_until.saturating_sub(self.ahead)
    }

    /// Notes the start of an attempt, which need not have waited.
    pub fn started(&mut self, now: Duration) {
        self.used_until = self.used_until.max(now) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns the times of starts that come as soon as the rate allows, at full milliseconds.
    fn starts(per_minute: u32, for_ms: u64) -> Vec<u64> {
        let mut rate = AttemptRate::new(per_minute);
        let mut starts = Vec::new();
        for ms in 0..for_ms {
            let now = Duration::from_millis(ms);
            while rate.opens_at() <= now {
                rate.started(now);
                starts.push(ms);
            }
        }
        starts
    }

    #[test]
    fn sixty_a_minute_are_one_a_second() {
        let starts = starts(60, 600_000);
        assert_eq!(starts.len(), 600);
        assert!(
            starts
                .iter()
                .enumerate()
                .all(|(n, at)| *at == n as u64 * 1000)
        );
    }

    #[test]
    fn a_burst_has_what_one_second_brings() {
        let starts = starts(6000, 2_000);
        assert_eq!(starts.iter().filter(|at| **at == 0).count(), 100);
        assert_eq!(starts.len(), 100 + 199);
        assert_eq!(super::AttemptRate::new(1).ahead, Duration::ZERO);
    }

    #[test]
    fn another_rate_holds_from_the_next_attempt_on() {
        let mut slow = AttemptRate::new(1);
        slow.started(Duration::from_secs(10));
        assert_eq!(slow.opens_at(), Duration::from_secs(70));
        let quick = slow.changed_to(60);
        assert_eq!(quick.opens_at(), Duration::from_secs(11));
        assert_eq!(quick.changed_to(1).opens_at(), Duration::from_secs(11));
    }

    proptest! {
        #[test]
        fn no_span_has_more_than_its_share_and_a_burst(
            per_minute in 1_u32..600_000,
            steps in prop::collection::vec((0_u64..3000, 0_u32..20), 1..20),
        ) {
            let mut rate = AttemptRate::new(per_minute);
            let (mut now, mut starts) = (Duration::ZERO, Vec::new());
            for (step, wanted) in steps {
                now += Duration::from_millis(step);
                for _ in 0..wanted {
                    if rate.opens_at() <= now {
                        rate.started(now);
                        starts.push(now);
                    }
                }
            }
            let per_second = f64::from(per_minute) / 60.0;
            for (first, from) in starts.iter().enumerate() {
                for (last, to) in starts.iter().enumerate().skip(first) {
                    let most = to.saturating_sub(*from).as_secs_f64() * per_second + per_second.max(1.0);
                    let started = u32::try_from(last - first + 1).unwrap();
                    prop_assert!(f64::from(started) <= most + 1.0);
                }
            }
        }
    }
}
