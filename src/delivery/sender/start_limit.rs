//! The number of senders that may be started now.
//!
//! A burst of jobs calls a sender for each, and so does a moment in which the processors are busy with something else. If
//! receivers answer at once, a part of these senders is enough, but that is seen only after some hundred answers. So beyond
//! [`ENOUGH`], senders are started a few at a time. A sender that was not needed costs some 70 kB of memory, which the
//! allocator hardly gives back when it ends.

use std::time::{Duration, Instant};

use crate::delivery::take_rate::ENOUGH;

/// The senders beyond [`ENOUGH`] that may be started in one [`PERIOD`].
const STEP: usize = 16;

/// The time between two steps: some hundred attempts, if receivers answer at once. 256 senders run after an eighth of a
/// second, which does not matter if receivers are so slow that all are needed.
const PERIOD: Duration = Duration::from_millis(10);

/// A count of the senders that were started of late.
#[derive(Debug, Default)]
pub(super) struct StartLimit {
    /// When the last one was started.
    last: Option<Instant>,
    /// The senders that were started without a [`PERIOD`] in between.
    count: usize,
}

impl StartLimit {
    /// Returns the number of senders that may be started now, while so many run.
    pub(super) fn left(&self, running: usize, now: Instant) -> usize {
        if running < ENOUGH {
            ENOUGH - running
        } else if self.is_over(now) {
            STEP
        } else {
            STEP.saturating_sub(self.count)
        }
    }

    /// Notes that so many were started until `now`.
    pub(super) fn started(&mut self, count: usize, now: Instant) {
        if self.is_over(now) {
            self.count = 0;
        }
        self.count += count;
        self.last = self.last.max(Some(now));
    }

    /// Reports whether nothing was started for a [`PERIOD`].
    fn is_over(&self, now: Instant) -> bool {
        (self.last).is_none_or(|last| now.saturating_duration_since(last) >= PERIOD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_may_be_started_at_once_and_a_step_more_after_each_period() {
        let now = Instant::now();
        let mut limit = StartLimit::default();
        assert_eq!(limit.left(0, now), ENOUGH);
        limit.started(1, now);
        assert_eq!(limit.left(1, now), ENOUGH - 1);
        let later = now + PERIOD / 2;
        limit.started(ENOUGH - 1, later);
        assert_eq!(limit.left(ENOUGH, now + PERIOD), 0);
        let later = later + PERIOD;
        assert_eq!(limit.left(ENOUGH, later), STEP);
        limit.started(2, later);
        assert_eq!(limit.left(ENOUGH + 2, later), STEP - 2);
        limit.started(STEP - 2, later);
        assert_eq!(limit.left(ENOUGH + STEP, later), 0);
        assert_eq!(limit.left(ENOUGH + STEP, later + PERIOD), STEP);
        assert_eq!(limit.left(ENOUGH - 5, later), 5, "others have ended");
    }
}
