//! The one thread that writes.
//!
//! # Group commit
//! An fsync costs the same for one row and for a thousand, so the writer takes everything that waits
//! and commits it in one transaction. While it commits, the next group gathers: the busier, the
//! larger the groups. Nobody is answered, and the engine hears nothing, before COMMIT returned.
//!
//! # Failure
//! There are no savepoints: they do not survive a full disk, and they cost every write. An operation
//! that refuses must do so before it writes. When the database itself fails, the group is rolled back
//! and each operation tried again in a transaction of its own, so that each gets its own error; unless
//! another process holds the lock, which each would wait for again. Outcomes
//! of attempts cannot be refused, they have happened: they stay at the head of the queue and are tried
//! again every half a second, until the disk takes them. Publishes are refused meanwhile.
//!
//! Two failures end the process: a failed sync ([`super::failed_sync`]), and a read that fails twice
//! ([`super::doubt`]). If the files are not those that were opened, nothing is written until they are again.
//!
//! # Bounds
//! Two queues, outcomes first, so that a flood of publishes cannot keep an attempt from being
//! recorded; while publishes wait, half of a group is theirs. Publishes are bounded in number and in
//! bytes, and workspaces take turns ([`fair_queue`]). Outcomes are bounded by the engine, which starts no
//! attempt while too many are unrecorded.

mod failure;
mod fair_queue;
mod group;
mod points;
#[cfg(test)]
mod tests;
mod thread;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};

use rusqlite::Connection;
use uuid::Uuid;

use self::failure::Condition;
use self::fair_queue::{Entry, FairQueue, Owner, Room};
use self::thread::Thread;
use super::files::Files;
use super::operation::Operation;
use super::publisher::Summarised;
use crate::domain::clock::Clock;
use crate::fail_point::{FailPoint, reach};
use crate::storage::{NoticeSink, StoreError, Unavailable};
use crate::vital::{self, VitalThread};

/// What may wait besides outcomes: ten full groups, and bytes that bound memory whatever the size of
/// bodies. Whoever comes later is told to try again.
const QUEUE_ROOM: Room = Room {
    operations: 10_000,
    bytes: 64 << 20,
};

struct Waiting {
    outcomes: VecDeque<Box<dyn Operation>>,
    others: FairQueue<Box<dyn Operation>>,
    stopping: bool,
}

struct Shared {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    condition: AtomicU8,
    summarised: Summarised,
    sink: OnceLock<Arc<dyn NoticeSink>>,
}

/// The writer's handle: queues operations, stops the thread.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: VitalThread,
}

/// What the writer thread owns.
pub(super) struct Desk {
    /// The write connection.
    pub(super) connection: Connection,
    /// Whether this process holds the file's lock. If not, somebody else sweeps, counts and indexes: what
    /// they remember of the file would become untrue, as they do not hear of what is written here.
    pub(super) keeps_house: bool,
    /// Opens it again after an I/O error.
    pub(super) reopen: Box<dyn Fn() -> rusqlite::Result<Connection> + Send>,
    /// The files, which must still be those that were opened.
    pub(super) files: Arc<Files>,
    /// The clocks.
    pub(super) clock: Arc<dyn Clock>,
    /// Called between groups.
    pub(super) between_groups: Box<dyn FnMut(&Connection) + Send>,
}

impl Writer {
    /// Starts the thread, once it has read what it must remember.
    pub(super) fn start(desk: Desk) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            waiting: Mutex::new(Waiting {
                outcomes: VecDeque::new(),
                others: FairQueue::new(QUEUE_ROOM),
                stopping: false,
            }),
            arrived: Condvar::new(),
            condition: AtomicU8::new(Condition::Well as u8),
            summarised: Summarised::default(),
            sink: OnceLock::new(),
        });
        let for_thread = shared.clone();
        let (ready, loaded) = sync_channel(1);
        let thread = VitalThread::start("writer", move || Thread::run(desk, &for_thread, &ready))
            .map_err(|error| {
            StoreError::Internal(format!("no thread for the writer: {error}"))
        })?;
        let writer = Self { shared, thread };
        let loaded = loaded.recv().expect("the thread says how it began");
        if let Err(error) = loaded {
            writer.stop();
            return Err(StoreError::Internal(error.to_string()));
        }
        Ok(writer)
    }

    /// Whom to tell of commits.
    pub(super) fn listen(&self, sink: Arc<dyn NoticeSink>) {
        let _ = self.shared.sink.set(sink);
    }

    /// Queues an operation of the server's own.
    pub(super) fn submit(&self, operation: Box<dyn Operation>) {
        self.submit_of(None, operation);
    }

    /// Queues an operation of `owner`, or finishes it with the reason why not.
    pub(super) fn submit_of(&self, owner: Owner, operation: Box<dyn Operation>) {
        let entry = Entry {
            owner,
            bytes: operation.size(),
            weight: operation.weight() as u64,
            item: operation,
        };
        let mut waiting = self.shared.lock();
        let wake = waiting.others.is_empty();
        let refused = if waiting.stopping {
            Err((Unavailable::Stopping, entry.item))
        } else {
            if owner.is_some() {
                reach(FailPoint::Queueing);
            }
            let pushed = waiting.others.push(entry);
            pushed.map_err(|operation| (Unavailable::QueueFull, operation))
        };
        drop(waiting);
        match refused {
            Err((reason, operation)) => operation.finish(Err(StoreError::Unavailable(reason))),
            Ok(()) if wake => self.shared.arrived.notify_one(),
            Ok(()) => {}
        }
    }

    /// Queues an outcome; taken even while stopping, since the attempt has been made.
    pub(super) fn submit_outcome(&self, operation: Box<dyn Operation>) {
        let mut waiting = self.shared.lock();
        let wake = waiting.outcomes.is_empty();
        waiting.outcomes.push_back(operation);
        drop(waiting);
        if wake {
            self.shared.arrived.notify_one();
        }
    }

    /// Whether writes go through.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let condition = self.shared.condition.load(Ordering::Relaxed);
        let reason = match condition {
            c if c == Condition::Full as u8 => Unavailable::DiskFull,
            c if c == Condition::Failing as u8 => Unavailable::DiskError,
            c if c == Condition::Locked as u8 => Unavailable::Locked,
            c if c == Condition::Moved as u8 => Unavailable::Moved,
            c if c == Condition::Stopped as u8 => Unavailable::Stopping,
            _ => return Ok(()),
        };
        Err(StoreError::Unavailable(reason))
    }

    /// Whether an endpoint of the workspace is shown a summary, as far as is known here.
    pub(super) fn shows_summaries(&self, workspace: Uuid) -> bool {
        self.shared.summarised.contains(workspace)
    }

    /// Writes what waits and ends the thread. Later operations are refused.
    pub(super) fn stop(&self) {
        self.thread.stop(|| {
            self.shared.lock().stopping = true;
            self.shared.arrived.notify_all();
        });
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        vital::lock(&self.waiting)
    }

    fn is_well(&self) -> bool {
        self.is(Condition::Well)
    }

    fn is(&self, condition: Condition) -> bool {
        self.condition.load(Ordering::Relaxed) == condition as u8
    }

    fn set(&self, condition: Condition) {
        self.condition.store(condition as u8, Ordering::Relaxed);
    }
}
