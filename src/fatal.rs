//! The end of the process when it can no longer keep a promise.
//!
//! A server that goes on without its writer, or over a file that was not synced, accepts messages that
//! it will lose. A supervisor that restarts it is the better answer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::log_queue::{self, LAST_WORDS};

/// The exit code of a server that ended itself: "internal software error" in `sysexits.h`.
pub const EXIT_CODE: i32 = 70;

/// Logs `reason` in one line at level `error` and ends the process with [`EXIT_CODE`]. Nothing is flushed,
/// written or checkpointed on the way out: the next start recovers from what is on disk.
///
/// It ends the process whatever becomes of the line, which gets [`LAST_WORDS`] to be written. If several threads come here, the first one ends it.
pub fn exit(reason: &str) -> ! {
    // Nothing about saying it may keep the process from ending.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        if tracing::dispatcher::has_been_set() {
            tracing::error!("{reason}; the server ends");
        } else {
            // Tests have no log.
            log_queue::push(format!("{reason}; the server ends\n").as_bytes(), true);
        }
        log_queue::flush(LAST_WORDS);
    }));
    std::process::exit(EXIT_CODE)
}
