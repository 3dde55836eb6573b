//! The step of a publish in the trace of its message.
//!
//! If traces are exported, a publish is a step of its producer's trace, or begins one. The message is stored
//! with this step as parent, so the attempts belong to it. A publish whose producer does not record its trace
//! is no step: the message then keeps the producer's context, as it does while no traces are exported.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use actix_web::dev::ServiceResponse;
use actix_web::http::header::{HeaderMap, HeaderValue};
use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest};
use rand::RngExt;

use super::request_notes::RequestNotes;
use super::state::ServerState;
use crate::domain::trace_context::{TRACEPARENT, TRACESTATE, TraceContext};
use crate::spans::{PublishStep, Span, Spans, Step};

/// The step of a publish, kept with its request until the answer.
struct PublishTrace {
    trace_id: u128,
    span_id: u64,
    parent_id: Option<u64>,
    /// The time when the message was queued for the writer, and how long its commit took from then.
    commit: Option<(Instant, Duration)>,
}

/// Begins the step of a publish. Returns the context to store with the message, if it has one.
pub(crate) fn begin(request: &HttpRequest, spans: &Spans) -> Option<Arc<TraceContext>> {
    let producers = trace_context(request.headers());
    let is_left_out = producers.as_ref().is_some_and(|trace| !trace.is_sampled());
    if !spans.are_on() || is_left_out {
        return producers.map(Arc::new);
    }
    let span_id = random_id();
    let own = match &producers {
        Some(trace) => trace.with_parent(span_id),
        None => TraceContext::new(rand::rng().random_range(1..=u128::MAX), span_id),
    };
    request.extensions_mut().insert(PublishTrace {
        trace_id: own.trace_id(),
        span_id,
        parent_id: producers.map(|trace| trace.parent_id()),
        commit: None,
    });
    Some(Arc::new(own))
}

/// Notes that the message, queued for the writer at `queued`, is on disk now.
pub(crate) fn note_commit(request: &HttpRequest, queued: Instant) {
    if let Some(trace) = request.extensions_mut().get_mut::<PublishTrace>() {
        trace.commit = Some((queued, queued.elapsed()));
    }
}

/// Exports the step of an answered publish, and that of its commit. Does nothing for other requests.
pub(crate) fn export<B>(response: &ServiceResponse<B>, started: Instant) {
    let request = response.request();
    let Some(state) = request.app_data::<Data<ServerState>>() else {
        return;
    };
    if !state.spans.are_on() {
        return;
    }
    let extensions = request.extensions();
    let (trace, notes) = (extensions.get(), extensions.get::<RequestNotes>());
    let Some((
        &PublishTrace {
            commit,
            trace_id,
            span_id,
            parent_id,
        },
        notes,
    )) = trace.zip(notes)
    else {
        return;
    };
    let now = SystemTime::now();
    let facts = notes.facts();
    if let (Some((queued, duration)), Some((message_id, _)), Some(workspace_id)) =
        (commit, facts.published, facts.workspace_id)
    {
        state.spans.push(Span {
            trace_id,
            span_id: random_id(),
            parent_id: Some(span_id),
            start: now - queued.elapsed(),
            duration,
            step: Step::Commit {
                message_id,
                workspace_id,
            },
        });
    }
    let duration = started.elapsed();
    state.spans.push(Span {
        trace_id,
        span_id,
        parent_id,
        start: now - duration,
        duration,
        step: Step::Publish(PublishStep {
            request_id: notes.id().clone(),
            route: facts.route,
            status: response.status().as_u16(),
            workspace_id: facts.workspace_id,
            published: facts.published,
            batch: facts.batch,
        }),
    });
}

fn random_id() -> u64 {
    rand::rng().random_range(1..=u64::MAX)
}

/// Reads the producer's context; one that is not valid is none.
fn trace_context(headers: &HeaderMap) -> Option<TraceContext> {
    let parents = headers.get_all(TRACEPARENT).map(HeaderValue::as_bytes);
    let states = headers.get_all(TRACESTATE).map(HeaderValue::as_bytes);
    TraceContext::read(parents, states)
}
