//! How an endpoint does, and what it is therefore allowed: pure rules, one endpoint each.
//!
//! Three rules keep a dead or slow receiver from slowing the others. Its *class* limits how many
//! senders all endpoints of that class may hold together. Its *concurrency limit* limits how many it may
//! hold alone. Its *rest* stops attempts altogether for a while, but for one probe at a time.

use std::time::Duration;

use super::retry::vary;

/// An attempt at least this old, or slower than this, makes its endpoint bad.
pub const SLOW: Duration = Duration::from_secs(1);

/// Failed attempts in a row that send an endpoint to rest.
const FAILURES_TO_REST: u32 = 3;

/// How long the first, second … rest is; the last one repeats.
const RESTS: [Duration; 5] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_mins(30),
];

/// Which share of the senders an endpoint draws on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The last attempt was a 2xx within [`SLOW`], and none in flight is older than that.
    Good,
    /// No attempt has finished yet.
    New,
    /// Everything else.
    Bad,
}

/// How an attempt went, as far as health is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthSignal {
    /// 2xx
    Success,
    /// Unreachable, 5xx or 429.
    Failure,
    /// No answer in time: the dearest failure, it held its sender all along.
    Timeout,
    /// An answer that says nothing about health: 3xx, and 4xx but 429.
    Refusal,
}

/// Whether an endpoint may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Yes.
    None,
    /// Not before this time.
    Until(Duration),
    /// One attempt is out to see.
    Probing,
}

/// How an endpoint does. Times are monotonic.
#[derive(Clone, Debug)]
pub struct Health {
    class: Class,
    concurrency_limit: u32,
    cap: u32,
    failures_in_row: u32,
    rest: Rest,
    rests: usize,
    retry_after_until: Duration,
}

impl Health {
    /// Of an endpoint never tried; `cap` is the most attempts it may have in flight.
    #[must_use]
    pub const fn new(cap: u32) -> Self {
        Self {
            class: Class::New,
            concurrency_limit: 1,
            cap,
            failures_in_row: 0,
            rest: Rest::None,
            rests: 0,
            retry_after_until: Duration::ZERO,
        }
    }

    /// Which share it draws on.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// How many attempts it may have in flight.
    #[must_use]
    pub const fn concurrency_limit(&self) -> u32 {
        self.concurrency_limit
    }

    /// Whether it rests.
    #[must_use]
    pub const fn rest(&self) -> Rest {
        self.rest
    }

    /// Whether an attempt that waits for rest and hold may start.
    #[must_use]
    pub fn may_start(&self, now: Duration) -> bool {
        now >= self.retry_after_until
            && match self.rest {
                Rest::None => true,
                Rest::Until(end) => now >= end,
                Rest::Probing => false,
            }
    }

    /// When [`Health::may_start`] turns true by itself, if it is false.
    #[must_use]
    pub fn wakes_at(&self, now: Duration) -> Option<Duration> {
        let rest = match self.rest {
            Rest::None => Duration::ZERO,
            Rest::Until(end) => end,
            Rest::Probing => return None,
        };
        Some(rest.max(self.retry_after_until)).filter(|end| *end > now)
    }

    /// An attempt starts that had waited for its turn. Answers whether it is a probe.
    pub const fn started(&mut self) -> bool {
        let probes = matches!(self.rest, Rest::Until(_));
        if probes {
            self.rest = Rest::Probing;
        }
        probes
    }

    /// A probe was given up before it started, so it has to be another one.
    pub const fn abandoned(&mut self, now: Duration) {
        if let Rest::Probing = self.rest {
            self.rest = Rest::Until(now);
        }
    }

    /// An attempt in flight has become older than [`SLOW`].
    pub const fn became_slow(&mut self) {
        self.class = Class::Bad;
    }

    /// An attempt ended. `slow_ones`: whether another one in flight is older than [`SLOW`]. `probe`:
    /// whether it is the one that [`Health::started`] said is; others do not lengthen a rest.
    pub fn finished(
        &mut self,
        result: HealthSignal,
        took: Duration,
        slow_ones: bool,
        probe: bool,
        now: Duration,
        random: f64,
    ) {
        let good = result == HealthSignal::Success && took <= SLOW && !slow_ones;
        self.class = if good { Class::Good } else { Class::Bad };
        match result {
            HealthSignal::Success => {
                self.failures_in_row = 0;
                self.rests = 0;
                self.rest = Rest::None;
                self.concurrency_limit = (self.concurrency_limit + 1).min(self.cap);
                return;
            }
            HealthSignal::Refusal => self.failures_in_row = 0,
            HealthSignal::Failure | HealthSignal::Timeout => self.failures_in_row += 1,
        }
        self.concurrency_limit =
            if result == HealthSignal::Timeout || self.failures_in_row >= FAILURES_TO_REST {
                1
            } else {
                (self.concurrency_limit / 2).max(1)
            };
        let begins = self.rest == Rest::None && self.failures_in_row >= FAILURES_TO_REST;
        if begins || (probe && self.rest == Rest::Probing) {
            let wait = RESTS[self.rests.min(RESTS.len() - 1)];
            self.rests += 1;
            self.rest = Rest::Until(now + vary(wait, random));
        }
    }

    /// The receiver asked not to be tried before `until`.
    pub fn retry_after_until(&mut self, until: Duration) {
        self.retry_after_until = self.retry_after_until.max(until);
    }

    /// What was learnt is void: another URL, or enabled again. What is in flight no longer counts.
    pub fn reset(&mut self) {
        *self = Self::new(self.cap);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    fn failed(health: &mut Health, now: Duration) {
        let probe = health.rest() == Rest::Probing;
        health.finished(HealthSignal::Failure, MS, false, probe, now, 0.5);
    }

    #[test]
    fn three_failures_in_a_row_rest_and_each_probe_lengthens_it() {
        let mut health = Health::new(32);
        failed(&mut health, S);
        failed(&mut health, S);
        assert_eq!(health.rest(), Rest::None);
        failed(&mut health, S);
        assert_eq!(health.rest(), Rest::Until(6 * S));
        assert_eq!(health.wakes_at(2 * S), Some(6 * S));
        assert!(!health.may_start(5 * S));
        // Attempts that were in flight before change nothing.
        failed(&mut health, 2 * S);
        assert_eq!(health.rest(), Rest::Until(6 * S));
        let mut now = 6 * S;
        for wait in [30, 120, 600, 1800, 1800] {
            assert!(health.may_start(now));
            assert!(health.started());
            assert!(!health.may_start(now));
            failed(&mut health, now);
            assert_eq!(health.rest(), Rest::Until(now + wait * S));
            now += wait * S;
        }
        health.started();
        health.finished(HealthSignal::Success, MS, false, false, now, 0.5);
        assert!(health.may_start(now));
        for _ in 0..3 {
            failed(&mut health, now);
        }
        assert_eq!(health.rest(), Rest::Until(now + 5 * S));
    }

    #[test]
    fn a_refusal_breaks_the_row_and_a_hold_is_kept() {
        let mut health = Health::new(32);
        failed(&mut health, S);
        failed(&mut health, S);
        health.finished(HealthSignal::Refusal, MS, false, false, S, 0.5);
        failed(&mut health, S);
        assert_eq!(health.rest(), Rest::None);
        health.retry_after_until(10 * S);
        assert!(!health.may_start(9 * S));
        assert!(health.may_start(10 * S));
        health.retry_after_until(100 * S);
        health.reset();
        assert!(health.may_start(10 * S));
    }

    proptest! {
        #[test]
        fn the_concurrency_limit_stays_within_its_bounds(
            results in prop::collection::vec((0..4_usize, 0_u64..3000), 0..200), cap in 1_u32..64,
        ) {
            let mut health = Health::new(cap);
            for (result, took) in results {
                let result = [HealthSignal::Success, HealthSignal::Failure, HealthSignal::Timeout, HealthSignal::Refusal][result];
                let before = health.concurrency_limit();
                health.finished(result, Duration::from_millis(took), false, false, S, 0.5);
                let after = health.concurrency_limit();
                prop_assert!((1..=cap).contains(&after));
                prop_assert!(after <= before + 1);
                if result == HealthSignal::Timeout {
                    prop_assert_eq!(after, 1);
                }
                let good = result == HealthSignal::Success && took <= 1000;
                prop_assert_eq!(health.class() == Class::Good, good);
            }
        }
    }
}
