//! The limit on log lines about names that can't be used, or about the egress proxy. A user who may create
//! endpoints can cause any number of such lines.

use std::time::{Duration, Instant};

/// The most lines in each [`PERIOD`]. They are enough to see the problem; a day of them takes some megabytes.
const LINES: u32 = 10;
const PERIOD: Duration = Duration::from_mins(1);

/// The count of lines in the current period.
#[derive(Debug, Default)]
pub(super) struct LogLimit {
    began: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl LogLimit {
    /// Counts one line. If it may be written, returns how many lines were left out since the last written
    /// one.
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
        let mut limit = LogLimit::default();
        let start = Instant::now();
        for _ in 0..LINES {
            assert_eq!(limit.take(start), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(limit.take(start + PERIOD / 2), None);
        }
        assert_eq!(limit.take(start + PERIOD), Some(1000));
        assert_eq!(limit.take(start + PERIOD), Some(0));
    }
}
