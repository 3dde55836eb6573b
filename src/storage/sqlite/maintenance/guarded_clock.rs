//! The wall clock as retention believes it, noted in the database: a start compares its clock with the last one.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::work::Work;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::clock_guard::{ClockGuard, HOLD};
use crate::storage::StoreError;
use crate::storage::sqlite::file::read_failure::read_error;

/// The least time between two notes: an idle server writes no more often.
const NOTE_PERIOD: Duration = Duration::from_hours(1);

/// The clock, and what was noted of it.
#[derive(Default)]
pub(super) struct GuardedClock {
    guard: Option<ClockGuard>,
    noted: Option<Timestamp>,
}

impl GuardedClock {
    /// Returns the wall clock; `None` while it is far ahead of where it was.
    pub(super) fn now(
        &mut self,
        work: &Work<'_>,
        clock: &dyn Clock,
    ) -> Result<Option<Timestamp>, StoreError> {
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        let mut guard = if let Some(guard) = self.guard {
            guard
        } else {
            self.noted = noted(&work.connection()?).map_err(|error| read_error(&error))?;
            ClockGuard::new(self.noted, monotonic)
        };
        let held_before = guard.is_holding();
        let believes = guard.believes(wall, monotonic);
        self.guard = Some(guard);
        if !believes {
            if !held_before {
                tracing::warn!(
                    clock = %wall,
                    wait_s = HOLD.as_secs(),
                    "the wall clock is more than a day ahead of where it was, or the server was down for so long: \
                     nothing is archived or deleted for an hour, in which a wrong clock can be set"
                );
            }
            return Ok(None);
        }
        let distance = |noted: Timestamp| wall.since(noted).max(noted.since(wall));
        if self
            .noted
            .is_none_or(|noted| distance(noted) >= NOTE_PERIOD)
        {
            work.step(move |context| {
                let mut note = context.connection.prepare_cached(
                    "INSERT OR REPLACE INTO meta (key, value) VALUES ('retention_clock', ?1)",
                )?;
                note.execute(params![wall.micros()])?;
                Ok(())
            })?;
            self.noted = Some(wall);
        }
        Ok(Some(wall))
    }
}

/// Returns the note; where an earlier version has made none, the time of the newest message.
fn noted(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    connection
        .prepare_cached(
            "SELECT coalesce((SELECT value FROM meta WHERE key = 'retention_clock'),
                             (SELECT created_at FROM message ORDER BY seq DESC LIMIT 1))",
        )?
        .query_row([], |row| row.get::<_, Option<i64>>(0))
        .map(|noted| noted.map(Timestamp::from_micros))
}
