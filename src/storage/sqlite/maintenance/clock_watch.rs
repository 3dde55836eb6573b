//! The watch over the wall clock: if it was set back, the waits of retries begin anew.
//!
//! It has a thread of its own, because the janitor may be at work for minutes, and retries would wait for it.

use std::sync::Arc;
use std::time::Duration;

use super::background::BackgroundThread;
use crate::domain::clock::{Clock, Timestamp};
use crate::fail_point::{FailPoint, hit};
use crate::storage::StoreError;
use crate::storage::sqlite::writer::Writer;
use crate::storage::sqlite::writer::operation::operation_of;
use crate::storage::sqlite::writes::reschedule::{
    ReschedulePass, is_needed, reschedule_after_clock_setback,
};

/// The period of comparing the clocks: retries may wait for it.
const PERIOD: Duration = Duration::from_secs(1);

/// The handle of the thread.
pub(crate) struct ClockWatch(BackgroundThread);

impl ClockWatch {
    /// Starts the thread.
    pub(crate) fn start(writer: Arc<Writer>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let for_jumps = clock.clone();
        let thread = BackgroundThread::start("clock-watch", &*for_jumps, move |wake_up| {
            let mut clocks = Clocks::default();
            while !wake_up.is_stopping() {
                hit(FailPoint::ClockWatchTurn);
                if let Err(error) = clocks.look(&writer, &*clock) {
                    tracing::debug!(%error, "the clock's watch will try again");
                }
                wake_up.wait(PERIOD);
            }
        })?;
        Ok(Self(thread))
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.0.stop();
    }
}

/// The clocks, as of the last look.
#[derive(Default)]
struct Clocks {
    /// The wall clock at monotonic zero, as of the last look.
    wall_at_zero: Option<Timestamp>,
    /// Set if the clock was set back, and not all retries were rescheduled.
    to_do: bool,
}

impl Clocks {
    fn look(&mut self, writer: &Writer, clock: &dyn Clock) -> Result<(), StoreError> {
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
        let mut watch = Clocks::default();
        let mut due_at = |wall: Timestamp| {
            manual.step_wall_clock(wall);
            watch.look(&store.writer, &*clock).unwrap();
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
