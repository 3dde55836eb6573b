//! The writer's handle: queues operations and stops the thread.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Instant;

use uuid::Uuid;

use super::failure::WriterCondition;
use super::fair_queue::{Entry, FairQueue, Owner, Room};
use super::operation::Operation;
use super::recent_attempts::RecentAttempts;
use super::shared::{Shared, Waiting, WriterResources};
use super::size_limit::SizeLimit;
use super::stall::StallWatch;
use super::thread::Thread;
use super::workspace_cache::PublishHints;
use crate::domain::event_type::EventType;
use crate::fail_point::{FailPoint, hit};
use crate::storage::{NoticeSink, StoreError, Unavailable};
use crate::vital::VitalThread;

/// The most that may wait besides attempt records: ten full groups, and bytes that bound memory whatever the
/// size of bodies. Later callers get an error that asks them to try again.
pub(super) const QUEUE_ROOM: Room = Room {
    operations: 10_000,
    bytes: 64 << 20,
};

/// The writer's handle: queues operations, stops the thread.
pub(crate) struct Writer {
    pub(super) shared: Arc<Shared>,
    thread: VitalThread,
}

impl Writer {
    /// Starts the thread, and waits until it has read its cache.
    pub(crate) fn start(resources: WriterResources) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            waiting: Mutex::new(Waiting {
                records: VecDeque::new(),
                others: FairQueue::new(QUEUE_ROOM),
                stopping: false,
            }),
            arrived: Condvar::new(),
            condition: AtomicU8::new(WriterCondition::Healthy as u8),
            stall: StallWatch::new(),
            foreground: AtomicU64::new(0),
            requested: AtomicU64::new(0),
            size_limit: resources.size_limit.clone(),
            hints: PublishHints::default(),
            recent_attempts: RecentAttempts::default(),
            sink: OnceLock::new(),
        });
        let for_thread = shared.clone();
        let (ready, loaded) = sync_channel(1);
        let thread = VitalThread::start("writer", move || {
            Thread::run(resources, &for_thread, &ready);
        })
        .map_err(|error| StoreError::Internal(format!("no thread for the writer: {error}")))?;
        let writer = Self { shared, thread };
        let loaded = loaded.recv().expect("the thread says how it began");
        if let Err(error) = loaded {
            writer.stop();
            return Err(StoreError::Internal(error.to_string()));
        }
        Ok(writer)
    }

    /// Sets the receiver of the notices of commits.
    pub(crate) fn listen(&self, sink: Arc<dyn NoticeSink>) {
        let _ = self.shared.sink.set(sink);
    }

    /// Queues an operation of the server itself.
    pub(crate) fn submit(&self, operation: Box<dyn Operation>) {
        self.submit_of(None, operation);
    }

    /// Queues an operation of `owner`, or finishes it with the reason why the queue refuses it.
    pub(crate) fn submit_of(&self, owner: Owner, operation: Box<dyn Operation>) {
        let entry = Entry {
            owner,
            bytes: operation.size(),
            weight: operation.weight() as u64,
            item: operation,
        };
        self.shared.stall.is_stalled(Instant::now());
        let mut waiting = self.shared.lock();
        let wake = waiting.others.is_empty();
        let refused = if waiting.stopping {
            Err((Unavailable::Stopping, entry.item))
        } else {
            if owner.is_some() {
                self.shared.foreground.fetch_add(1, Ordering::Relaxed);
                self.shared.requested.fetch_add(1, Ordering::Relaxed);
                hit(FailPoint::Queueing);
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

    /// Queues an attempt record. The writer takes it even while stopping, since the attempt was made.
    pub(crate) fn submit_record(&self, operation: Box<dyn Operation>) {
        self.shared.stall.is_stalled(Instant::now());
        self.shared.foreground.fetch_add(1, Ordering::Relaxed);
        let mut waiting = self.shared.lock();
        let wake = waiting.records.is_empty();
        waiting.records.push_back(operation);
        drop(waiting);
        if wake {
            self.shared.arrived.notify_one();
        }
    }

    /// Reports whether writes succeed at the moment.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let condition = self.shared.condition.load(Ordering::Relaxed);
        let reason = match condition {
            c if c == WriterCondition::Full as u8 => Unavailable::DiskFull,
            c if c == WriterCondition::Failing as u8 => Unavailable::DiskError,
            c if c == WriterCondition::Locked as u8 => Unavailable::Locked,
            c if c == WriterCondition::Moved as u8 => Unavailable::Moved,
            c if c == WriterCondition::Stopped as u8 => Unavailable::Stopping,
            _ if self.shared.stall.is_stalled(Instant::now()) => Unavailable::DiskStalled,
            _ if self.size_limit().is_some_and(SizeLimit::is_reached) => Unavailable::SizeLimit,
            _ => return Ok(()),
        };
        Err(StoreError::Unavailable(reason))
    }

    /// Returns the largest size of the database, if it has one.
    pub(crate) fn size_limit(&self) -> Option<&SizeLimit> {
        self.shared.size_limit.as_deref()
    }

    /// Returns the number of operations that were queued so far for workspaces, and of attempt records.
    pub(crate) fn foreground_operations(&self) -> u64 {
        self.shared.foreground.load(Ordering::Relaxed)
    }

    /// Returns the number of operations that callers asked for since the start: no attempt records, and nothing of the
    /// server itself.
    pub(crate) fn requested_operations(&self) -> u64 {
        self.shared.requested.load(Ordering::Relaxed)
    }

    /// Reports whether an endpoint of the workspace is shown a summary, as far as the cache has it.
    pub(crate) fn shows_summaries(&self, workspace: Uuid) -> bool {
        self.shared.hints.shows_summaries(workspace)
    }

    /// Reports whether an endpoint that is subscribed to the type has a filter, as far as the cache has the workspace.
    pub(crate) fn filters(&self, workspace: Uuid, event_type: &EventType) -> bool {
        self.shared.hints.filters(workspace, event_type)
    }

    /// Returns the attempts that are not in the table of charts yet.
    pub(crate) fn recent_attempts(&self) -> &RecentAttempts {
        &self.shared.recent_attempts
    }

    /// Writes all that waits, and ends the thread. Later operations are refused.
    pub(crate) fn stop(&self) {
        self.thread.stop(|| {
            self.shared.lock().stopping = true;
            self.shared.arrived.notify_all();
        });
    }
}
