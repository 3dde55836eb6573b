//! The janitor thread: drops, deletes and erases what is old, and gives free space back, in small steps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::background::{BackgroundThread, WakeUp};
use super::erase::erase_deleted;
use super::guarded_clock::GuardedClock;
use super::old_jobs::delete_old_jobs;
use super::old_secrets;
use super::retention::Retention;
use super::size_limit::make_room;
use super::tokens::delete_expired;
use super::vacuum::give_back_free_pages;
use super::work::Work;
use crate::domain::clock::Clock;
use crate::domain::retention::KeepFor;
use crate::fail_point::{FailPoint, hit};
use crate::storage::StoreError;
use crate::storage::sqlite::file::database_files::DatabaseFiles;
use crate::storage::sqlite::writer::Writer;
use crate::storage::sqlite::writer::size_limit::SizeLimit;
use crate::storage::sqlite::writes::archive::drop_idempotency_keys;
use crate::storage::sqlite::writes::delete_charts::delete_old_charts;

/// The period of deletions. Data is kept for days, so minutes do not matter.
const PERIOD: Duration = Duration::from_mins(1);

/// The pause after a search for room that found too little, in multiples of its duration: it has looked at all that
/// is there.
const FULL_PAUSE_FACTOR: u32 = 20;

/// The period of looks at the size of a database that is close to its limit: a burst may fill the rest in a second.
const CLOSE_PERIOD: Duration = Duration::from_millis(50);

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

/// The state between two turns.
struct Next {
    /// The time of the next deletions.
    clean: Instant,
    /// The earliest time of the next search for room, if the last one found too little.
    room: Instant,
    wall_clock: GuardedClock,
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
        let now = Instant::now();
        let mut next = Next {
            clean: now,
            room: now,
            wall_clock: GuardedClock::default(),
        };
        while !self.wake_up.is_stopping() {
            hit(FailPoint::JanitorTurn);
            match self.take(&mut next) {
                Ok(true) => {}
                Ok(false) => next.clean = Instant::now() + SHORT_PERIOD,
                Err(error) => {
                    // A disk that is full or fails has lines of its own.
                    if matches!(error, StoreError::Unavailable(_)) {
                        tracing::debug!(%error, "the janitor will try again");
                    } else {
                        tracing::warn!(%error, "the janitor cannot do its work; it will try again");
                    }
                    // A full disk may wait for what it deletes.
                    next.clean = Instant::now() + AFTER_ERROR;
                }
            }
            if self.wake_up.wait(self.period()) {
                next.clean = Instant::now();
            }
        }
    }

    /// Returns the time until the next look.
    fn period(&self) -> Duration {
        match self.writer.size_limit() {
            Some(limit) if limit.is_close() => CLOSE_PERIOD,
            _ => SHORT_PERIOD,
        }
    }

    /// Does what is due. Returns false if a deleted workspace is not erased yet.
    fn take(&self, next: &mut Next) -> Result<bool, StoreError> {
        let work = Work::new(self.writer, self.files, self.wake_up);
        if let Some(limit) = self.writer.size_limit()
            && limit.is_near()
            && Instant::now() >= next.room
        {
            let began = Instant::now();
            make_room(&work, limit, self.clock)?;
            if !limit.has_room() {
                next.room = Instant::now() + began.elapsed() * FULL_PAUSE_FACTOR;
            }
        }
        if Instant::now() < next.clean {
            return Ok(true);
        }
        next.clean = Instant::now() + PERIOD;
        if let Some(now) = next.wall_clock.now(&work, self.clock)? {
            work.pass(drop_idempotency_keys)?;
            Retention {
                work: &work,
                connection: &work.connection()?,
                now,
                keep_for: self.keep_for,
            }
            .apply()?;
            delete_expired(&work, self.keep_for.messages, now)?;
            old_secrets::delete_ended(&work, now)?;
            delete_old_jobs(&work, now)?;
            work.pass(move |context, ()| Ok(delete_old_charts(context, now)?.then_some(())))?;
        }
        let is_erased = erase_deleted(&work)?;
        let is_near_limit = || self.writer.size_limit().is_some_and(SizeLimit::is_near);
        give_back_free_pages(&work, is_near_limit)?;
        Ok(is_erased)
    }
}
