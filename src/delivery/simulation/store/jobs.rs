//! The making of events, and the steps that jobs make: an event begins a new run, is made, or is skipped.

use super::{Row, Store, number_of};
use crate::domain::clock::Timestamp;
use crate::domain::event_state::{EventState, Progress};
use crate::storage::{Notice, Run, Seq};

impl Store {
    /// Reports whether a job began the run.
    pub(in crate::delivery::simulation) fn is_job_run(&self, run: Run) -> bool {
        self.job_runs.contains(&run.0)
    }

    /// Begins a new run of an event that has ended; `None` if it has not, or if its endpoint is disabled.
    pub(in crate::delivery::simulation) fn let_go(
        &mut self,
        seq: i64,
        now: Timestamp,
    ) -> Option<Notice> {
        let row = self.row(Seq(seq));
        let endpoint = row.endpoint;
        let has_ended = !row.state.is_pending() || {
            let skip_through = self.endpoints[endpoint].target.skip_through;
            Run(row.run).is_skipped(skip_through)
        };
        if !has_ended || !self.endpoints[endpoint].target.enabled {
            return None;
        }
        let run = self.next_run();
        self.job_runs.insert(run);
        self.change(seq, |row| {
            row.begin(Progress::redelivered(Run(run)));
            row.due = now;
            row.run_started = now;
        });
        Some(Notice::LetGo {
            endpoint: number_of(endpoint),
            seq: Seq(seq),
            at: now,
        })
    }

    /// Makes an event of a message that the endpoint missed, and lets it go; `None` if the endpoint is disabled.
    pub(in crate::delivery::simulation) fn make_missing(
        &mut self,
        endpoint: usize,
        now: Timestamp,
    ) -> Option<(Seq, Notice)> {
        if !self.endpoints[endpoint].target.enabled {
            return None;
        }
        let seq = self.next_run();
        self.rows[usize::try_from(seq).expect("numbers are positive")] = Some(Row {
            endpoint,
            state: EventState::Skipped,
            run: seq,
            run_attempt: 0,
            run_started: now,
            attempts: 0,
            due: now,
        });
        Some((Seq(seq), self.let_go(seq, now)?))
    }

    /// Skips a pending event; `None` if it is not pending.
    pub(in crate::delivery::simulation) fn skip(&mut self, seq: i64) -> Option<Notice> {
        let row = self.row(Seq(seq));
        let endpoint = row.endpoint;
        let skip_through = self.endpoints[endpoint].target.skip_through;
        if !row.state.is_pending() || Run(row.run).is_skipped(skip_through) {
            return None;
        }
        self.change(seq, |row| row.state = EventState::Skipped);
        Some(Notice::Skipped {
            endpoint: number_of(endpoint),
            seq: Seq(seq),
        })
    }

    /// Publishes an event to a disabled endpoint that its message names: it is skipped. Returns its number.
    pub(in crate::delivery::simulation) fn publish_skipped(
        &mut self,
        endpoint: usize,
        now: Timestamp,
    ) -> Seq {
        let seq = self.add(endpoint, now);
        self.change(seq, |row| row.state = EventState::Skipped);
        Seq(seq)
    }

    /// Adds an event; returns its number.
    pub(super) fn add(&mut self, endpoint: usize, now: Timestamp) -> i64 {
        let seq = self.next_run();
        let published = Progress::published(Run(seq));
        self.rows[usize::try_from(seq).expect("numbers are positive")] = Some(Row {
            endpoint,
            state: published.state,
            run: published.run.0,
            run_attempt: published.run_attempt,
            run_started: now,
            attempts: 0,
            due: now,
        });
        self.endpoints[endpoint].fresh.insert(seq);
        seq
    }
}
