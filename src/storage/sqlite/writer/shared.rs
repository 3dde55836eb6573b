//! The state that the writer's handle and its thread share, and the resources that the thread starts with.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};

use rusqlite::Connection;
use uuid::Uuid;

use super::failure::WriterCondition;
use super::fair_queue::FairQueue;
use super::operation::{Operation, WriteContext};
use super::recent_attempts::RecentAttempts;
use super::size_limit::SizeLimit;
use super::stall::StallWatch;
use super::workspace_cache::PublishHints;
use crate::domain::clock::Clock;
use crate::metrics::StorageMetrics;
use crate::storage::NoticeSink;
use crate::storage::sqlite::file::database_files::DatabaseFiles;
use crate::vital;

pub(super) struct Waiting {
    pub(super) records: VecDeque<Box<dyn Operation>>,
    pub(super) others: FairQueue<Box<dyn Operation>>,
    pub(super) stopping: bool,
}

pub(super) struct Shared {
    pub(super) waiting: Mutex<Waiting>,
    pub(super) arrived: Condvar,
    pub(super) condition: AtomicU8,
    pub(super) stall: StallWatch,
    /// The operations that were queued so far for workspaces, and the attempt records.
    pub(super) foreground: AtomicU64,
    /// The number of operations that callers asked for, such as publishes, since the start.
    pub(super) requested: AtomicU64,
    /// The largest size of the database; `None`: as large as the disk.
    pub(super) size_limit: Option<Arc<SizeLimit>>,
    pub(super) hints: PublishHints,
    pub(super) recent_attempts: RecentAttempts,
    pub(super) sink: OnceLock<Arc<dyn NoticeSink>>,
}

/// The resources of the writer thread.
pub(crate) struct WriterResources {
    /// The write connection.
    pub(crate) connection: Connection,
    /// Set if this process holds the file's lock. Only the holder sweeps, counts and indexes: its cache would
    /// become wrong if another process did, because it does not notice that process's writes.
    pub(crate) holds_lock: bool,
    /// Opens the write connection again after an I/O error.
    pub(crate) reopen: Box<dyn Fn() -> rusqlite::Result<Connection> + Send>,
    /// The files, which must still be those that were opened.
    pub(crate) files: Arc<DatabaseFiles>,
    /// The clocks.
    pub(crate) clock: Arc<dyn Clock>,
    /// The work that the thread does between two groups.
    pub(crate) between_groups: Box<dyn FnMut(&Connection) + Send>,
    /// Has the log emptied, after a commit that has erased something: the log keeps pages from before.
    pub(crate) clean_log: Box<dyn Fn() + Send>,
    /// The metrics of the store.
    pub(crate) metrics: StorageMetrics,
    /// The largest size of the database; `None`: as large as the disk.
    pub(crate) size_limit: Option<Arc<SizeLimit>>,
    /// The workspace of the operator, which gets operational events; `None`: there is none.
    pub(crate) operator: Option<Uuid>,
    /// The step of a sweep, which marks some events of skipped endpoints as skipped inside a transaction.
    pub(crate) sweep: fn(&mut WriteContext<'_>) -> rusqlite::Result<()>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Waiting> {
        vital::lock(&self.waiting)
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.is(WriterCondition::Healthy)
    }

    pub(super) fn is(&self, condition: WriterCondition) -> bool {
        self.condition.load(Ordering::Relaxed) == condition as u8
    }

    pub(super) fn set(&self, condition: WriterCondition) {
        self.condition.store(condition as u8, Ordering::Relaxed);
    }
}
