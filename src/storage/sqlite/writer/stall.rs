//! The detection of a disk that neither finishes nor fails a write.
//!
//! Such a disk holds the writer inside a transaction, and all callers wait. The writer cannot report that
//! itself. So the threads that queue an operation or check the writer look at the time that its present work
//! takes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The longest time of one transaction while all is well. It is longer than the wait for another process's
/// lock (some five seconds), which has an error of its own.
pub(super) const STALL_LIMIT: Duration = Duration::from_secs(8);

/// The start of the writer's present piece of work: a transaction, or its part of a checkpoint.
#[derive(Debug)]
pub(super) struct StallWatch {
    zero: Instant,
    /// Milliseconds from `zero` to the start, and 1 more; 0: the writer has no work.
    since: AtomicU64,
    is_reported: AtomicBool,
}

impl StallWatch {
    pub(super) fn new() -> Self {
        Self {
            zero: Instant::now(),
            since: AtomicU64::new(0),
            is_reported: AtomicBool::new(false),
        }
    }

    /// Notes that the writer begins a piece of work, having ended the one before.
    pub(super) fn begin(&self, now: Instant) {
        self.change(now, self.millis(now) + 1);
    }

    /// Notes that the writer has ended its work.
    pub(super) fn end(&self, now: Instant) {
        self.change(now, 0);
    }

    fn change(&self, now: Instant, since: u64) {
        let before = self.since.swap(since, Ordering::Relaxed);
        if self.is_reported.swap(false, Ordering::Relaxed) {
            let took_ms = (self.millis(now) + 1).saturating_sub(before);
            tracing::warn!(
                took_ms,
                "the disk goes on; the transaction that it held up is over"
            );
        }
    }

    /// Reports whether the writer has been in its present piece of work for longer than [`STALL_LIMIT`]. The
    /// first caller that finds it stalled writes a line to the log.
    pub(super) fn is_stalled(&self, now: Instant) -> bool {
        let since = self.since.load(Ordering::Relaxed);
        let lasts = Duration::from_millis((self.millis(now) + 1).saturating_sub(since));
        let is_stalled = since > 0 && lasts > STALL_LIMIT;
        if is_stalled && !self.is_reported.swap(true, Ordering::Relaxed) {
            tracing::error!(
                seconds = lasts.as_secs(),
                "the disk has neither finished nor failed a transaction for a long time; nothing is stored \
                 until it does"
            );
        }
        is_stalled
    }

    fn millis(&self, now: Instant) -> u64 {
        let since_zero = now.saturating_duration_since(self.zero);
        u64::try_from(since_zero.as_millis()).unwrap_or(u64::MAX - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_stalled_while_one_piece_of_work_takes_longer_than_the_limit() {
        let watch = StallWatch::new();
        let start = Instant::now();
        let long = STALL_LIMIT + Duration::from_millis(2);
        assert!(!watch.is_stalled(start + long), "it has nothing to do");
        watch.begin(start);
        assert!(!watch.is_stalled(start + STALL_LIMIT / 2));
        assert!(watch.is_stalled(start + long));
        watch.begin(start + long);
        assert!(!watch.is_stalled(start + long), "that is the next one");
        assert!(watch.is_stalled(start + 2 * long));
        watch.end(start + 2 * long);
        assert!(!watch.is_stalled(start + 4 * long));
    }
}
