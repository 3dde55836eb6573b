//! The janitor thread: deletes old data in small steps, and watches the wall clock.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::erase::erase_deleted;
use crate::domain::clock::{Clock, Timestamp};
use crate::fail_point::{FailPoint, hit};
use crate::storage::StoreError;
use crate::storage::sqlite::file::database_files::DatabaseFiles;
use crate::storage::sqlite::writer::Writer;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext, operation_of};
use crate::storage::sqlite::writes::archive::{
    archive, drop_idempotency_keys, drop_unwanted_bodies,
};
use crate::storage::sqlite::writes::reschedule::{
    ReschedulePass, is_needed, reschedule_after_clock_setback,
};
use crate::vital;
use crate::vital::VitalThread;

/// The period of deletions. Data is kept for days, so minutes do not matter.
const PERIOD: Duration = Duration::from_mins(1);

/// The period of comparing the clocks: retries may wait for it.
const CLOCK_PERIOD: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Signals {
    stopping: bool,
    /// Set if a test has moved a clock since the last look.
    jumped: bool,
}

struct Shared {
    signals: Mutex<Signals>,
    woken: Condvar,
}

/// The thread's handle.
pub(crate) struct Janitor {
    shared: Arc<Shared>,
    thread: VitalThread,
}

impl Janitor {
    /// Starts the thread, which works at once, then at its periods, and when a clock jumps.
    pub(crate) fn start(
        writer: Arc<Writer>,
        clock: Arc<dyn Clock>,
        archive_after: Duration,
        files: Arc<DatabaseFiles>,
    ) -> Result<Self, StoreError> {
        let shared = Arc::new(Shared {
            signals: Mutex::default(),
            woken: Condvar::new(),
        });
        let woken = Arc::downgrade(&shared);
        clock.on_jump(Arc::new(move || {
            if let Some(shared) = woken.upgrade() {
                vital::lock(&shared.signals).jumped = true;
                shared.woken.notify_all();
            }
        }));
        let for_thread = shared.clone();
        let work = move || run(&for_thread, &writer, &clock, archive_after, &files);
        let thread = VitalThread::start("janitor", work)
            .map_err(|error| StoreError::Internal(format!("no thread for the janitor: {error}")))?;
        Ok(Self { shared, thread })
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.thread.stop(|| {
            vital::lock(&self.shared.signals).stopping = true;
            self.shared.woken.notify_all();
        });
    }
}

fn run(
    shared: &Shared,
    writer: &Writer,
    clock: &Arc<dyn Clock>,
    archive_after: Duration,
    files: &DatabaseFiles,
) {
    let mut watch = ClockWatch::default();
    let is_stopping = || vital::lock(&shared.signals).stopping;
    let mut next_clean = Instant::now();
    loop {
        hit(FailPoint::JanitorTurn);
        let done = watch.look(writer, clock).and_then(|()| {
            if Instant::now() < next_clean {
                return Ok(());
            }
            next_clean = Instant::now() + PERIOD;
            clean(writer, clock, archive_after, &is_stopping)?;
            if !erase_deleted(writer, files, &is_stopping)? {
                next_clean = Instant::now() + CLOCK_PERIOD;
            }
            Ok(())
        });
        if let Err(error) = done {
            tracing::debug!(%error, "the janitor will try again");
        }
        let mut signals = vital::lock(&shared.signals);
        if !signals.stopping && !signals.jumped {
            signals = vital::wait_timeout(&shared.woken, signals, CLOCK_PERIOD).0;
        }
        if signals.stopping {
            return;
        }
        if std::mem::take(&mut signals.jumped) {
            next_clean = Instant::now();
        }
    }
}

/// The watch over the wall clock. If it was set back, the waits of retries begin anew.
#[derive(Default)]
struct ClockWatch {
    /// The wall clock at monotonic zero, as of the last look.
    wall_at_zero: Option<Timestamp>,
    /// Set if the clock was set back, and not all retries were rescheduled.
    to_do: bool,
}

impl ClockWatch {
    fn look(&mut self, writer: &Writer, clock: &Arc<dyn Clock>) -> Result<(), StoreError> {
        let at_zero = clock.now().before(clock.monotonic());
        match self.wall_at_zero {
            // It may have been set back while no server ran.
            None => {
                let (operation, needed) = operation_of(0, is_needed);
                writer.submit(operation);
                self.to_do = needed.wait()?;
            }
            Some(before) => self.to_do |= before.is_a_step_after(at_zero),
        }
        self.wall_at_zero = Some(at_zero);
        if self.to_do {
            tracing::warn!("the wall clock was set back; retries begin their waits anew");
            let mut pass = ReschedulePass::default();
            loop {
                let (operation, further) = operation_of(0, move |context| {
                    reschedule_after_clock_setback(context, pass)
                });
                writer.submit(operation);
                match further.wait()? {
                    Some(further) => pass = further,
                    None => break,
                }
            }
            self.to_do = false;
        }
        Ok(())
    }
}

fn clean(
    writer: &Writer,
    clock: &Arc<dyn Clock>,
    archive_after: Duration,
    is_stopping: &dyn Fn() -> bool,
) -> Result<(), StoreError> {
    pass(writer, is_stopping, drop_idempotency_keys)?;
    pass(writer, is_stopping, |context, ()| {
        Ok(drop_unwanted_bodies(context)?.then_some(()))
    })?;
    let before = clock.now().before(archive_after);
    pass(writer, is_stopping, move |context, pass| {
        archive(context, before, pass)
    })
}

/// Gives the writer the steps of a pass, until it is complete or the janitor must stop.
fn pass<P: Copy + Default + Send + 'static>(
    writer: &Writer,
    is_stopping: &dyn Fn() -> bool,
    step: impl Fn(&mut WriteContext<'_>, P) -> Result<Option<P>, OperationError> + Copy + Send + 'static,
) -> Result<(), StoreError> {
    let mut pass = P::default();
    while !is_stopping() {
        let (operation, further) = operation_of(0, move |context| step(context, pass));
        writer.submit(operation);
        match further.wait()? {
            Some(further) => pass = further,
            None => break,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::domain::clock::ManualClock;
    use crate::storage::sqlite::SqliteStore;

    const HOUR: Duration = Duration::from_hours(1);
    const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    #[test]
    fn retries_wait_anew_where_the_clock_was_set_back_and_only_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let manual = Arc::new(ManualClock::new(START));
        let clock: Arc<dyn Clock> = manual.clone();
        // A tool's store has no janitor of its own.
        let store = SqliteStore::open_for_tool(&file, "test", clock.clone()).unwrap();
        let other = Connection::open(&file).unwrap();
        let (recorded, due) = (START.micros(), START.after(HOUR).micros());
        let insert = "PRAGMA foreign_keys = OFF;
             INSERT INTO event (seq, id, message, endpoint, workspace, type, format, state, run,
                                run_attempt, attempts, due, created_at)
             VALUES (1, x'00', 1, 1, 1, 1, 0, 1, 1, 1, 1,";
        let insert = format!("{insert} {due}, {recorded})");
        other.execute_batch(&insert).unwrap();
        let mut watch = ClockWatch::default();
        let mut due_at = |wall: Timestamp| {
            manual.step_wall_clock(wall);
            watch.look(&store.writer, &clock).unwrap();
            let due = other.query_row("SELECT due FROM event", [], |row| row.get(0));
            Timestamp::from_micros(due.unwrap())
        };
        assert_eq!(due_at(START), START.after(HOUR));
        assert_eq!(due_at(START.after(2 * HOUR)), START.after(HOUR), "forward");
        assert_eq!(due_at(START), START.after(HOUR), "back to where it was");
        assert_eq!(due_at(START.before(HOUR)), START, "back before that");
        store.stop();
    }
}
