//! The number of senders that may be called now.
//!
//! Jobs often come in bursts, because the store gives them out group by group. If receivers answer at once, a part of the
//! senders makes a burst of 200 attempts in some milliseconds, as fast as all of them. So beyond [`ENOUGH`] busy ones, senders
//! are called in steps: soon enough for a burst of attempts that take long, and late enough for one that is over soon. A sender
//! that is not needed costs processor time, and some 70 kB of memory, which the allocator hardly gives back when it ends.

use std::time::{Duration, Instant};

use crate::delivery::take_rate::ENOUGH;

/// The senders that may be called in one [`PERIOD`] when [`ENOUGH`] are busy.
const STEP: usize = 16;

/// The time between two steps: 256 senders are busy after twelve of these.
const PERIOD: Duration = Duration::from_millis(4);

/// A count of the senders that were called of late.
#[derive(Debug, Default)]
pub(super) struct CallLimit {
    /// The start of the present step.
    began: Option<Instant>,
    /// The senders that were called in it.
    count: usize,
}

impl CallLimit {
    /// Returns how many of `needed` senders may be called now, while `busy` are busy, and counts them.
    pub(super) fn take(&mut self, needed: usize, busy: usize, now: Instant) -> usize {
        if needed == 0 {
            return 0;
        }
        if (self.began).is_none_or(|began| now.saturating_duration_since(began) >= PERIOD) {
            self.began = Some(now);
            self.count = 0;
        }
        let at_once = ENOUGH.saturating_sub(busy).min(needed);
        let beyond = (needed - at_once).min(STEP.saturating_sub(self.count));
        self.count += beyond;
        at_once + beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_are_called_at_once_and_a_step_more_in_each_period() {
        let now = Instant::now();
        let mut limit = CallLimit::default();
        assert_eq!(limit.take(10, 0, now), 10);
        assert_eq!(limit.take(200, 10, now), ENOUGH - 10 + STEP);
        assert_eq!(limit.take(200, ENOUGH + STEP, now), 0);
        let later = now + PERIOD;
        assert_eq!(limit.take(3, ENOUGH + STEP, later), 3);
        assert_eq!(limit.take(200, ENOUGH + STEP, later), STEP - 3);
        assert_eq!(limit.take(200, ENOUGH + STEP, later), 0);
        assert_eq!(limit.take(200, 5, later), ENOUGH - 5, "others came free");
        assert_eq!(limit.take(0, 200, later + PERIOD), 0);
        assert_eq!(limit.take(1, 200, later + PERIOD), 1);
    }
}
