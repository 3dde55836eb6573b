//! Reads of an endpoint's queue: when to make one, of how many rows, and which rows to ignore.

use super::{EndpointQueue, earliest};
use crate::domain::clock::Timestamp;
use crate::storage::{QueuedEvent, RetryBatch, Seq};

/// The kind of a read: of fresh events, of due retries, or of redeliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::delivery) enum Read {
    Fresh,
    Retries,
    Redeliveries,
}

impl EndpointQueue {
    /// Returns the next read that is wanted and not running, and how many new rows it may bring; marks it as
    /// running. `room`: the number of events that memory has room for.
    pub(in crate::delivery) fn next_read(
        &mut self,
        now: Timestamp,
        room: usize,
    ) -> Option<(Read, usize)> {
        let more_on_disk = self.refill_wanted || self.seen_through < self.committed;
        let (read, rows) = if self.redeliveries_wanted
            && !self.reading_redeliveries
            && self.redeliveries.is_empty()
        {
            self.redeliveries_wanted = false;
            self.reading_redeliveries = true;
            (Read::Redeliveries, self.limits.retry_rows)
        } else if !self.reading_retries
            && self.retries.len() < self.limits.retries_below
            && (room > 0 || (self.retries.is_empty() && self.of_jobs.is_empty()))
            && self.next_due.is_some_and(|due| due <= now)
        {
            self.reading_retries = true;
            (Read::Retries, self.limits.retry_rows)
        } else if more_on_disk
            && self.refilling.is_none()
            && self.fresh.len() < self.limits.refill_below
            && (room > 0 || self.fresh.is_empty())
        {
            self.refill_wanted = false;
            self.refilling = Some(self.committed);
            (Read::Fresh, self.limits.refill_rows)
        } else {
            return None;
        };
        let rows = rows.min(room.max(self.limits.min_rows));
        self.reserved[read as usize] = rows;
        Some((read, rows))
    }

    /// Returns the highest number of a fresh event that has been in memory or was skipped.
    pub(in crate::delivery) fn seen_through(&self) -> Seq {
        self.seen_through
    }

    /// Returns how many rows to read so that at least `new` of them are not in hand.
    pub(in crate::delivery) fn rows_for(&self, new: usize) -> usize {
        new + self.in_hand.len()
    }

    /// Takes in the rows of a refill; `limit` rows were requested.
    pub(in crate::delivery) fn fresh_read(&mut self, events: Vec<QueuedEvent>, limit: usize) {
        if self.ignores(Read::Fresh) {
            return;
        }
        let committed_at_request = self.refilling.take().unwrap_or_default();
        if events.len() < limit {
            // The read has passed all events that were committed when it was requested, also those that no
            // longer wait.
            self.seen_through = self.seen_through.max(committed_at_request);
        } else {
            self.refill_wanted = true;
        }
        let skip_through = self.target.current().skip_through;
        for event in events {
            self.seen_through = self.seen_through.max(event.seq);
            let is_stale = self.changed_meanwhile[Read::Fresh as usize].contains(&event.seq);
            let is_in_hand = self.in_hand.contains_key(&event.seq);
            if event.run > skip_through && !is_stale && !is_in_hand {
                self.in_hand.insert(event.seq, event.run);
                self.fresh.push_back(event);
            }
        }
        self.committed = self.committed.max(self.seen_through);
        self.read_ended(Read::Fresh);
    }

    /// Takes in due retries.
    pub(in crate::delivery) fn retries_read(&mut self, batch: RetryBatch) {
        if self.ignores(Read::Retries) {
            return;
        }
        self.reading_retries = false;
        self.next_due = earliest(batch.next_due, self.due_meanwhile.take());
        let mut room = self.reserved[Read::Retries as usize];
        for event in batch.events {
            let is_stale = self.changed_meanwhile[Read::Retries as usize].contains(&event.seq);
            if is_stale || self.in_hand.contains_key(&event.seq) {
                self.pass_over(&event);
                continue;
            }
            if room == 0 {
                // More are due; they will be read when these have started.
                self.next_due = Some(Timestamp::default());
                break;
            }
            room -= 1;
            self.in_hand.insert(event.seq, event.run);
            if is_of_job(&event) {
                self.of_jobs.push_back(event);
            } else {
                self.retries.push_back(event);
            }
        }
        self.read_ended(Read::Retries);
    }

    /// Passes over a retry that was read and cannot be taken in now. The record of an attempt tells when a retry is
    /// due, but not that a job let the event go meanwhile.
    fn pass_over(&mut self, event: &QueuedEvent) {
        if !is_of_job(event) {
            return;
        }
        if self.in_hand.contains_key(&event.seq) {
            self.block_later_run(event);
        } else {
            self.next_due = Some(Timestamp::default());
        }
    }

    /// Notes that an event in hand has begun a later run. The run that is in hand may be the one that was read, which is
    /// on disk until its attempt is recorded.
    fn block_later_run(&mut self, event: &QueuedEvent) {
        if self.in_hand.get(&event.seq) != Some(&event.run) {
            self.blocked.insert(event.seq);
        }
    }

    /// Takes in redeliveries; `limit` rows were requested.
    pub(in crate::delivery) fn redeliveries_read(
        &mut self,
        events: Vec<QueuedEvent>,
        limit: usize,
    ) {
        if self.ignores(Read::Redeliveries) {
            return;
        }
        self.reading_redeliveries = false;
        self.redeliveries_wanted |= events.len() == limit;
        let mut room = self.reserved[Read::Redeliveries as usize];
        for event in events {
            let is_stale = self.changed_meanwhile[Read::Redeliveries as usize].contains(&event.seq);
            match self.in_hand.get(&event.seq) {
                Some(_) => self.block_later_run(&event),
                None if room == 0 || is_stale => self.redeliveries_wanted = true,
                None => {
                    room -= 1;
                    self.in_hand.insert(event.seq, event.run);
                    self.redeliveries.push_back(event);
                }
            }
        }
        self.read_ended(Read::Redeliveries);
    }

    /// Requests a failed read again.
    pub(in crate::delivery) fn read_failed(&mut self, read: Read) {
        match read {
            Read::Fresh => {
                self.refilling = None;
                self.refill_wanted = true;
            }
            Read::Retries => {
                self.reading_retries = false;
                self.next_due = earliest(self.next_due, self.due_meanwhile.take());
            }
            Read::Redeliveries => {
                self.reading_redeliveries = false;
                self.redeliveries_wanted = true;
            }
        }
        self.read_ended(read);
    }

    /// Reports which reads are running, by [`Read`].
    pub(super) fn running_reads(&self) -> [bool; 3] {
        [
            self.refilling.is_some(),
            self.reading_retries,
            self.reading_redeliveries,
        ]
    }

    fn read_ended(&mut self, read: Read) {
        self.reserved[read as usize] = 0;
        self.changed_meanwhile[read as usize].clear();
    }

    /// Notes that the running reads may return an old state of an event.
    pub(super) fn outdate_reads(&mut self, seq: Seq) {
        for (read, is_running) in self.running_reads().into_iter().enumerate() {
            if is_running {
                self.changed_meanwhile[read].insert(seq);
            }
        }
    }
}

/// Reports whether an event among the retries on disk is one that a job let go. All others have had an attempt in their
/// run.
const fn is_of_job(event: &QueuedEvent) -> bool {
    event.run_attempt == 0
}
