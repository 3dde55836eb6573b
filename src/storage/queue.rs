//! The delivery engine's side of a store: the queue of events, and what it hears of commits.

use std::sync::Arc;

use uuid::Uuid;

use super::error::StoreError;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::DeliverySettings;
pub use crate::domain::event_state::{Run, Verdict};

/// An endpoint's number: small, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointNumber(pub i64);

/// A workspace's number: small, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkspaceNumber(pub i64);

/// An event's number: the order of commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Seq(pub i64);

/// What the engine knows of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its number.
    pub number: EndpointNumber,
    /// Whose it is.
    pub workspace: WorkspaceNumber,
    /// Its id, for logs.
    pub id: Uuid,
    /// Its settings, as far as the engine works with them.
    pub settings: DeliverySettings,
    /// Whether attempts may start.
    pub enabled: bool,
    /// Runs up to this one are skipped.
    pub skip_through: Run,
}

/// What is on disk of an endpoint's queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Whether events were never attempted.
    pub fresh: bool,
    /// When the soonest retry is due, or earlier.
    pub next_due: Option<Timestamp>,
    /// Whether events wait for the first attempt of a redelivery.
    pub redeliveries: bool,
}

/// An event that waits for an attempt.
#[derive(Clone, Debug)]
pub struct QueuedEvent {
    /// Its number.
    pub seq: Seq,
    /// Its id.
    pub id: Uuid,
    /// Where it goes.
    pub endpoint: EndpointNumber,
    /// Whose it is.
    pub workspace: WorkspaceNumber,
    /// Its type's number, opaque to the engine.
    pub event_type: i64,
    /// The current run.
    pub run: Run,
    /// Attempts made in this run.
    pub run_attempt: u32,
    /// When the run began.
    pub run_started: Timestamp,
    /// Attempts made in all runs.
    pub attempts: u32,
    /// What is sent, if it is at hand.
    pub body: Option<Arc<[u8]>>,
}

/// Events due for another attempt, and when the next one after them is.
#[derive(Clone, Debug, Default)]
pub struct RetryBatch {
    /// Due ones, soonest first.
    pub events: Vec<QueuedEvent>,
    /// When the soonest one that is not in `events` is due.
    pub next_due: Option<Timestamp>,
}

/// One attempt, to be recorded.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    /// The event as it was handed out.
    pub event: QueuedEvent,
    /// What becomes of it, unless it has begun another run meanwhile.
    pub verdict: Verdict,
    /// When that was decided: the wall clock may have been set back since.
    pub decided_at: Timestamp,
    /// The status code, if there was an answer.
    pub code: Option<u16>,
    /// What went wrong, if there was none.
    pub error: Option<AttemptFailure>,
    /// Start of the answer, or the error in words.
    pub response: Option<String>,
    /// How long the attempt took.
    pub duration_ms: u32,
}

/// What the store made of an [`AttemptRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The event.
    pub seq: Seq,
    /// Its endpoint.
    pub endpoint: EndpointNumber,
    /// When the event waits for another attempt: at this time.
    pub due: Option<Timestamp>,
}

/// Why an endpoint changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was made.
    Created,
    /// Its secret, format or subscriptions changed; nothing for the engine's rules.
    Edited,
    /// It got another URL: what was learnt of the old one is void.
    Moved,
    /// It was enabled: rest ends.
    Enabled,
    /// It was disabled or deleted.
    Disabled,
}

/// What the engine hears of a commit, in the order of commits.
#[derive(Clone, Debug)]
pub enum Notice {
    /// An event was published. The engine may forget all but its number.
    Published(QueuedEvent),
    /// An endpoint changed.
    Endpoint(Target, Cause),
    /// An event begins a new run, which waits for nothing.
    Redeliver {
        /// Its endpoint.
        endpoint: EndpointNumber,
        /// The event.
        seq: Seq,
    },
    /// An outcome is on disk.
    Recorded(Recorded),
    /// An event waits for another attempt only until this time, since the wall clock was set back.
    Due {
        /// Its endpoint.
        endpoint: EndpointNumber,
        /// When it is due.
        at: Timestamp,
    },
}

/// Hears of commits. Called by the store's writer after the commit and before anybody is answered, so
/// an implementation takes note and returns: it never waits, and never calls the store.
pub trait NoticeSink: Send + Sync {
    /// Takes the notices of one commit.
    fn committed(&self, notices: Vec<Notice>);
}

/// What the engine asks of a store.
pub trait Queue: Send + Sync {
    /// Has `sink` hear of every commit from now on. Called once, before the first of the others.
    fn listen(&self, sink: Arc<dyn NoticeSink>);
    /// The endpoints that are enabled, and what each has on disk: at least what was there before the call.
    /// With many endpoints few of them have anything, and looking for each would take seconds.
    fn targets(&self) -> Result<Vec<(Target, Backlog)>, StoreError>;
    /// Events of `endpoint` never attempted, with numbers above `after`, in publish order.
    fn fresh(
        &self,
        endpoint: EndpointNumber,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<QueuedEvent>, StoreError>;
    /// Events of `endpoint` whose next attempt is due by `now`, soonest first, in runs after
    /// `skipped`. Those that wait for the first attempt of a redelivery are left out.
    fn retries(
        &self,
        endpoint: EndpointNumber,
        skipped: Run,
        now: Timestamp,
        limit: usize,
    ) -> Result<RetryBatch, StoreError>;
    /// Events of `endpoint` that wait for the first attempt of a redelivery, in runs after
    /// `skipped`, in publish order.
    fn redeliveries(
        &self,
        endpoint: EndpointNumber,
        skipped: Run,
        limit: usize,
    ) -> Result<Vec<QueuedEvent>, StoreError>;
    /// The bodies of the first of `seqs`, in their order: as many as fit into `bytes`, at least one.
    /// `None` for one that was archived.
    fn bodies(&self, seqs: &[Seq], bytes: usize) -> Result<Vec<Option<Arc<[u8]>>>, StoreError>;
    /// Records an attempt, sooner or later: a full disk delays it. The sink hears
    /// [`Notice::Recorded`] once it is on disk.
    fn record(&self, outcome: AttemptRecord);
}
