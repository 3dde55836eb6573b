//! The messages between the threads of the engine.
//!
//! The dispatcher hands out [`AttemptJob`]s and [`ReadRequest`]s. A sender replies with an
//! [`AttemptReport`], the reader with a [`ReadResult`].

use std::sync::Arc;
use std::time::Duration;

use super::target::LiveTarget;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::{Clock, Timestamp};
use crate::storage::{EndpointNumber, EventBody, QueuedEvent, RetryBatch, Run, Seq};

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// The wall clock, for times that are stored.
    pub(super) wall: Timestamp,
    /// The monotonic clock, for waits.
    pub(super) monotonic: Duration,
}

impl Now {
    /// Reads both clocks.
    pub(super) fn of(clock: &dyn Clock) -> Self {
        Self {
            wall: clock.now(),
            monotonic: clock.monotonic(),
        }
    }
}

/// An attempt for a sender to make.
#[derive(Debug)]
pub(super) struct AttemptJob {
    pub(super) event: QueuedEvent,
    pub(super) target: Arc<LiveTarget>,
    /// The next events of the same endpoint that lack their bodies, if `event` lacks its own: one read gets
    /// all of them. None of these events starts before [`ReadResult::Bodies`] has come.
    pub(super) followers: Vec<Seq>,
}

/// A sender's report on an [`AttemptJob`].
#[derive(Debug)]
pub(super) enum AttemptReport {
    /// The sender made the attempt.
    Made(QueuedEvent, AttemptResult),
    /// The sender made no attempt, because the run is skipped.
    Skipped(QueuedEvent),
    /// The sender made no attempt, because the endpoint is paused. The event stays pending.
    GivenBack(QueuedEvent),
}

/// The result of one attempt.
#[derive(Clone, Debug)]
pub(super) struct AttemptResult {
    /// The status code, if there was an answer.
    pub(super) code: Option<u16>,
    /// The cause of the failure, if there was no answer.
    pub(super) error: Option<AttemptFailure>,
    /// Another attempt cannot succeed.
    pub(super) is_final: bool,
    /// The start of the answer, or the error in words.
    pub(super) response: Option<String>,
    /// The wait that the receiver asked for (`Retry-After` and the like).
    pub(super) retry_after: Option<Duration>,
    pub(super) took: Duration,
}

/// A read of the queue, for the reader to make. Each variant is a method of [`Queue`](crate::storage::Queue).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadRequest {
    Fresh {
        endpoint: EndpointNumber,
        after: Seq,
        limit: usize,
    },
    Retries {
        endpoint: EndpointNumber,
        skip_through: Run,
        now: Timestamp,
        limit: usize,
    },
    Redeliveries {
        endpoint: EndpointNumber,
        skip_through: Run,
        limit: usize,
    },
}

/// The result of a read. `events` or `batch` is `None` if the read failed; `limit` is that of the request.
#[derive(Debug)]
pub(super) enum ReadResult {
    Fresh {
        endpoint: EndpointNumber,
        events: Option<Vec<QueuedEvent>>,
        limit: usize,
    },
    Retries {
        endpoint: EndpointNumber,
        batch: Option<RetryBatch>,
    },
    Redeliveries {
        endpoint: EndpointNumber,
        events: Option<Vec<QueuedEvent>>,
        limit: usize,
    },
    /// The bodies of an [`AttemptJob`]'s followers, as many as were read. The job itself has its body and is
    /// with the senders.
    Bodies {
        endpoint: EndpointNumber,
        bodies: Vec<(Seq, EventBody)>,
    },
}
