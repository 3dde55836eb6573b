//! The writer's thread: takes groups and commits them.

mod failed_group;

use std::ops::ControlFlow;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use rusqlite::ErrorCode;

use super::cache::WriterCache;
use super::charts::Charts;
use super::commit_fail_points::{pass_after_commit, pass_before_commit};
use super::counters::Counters;
use super::failure::{Failure, WriterCondition, moved};
use super::group::{GROUP_WEIGHT, Group, Results};
use super::list_indexes::ListIndexes;
use super::operation::{Operation, OperationError, WriteContext};
use super::shared::{Shared, WriterResources};
use super::sweep_list::{SweepList, SweepPace};
use crate::fail_point::{FailPoint, hit};
use crate::storage::sqlite::file::database_files::{FilesState, save_removed_log};
use crate::storage::sqlite::file::failed_sync::end_if_failed_sync;
use crate::storage::sqlite::file::injected_error::hit_or_fail;
use crate::storage::sqlite::file::read_failure::{end_unless_moved, is_read_failure};
use crate::storage::{Notice, StoreError, Unavailable};
use crate::vital;

/// The time that the thread waits for the write lock: another process may be making a token.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// The time without work after which the writer checks its files and, if it could not write, tries to write
/// again. A server that is not ready may get no other work that would make it try.
const CHECK_PERIOD: Duration = Duration::from_secs(1);

/// The time without work after which the writer adds to list indexes that lack much, as in a file of an earlier
/// version: ten million messages take two minutes. A step takes some three milliseconds.
const FILL_PAUSE: Duration = Duration::from_millis(20);

/// A write that changes nothing.
const TEST_WRITE: &str = "UPDATE meta SET value = value WHERE key = 'last_run'";

pub(super) struct Thread<'a> {
    resources: WriterResources,
    cache: WriterCache,
    counters: Counters,
    charts: Charts,
    indexes: ListIndexes,
    shared: &'a Shared,
    /// Set if the cache may hold what was rolled back; the thread reads it again before it uses it.
    stale: bool,
    /// Set if the last transaction could not read; the next one tries for the second time.
    read_failed_before: bool,
    /// Set if the log was removed, and all of its content was moved into the database.
    log_is_saved: bool,
    sweep_pace: SweepPace,
}

impl<'a> Thread<'a> {
    /// Works until it must stop. It first reports through `ready` whether it could read the file. If it could
    /// not, it does nothing but wait to be stopped.
    pub(super) fn run(
        resources: WriterResources,
        shared: &'a Shared,
        ready: &SyncSender<rusqlite::Result<()>>,
    ) {
        let loaded = load_state(&resources, shared).and_then(|cache| {
            let connection = &resources.connection;
            let counters = Counters::load(connection)?;
            // A process that does not hold the lock does not hear of most attempts.
            let charts = if resources.holds_lock {
                Charts::load(connection, &shared.recent_attempts)?
            } else {
                Charts::default()
            };
            Ok((cache, counters, charts, ListIndexes::load(connection)?))
        });
        match loaded {
            Ok((cache, counters, charts, indexes)) => {
                resources.metrics.pending_events.set(counters.pending());
                let _ = ready.send(Ok(()));
                Self {
                    resources,
                    cache,
                    counters,
                    charts,
                    indexes,
                    shared,
                    stale: false,
                    read_failed_before: false,
                    log_is_saved: false,
                    sweep_pace: SweepPace::default(),
                }
                .work();
                shared.set(WriterCondition::Stopped);
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
        let left = shared.lock().others.drain();
        for operation in left {
            operation.finish(Err(StoreError::Unavailable(Unavailable::Stopping)));
        }
        let mut waiting = shared.lock();
        while !waiting.stopping {
            waiting = vital::wait(&shared.arrived, waiting);
        }
    }

    fn work(mut self) {
        while let Some(group) = self.next_group() {
            hit(FailPoint::WriterTurn);
            if self.write(group).is_break() {
                break;
            }
            self.shared.stall.begin(Instant::now());
            (self.resources.between_groups)(&self.resources.connection);
            let now = Instant::now();
            self.shared.stall.end(now);
            self.sweep_pace.end(now);
        }
        self.see_to_removed_log();
    }

    /// Waits for work and takes it; `None` once everything is written and the writer must stop.
    fn next_group(&self) -> Option<Group> {
        let mut waiting = self.shared.lock();
        loop {
            let now = Instant::now();
            if !waiting.stopping && self.may_sweep(now) {
                return Some(Group::default());
            }
            if !waiting.records.is_empty() || !waiting.others.is_empty() {
                return Some(Group::gather(&mut waiting));
            }
            waiting.others.forgive();
            if waiting.stopping {
                return None;
            }
            let period = self.wait_period(now);
            let (woken, timed_out) = vital::wait_timeout(&self.shared.arrived, waiting, period);
            waiting = woken;
            let is_due = || !self.shared.is_healthy() || !self.is_in_place() || self.must_fill();
            if timed_out && is_due() {
                return Some(Group::default());
            }
        }
    }

    /// Reports whether it is time for a step of a sweep. A step has a transaction of its own, so that no
    /// caller's write takes as long as the step.
    fn may_sweep(&self, now: Instant) -> bool {
        self.shared.is_healthy()
            && !self.cache.sweeping.is_empty()
            && self.sweep_pace.pause_left(now).is_zero()
    }

    /// Reports whether the list indexes lack so much that they are filled also without other work.
    fn must_fill(&self) -> bool {
        self.resources.holds_lock && self.indexes.are_behind()
    }

    /// Returns the longest time to wait for work.
    fn wait_period(&self, now: Instant) -> Duration {
        if !self.shared.is_healthy() {
            return CHECK_PERIOD;
        }
        let mut period = CHECK_PERIOD;
        if self.must_fill() {
            period = FILL_PAUSE;
        }
        if self.cache.sweeping.is_empty() {
            return period;
        }
        period.min(self.sweep_pace.pause_left(now))
    }

    fn write(&mut self, group: Group) -> ControlFlow<()> {
        let least = group.records.len();
        let Group {
            mut records,
            mut others,
        } = group;
        let items = others.iter_mut().map(|entry| &mut entry.item);
        let all = records.iter_mut().chain(items);
        match self.transact(least, &mut all.collect::<Vec<_>>()) {
            Ok(results) => {
                self.shared.set(WriterCondition::Healthy);
                Group { records, others }.finish(results, self.shared);
                ControlFlow::Continue(())
            }
            Err(failure) => self.write_one_by_one(records, others, &failure),
        }
    }

    /// Runs operations in one transaction: the first `least`, and as many more as do not make it too heavy.
    /// Returns the result of each that was applied, after the commit.
    fn transact(
        &mut self,
        least: usize,
        operations: &mut [&mut Box<dyn Operation>],
    ) -> Result<Results, Failure> {
        let mut notices = Vec::new();
        self.shared.stall.begin(Instant::now());
        match self.try_transact(least, operations, &mut notices) {
            Ok(results) => {
                self.read_failed_before = false;
                self.log_is_saved = false;
                if !notices.is_empty()
                    && let Some(sink) = self.shared.sink.get()
                {
                    sink.committed(notices);
                }
                Ok(results)
            }
            Err(error) => Err(self.roll_back(&error)),
        }
    }

    fn try_transact(
        &mut self,
        least: usize,
        operations: &mut [&mut Box<dyn Operation>],
        notices: &mut Vec<Notice>,
    ) -> rusqlite::Result<Results> {
        self.begin()?;
        hit_or_fail(FailPoint::ReadForWrite)?;
        if self.stale {
            self.cache = load_state(&self.resources, self.shared)?;
            self.indexes = ListIndexes::load(&self.resources.connection)?;
            self.stale = false;
        }
        if operations.is_empty() && !self.shared.is_healthy() {
            self.resources.connection.execute(TEST_WRITE, [])?;
        }
        let now = Instant::now();
        let sweeps = operations.is_empty() && self.may_sweep(now);
        if sweeps {
            self.sweep_pace.begin(now);
        }
        let is_size_limit_reached = match &self.resources.size_limit {
            Some(limit) => limit.measure(&self.resources.connection)?,
            None => false,
        };
        let mut results = Vec::with_capacity(operations.len());
        let mut context = WriteContext {
            connection: &self.resources.connection,
            cache: &mut self.cache,
            counters: &mut self.counters,
            charts: &mut self.charts,
            recent: &self.shared.recent_attempts,
            list_indexes: &mut self.indexes,
            metrics: &self.resources.metrics,
            notices,
            operator: self.resources.operator,
            is_size_limit_reached,
            has_erased: false,
            now: self.resources.clock.now(),
            weight: 0,
        };
        let mut weight = 0;
        for operation in operations.iter_mut() {
            if weight >= GROUP_WEIGHT && results.len() >= least {
                break;
            }
            context.weight = 0;
            let result = match operation.apply(&mut context) {
                Ok(()) => Ok(()),
                Err(OperationError::Refused(error)) => Err(error),
                Err(OperationError::Database(error)) => return Err(error),
            };
            let weighed = context.weight.max(operation.weight());
            weight += weighed;
            results.push((result, weighed));
        }
        if self.resources.holds_lock {
            if sweeps {
                (self.resources.sweep)(&mut context)?;
            }
            context.counters.write(context.connection)?;
            let recent = &self.shared.recent_attempts;
            context.charts.write(context.connection, recent)?;
            context.list_indexes.advance(context.connection)?;
        }
        let has_erased = context.has_erased;
        pass_before_commit(results.len(), context.notices)?;
        let began = Instant::now();
        self.resources.connection.execute_batch("COMMIT")?;
        let metrics = &self.resources.metrics;
        metrics.observe_commit(results.len(), began.elapsed());
        self.counters.committed();
        let indexed = self.indexes.deliveries_through();
        self.charts.committed(&self.shared.recent_attempts, indexed);
        metrics.pending_events.set(self.counters.pending());
        pass_after_commit(notices);
        if has_erased {
            (self.resources.clean_log)();
        }
        Ok(results)
    }

    fn begin(&self) -> rusqlite::Result<()> {
        // SQLite checks this only with a rollback journal. It takes some microseconds for each group.
        if !self.is_in_place() {
            return Err(moved());
        }
        let give_up = Instant::now() + LOCK_WAIT;
        loop {
            match self.resources.connection.execute_batch("BEGIN IMMEDIATE") {
                Err(error)
                    if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                        && Instant::now() < give_up => {}
                result => return result,
            }
        }
    }

    fn is_in_place(&self) -> bool {
        let state = self
            .resources
            .files
            .state_for_writer(&self.resources.connection);
        // If the check itself fails, the transaction will find the reason.
        state.unwrap_or(FilesState::InPlace) == FilesState::InPlace
    }

    fn roll_back(&mut self, error: &rusqlite::Error) -> Failure {
        end_if_failed_sync(error, self.resources.files.database());
        if !self.resources.connection.is_autocommit()
            && let Err(error) = self.resources.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "rollback failed");
        }
        self.counters.rolled_back();
        self.charts.rolled_back();
        let mut failure = Failure::of(error);
        if is_read_failure(error) && std::mem::replace(&mut self.read_failed_before, true) {
            end_unless_moved(&self.resources.files, &self.resources.connection, error);
            failure = Failure::of(&moved());
        }
        if failure.condition == WriterCondition::Moved {
            self.see_to_moved_files();
        }
        self.shared.set(failure.condition);
        // Opening would create a missing file.
        if failure.reopen && self.is_in_place() {
            match (self.resources.reopen)() {
                Ok(connection) => self.resources.connection = connection,
                Err(error) => tracing::warn!(%error, "cannot open the database again"),
            }
        }
        self.stale = true;
        failure
    }

    fn see_to_moved_files(&mut self) {
        if !self.shared.is(WriterCondition::Moved) {
            tracing::error!(
                database = %self.resources.files.database().display(),
                "the database file, its -wal or its -shm was moved, removed, replaced or cut; nothing is \
                 stored until it is back, or the server was restarted"
            );
        }
        self.see_to_removed_log();
    }

    fn see_to_removed_log(&mut self) {
        if !self.log_is_saved && save_removed_log(&self.resources.files, &self.resources.connection)
        {
            self.log_is_saved = true;
            tracing::warn!("the -wal was removed; what was in it is in the database now");
        }
    }
}

/// Loads the cache; without the endpoints to sweep unless this process sweeps.
fn load_state(resources: &WriterResources, shared: &Shared) -> rusqlite::Result<WriterCache> {
    let mut state = WriterCache::load(&resources.connection, shared.hints.clone())?;
    if !resources.holds_lock {
        state.sweeping = SweepList::default();
    }
    Ok(state)
}
