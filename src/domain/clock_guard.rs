//! A guard against a wall clock that is ahead by mistake: what is deleted by a wrong clock does not come back.
//!
//! A machine may start with a clock that is years ahead, until a time service sets it; an administrator may mistype
//! a date. So a clock that is far ahead of where it was last is not believed for some time, in which it can be set.

use std::time::Duration;

use super::clock::Timestamp;

/// The step ahead that is not believed at once: longer than data is deleted too early without harm.
pub const STEP: Duration = Duration::from_hours(24);

/// The time after which a clock is believed that has stayed ahead: a server that was down for days looks the same.
pub const HOLD: Duration = Duration::from_hours(1);

/// The guard, with the last clock that it has believed.
#[derive(Clone, Copy, Debug)]
pub struct ClockGuard {
    /// The wall clock and the monotonic one, when the wall clock was believed last.
    believed: Option<(Timestamp, Duration)>,
    /// The monotonic clock when the present step ahead was seen first.
    held_since: Option<Duration>,
}

impl ClockGuard {
    /// Returns a guard at a start. `last` is the wall clock that was believed last before it, if there was one.
    #[must_use]
    pub fn new(last: Option<Timestamp>, monotonic: Duration) -> Self {
        Self {
            believed: last.map(|last| (last, monotonic)),
            held_since: None,
        }
    }

    /// Reports whether the wall clock is to be believed.
    pub fn believes(&mut self, wall: Timestamp, monotonic: Duration) -> bool {
        let ahead = self.believed.map_or(Duration::ZERO, |(last, at)| {
            wall.since(last.after(monotonic.saturating_sub(at)))
        });
        if ahead > STEP {
            let since = *self.held_since.get_or_insert(monotonic);
            if monotonic.saturating_sub(since) < HOLD {
                return false;
            }
        }
        self.believed = Some((wall, monotonic));
        self.held_since = None;
        true
    }

    /// Reports whether the guard waits at the moment.
    #[must_use]
    pub const fn is_holding(&self) -> bool {
        self.held_since.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
    const MINUTE: Duration = Duration::from_mins(1);
    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn time_that_passes_is_believed_and_a_leap_only_after_an_hour() {
        let mut guard = ClockGuard::new(None, Duration::ZERO);
        assert!(guard.believes(START, Duration::ZERO), "the first");
        assert!(
            guard.believes(START.after(90 * DAY), 90 * DAY),
            "both go on"
        );
        let ahead = |time| START.after(90 * DAY + 2 * DAY + time);
        assert!(!guard.believes(ahead(Duration::ZERO), 90 * DAY));
        assert!(guard.is_holding());
        assert!(!guard.believes(ahead(59 * MINUTE), 90 * DAY + 59 * MINUTE));
        assert!(guard.believes(ahead(60 * MINUTE), 90 * DAY + 60 * MINUTE));
        assert!(!guard.is_holding());
        assert!(guard.believes(ahead(61 * MINUTE), 90 * DAY + 61 * MINUTE));
    }

    #[test]
    fn a_clock_that_is_set_right_is_believed_at_once_and_the_next_leap_waits_again() {
        let mut guard = ClockGuard::new(Some(START), Duration::ZERO);
        assert!(!guard.believes(START.after(365 * DAY), MINUTE));
        assert!(guard.believes(START.after(2 * MINUTE), 2 * MINUTE));
        assert!(!guard.believes(START.after(365 * DAY), 50 * MINUTE));
        assert!(!guard.believes(START.after(365 * DAY), 109 * MINUTE));
        assert!(guard.believes(START.after(365 * DAY), 110 * MINUTE));
        assert!(guard.believes(START, 111 * MINUTE), "set back");
    }

    #[test]
    fn a_start_within_a_day_is_believed() {
        let mut guard = ClockGuard::new(Some(START), 5 * DAY);
        assert!(guard.believes(START.after(DAY), 5 * DAY));
        let mut guard = ClockGuard::new(Some(START), 5 * DAY);
        assert!(!guard.believes(START.after(DAY + MINUTE), 5 * DAY));
    }
}
