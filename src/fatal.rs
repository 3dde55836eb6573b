//! The end of the process when it can no longer keep a promise.
//!
//! A server that goes on without its writer, or over a file that was not synced, accepts messages that
//! it will lose. A supervisor that restarts it is the better answer.

/// The exit code of a server that ended itself: "internal software error" in `sysexits.h`.
pub const EXIT_CODE: i32 = 70;

/// Logs `reason` at level `error` and ends the process with [`EXIT_CODE`]. Nothing is flushed, written or
/// checkpointed on the way out: the next start recovers from what is on disk.
pub fn exit(reason: &str) -> ! {
    tracing::error!("{reason}; the server ends");
    std::process::exit(EXIT_CODE)
}
