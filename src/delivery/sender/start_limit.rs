//! The number of senders that may be started now.
//!
//! A burst of jobs calls a sender for each. If receivers answer at once, a part of these senders is enough, but that is seen
//! only after some hundred answers. So the senders are started in groups, and the first group works for some milliseconds
//! before the next one is started. A sender that was not needed costs some 70 kB of memory, which the allocator hardly gives
//! back when it ends.

use std::time::{Duration, Instant};

/// The senders of one group. As many are enough at a fast rate.
const GROUP: usize = 64;

/// The time between two groups: some hundred attempts, if receivers answer at once. 256 senders then run after three of
/// these, which does not matter if receivers are so slow that all are needed.
const PERIOD: Duration = Duration::from_millis(10);

/// A count of the senders that were started of late.
#[derive(Debug, Default)]
pub(super) struct StartLimit {
    /// When the last of the present group was started.
    last: Option<Instant>,
    /// The senders of the present group.
    count: usize,
}

impl StartLimit {
    /// Returns the number of senders that may be started now.
    pub(super) fn left(&self, now: Instant) -> usize {
        if self.is_over(now) {
            GROUP
        } else {
            GROUP.saturating_sub(self.count)
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
    fn a_group_may_be_started_at_once_and_the_next_one_a_period_after_its_last() {
        let now = Instant::now();
        let mut limit = StartLimit::default();
        assert_eq!(limit.left(now), GROUP);
        limit.started(1, now);
        assert_eq!(limit.left(now), GROUP - 1);
        let later = now + PERIOD / 2;
        limit.started(GROUP - 1, later);
        assert_eq!(limit.left(now + PERIOD), 0);
        assert_eq!(limit.left(later + PERIOD), GROUP);
        limit.started(2, later + PERIOD);
        assert_eq!(limit.left(later + PERIOD), GROUP - 2);
    }

    #[test]
    fn senders_that_are_started_one_by_one_with_time_between_are_not_limited() {
        let mut limit = StartLimit::default();
        for number in 0..1_000 {
            let now = Instant::now() + PERIOD * number;
            assert!(limit.left(now) >= GROUP - 1);
            limit.started(1, now);
        }
    }
}
