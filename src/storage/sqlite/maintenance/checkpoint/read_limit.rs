//! The time limit of reads, which depends on the length of the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The longest a read may take.
const READ_LIMIT: Duration = Duration::from_secs(2);

/// The longest that a read may take while the log is long.
const LONG_LOG_READ_LIMIT: Duration = Duration::from_millis(500);

/// The time limit of reads: shorter while the log is long.
pub(crate) struct ReadLimit(Arc<AtomicBool>);

impl ReadLimit {
    pub(super) fn new(log_is_long: Arc<AtomicBool>) -> Self {
        Self(log_is_long)
    }

    /// Returns a function that reports whether the time of a read that began at `started` is over.
    pub(crate) fn from(&self, started: Instant) -> impl Fn() -> bool + Send + use<> {
        let log_is_long = self.0.clone();
        move || started.elapsed() > read_limit(log_is_long.load(Ordering::Relaxed))
    }
}

pub(super) const fn read_limit(log_is_long: bool) -> Duration {
    if log_is_long {
        LONG_LOG_READ_LIMIT
    } else {
        READ_LIMIT
    }
}
