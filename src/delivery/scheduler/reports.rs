//! Attempt reports: their effect on the endpoint's health, and the verdict on the event.

use std::time::Duration;

use super::Scheduler;
use crate::delivery::endpoint_queue::{EndpointQueue, InFlightAttempt};
use crate::delivery::protocol::{AttemptReport, AttemptResult, Now};
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::health::{EndedAttempt, HealthSignal};
use crate::domain::retry::ENDPOINT_RETRY_AFTER_MAX;
use crate::storage::{AttemptRecord, QueuedEvent, Seq, Verdict};

impl Scheduler {
    /// Handles a sender's report; returns the record of the attempt to store.
    pub(in crate::delivery) fn handle_report(
        &mut self,
        report: AttemptReport,
        now: Now,
    ) -> Option<AttemptRecord> {
        match report {
            AttemptReport::Skipped(event) => {
                self.not_made(&event, now, EndpointQueue::skipped);
                None
            }
            AttemptReport::GivenBack(event) => {
                self.not_made(&event, now, EndpointQueue::given_back);
                None
            }
            AttemptReport::Made(event, result) => {
                let started = self.learn(&event, &result, now);
                let verdict = self.verdict(&event, &result, started, now);
                self.unrecorded += 1;
                self.settle(event.endpoint, now);
                let queue = self.endpoints.get_mut(&event.endpoint);
                let rest = queue.map(|queue| queue.rest_note(now));
                Some(AttemptRecord {
                    event: QueuedEvent {
                        body: None,
                        ..event
                    },
                    verdict,
                    decided_at: now.wall,
                    code: result.code,
                    error: result.error,
                    response: result.response,
                    duration_ms: u32::try_from(result.took.as_millis()).unwrap_or(u32::MAX),
                    rest,
                })
            }
        }
    }

    /// Handles an event for which the sender made no attempt.
    fn not_made(
        &mut self,
        event: &QueuedEvent,
        now: Now,
        note: fn(&mut EndpointQueue, Seq, Duration) -> Option<InFlightAttempt>,
    ) {
        let number = event.endpoint;
        let noted = self.change(number, |queue| {
            let account = (queue.workspace, queue.health.class());
            (account, note(queue, event.seq, now.monotonic))
        });
        if let Some(((workspace, class), attempt)) = noted {
            let took = sender_time(attempt, now);
            self.turns
                .attempt_ended(workspace, class, took, now.monotonic);
        }
        self.settle(number, now);
        self.drop_if_idle(number, now);
    }

    /// Updates the endpoint's health with the result; returns when the attempt started.
    fn learn(&mut self, event: &QueuedEvent, result: &AttemptResult, now: Now) -> Duration {
        let random = (self.random)();
        let Some(queue) = self.endpoints.get_mut(&event.endpoint) else {
            return now.monotonic;
        };
        let (workspace, before) = (queue.workspace, queue.health.class());
        let ended = queue.ended(event.seq);
        if let Some(attempt) = ended.filter(|attempt| attempt.counts) {
            let slow_ones = queue.has_slow_ones(now.monotonic);
            let signal = health_signal(result);
            let attempt = EndedAttempt {
                signal,
                took: result.took,
                slow_ones,
                probe: attempt.probes,
            };
            queue.finished(attempt, &self.rules.retry, now.monotonic, random);
            if signal == HealthSignal::Success {
                queue.rest_ended();
            }
            if let Some(wait) = result.retry_after {
                queue
                    .health
                    .retry_after_until(now.monotonic + wait.min(ENDPOINT_RETRY_AFTER_MAX));
            }
        }
        let (after, in_flight) = (queue.health.class(), queue.in_flight());
        self.turns
            .attempt_ended(workspace, before, sender_time(ended, now), now.monotonic);
        self.turns
            .reclassify(workspace, (before, after), in_flight, now.monotonic);
        ended.map_or(now.monotonic, |attempt| attempt.started)
    }

    /// Decides on the event. `started`: when the attempt started.
    fn verdict(
        &mut self,
        event: &QueuedEvent,
        result: &AttemptResult,
        started: Duration,
        now: Now,
    ) -> Verdict {
        match result.code {
            Some(200..=299) => return Verdict::Succeeded,
            Some(410) => return Verdict::Gone,
            _ if result.is_final => return Verdict::Failed,
            _ => {}
        }
        let made = event.run_attempt + 1;
        let random = (self.random)();
        let queue = self.endpoints.get(&event.endpoint);
        let retry = queue.map_or(&self.rules.retry, |queue| queue.retry(&self.rules.retry));
        let counts_from = queue.map_or(event.run_started, |queue| {
            queue.counts_from(event.run_started)
        });
        // If the run is over only because the clock was set during this attempt, it gets one attempt more, as
        // do runs that were waiting then.
        let ends = retry.expires_at(counts_from);
        let ended_by_step = (self.steady_since)
            .is_some_and(|since| started < since.monotonic && ends <= since.wall);
        let began = if ended_by_step { now.wall } else { counts_from };
        let due = retry.next_due(made, began, now.wall, result.retry_after, random);
        due.map_or(Verdict::Failed, Verdict::RetryAt)
    }

    /// Fails an event whose run is over, without another attempt.
    #[expect(clippy::needless_pass_by_value, reason = "the event ends here")]
    pub(super) fn expire(&mut self, event: QueuedEvent, now: Now) {
        let hours = now.wall.since(event.run_started).as_secs() / 3600;
        self.unrecorded += 1;
        self.expired.push_back(AttemptRecord {
            event: QueuedEvent {
                body: None,
                ..event
            },
            verdict: Verdict::Failed,
            decided_at: now.wall,
            code: None,
            error: Some(AttemptFailure::Expired),
            response: Some(format!(
                "not delivered within {hours} hours; nothing was sent this time"
            )),
            duration_ms: 0,
            rest: None,
        });
    }

    /// Returns the next record of a run whose time was up while it waited.
    pub(in crate::delivery) fn next_expired(&mut self) -> Option<AttemptRecord> {
        self.expired.pop_front()
    }
}

/// Returns the time for which an attempt kept its sender busy.
fn sender_time(attempt: Option<InFlightAttempt>, now: Now) -> Duration {
    attempt.map_or(Duration::ZERO, |attempt| {
        now.monotonic.saturating_sub(attempt.started)
    })
}

fn health_signal(result: &AttemptResult) -> HealthSignal {
    match (result.code, result.error) {
        (Some(200..=299), _) => HealthSignal::Success,
        (Some(500.. | 429), _) => HealthSignal::Failure,
        (Some(_), _) => HealthSignal::Refusal,
        (None, Some(AttemptFailure::Timeout)) => HealthSignal::Timeout,
        (None, _) => HealthSignal::Failure,
    }
}
