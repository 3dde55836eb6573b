//! The time that the writer spends on one transaction: a disk that neither writes nor fails.
//!
//! Such a disk holds the writer for as long as it likes, and with it everybody who waits for a commit. The
//! writer cannot say so, so those do who come to its queue or ask whether it works.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long one transaction takes at most while all is well: longer than one waits for another process's lock
/// (some five seconds), which is reported as such.
pub(super) const STALL_LIMIT: Duration = Duration::from_secs(8);

/// Since when the writer is in its present piece of work: a transaction, or what it does for a checkpoint.
#[derive(Debug)]
pub(super) struct StallWatch {
    zero: Instant,
    /// Milliseconds since `zero`, and 1 more; 0: it has nothing to do.
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
    /// first to find that out writes a line to the log.
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
