//! The end of the process when it can no longer keep a promise.
//!
//! A server that goes on without its writer thread, or with a file that was not synced, accepts messages that
//! it will lose. It is better that it ends and a supervisor starts it again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::log_queue::{self, FLUSH_TIMEOUT};

/// The exit code of a server that ended itself: "internal software error" in `sysexits.h`.
pub const EXIT_CODE: i32 = 70;

/// Logs `reason` in one line at level `error` and ends the process with [`EXIT_CODE`]. Nothing is flushed,
/// written or checkpointed on the way out: the next start recovers from what is on disk.
///
/// The process ends even if the line cannot be written; writing may take [`FLUSH_TIMEOUT`] at most. If several
/// threads call this, the first one ends the process.
pub fn exit(reason: &str) -> ! {
    // No failure of the log may keep the process from ending.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        if tracing::dispatcher::has_been_set() {
            tracing::error!("{reason}; the server ends");
        } else {
            // Tests have no log.
            log_queue::push(format!("{reason}; the server ends\n").as_bytes(), true);
        }
        log_queue::flush(FLUSH_TIMEOUT);
    }));
    std::process::exit(EXIT_CODE)
}
