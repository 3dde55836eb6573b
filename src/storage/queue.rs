//! The delivery engine's side of a store: the queue of events, and the notices of commits.

use std::sync::Arc;

use uuid::Uuid;

use super::error::StoreError;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::Timestamp;
#[cfg(test)]
use crate::domain::endpoint::Format;
use crate::domain::endpoint::TargetSettings;
#[cfg(test)]
use crate::domain::endpoint_url::EndpointUrl;
pub use crate::domain::event_state::{Run, Verdict};
pub use crate::domain::rest::{EndpointRest, HealthEpoch, RestNote};
use crate::domain::trace_context::TraceContext;

/// An endpoint's number: small, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointNumber(pub i64);

/// A workspace's number: small, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkspaceNumber(pub i64);

/// An event's number, which rises in the order of commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(pub i64);

/// An endpoint as the engine sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The endpoint's number.
    pub number: EndpointNumber,
    /// The workspace that owns it.
    pub workspace: WorkspaceNumber,
    /// The endpoint's id, for logs.
    pub id: Uuid,
    /// The id of its workspace, for logs.
    pub workspace_id: Uuid,
    /// The settings that the engine needs.
    pub settings: TargetSettings,
    /// Set if attempts may start.
    pub enabled: bool,
    /// Runs up to this one are skipped.
    pub skip_through: Run,
    /// The epoch of its health.
    pub health_epoch: HealthEpoch,
    /// Set if no attempt may start until the pause is over. Its events stay pending.
    pub paused: bool,
    /// The end of its last pause. The time of a run that began before counts from then on.
    pub resumed_at: Option<Timestamp>,
}

#[cfg(test)]
impl Target {
    /// Returns an enabled endpoint for tests.
    pub(crate) fn for_tests(number: EndpointNumber, workspace: WorkspaceNumber) -> Self {
        Self {
            number,
            workspace,
            id: Uuid::nil(),
            workspace_id: Uuid::nil(),
            settings: TargetSettings::new(
                EndpointUrl::from_stored("https://a".to_owned()),
                Format::Raw,
            ),
            enabled: true,
            skip_through: Run(0),
            health_epoch: HealthEpoch::default(),
            paused: false,
            resumed_at: None,
        }
    }
}

/// An endpoint as the engine finds it at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTarget {
    /// The endpoint.
    pub target: Target,
    /// Its queue on disk.
    pub backlog: Backlog,
    /// Its rest, as it was noted last.
    pub rest: EndpointRest,
}

/// The part of an endpoint's queue that is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Set if there are events that were never attempted.
    pub fresh: bool,
    /// The due time of the soonest retry, or an earlier time.
    pub next_due: Option<Timestamp>,
    /// Set if there are events that wait for the first attempt of a redelivery.
    pub redeliveries: bool,
}

/// An event that waits for an attempt.
#[derive(Clone, Debug)]
pub struct QueuedEvent {
    /// The event's number.
    pub seq: Seq,
    /// The event's id.
    pub id: Uuid,
    /// The endpoint that it is sent to.
    pub endpoint: EndpointNumber,
    /// The workspace that owns it.
    pub workspace: WorkspaceNumber,
    /// The number of its type, which only the store uses.
    pub event_type: i64,
    /// The current run.
    pub run: Run,
    /// Attempts made in this run.
    pub run_attempt: u32,
    /// The time when the run began.
    pub run_started: Timestamp,
    /// Attempts made in all runs.
    pub attempts: u32,
    /// The body of the request, if it is in memory.
    pub body: Option<EventBody>,
}

#[cfg(test)]
impl QueuedEvent {
    /// Returns an event for tests, in its first run, that was never attempted and lacks its body.
    pub(crate) fn for_tests(
        seq: i64,
        endpoint: EndpointNumber,
        workspace: WorkspaceNumber,
    ) -> Self {
        Self {
            seq: Seq(seq),
            id: Uuid::nil(),
            endpoint,
            workspace,
            event_type: 1,
            run: Run(seq),
            run_attempt: 0,
            run_started: Timestamp::default(),
            attempts: 0,
            body: None,
        }
    }
}

/// The body of an event, and the trace that is sent with it. They are together, so that whoever keeps a body in
/// memory, or drops it, does the same with the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBody {
    bytes: Arc<[u8]>,
    trace: Option<Arc<TraceContext>>,
}

impl EventBody {
    /// Returns a body with the trace of its message.
    #[must_use]
    pub fn new(bytes: Arc<[u8]>, trace: Option<Arc<TraceContext>>) -> Self {
        Self { bytes, trace }
    }

    /// Returns the bytes of the request's body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the trace of the message, if it has one.
    #[must_use]
    pub fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_deref()
    }

    /// Returns the memory that the body takes, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let trace = self.trace().map_or(0, TraceContext::bytes);
        self.bytes.len() + trace
    }
}

impl<T: Into<Arc<[u8]>>> From<T> for EventBody {
    fn from(bytes: T) -> Self {
        Self::new(bytes.into(), None)
    }
}

/// Events that are due for another attempt, and when the next one after them is due.
#[derive(Clone, Debug, Default)]
pub struct RetryBatch {
    /// The events, soonest due first.
    pub events: Vec<QueuedEvent>,
    /// The due time of the soonest event that is not in `events`.
    pub next_due: Option<Timestamp>,
}

/// The record of an attempt, for the store to write.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    /// The event, as the queue or a notice gave it to the engine.
    pub event: QueuedEvent,
    /// The decision on the event. It does not apply if the event has begun another run meanwhile.
    pub verdict: Verdict,
    /// The time of the decision. The wall clock may have been set back since.
    pub decided_at: Timestamp,
    /// The status code, if there was an answer.
    pub code: Option<u16>,
    /// The cause of the failure, if there was no answer.
    pub error: Option<AttemptFailure>,
    /// The start of the answer, or the error in words.
    pub response: Option<String>,
    /// The duration of the attempt.
    pub duration_ms: u32,
    /// The rest of the endpoint after the attempt. `None`: it is as it was.
    pub rest: Option<RestNote>,
}

/// The store's reply to an [`AttemptRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The event.
    pub seq: Seq,
    /// The event's endpoint.
    pub endpoint: EndpointNumber,
    /// The time of the next attempt, if the event waits for one.
    pub due: Option<Timestamp>,
}

/// The kind of change of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointChange {
    /// It was created.
    Created,
    /// Other settings changed, or its pause began or ended.
    Edited,
    /// It got another URL: the engine forgets the health of the old one.
    Moved,
    /// It was enabled: its rest ends.
    Enabled,
    /// It was disabled or deleted.
    Disabled,
}

/// A notice of a commit to the engine. Notices come in the order of commits.
#[derive(Clone, Debug)]
pub enum Notice {
    /// An event was published. The engine may forget all but its number.
    Published(QueuedEvent),
    /// An endpoint changed.
    Endpoint(Target, EndpointChange),
    /// An event begins a new run. Its first attempt waits neither for a rest nor for `Retry-After`.
    Redeliver {
        /// Its endpoint.
        endpoint: EndpointNumber,
        /// The event.
        seq: Seq,
    },
    /// A job let an event go: it begins a new run, in its place among the retries of its endpoint. The event may
    /// be one that the job made.
    LetGo {
        /// Its endpoint.
        endpoint: EndpointNumber,
        /// The event.
        seq: Seq,
        /// The time when its attempt is due.
        at: Timestamp,
    },
    /// A pending event was skipped: no attempt starts any more.
    Skipped {
        /// Its endpoint.
        endpoint: EndpointNumber,
        /// The event.
        seq: Seq,
    },
    /// The record of an attempt is on disk.
    Recorded(Recorded),
    /// An event is due earlier than before, because the wall clock was set back.
    Due {
        /// Its endpoint.
        endpoint: EndpointNumber,
        /// The time when it is due.
        at: Timestamp,
    },
}

/// The receiver of notices. The store's writer calls it after a commit and before the callers get their
/// results. So an implementation only stores the notices: it never waits, and never calls the store.
pub trait NoticeSink: Send + Sync {
    /// Takes in the notices of one commit.
    fn committed(&self, notices: Vec<Notice>);
}

/// The queue, as a store offers it to the engine.
pub trait Queue: Send + Sync {
    /// Makes `sink` the receiver of the notices of every commit from now on. The engine calls this once,
    /// before all other methods.
    fn listen(&self, sink: Arc<dyn NoticeSink>);
    /// Returns the enabled endpoints, with the backlog and the rest of each: at least what was on disk before the call. One
    /// call returns all of them, because few of many endpoints have a backlog, and a query for each would
    /// take seconds.
    fn targets(&self) -> Result<Vec<StoredTarget>, StoreError>;
    /// Returns events of `endpoint` that were never attempted, with numbers above `after`, in publish order.
    fn fresh(
        &self,
        endpoint: EndpointNumber,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<QueuedEvent>, StoreError>;
    /// Returns events of `endpoint` whose next attempt is due by `now`, soonest first, in runs after
    /// `skip_through`, except those that wait for the first attempt of a redelivery by hand. An event that a job
    /// let go has `run_attempt` 0.
    fn retries(
        &self,
        endpoint: EndpointNumber,
        skip_through: Run,
        now: Timestamp,
        limit: usize,
    ) -> Result<RetryBatch, StoreError>;
    /// Returns events of `endpoint` that wait for the first attempt of a redelivery by hand, in runs after
    /// `skip_through`, in publish order.
    fn redeliveries(
        &self,
        endpoint: EndpointNumber,
        skip_through: Run,
        limit: usize,
    ) -> Result<Vec<QueuedEvent>, StoreError>;
    /// Returns the bodies of the first of `seqs`, in their order: as many as fit into `bytes`, at least one.
    /// `None` stands for an archived one.
    fn bodies(&self, seqs: &[Seq], bytes: usize) -> Result<Vec<Option<EventBody>>, StoreError>;
    /// Queues the record of an attempt; a full disk delays it. The sink gets [`Notice::Recorded`] once it is
    /// on disk.
    fn record(&self, record: AttemptRecord);
}
