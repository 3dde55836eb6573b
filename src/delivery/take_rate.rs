//! The rate at which senders take jobs, and whether another sender is needed.
//!
//! A sender that comes free takes the next job, and another one is called for jobs that would wait. If jobs are taken very
//! fast, receivers answer at once and the processors are busy: further senders would take memory and processor time, and
//! would not make it faster. A burst of calls is a fast rate, too. So receivers that are slow get their first senders at
//! the rate that counts as fast, or after a stall; that is thousands a second.

use std::time::{Duration, Instant};

/// The longest time between two jobs, on average, with which their rate counts as fast.
const FAST: Duration = Duration::from_micros(100);

/// The longest time that the waiting jobs may take at a fast rate without another sender.
const DRAIN_MAX: Duration = Duration::from_millis(10);

/// The time without a job taken after which a sender is needed also at a fast rate: all others may wait for slow receivers.
pub(super) const STALL: Duration = Duration::from_micros(500);

/// The longest time between two jobs that counts in the average. One longer pause ends a fast rate.
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// The weight of the last time between two jobs in their average: one part of so many.
const WEIGHT: u32 = 16;

/// The rate at which jobs are taken.
#[derive(Debug, Default)]
pub(super) struct TakeRate {
    last: Option<Instant>,
    /// The average time between two jobs.
    interval: Duration,
}

impl TakeRate {
    /// Notes that a job is taken.
    pub(super) fn taken(&mut self, now: Instant) {
        let since = self.since(now).min(PAUSE_MAX);
        self.interval = self.interval * (WEIGHT - 1) / WEIGHT + since / WEIGHT;
        self.last = Some(now);
    }

    /// Reports whether another sender is needed for so many jobs that wait.
    pub(super) fn needs_sender(&self, waiting: usize, now: Instant) -> bool {
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        let drain = self.interval.saturating_mul(waiting);
        self.interval > FAST || drain > DRAIN_MAX || self.since(now) > STALL
    }

    /// Returns the time since the last job was taken; the longest one if none was.
    fn since(&self, now: Instant) -> Duration {
        let last = self.last.map(|last| now.saturating_duration_since(last));
        last.unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `count` jobs, one each `period`. Returns the time of the last.
    fn take(rate: &mut TakeRate, start: Instant, count: u32, period: Duration) -> Instant {
        (1..=count).for_each(|number| rate.taken(start + period * number));
        start + period * count
    }

    #[test]
    fn a_sender_is_needed_at_first_and_at_usual_rates() {
        let start = Instant::now();
        let mut rate = TakeRate::default();
        assert!(rate.needs_sender(1, start));
        for period in [Duration::from_micros(150), Duration::from_millis(5)] {
            let now = take(&mut rate, start, 1_000, period);
            assert!(rate.needs_sender(1, now), "{period:?}");
        }
    }

    #[test]
    fn at_a_fast_rate_none_is_needed_for_jobs_that_are_soon_taken() {
        let mut rate = TakeRate::default();
        let now = take(&mut rate, Instant::now(), 1_000, Duration::from_micros(50));
        assert!(!rate.needs_sender(1, now));
        assert!(!rate.needs_sender(150, now));
        assert!(rate.needs_sender(250, now));
    }

    #[test]
    fn senders_of_slow_receivers_are_called_at_a_rate_of_thousands() {
        let start = Instant::now();
        let (mut rate, mut now) = (TakeRate::default(), start);
        for _ in 0..1_000 {
            while !rate.needs_sender(1, now) {
                now += Duration::from_micros(10);
            }
            now += Duration::from_micros(10);
            rate.taken(now);
        }
        assert!(
            now - start < Duration::from_millis(250),
            "{:?}",
            now - start
        );
    }

    #[test]
    fn a_fast_rate_ends_when_no_job_is_taken() {
        let mut rate = TakeRate::default();
        let period = Duration::from_micros(50);
        let now = take(&mut rate, Instant::now(), 1_000, period);
        assert!(!rate.needs_sender(1, now + STALL));
        let later = now + STALL + Duration::from_nanos(1);
        assert!(rate.needs_sender(1, later));
        rate.taken(now + Duration::from_mins(1));
        assert!(rate.needs_sender(1, now + Duration::from_mins(1)));
    }
}
