//! What the threads of the engine say to each other.
//!
//! The dispatcher hands out [`AttemptJob`]s and [`ReadRequest`]s; senders answer with a [`AttemptReport`], the reader
//! with a [`ReadResult`].

use std::sync::Arc;
use std::time::Duration;

use super::target::LiveTarget;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::Timestamp;
use crate::storage::{EndpointNumber, QueuedEvent, RetryBatch, Run, Seq};

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// For what is stored.
    pub(super) wall: Timestamp,
    /// For what is waited on.
    pub(super) monotonic: Duration,
}

/// An attempt to be made.
#[derive(Debug)]
pub(super) struct AttemptJob {
    pub(super) event: QueuedEvent,
    pub(super) target: Arc<LiveTarget>,
    /// If its body has to be read: the events of the same endpoint that come next, whose bodies are
    /// read along with it. None of them starts before [`ReadResult::Bodies`] has come.
    pub(super) followers: Vec<Seq>,
}

/// What a sender reports.
#[derive(Debug)]
pub(super) enum AttemptReport {
    /// An attempt was made.
    Made(QueuedEvent, AttemptResult),
    /// No attempt was made: the run is skipped.
    Skipped(QueuedEvent),
}

/// How an attempt went.
#[derive(Clone, Debug)]
pub(super) struct AttemptResult {
    pub(super) code: Option<u16>,
    pub(super) error: Option<AttemptFailure>,
    /// Trying again cannot help.
    pub(super) is_final: bool,
    pub(super) response: Option<String>,
    pub(super) retry_after: Option<Duration>,
    pub(super) took: Duration,
}

/// A read to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadRequest {
    Fresh {
        endpoint: EndpointNumber,
        after: Seq,
        limit: usize,
    },
    Retries {
        endpoint: EndpointNumber,
        skipped: Run,
        now: Timestamp,
        limit: usize,
    },
    Redeliveries {
        endpoint: EndpointNumber,
        skipped: Run,
        limit: usize,
    },
}

/// What a read found; `None`: it failed.
#[derive(Debug)]
pub(super) enum ReadResult {
    Fresh(EndpointNumber, Option<Vec<QueuedEvent>>, usize),
    Retries(EndpointNumber, Option<RetryBatch>),
    Redeliveries(EndpointNumber, Option<Vec<QueuedEvent>>, usize),
    /// A start without a body is with the senders, and these of its followers have theirs.
    Bodies(EndpointNumber, Vec<(Seq, Arc<[u8]>)>),
}
