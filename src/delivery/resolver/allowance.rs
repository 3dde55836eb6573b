//! How much is said of names that can't be used: whoever may create endpoints can bring about any number.

use std::time::{Duration, Instant};

/// Lines in each [`PERIOD`]. Enough to see what goes on; a day of them fits into some megabytes.
const LINES: u32 = 10;
const PERIOD: Duration = Duration::from_mins(1);

/// Lines that may still be written.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    began: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Allowance {
    /// Whether a line may be written now: how many were left out before it, since the last one.
    pub(super) fn take(&mut self, now: Instant) -> Option<u64> {
        if self
            .began
            .is_none_or(|began| now.duration_since(began) >= PERIOD)
        {
            self.began = Some(now);
            self.written = 0;
        }
        if self.written == LINES {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_minute_are_written_and_the_others_counted() {
        let mut allowance = Allowance::default();
        let start = Instant::now();
        for _ in 0..LINES {
            assert_eq!(allowance.take(start), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(allowance.take(start + PERIOD / 2), None);
        }
        assert_eq!(allowance.take(start + PERIOD), Some(1000));
        assert_eq!(allowance.take(start + PERIOD), Some(0));
    }
}
