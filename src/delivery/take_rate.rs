//! The rate at which senders take jobs, and how many senders are needed.
//!
//! A sender that comes free takes the next job, and another one is called for jobs that would wait. If jobs are taken very
//! fast, receivers answer at once and the processors are busy: further senders would take memory and processor time, and
//! would not make it faster. So none is called then, and of many busy ones some go idle.

use std::time::{Duration, Instant};

/// The longest time between two jobs, on average, with which their rate counts as fast: shorter than in the bursts of 256
/// senders whose receivers take a tenth of a second.
const FAST: Duration = Duration::from_micros(60);

/// The longest time that the waiting jobs may take at a fast rate without another sender.
const DRAIN_MAX: Duration = Duration::from_millis(10);

/// The time without a job taken after which a sender is needed also at a fast rate: all others may wait for slow receivers.
pub(super) const STALL: Duration = Duration::from_micros(500);

/// The same while enough senders are busy. A shorter time without a job taken is usual then: a sender that holds a lock has lost
/// its processor to another thread.
const LONG_STALL: Duration = Duration::from_millis(5);

/// The longest time between two jobs that counts in the average. One longer pause ends a fast rate.
const PAUSE_MAX: Duration = Duration::from_millis(10);

/// The longest time that counts if no job waited meanwhile, where it matters how fast the senders are: they were not slow, but
/// the writer stored nothing.
const IDLE_PAUSE_MAX: Duration = Duration::from_micros(500);

/// The weight of the last time between two jobs in their average: one part of so many. A burst of a hundred jobs is no fast
/// rate yet.
const WEIGHT: u32 = 128;

/// The busy senders that are enough at a fast rate. With a thousand endpoints, 256 took half as much processor time again.
pub(super) const ENOUGH: usize = 64;

/// The jobs that are taken before another sender goes idle. If receivers take milliseconds, fewer senders are slower, which
/// is to be noticed before many are idle.
const IDLE_PERIOD: u32 = 16;

/// The rate at which jobs are taken; not fast at first.
#[derive(Debug)]
pub(super) struct TakeRate {
    last: Option<Instant>,
    /// The average time between two jobs.
    interval: Duration,
    /// The same without most of the time in which no job waited: what the senders need for a job.
    busy_interval: Duration,
    /// Jobs waited when the last one was taken.
    waited: bool,
    /// The jobs that were taken since a sender last went idle because there were many.
    since_idle: u32,
}

impl Default for TakeRate {
    fn default() -> Self {
        Self {
            last: None,
            interval: FAST * 8,
            busy_interval: FAST * 8,
            waited: false,
            since_idle: 0,
        }
    }
}

impl TakeRate {
    /// Notes that a job is taken. `others_wait` tells that there are more.
    pub(super) fn taken(&mut self, now: Instant, others_wait: bool) {
        let since = self.since(now).min(PAUSE_MAX);
        let busy = if self.waited {
            since
        } else {
            since.min(IDLE_PAUSE_MAX)
        };
        let average = |interval: Duration, last| interval * (WEIGHT - 1) / WEIGHT + last / WEIGHT;
        self.interval = average(self.interval, since);
        self.busy_interval = average(self.busy_interval, busy);
        self.last = Some(now);
        self.waited = others_wait;
        self.since_idle = self.since_idle.saturating_add(1);
    }

    /// Decides whether a sender that comes free goes idle although jobs wait, when `busy` senders are busy, itself included.
    /// If so, the next one may after [`IDLE_PERIOD`] jobs.
    pub(super) fn lets_one_go_idle(&mut self, busy: usize) -> bool {
        let are_too_many = self.busy_interval <= FAST && busy > ENOUGH;
        let goes_idle = are_too_many && self.since_idle >= IDLE_PERIOD;
        if goes_idle {
            self.since_idle = 0;
        }
        goes_idle
    }

    /// Returns the number of further senders that are needed for so many jobs that wait, when `busy` senders are busy: one for
    /// each. At a fast rate none, or one if the jobs would wait for too long. After a pause in it, no more than are enough.
    pub(super) fn senders_needed(&self, waiting: usize, busy: usize, now: Instant) -> usize {
        if self.busy_interval > FAST {
            return waiting;
        }
        let drain = (self.busy_interval).saturating_mul(u32::try_from(waiting).unwrap_or(u32::MAX));
        let stall = if busy < ENOUGH { STALL } else { LONG_STALL };
        let is_slow = drain > DRAIN_MAX || self.since(now) > stall;
        let some = if self.interval > FAST {
            ENOUGH.saturating_sub(busy)
        } else {
            0
        };
        waiting.min(some.max(usize::from(is_slow)))
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
        (1..=count).for_each(|number| rate.taken(start + period * number, true));
        start + period * count
    }

    /// Returns a fast rate, and the time of its last job.
    fn fast() -> (TakeRate, Instant) {
        let mut rate = TakeRate::default();
        let now = take(&mut rate, Instant::now(), 2_000, Duration::from_micros(50));
        (rate, now)
    }

    #[test]
    fn each_job_needs_a_sender_at_first_and_at_usual_rates() {
        let start = Instant::now();
        let mut rate = TakeRate::default();
        assert_eq!(rate.senders_needed(9, 10, start), 9);
        for period in [Duration::from_micros(150), Duration::from_millis(5)] {
            let now = take(&mut rate, start, 1_000, period);
            assert_eq!(rate.senders_needed(9, 10, now), 9, "{period:?}");
        }
    }

    #[test]
    fn a_burst_of_a_hundred_jobs_is_no_fast_rate() {
        let mut rate = TakeRate::default();
        let now = take(&mut rate, Instant::now(), 100, Duration::from_micros(5));
        assert_eq!(rate.senders_needed(9, 10, now), 9);
    }

    #[test]
    fn at_a_fast_rate_none_is_needed_for_jobs_that_are_soon_taken() {
        let (rate, now) = fast();
        assert_eq!(rate.senders_needed(1, 10, now), 0);
        assert_eq!(rate.senders_needed(150, 10, now), 0);
        assert_eq!(rate.senders_needed(250, 10, now), 1);
    }

    #[test]
    fn a_stall_at_a_fast_rate_needs_one_sender() {
        let (rate, now) = fast();
        assert_eq!(rate.senders_needed(9, 10, now + STALL), 0);
        let later = now + STALL + Duration::from_nanos(1);
        assert_eq!(rate.senders_needed(9, 10, later), 1);
        assert_eq!(rate.senders_needed(0, 10, later), 0);
    }

    #[test]
    fn while_enough_are_busy_only_a_long_stall_needs_another_one() {
        let (rate, now) = fast();
        for (busy, stall) in [(ENOUGH - 1, STALL), (ENOUGH, LONG_STALL)] {
            assert_eq!(rate.senders_needed(9, busy, now + stall), 0);
            let later = now + stall + Duration::from_nanos(1);
            assert_eq!(rate.senders_needed(9, busy, later), 1);
        }
    }

    #[test]
    fn after_a_pause_as_many_are_needed_as_are_enough_and_all_if_jobs_waited() {
        let pause = Duration::from_millis(10);
        for (others_wait, busy, needed) in [(true, 60, 99), (false, 60, 4), (false, 99, 0)] {
            let (mut rate, now) = fast();
            rate.taken(now, others_wait);
            rate.taken(now + pause, true);
            assert_eq!(rate.senders_needed(99, busy, now + pause), needed);
        }
        let (mut rate, mut now) = fast();
        for _ in 0..10 {
            now += pause;
            rate.taken(now, false);
        }
        assert_eq!(rate.senders_needed(99, 99, now), 99, "many pauses");
    }

    #[test]
    fn of_many_busy_senders_one_goes_idle_after_some_jobs_at_a_fast_rate() {
        let (mut rate, now) = fast();
        assert!(!rate.lets_one_go_idle(ENOUGH));
        assert!(rate.lets_one_go_idle(ENOUGH + 1));
        assert!(!rate.lets_one_go_idle(ENOUGH + 1));
        let now = take(&mut rate, now, IDLE_PERIOD, Duration::from_micros(50));
        assert!(rate.lets_one_go_idle(ENOUGH + 1));
        take(&mut rate, now, 1_000, Duration::from_micros(150));
        assert!(!rate.lets_one_go_idle(256));
    }

    #[test]
    fn a_stall_that_lasts_ends_the_fast_rate() {
        let (mut rate, start) = fast();
        let now = take(&mut rate, start, 40, STALL);
        assert_eq!(rate.senders_needed(9, 10, now), 9);
    }
}
