//! The order in which the waiting events of one endpoint start.
//!
//! First come redeliveries by hand, then due retries, then fresh events. Events that a job let go come last, so
//! that a recovery does not hold up live traffic; but after some fresh events in a row one of them starts, so
//! that a job gets on however much is published.

use std::ops::Range;
use std::time::Duration;

use super::{EndpointQueue, StartReason, body_bytes};
use crate::domain::clock::Timestamp;
use crate::storage::QueuedEvent;

/// The fresh events that start before one of a job does, if both wait: live traffic keeps three quarters of an
/// endpoint that cannot take more.
const FRESH_BEFORE_JOB: u32 = 3;

impl EndpointQueue {
    /// Takes the next event that may start: a redelivery, or another one if the endpoint's health allows it.
    pub(in crate::delivery) fn take(
        &mut self,
        now: Duration,
    ) -> Option<(QueuedEvent, StartReason)> {
        if self.reading_body || !self.terms_allow(now) || self.in_flight() >= self.most_in_flight()
        {
            return None;
        }
        // A user requested a redelivery, so it waits neither for the end of a rest nor for `Retry-After`.
        if let Some(event) = self.redeliveries.pop_front() {
            self.bytes -= body_bytes(&event);
            return Some((event, StartReason::Redelivery));
        }
        if !self.health.may_start(now) || self.in_flight() >= self.health.concurrency_limit() {
            return None;
        }
        let event = self.take_usual()?;
        self.bytes -= body_bytes(&event);
        let reason = if self.health.started() {
            StartReason::Probe
        } else {
            StartReason::Usual
        };
        Some((event, reason))
    }

    fn take_usual(&mut self) -> Option<QueuedEvent> {
        if let Some(retry) = self.retries.pop_front() {
            return Some(retry);
        }
        let job_waits = !self.of_jobs.is_empty();
        if job_waits && (self.fresh.is_empty() || self.fresh_in_row >= FRESH_BEFORE_JOB) {
            self.fresh_in_row = 0;
            return self.of_jobs.pop_front();
        }
        self.fresh_in_row = if job_waits { self.fresh_in_row + 1 } else { 0 };
        self.fresh.pop_front()
    }

    /// Reports whether [`EndpointQueue::take`] would return an event.
    pub(in crate::delivery) fn is_ready(&self, now: Duration) -> bool {
        let waits = !(self.retries.is_empty() && self.fresh.is_empty() && self.of_jobs.is_empty());
        let usual = waits
            && self.health.may_start(now)
            && self.in_flight() < self.health.concurrency_limit();
        !self.reading_body
            && self.terms_allow(now)
            && self.in_flight() < self.most_in_flight()
            && (usual || !self.redeliveries.is_empty())
    }

    /// Takes an event that waits for another attempt and whose run began in the range `began`. The run of an event
    /// that a job let go has had no attempt yet, so it does not expire. The end of a pause counts as the begin.
    pub(in crate::delivery) fn take_expired(
        &mut self,
        began: &Range<Timestamp>,
    ) -> Option<QueuedEvent> {
        let mut retries = self.retries.iter();
        let counts_from = |event: &QueuedEvent| self.counts_from(event.run_started);
        let at = retries.position(|event| began.contains(&counts_from(event)))?;
        let event = self.retries.remove(at)?;
        self.bytes -= body_bytes(&event);
        Some(event)
    }
}

#[cfg(test)]
mod tests;
