//! The counters of attempts. Only the thread that makes a round counts, so that none waits for another.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

use super::protocol::{AttemptReport, AttemptResult};
use crate::domain::attempt_failure::AttemptFailure;
use crate::metrics::{DeliveryMetrics, DeliveryOutcome};
use crate::storage::{AttemptRecord, Verdict};

/// The word in place of an error if there was an answer, or no attempt.
const NO_ERROR: &str = "none";

/// Counters by the cause of the failure.
struct ByError {
    none: Counter,
    errors: [Counter; AttemptFailure::ALL.len()],
}

impl ByError {
    fn new(metrics: &DeliveryMetrics, outcome: DeliveryOutcome) -> Self {
        let counter = |error| metrics.delivery_counter(outcome, error);
        Self {
            none: counter(NO_ERROR),
            errors: AttemptFailure::ALL.map(|failure| counter(failure.as_str())),
        }
    }

    fn inc(&self, error: Option<AttemptFailure>) {
        let place = error.and_then(|error| AttemptFailure::ALL.iter().position(|it| *it == error));
        place.map_or(&self.none, |place| &self.errors[place]).inc();
    }
}

/// The counters, looked up once.
pub(super) struct AttemptMetrics {
    metrics: DeliveryMetrics,
    succeeded: Counter,
    retry: ByError,
    failed: ByError,
    gone: Counter,
    skipped: Counter,
    expired: Counter,
}

impl AttemptMetrics {
    pub(super) fn new(metrics: &DeliveryMetrics) -> Self {
        let counter = |outcome| metrics.delivery_counter(outcome, NO_ERROR);
        let expired = AttemptFailure::Expired.as_str();
        Self {
            succeeded: counter(DeliveryOutcome::Succeeded),
            retry: ByError::new(metrics, DeliveryOutcome::Retry),
            failed: ByError::new(metrics, DeliveryOutcome::Failed),
            gone: counter(DeliveryOutcome::Gone),
            skipped: counter(DeliveryOutcome::Skipped),
            expired: metrics.delivery_counter(DeliveryOutcome::Expired, expired),
            metrics: metrics.clone(),
        }
    }

    /// Counts the reports of the senders.
    pub(super) fn reported(&self, reports: &[AttemptReport]) {
        for report in reports {
            match report {
                AttemptReport::Skipped(_) => {
                    self.skipped.inc();
                }
                // It will be made when the pause is over.
                AttemptReport::GivenBack(_) => {}
                AttemptReport::Made(_, AttemptResult { code, took, .. }) => {
                    let has_succeeded = matches!(code, Some(200..=299));
                    self.metrics.observe_attempt(*took, has_succeeded);
                }
            }
        }
    }

    /// Counts an attempt, or the end of a run, that the store is to record.
    pub(super) fn recorded(&self, record: &AttemptRecord) {
        match record.verdict {
            _ if record.error == Some(AttemptFailure::Expired) => {
                self.expired.inc();
            }
            Verdict::Succeeded => {
                self.succeeded.inc();
                if let Some(took) = end_to_end(record) {
                    self.metrics.observe_end_to_end(took);
                }
            }
            Verdict::RetryAt(_) => self.retry.inc(record.error),
            Verdict::Failed => self.failed.inc(record.error),
            Verdict::Gone => {
                self.gone.inc();
            }
        }
    }

    /// Notes the state after a round.
    pub(super) fn round_ended(&self, in_flight: u32, resting: usize) {
        self.metrics.in_flight.set(in_flight.into());
        let resting = i64::try_from(resting).unwrap_or(i64::MAX);
        self.metrics.endpoints_resting.set(resting);
    }
}

/// Returns the time from the publish to the end of the attempt, if it is the event's first.
fn end_to_end(record: &AttemptRecord) -> Option<Duration> {
    let event = &record.event;
    let is_first = event.attempts == 0 && event.run.0 == event.seq.0;
    is_first.then(|| record.decided_at.since(event.run_started))
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::storage::{EndpointNumber, QueuedEvent, Run, WorkspaceNumber};

    fn event(attempts: u32) -> QueuedEvent {
        QueuedEvent {
            run_attempt: attempts,
            run_started: Timestamp::from_micros(1_000_000),
            attempts,
            ..QueuedEvent::for_tests(7, EndpointNumber(1), WorkspaceNumber(1))
        }
    }

    fn record(verdict: Verdict, error: Option<AttemptFailure>, attempts: u32) -> AttemptRecord {
        AttemptRecord {
            event: event(attempts),
            verdict,
            decided_at: Timestamp::from_micros(3_500_000),
            code: None,
            error,
            response: None,
            duration_ms: 1,
            rest: None,
        }
    }

    #[test]
    fn each_verdict_has_its_counter_and_a_run_without_an_attempt_its_own() {
        let metrics = DeliveryMetrics::default();
        let counters = AttemptMetrics::new(&metrics);
        let later = Verdict::RetryAt(Timestamp::from_micros(9));
        for (verdict, error, outcome, word) in [
            (Verdict::Succeeded, None, DeliveryOutcome::Succeeded, "none"),
            (later, None, DeliveryOutcome::Retry, "none"),
            (
                later,
                Some(AttemptFailure::Dns),
                DeliveryOutcome::Retry,
                "dns",
            ),
            (
                Verdict::Failed,
                Some(AttemptFailure::Tls),
                DeliveryOutcome::Failed,
                "tls",
            ),
            (Verdict::Gone, None, DeliveryOutcome::Gone, "none"),
            (
                Verdict::Failed,
                Some(AttemptFailure::Expired),
                DeliveryOutcome::Expired,
                "expired",
            ),
        ] {
            let counter = metrics.delivery_counter(outcome, word);
            assert_eq!(counter.get(), 0, "{outcome:?}");
            counters.recorded(&record(verdict, error, 0));
            assert_eq!(counter.get(), 1, "{outcome:?}");
        }
        counters.reported(&[AttemptReport::Skipped(event(0))]);
        let skipped = metrics.delivery_counter(DeliveryOutcome::Skipped, NO_ERROR);
        assert_eq!(skipped.get(), 1);
    }

    #[test]
    fn only_a_first_attempt_is_timed_from_its_publish() {
        let first = record(Verdict::Succeeded, None, 0);
        assert_eq!(end_to_end(&first), Some(Duration::from_millis(2500)));
        assert_eq!(end_to_end(&record(Verdict::Succeeded, None, 1)), None);
        let mut redelivered = first;
        redelivered.event.run = Run(9);
        assert_eq!(end_to_end(&redelivered), None);
    }
}
