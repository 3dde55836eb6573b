//! The exporting thread: sends batches one after the other, tries again where that may help, and tells the log.

use std::time::{Duration, Instant};

use super::collector::{Collector, CollectorError};
use super::otlp_json;
use super::queue::SpanQueue;

/// The time for one request, as other exporters of OTLP have it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The most tries for a batch. With the waits between them a collector may be restarted; after a longer absence
/// newer spans are worth more than this batch.
const TRIES: u32 = 5;

/// The wait before the second try; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait that a collector may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The time between two lines in the log about the same trouble.
const REMINDER_PERIOD: Duration = Duration::from_mins(1);

/// Exports spans until the queue is stopped.
pub(super) fn run(queue: &SpanQueue, collector: &Collector) {
    let mut trouble = Trouble::default();
    let mut batch = Vec::new();
    while queue.next(&mut batch) {
        let body = otlp_json::request(&batch);
        let exported = match export(queue, collector, &body, &mut trouble) {
            Some(rejected) => batch.len().saturating_sub(rejected),
            None => 0,
        };
        queue.settle(exported);
        trouble.tell_of_drops(queue.dropped());
        batch.clear();
    }
    queue.end();
}

/// Sends one batch. Returns how many spans of it the collector refused; `None` if it did not take the batch.
fn export(
    queue: &SpanQueue,
    collector: &Collector,
    body: &[u8],
    trouble: &mut Trouble,
) -> Option<usize> {
    let mut wait = FIRST_WAIT;
    for attempt in 1..=TRIES {
        let timeout = match queue.deadline() {
            None => REQUEST_TIMEOUT,
            Some(deadline) => deadline.saturating_duration_since(Instant::now()),
        };
        if timeout.is_zero() {
            return None;
        }
        let error = match collector.send(body, timeout) {
            Ok(rejected) => {
                trouble.is_over(queue.dropped());
                return Some(rejected);
            }
            Err(error) => error,
        };
        trouble.tell(&error, queue.dropped());
        let asked = match error {
            CollectorError::Refused(_) => return None,
            CollectorError::Busy { retry_after, .. } => retry_after,
            CollectorError::NoAnswer(_) => None,
        };
        // A stopping server has no time for a further try.
        if attempt == TRIES || queue.deadline().is_some() {
            return None;
        }
        queue.pause(asked.unwrap_or(wait).clamp(FIRST_WAIT, LONGEST_WAIT));
        wait *= 2;
    }
    None
}

/// The state of the lines in the log about a collector that does not take spans.
#[derive(Default)]
struct Trouble {
    /// True while the collector does not take spans, and the log has said so.
    is_told: bool,
    /// The time of the last line.
    told_at: Option<Instant>,
    /// Dropped spans that the log has mentioned.
    reported: u64,
}

impl Trouble {
    /// Reports whether a line may be written now.
    fn is_due(&mut self) -> bool {
        let is_due = self
            .told_at
            .is_none_or(|told| told.elapsed() >= REMINDER_PERIOD);
        if is_due {
            self.told_at = Some(Instant::now());
        }
        is_due
    }

    /// Returns how many spans were dropped since the last line, which is about to be written.
    fn report(&mut self, dropped: u64) -> u64 {
        dropped - std::mem::replace(&mut self.reported, dropped)
    }

    /// Logs why a batch was not taken.
    fn tell(&mut self, error: &CollectorError, dropped: u64) {
        if self.is_due() {
            let dropped = self.report(dropped);
            tracing::warn!(%error, dropped, "spans cannot be sent to the collector (--otlp-endpoint)");
            self.is_told = true;
        }
    }

    /// Logs how many spans were dropped, although the collector works: it may be too slow, or refuse some.
    fn tell_of_drops(&mut self, dropped: u64) {
        if dropped > self.reported && !self.is_told && self.is_due() {
            let dropped = self.report(dropped);
            tracing::warn!(dropped, "spans were dropped");
        }
    }

    /// Logs that the collector takes spans again, if the log has said that it does not.
    fn is_over(&mut self, dropped: u64) {
        if std::mem::take(&mut self.is_told) {
            let dropped = self.report(dropped);
            tracing::info!(dropped, "spans are sent to the collector again");
        }
    }
}
