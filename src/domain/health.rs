//! The health of an endpoint: its class, its concurrency limit, and its circuit breaker. Pure rules.
//!
//! Three rules keep a dead or slow receiver from slowing the others. The *class* of an endpoint decides which
//! share of the senders it uses, together with all other endpoints of that class. Its *concurrency limit* is
//! the most attempts that it may have in flight (additive increase, multiplicative decrease). Its *rest* is
//! the open state of the breaker: no attempt starts for a while. After the rest the breaker is half-open: one
//! attempt, the probe, decides whether the endpoint rests again, for longer.

use std::time::Duration;

use super::retry::RetryPolicy;

/// The duration above which an attempt, finished or in flight, makes its endpoint bad.
pub const SLOW: Duration = Duration::from_secs(1);

/// The number of failed attempts in a row after which an endpoint rests.
const FAILURES_TO_REST: u32 = 3;

/// The class of an endpoint, which decides the share of the senders that it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The last attempt was a 2xx within [`SLOW`], and none in flight is older than that.
    Good,
    /// No attempt has finished yet.
    New,
    /// Everything else.
    Bad,
}

/// The result of an attempt, as far as health is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthSignal {
    /// 2xx
    Success,
    /// A 5xx, a 429, or no answer for another reason than a timeout.
    Failure,
    /// No answer in time. This failure costs most, because it keeps a sender busy for the longest time.
    Timeout,
    /// An answer that says nothing about health: 3xx, and 4xx except 429.
    Refusal,
}

/// The state of the circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Closed: attempts may start.
    None,
    /// Open: no attempt starts before this time. The first one after it is the probe.
    Until(Duration),
    /// Half-open: the probe is in flight, and no other attempt starts.
    Probing,
}

/// An attempt that has ended, as far as health is concerned.
#[derive(Clone, Copy, Debug)]
pub struct EndedAttempt {
    /// Its result.
    pub signal: HealthSignal,
    /// The time that it took.
    pub took: Duration,
    /// Another attempt in flight is older than [`SLOW`].
    pub slow_ones: bool,
    /// [`Health::started`] returned true for it: it is the probe. Only the end of the probe makes a rest longer.
    pub probe: bool,
}

/// The health of one endpoint. Times are monotonic.
#[derive(Clone, Debug)]
pub struct Health {
    class: Class,
    concurrency_limit: u32,
    cap: u32,
    failures_in_row: u32,
    rest: Rest,
    rests_in_row: u32,
    retry_after_until: Duration,
}

impl Health {
    /// Returns the health of an endpoint without attempts. `cap` is the highest concurrency limit.
    #[must_use]
    pub const fn new(cap: u32) -> Self {
        Self {
            class: Class::New,
            concurrency_limit: 1,
            cap,
            failures_in_row: 0,
            rest: Rest::None,
            rests_in_row: 0,
            retry_after_until: Duration::ZERO,
        }
    }

    /// Returns the health of an endpoint that had `rests` rests in a row before the server's start. The last one
    /// ends at `rest_end`, and the receiver asked for no attempt before `held_until`; both may have passed.
    #[must_use]
    pub const fn resumed(cap: u32, rests: u32, rest_end: Duration, held_until: Duration) -> Self {
        let new = Self::new(cap);
        let (class, failures_in_row, rest) = if rests > 0 {
            (Class::Bad, FAILURES_TO_REST, Rest::Until(rest_end))
        } else {
            (new.class, new.failures_in_row, new.rest)
        };
        Self {
            class,
            failures_in_row,
            rest,
            rests_in_row: rests,
            retry_after_until: held_until,
            ..new
        }
    }

    /// Returns the class of the endpoint.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// Returns the most attempts that the endpoint may have in flight.
    #[must_use]
    pub const fn concurrency_limit(&self) -> u32 {
        self.concurrency_limit
    }

    /// Returns the state of the circuit breaker.
    #[must_use]
    pub const fn rest(&self) -> Rest {
        self.rest
    }

    /// Returns the number of rests since the last 2xx; the last one may be over.
    #[must_use]
    pub const fn rests_in_row(&self) -> u32 {
        self.rests_in_row
    }

    /// Returns the time before which the receiver wants no attempt. It may have passed.
    #[must_use]
    pub const fn held_until(&self) -> Duration {
        self.retry_after_until
    }

    /// Reports whether an attempt may start, as far as rest and `Retry-After` are concerned.
    #[must_use]
    pub fn may_start(&self, now: Duration) -> bool {
        now >= self.retry_after_until
            && match self.rest {
                Rest::None => true,
                Rest::Until(end) => now >= end,
                Rest::Probing => false,
            }
    }

    /// Returns the time at which [`Health::may_start`] becomes true by itself. `None` if it is true now, or
    /// if the end of the probe decides.
    #[must_use]
    pub fn wakes_at(&self, now: Duration) -> Option<Duration> {
        let rest = match self.rest {
            Rest::None => Duration::ZERO,
            Rest::Until(end) => end,
            Rest::Probing => return None,
        };
        Some(rest.max(self.retry_after_until)).filter(|end| *end > now)
    }

    /// Notes the start of an attempt that [`Health::may_start`] allowed; returns whether it is the probe. Not
    /// to be called for a redelivery, which does not wait for a rest.
    pub const fn started(&mut self) -> bool {
        let probes = matches!(self.rest, Rest::Until(_));
        if probes {
            self.rest = Rest::Probing;
        }
        probes
    }

    /// Notes that the sender skipped the probe. The next attempt is the probe instead.
    pub const fn probe_skipped(&mut self, now: Duration) {
        if let Rest::Probing = self.rest {
            self.rest = Rest::Until(now);
        }
    }

    /// Notes that an attempt in flight has become older than [`SLOW`].
    pub const fn became_slow(&mut self) {
        self.class = Class::Bad;
    }

    /// Notes the end of an attempt. The retry schedule decides how long an endpoint rests. `random` is uniform in
    /// 0..1.
    pub fn finished(
        &mut self,
        attempt: EndedAttempt,
        retry: &RetryPolicy,
        now: Duration,
        random: f64,
    ) {
        let EndedAttempt {
            signal,
            took,
            slow_ones,
            probe,
        } = attempt;
        let good = signal == HealthSignal::Success && took <= SLOW && !slow_ones;
        self.class = if good { Class::Good } else { Class::Bad };
        match signal {
            HealthSignal::Success => {
                self.failures_in_row = 0;
                self.rests_in_row = 0;
                self.rest = Rest::None;
                self.concurrency_limit = (self.concurrency_limit + 1).min(self.cap);
                return;
            }
            HealthSignal::Refusal => self.failures_in_row = 0,
            HealthSignal::Failure | HealthSignal::Timeout => self.failures_in_row += 1,
        }
        self.concurrency_limit =
            if signal == HealthSignal::Timeout || self.failures_in_row >= FAILURES_TO_REST {
                1
            } else {
                (self.concurrency_limit / 2).max(1)
            };
        let begins = self.rest == Rest::None && self.failures_in_row >= FAILURES_TO_REST;
        if begins || (probe && self.rest == Rest::Probing) {
            let length = retry.rest_length(self.rests_in_row, random);
            self.rests_in_row = self.rests_in_row.saturating_add(1);
            self.rest = Rest::Until(now + length);
        }
    }

    /// Notes that the receiver asked for no attempt before `until`.
    pub fn retry_after_until(&mut self, until: Duration) {
        self.retry_after_until = self.retry_after_until.max(until);
    }

    /// Notes that the wall clock was set forward by `step`, or that the process slept: waits end earlier by that
    /// time, as retries that are due by the wall clock do.
    pub fn clock_advanced(&mut self, step: Duration) {
        if let Rest::Until(end) = &mut self.rest {
            *end = end.saturating_sub(step);
        }
        self.retry_after_until = self.retry_after_until.saturating_sub(step);
    }

    /// Forgets everything, because the endpoint has another URL or was enabled again. After that, the caller
    /// must not report the attempts that are in flight.
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
    const SIGNALS: [HealthSignal; 4] = [
        HealthSignal::Success,
        HealthSignal::Failure,
        HealthSignal::Timeout,
        HealthSignal::Refusal,
    ];

    fn retry() -> RetryPolicy {
        RetryPolicy {
            waits: [5, 30, 120, 600, 1800, 3600]
                .map(Duration::from_secs)
                .to_vec(),
            expire_after: Duration::from_hours(72),
        }
    }

    fn end(health: &mut Health, signal: HealthSignal, took: Duration, probe: bool, now: Duration) {
        let attempt = EndedAttempt {
            signal,
            took,
            slow_ones: false,
            probe,
        };
        health.finished(attempt, &retry(), now, 0.5);
    }

    fn failed(health: &mut Health, now: Duration) {
        let probe = health.rest() == Rest::Probing;
        end(health, HealthSignal::Failure, MS, probe, now);
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
        // Attempts that were in flight before the rest change nothing.
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
        end(&mut health, HealthSignal::Success, MS, false, now);
        assert!(health.may_start(now));
        for _ in 0..3 {
            failed(&mut health, now);
        }
        assert_eq!(health.rest(), Rest::Until(now + 5 * S));
    }

    #[test]
    fn a_rest_goes_on_after_a_restart_and_the_next_one_is_as_long_as_it_would_have_been() {
        let mut health = Health::resumed(32, 2, 50 * S, 20 * S);
        assert_eq!(health.class(), Class::Bad);
        assert!(!health.may_start(49 * S));
        assert_eq!(health.wakes_at(S), Some(50 * S));
        assert!(health.may_start(50 * S) && health.started());
        failed(&mut health, 50 * S);
        assert_eq!(health.rest(), Rest::Until(170 * S));
        assert_eq!(health.rests_in_row(), 3);
        // Without a rest, only the receiver's own wish is left.
        let held = Health::resumed(32, 0, S, 20 * S);
        assert_eq!((held.class(), held.rest()), (Class::New, Rest::None));
        assert!(!held.may_start(19 * S) && held.may_start(20 * S));
    }

    #[test]
    fn a_clock_that_was_set_forward_ends_waits_earlier() {
        let mut health = Health::resumed(32, 1, 50 * S, 70 * S);
        health.clock_advanced(30 * S);
        assert_eq!(health.rest(), Rest::Until(20 * S));
        assert_eq!(health.wakes_at(S), Some(40 * S));
        health.clock_advanced(1000 * S);
        assert!(health.may_start(S));
    }

    #[test]
    fn a_refusal_breaks_the_row_and_a_hold_is_kept() {
        let mut health = Health::new(32);
        failed(&mut health, S);
        failed(&mut health, S);
        end(&mut health, HealthSignal::Refusal, MS, false, S);
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
            for (signal, took) in results {
                let signal = SIGNALS[signal];
                let before = health.concurrency_limit();
                end(&mut health, signal, Duration::from_millis(took), false, S);
                let after = health.concurrency_limit();
                prop_assert!((1..=cap).contains(&after));
                prop_assert!(after <= before + 1);
                if signal == HealthSignal::Timeout {
                    prop_assert_eq!(after, 1);
                }
                let good = signal == HealthSignal::Success && took <= 1000;
                prop_assert_eq!(health.class() == Class::Good, good);
            }
        }
    }
}
