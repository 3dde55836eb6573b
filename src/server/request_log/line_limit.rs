//! The limit on the log's lines about refused requests. Any client that reaches the port can cause any number of
//! them, without a token.

use std::time::{Duration, Instant};

/// The most lines in each [`PERIOD`]: enough to see which requests are refused, and at some 200 bytes a line
/// no more than 20 KB a second.
const LINES: u32 = 100;
const PERIOD: Duration = Duration::from_secs(1);

/// The count of lines in the current period.
#[derive(Debug, Default)]
pub(crate) struct LineLimit {
    began: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl LineLimit {
    /// Counts a line. Returns whether it may be written.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        if self.is_over(now) {
            self.began = Some(now);
            self.written = 0;
        }
        if self.written == LINES {
            self.left_out += 1;
            return false;
        }
        self.written += 1;
        true
    }

    /// Returns how many lines were left out in a period that is over, once.
    pub(super) fn take_left_out(&mut self, now: Instant) -> u64 {
        if self.is_over(now) {
            std::mem::take(&mut self.left_out)
        } else {
            0
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.began
            .is_none_or(|began| now.saturating_duration_since(began) >= PERIOD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_lines_a_second_are_written_and_the_others_counted_once() {
        let mut limit = LineLimit::default();
        let start = Instant::now();
        for _ in 0..LINES {
            assert!(limit.admits(start));
        }
        let just_before = start + PERIOD.checked_sub(Duration::from_nanos(1)).unwrap();
        for now in [start, just_before] {
            assert!(!limit.admits(now));
            assert_eq!(limit.take_left_out(now), 0, "the second goes on");
        }
        // The next request may be a long time later, and need not be a refused one.
        let later = start + 100 * PERIOD;
        assert_eq!(limit.take_left_out(later), 2);
        assert_eq!(limit.take_left_out(later), 0);
        for _ in 0..LINES {
            assert!(limit.admits(later));
        }
        assert!(!limit.admits(later));
        assert_eq!(limit.take_left_out(later), 0);
        assert_eq!(limit.take_left_out(later + PERIOD), 1);
    }
}
