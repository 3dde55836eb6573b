//! The step of an attempt in the trace of its message.
//!
//! Each attempt has an id of its own, which the receiver gets as its parent, so that what the receiver does
//! belongs to the attempt.

use std::time::SystemTime;

use rand::RngExt;

use super::protocol::AttemptResult;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::trace_context::{TRACEPARENT, TRACESTATE, TraceContext};
use crate::spans::{AttemptStep, Span, Spans, Step};
use crate::storage::{EventBody, QueuedEvent, Target};

/// The step of an attempt.
pub(super) struct AttemptTrace<'a> {
    context: &'a TraceContext,
    span_id: u64,
    traceparent: String,
    /// The time of the beginning, if the step is to be exported.
    began: Option<SystemTime>,
}

impl<'a> AttemptTrace<'a> {
    /// Begins the step of an attempt to send `body`, if its message has a trace.
    pub(super) fn begin(body: &'a EventBody, spans: &Spans) -> Option<Self> {
        let context = body.trace()?;
        let span_id = rand::rng().random_range(1..=u64::MAX);
        let is_exported = spans.are_on() && context.is_sampled();
        Some(Self {
            context,
            span_id,
            traceparent: context.traceparent(span_id),
            began: is_exported.then(SystemTime::now),
        })
    }

    /// Returns the headers for the receiver.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let state = self.context.tracestate();
        let state = (!state.is_empty()).then_some((TRACESTATE, state));
        std::iter::once((TRACEPARENT, self.traceparent.as_str())).chain(state)
    }

    /// Exports the step, if traces are exported and the producer records this one.
    pub(super) fn export(
        self,
        spans: &Spans,
        event: &QueuedEvent,
        target: &Target,
        result: &AttemptResult,
    ) {
        let Some(start) = self.began else {
            return;
        };
        spans.push(Span {
            trace_id: self.context.trace_id(),
            span_id: self.span_id,
            parent_id: Some(self.context.parent_id()),
            start,
            duration: result.took,
            step: Step::Attempt(AttemptStep {
                event_id: event.id,
                endpoint_id: target.id,
                workspace_id: target.workspace_id,
                attempt: event.attempts + 1,
                http_code: result.code,
                error: result.error.map(AttemptFailure::as_str),
            }),
        });
    }
}
