//! The log's line about an attempt that ended.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::Level;

use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::Timestamp;
use crate::log_queue::{self, ATTEMPTS, AttemptLine, Record};
use crate::storage::{AttemptRecord, Target, Verdict};

/// Logs the end of an attempt, if the log has such lines. `target` returns the endpoint, if the engine knows it.
pub(super) fn log(record: &AttemptRecord, target: impl FnOnce() -> Option<Arc<Target>>) {
    if !log_queue::is_enabled(ATTEMPTS, Level::INFO) {
        return;
    }
    log_queue::push_record(Record::Attempt(AttemptLine {
        at: SystemTime::now(),
        event_id: record.event.id,
        endpoint: target().map(|target| (target.id, target.workspace_id)),
        attempt: record.event.attempts + 1,
        outcome: outcome(record.verdict),
        http_code: record.code,
        error: record.error.map(AttemptFailure::as_str),
        duration_ms: record.duration_ms,
        next_attempt_at: match record.verdict {
            Verdict::RetryAt(at) => Some(system_time(at)),
            _ => None,
        },
    }));
}

/// Returns the word for a verdict. The words never change.
const fn outcome(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Succeeded => "succeeded",
        Verdict::RetryAt(_) => "retry",
        Verdict::Failed => "failed",
        Verdict::Gone => "gone",
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    let micros = u64::try_from(at.micros()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
}
