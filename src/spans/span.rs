//! The record of one step of a trace, from which the exporter makes a span.
//!
//! It has no text that must be made, so that the threads that queue it spend no time on it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

/// A step of a trace.
#[derive(Clone, Debug)]
pub struct Span {
    /// The id of the trace; not zero.
    pub trace_id: u128,
    /// The id of the step; not zero.
    pub span_id: u64,
    /// The step that it belongs to, if it is not the first of its trace.
    pub parent_id: Option<u64>,
    /// The time when it began.
    pub start: SystemTime,
    /// The time that it took.
    pub duration: Duration,
    /// The kind of the step.
    pub step: Step,
}

/// The kind of a step, and what is known of it.
#[derive(Clone, Debug)]
pub enum Step {
    /// A request that publishes a message. Its parent is the producer's.
    Publish(PublishStep),
    /// The wait of a message for the writer, and the transaction that stores it.
    Commit {
        /// The message.
        message_id: Uuid,
        /// Its workspace.
        workspace_id: Uuid,
    },
    /// An attempt to deliver an event.
    Attempt(AttemptStep),
}

/// A request that publishes a message.
#[derive(Clone, Debug)]
pub struct PublishStep {
    /// The id of the request.
    pub request_id: Arc<str>,
    /// The base and the pattern of the route.
    pub route: Option<(&'static str, &'static str)>,
    /// The status of the answer.
    pub status: u16,
    /// The workspace.
    pub workspace_id: Option<Uuid>,
    /// The message and the number of its events, if it was accepted.
    pub published: Option<(Uuid, usize)>,
    /// The number of messages of a batch and that of their events, if it was accepted.
    pub batch: Option<(usize, usize)>,
}

/// An attempt to deliver an event.
#[derive(Clone, Debug)]
pub struct AttemptStep {
    /// The event.
    pub event_id: Uuid,
    /// The endpoint.
    pub endpoint_id: Uuid,
    /// Its workspace.
    pub workspace_id: Uuid,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The status code, if there was an answer.
    pub http_code: Option<u16>,
    /// The cause of the failure, if there was no answer; a word.
    pub error: Option<&'static str>,
}
