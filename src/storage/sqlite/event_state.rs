//! The states of an event, as the `state` column stores them.

/// Never attempted.
pub(crate) const FRESH: i64 = 0;
/// Waits for another attempt.
pub(crate) const RETRY: i64 = 1;
/// Delivered.
pub(crate) const SUCCEEDED: i64 = 2;
/// Given up.
pub(crate) const FAILED: i64 = 3;
/// Its endpoint was disabled or deleted before it was delivered.
pub(crate) const SKIPPED: i64 = 4;
