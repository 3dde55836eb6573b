//! The times of rows, which only rise, except where the table `clock_step` says that the clock was set back.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::examination::Examination;
use super::problem::Kind;
use crate::domain::clock::Timestamp;

/// The comparison of each row's time with that of the row before.
pub(super) struct StepCheck {
    kind: &'static str,
    /// The rows after steps that are noted.
    steps: BTreeSet<i64>,
    /// Set if the times may fall a little without a step.
    is_loose: bool,
    last: Option<(i64, i64)>,
}

impl StepCheck {
    /// For events or deliveries, whose times always rise.
    pub(super) fn of(connection: &Connection, kind: &'static str) -> rusqlite::Result<Self> {
        let steps = connection
            .prepare("SELECT seq FROM clock_step WHERE kind = ?1")?
            .query_map([kind], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self {
            kind,
            steps,
            is_loose: false,
            last: None,
        })
    }

    /// For messages. Earlier versions noted the steps of events only, and those are enough for its readers.
    pub(super) fn messages(connection: &Connection) -> rusqlite::Result<Self> {
        let mut check = Self::of(connection, "message")?;
        check.is_loose = true;
        let mut inferred = connection.prepare(
            "SELECT e.message FROM clock_step s CROSS JOIN event e ON e.seq = s.seq
             WHERE s.kind = 'event'",
        )?;
        for message in inferred.query_map([], |row| row.get(0))? {
            check.steps.insert(message?);
        }
        Ok(check)
    }

    /// Compares the next row. The row after a step may be gone; then the next one that is there follows the step.
    pub(super) fn next(&mut self, seq: i64, at: i64, out: &mut Examination) {
        if let Some((last, last_at)) = self.last.replace((seq, at))
            && self.falls(last_at, at)
            && self.steps.range(last + 1..=seq).next().is_none()
        {
            let kind = self.kind;
            out.found
                .note(Kind::MissingStep, || format!("{kind} {seq}"));
            out.missing_steps.push((kind, seq));
        }
    }

    fn falls(&self, last: i64, at: i64) -> bool {
        if self.is_loose {
            let last = Timestamp::from_micros(last);
            last.is_a_step_after(Timestamp::from_micros(at))
        } else {
            at < last
        }
    }
}
