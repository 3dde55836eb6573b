//! The janitor thread: drops, deletes and erases what is old, and gives free space back, in small steps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::background::{BackgroundThread, WakeUp};
use super::erase::erase_deleted;
use super::retention::{KeepFor, Retention};
use super::size_limit::keep_within;
use super::tokens::delete_expired;
use super::vacuum::give_back_free_pages;
use super::work::Work;
use crate::domain::clock::Clock;
use crate::fail_point::{FailPoint, hit};
use crate::storage::StoreError;
use crate::storage::sqlite::file::database_files::DatabaseFiles;
use crate::storage::sqlite::writer::Writer;
use crate::storage::sqlite::writes::archive::{drop_idempotency_keys, drop_unwanted_bodies};

/// The period of deletions. Data is kept for days, so minutes do not matter.
const PERIOD: Duration = Duration::from_mins(1);

/// The time after a failure until it tries again.
const AFTER_ERROR: Duration = Duration::from_secs(5);

/// The period of looks at what cannot wait for that: the size of the database, and deleted workspaces that were
/// not erased yet.
const SHORT_PERIOD: Duration = Duration::from_secs(1);

/// The thread's handle.
pub(crate) struct Janitor(BackgroundThread);

impl Janitor {
    /// Starts the thread, which works at once, then at its periods, and when a clock jumps.
    pub(crate) fn start(
        writer: Arc<Writer>,
        clock: Arc<dyn Clock>,
        keep_for: KeepFor,
        files: Arc<DatabaseFiles>,
    ) -> Result<Self, StoreError> {
        let for_jumps = clock.clone();
        let thread = BackgroundThread::start("janitor", &*for_jumps, move |wake_up| {
            let turn = Turn {
                writer: &writer,
                files: &files,
                clock: &*clock,
                keep_for,
                wake_up,
            };
            turn.work();
        })?;
        Ok(Self(thread))
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.0.stop();
    }
}

/// The resources of the janitor's turns.
struct Turn<'a> {
    writer: &'a Writer,
    files: &'a DatabaseFiles,
    clock: &'a dyn Clock,
    keep_for: KeepFor,
    wake_up: &'a WakeUp,
}

impl Turn<'_> {
    fn work(&self) {
        let mut next_clean = Instant::now();
        while !self.wake_up.is_stopping() {
            hit(FailPoint::JanitorTurn);
            let is_due = Instant::now() >= next_clean;
            if is_due {
                next_clean = Instant::now() + PERIOD;
            }
            match self.take(is_due) {
                Ok(true) => {}
                Ok(false) => next_clean = Instant::now() + SHORT_PERIOD,
                Err(error) => {
                    tracing::debug!(%error, "the janitor will try again");
                    // A full disk may wait for what it deletes.
                    next_clean = Instant::now() + AFTER_ERROR;
                }
            }
            if self.wake_up.wait(SHORT_PERIOD) {
                next_clean = Instant::now();
            }
        }
    }

    /// Does what is due. Returns false if a deleted workspace is not erased yet.
    fn take(&self, is_due: bool) -> Result<bool, StoreError> {
        let work = Work::new(self.writer, self.files, self.wake_up);
        if let Some(size) = self.writer.size_limit()
            && size.is_near()
        {
            keep_within(&work, size, self.clock)?;
        }
        if !is_due {
            return Ok(true);
        }
        work.pass(drop_idempotency_keys)?;
        work.pass(|context, ()| Ok(drop_unwanted_bodies(context)?.then_some(())))?;
        Retention {
            work: &work,
            connection: &work.connection()?,
            now: self.clock.now(),
            keep_for: self.keep_for,
        }
        .apply()?;
        delete_expired(&work, self.keep_for.messages, self.clock.now())?;
        let is_erased = erase_deleted(&work)?;
        give_back_free_pages(&work)?;
        Ok(is_erased)
    }
}
