//! What is learnt from an attempt, and what becomes of its event.

use super::Scheduler;
use crate::delivery::protocol::{Attempted, Landing, Now};
use crate::domain::delivery_error::DeliveryError;
use crate::domain::health::Result as HealthResult;
use crate::domain::retry::ENDPOINT_HOLD_MAX;
use crate::storage::{Outcome, QueuedEvent, Verdict};

impl Scheduler {
    /// Takes a sender's report; answers what is to be recorded.
    pub(in crate::delivery) fn landed(&mut self, landing: Landing, now: Now) -> Option<Outcome> {
        match landing {
            Landing::Abandoned(event) => {
                let number = event.endpoint;
                if let Some(queue) = self.endpoints.get_mut(&number) {
                    self.shares.give_back(queue.health.class());
                    queue.abandoned(event.seq, now.monotonic);
                }
                self.settle(number, now);
                self.drop_if_idle(number);
                None
            }
            Landing::Attempted(event, attempted) => {
                self.learn(&event, &attempted, now);
                let verdict = self.verdict(&event, &attempted, now);
                self.unrecorded += 1;
                self.settle(event.endpoint, now);
                Some(Outcome {
                    event: QueuedEvent {
                        body: None,
                        ..event
                    },
                    verdict,
                    decided_at: now.wall,
                    code: attempted.code,
                    error: attempted.error,
                    response: attempted.response,
                    duration_ms: u32::try_from(attempted.took.as_millis()).unwrap_or(u32::MAX),
                })
            }
        }
    }

    fn learn(&mut self, event: &QueuedEvent, attempted: &Attempted, now: Now) {
        let random = (self.random)();
        let Some(queue) = self.endpoints.get_mut(&event.endpoint) else {
            return;
        };
        self.shares.give_back(queue.health.class());
        let flight = queue.landed(event.seq);
        let flying = queue.flying();
        let before = queue.health.class();
        if let Some(flight) = flight.filter(|flight| flight.counts) {
            let slow_ones = queue.has_slow_ones(now.monotonic);
            let result = health_result(attempted);
            queue.health.finished(
                result,
                attempted.took,
                slow_ones,
                flight.probes,
                now.monotonic,
                random,
            );
            if result == HealthResult::Success {
                queue.rest_ended();
            }
            if let Some(hold) = attempted.retry_after {
                queue
                    .health
                    .hold(now.monotonic + hold.min(ENDPOINT_HOLD_MAX));
            }
        }
        let after = queue.health.class();
        self.shares.reclassify(before, after, flying);
    }

    fn verdict(&mut self, event: &QueuedEvent, attempted: &Attempted, now: Now) -> Verdict {
        match attempted.code {
            Some(200..=299) => return Verdict::Succeeded,
            Some(410) => return Verdict::Gone,
            _ if attempted.is_final => return Verdict::Failed,
            _ => {}
        }
        let made = event.run_attempt + 1;
        let random = (self.random)();
        let due = self.rules.retry.next_due(
            made,
            event.run_started,
            now.wall,
            attempted.retry_after,
            random,
        );
        due.map_or(Verdict::Failed, Verdict::RetryAt)
    }

    #[expect(clippy::needless_pass_by_value, reason = "the event ends here")]
    pub(super) fn expire(&mut self, event: QueuedEvent, now: Now) {
        let hours = now.wall.since(event.run_started).as_secs() / 3600;
        self.unrecorded += 1;
        self.expired.push_back(Outcome {
            event: QueuedEvent {
                body: None,
                ..event
            },
            verdict: Verdict::Failed,
            decided_at: now.wall,
            code: None,
            error: Some(DeliveryError::Expired),
            response: Some(format!(
                "not delivered within {hours} hours; nothing was sent this time"
            )),
            duration_ms: 0,
        });
    }

    /// The next run that ended without an attempt, to be recorded.
    pub(in crate::delivery) fn next_expired(&mut self) -> Option<Outcome> {
        self.expired.pop_front()
    }
}

fn health_result(attempted: &Attempted) -> HealthResult {
    match (attempted.code, attempted.error) {
        (Some(200..=299), _) => HealthResult::Success,
        (Some(500.. | 429), _) => HealthResult::Failure,
        (Some(_), _) => HealthResult::Refusal,
        (None, Some(DeliveryError::Timeout)) => HealthResult::Timeout,
        (None, _) => HealthResult::Failure,
    }
}
