//! One endpoint's part of the queue: what waits in memory, and what is known of the rest.
//!
//! The database holds the queue; memory holds a window of it. Of events never attempted, the window
//! holds the lowest numbers: `loaded` is the highest that has been in it, `committed` the highest known
//! to be on disk. While both are equal a newly published event may enter straight from its commit;
//! otherwise it waits on disk for a refill, so that publish order is kept and memory bounded.

#[cfg(test)]
pub(super) mod audit;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::limits::Limits;
use super::target::LiveTarget;
use crate::domain::clock::Timestamp;
use crate::domain::health::{Health, SLOW};
use crate::storage::{QueuedEvent, RetryBatch, Run, Seq};

/// What kind of read an endpoint waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Fresh,
    Retries,
    Redeliveries,
}

/// One endpoint's queue.
pub(super) struct EndpointQueue {
    pub(super) target: Arc<LiveTarget>,
    pub(super) health: Health,
    limits: Limits,
    pub(super) queued_in_ring: bool,
    /// When the scheduler looks at it again by itself.
    pub(super) timer: Option<Duration>,
    /// Bytes of bodies that wait in memory.
    bytes: usize,
    /// Starts of what is in flight, oldest first: when, and whether it came out of turn.
    in_flight: Vec<(Seq, Duration)>,
    /// In the window, in flight, or with an outcome that is not on disk yet.
    in_hand: HashSet<Seq>,
    window: VecDeque<QueuedEvent>,
    retries: VecDeque<QueuedEvent>,
    redeliveries: VecDeque<QueuedEvent>,
    loaded: Seq,
    committed: Seq,
    /// Nothing is known of the disk yet.
    refill_wanted: bool,
    /// `committed` when the refill under way was asked for.
    refilling: Option<Seq>,
    next_due: Option<Timestamp>,
    /// Events whose outcome was recorded while a read was under way: it may show them as they were.
    left_meanwhile: HashSet<Seq>,
    due_meanwhile: Option<Timestamp>,
    reading_retries: bool,
    redeliveries_wanted: bool,
    reading_redeliveries: bool,
    /// Redeliveries that wait for the attempt in flight.
    blocked: HashSet<Seq>,
}

impl EndpointQueue {
    /// Of an endpoint with events on disk, perhaps.
    pub(super) fn new(target: Arc<LiveTarget>, cap: u32, limits: Limits, now: Timestamp) -> Self {
        Self {
            target,
            health: Health::new(cap),
            limits,
            queued_in_ring: false,
            timer: None,
            bytes: 0,
            in_flight: Vec::new(),
            in_hand: HashSet::new(),
            window: VecDeque::new(),
            retries: VecDeque::new(),
            redeliveries: VecDeque::new(),
            loaded: Seq(0),
            committed: Seq(0),
            refill_wanted: true,
            refilling: None,
            next_due: Some(now),
            left_meanwhile: HashSet::new(),
            due_meanwhile: None,
            reading_retries: false,
            redeliveries_wanted: true,
            reading_redeliveries: false,
            blocked: HashSet::new(),
        }
    }

    /// Of an endpoint that was just made: nothing is on disk.
    pub(super) fn of_new_endpoint(target: Arc<LiveTarget>, cap: u32, limits: Limits) -> Self {
        Self {
            refill_wanted: false,
            next_due: None,
            redeliveries_wanted: false,
            ..Self::new(target, cap, limits, Timestamp::default())
        }
    }

    /// Events that wait in memory.
    pub(super) fn waiting(&self) -> usize {
        self.window.len() + self.retries.len() + self.redeliveries.len()
    }

    /// Bytes of bodies that wait in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Attempts in flight.
    pub(super) fn flying(&self) -> u32 {
        u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX)
    }

    /// Whether nothing of it is in memory or under way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_hand.is_empty()
            && self.refilling.is_none()
            && !self.reading_retries
            && !self.reading_redeliveries
    }

    /// An event was published. `room`: whether windows have room in all. Answers whether it entered.
    pub(super) fn published(&mut self, event: QueuedEvent, room: bool) -> bool {
        if event.seq <= self.loaded {
            return false;
        }
        let in_step =
            self.loaded >= self.committed && !self.refill_wanted && self.refilling.is_none();
        self.committed = self.committed.max(event.seq);
        if !in_step || !room || self.window.len() >= self.limits.window {
            return false;
        }
        self.loaded = event.seq;
        self.in_hand.insert(event.seq);
        self.bytes += body_bytes(&event);
        self.window.push_back(event);
        true
    }

    /// Events up to `seq` are on disk.
    pub(super) fn committed_through(&mut self, seq: Seq) {
        self.committed = self.committed.max(seq);
    }

    /// The next read that is wanted and not under way; marks it as under way.
    pub(super) fn next_read(&mut self, now: Timestamp, room: bool) -> Option<Read> {
        let more_on_disk = self.refill_wanted || self.loaded < self.committed;
        if self.redeliveries_wanted && !self.reading_redeliveries && self.redeliveries.is_empty() {
            self.redeliveries_wanted = false;
            self.reading_redeliveries = true;
            Some(Read::Redeliveries)
        } else if !self.reading_retries
            && self.retries.len() < self.limits.retries_below
            && self.next_due.is_some_and(|due| due <= now)
        {
            self.reading_retries = true;
            Some(Read::Retries)
        } else if more_on_disk
            && self.refilling.is_none()
            && self.window.len() < self.limits.refill_below
            && (room || self.window.is_empty())
        {
            self.refill_wanted = false;
            self.refilling = Some(self.committed);
            Some(Read::Fresh)
        } else {
            None
        }
    }

    /// The highest number that has been in the window: a refill reads above it.
    pub(super) fn loaded(&self) -> Seq {
        self.loaded
    }

    /// How many rows to read so that at least a batch of them is new.
    pub(super) fn retry_rows(&self) -> usize {
        self.limits.retries + self.in_hand.len()
    }

    /// A refill has come; `limit` rows were asked for.
    pub(super) fn refilled(&mut self, events: Vec<QueuedEvent>, limit: usize) {
        let asked_at = self.refilling.take().unwrap_or_default();
        if events.len() < limit {
            // All that was committed when it was asked for has been seen, even what no longer waits.
            self.loaded = self.loaded.max(asked_at);
        } else {
            self.refill_wanted = true;
        }
        let skip_through = self.target.current().skip_through;
        for event in events {
            self.loaded = self.loaded.max(event.seq);
            if event.run > skip_through && self.in_hand.insert(event.seq) {
                self.window.push_back(event);
            }
        }
        self.committed = self.committed.max(self.loaded);
        self.read_ended();
    }

    /// Due retries have come.
    pub(super) fn retries_read(&mut self, batch: RetryBatch) {
        self.reading_retries = false;
        self.next_due = earliest(batch.next_due, self.due_meanwhile.take());
        for event in batch.events {
            if !self.left_meanwhile.contains(&event.seq) && self.in_hand.insert(event.seq) {
                self.retries.push_back(event);
            }
        }
        self.read_ended();
    }

    /// Redeliveries have come; `limit` rows were asked for.
    pub(super) fn redeliveries_read(&mut self, events: Vec<QueuedEvent>, limit: usize) {
        self.reading_redeliveries = false;
        self.redeliveries_wanted |= events.len() == limit;
        for event in events {
            if self.left_meanwhile.contains(&event.seq) {
                self.redeliveries_wanted = true;
            } else if self.in_hand.insert(event.seq) {
                self.redeliveries.push_back(event);
            } else {
                self.blocked.insert(event.seq);
            }
        }
        self.read_ended();
    }

    /// A read failed: it is wanted again.
    pub(super) fn read_failed(&mut self, read: Read) {
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
        self.read_ended();
    }

    fn read_ended(&mut self) {
        if !self.reading_retries && !self.reading_redeliveries {
            self.left_meanwhile.clear();
        }
    }

    /// An event begins a new run.
    pub(super) fn redeliver(&mut self, seq: Seq) {
        // What waits in memory is of the run before.
        for queue in [&mut self.window, &mut self.retries, &mut self.redeliveries] {
            if let Some(at) = queue.iter().position(|event| event.seq == seq)
                && let Some(event) = queue.remove(at)
            {
                self.in_hand.remove(&seq);
                self.bytes -= body_bytes(&event);
            }
        }
        self.redeliveries_wanted = true;
    }

    /// Takes the event whose turn it is, if the rules of health allow one.
    pub(super) fn take(&mut self, now: Duration) -> Option<QueuedEvent> {
        // Somebody asked for it by hand: it waits for neither rest nor hold.
        if let Some(event) = self.redeliveries.pop_front() {
            self.bytes -= body_bytes(&event);
            return Some(event);
        }
        if !self.health.may_start(now) || self.flying() >= self.health.allowance() {
            return None;
        }
        let event = self
            .retries
            .pop_front()
            .or_else(|| self.window.pop_front())?;
        self.bytes -= body_bytes(&event);
        self.health.started();
        Some(event)
    }

    /// Whether [`EndpointQueue::take`] would take one.
    pub(super) fn is_ready(&self, now: Duration) -> bool {
        !self.redeliveries.is_empty()
            || (!(self.retries.is_empty() && self.window.is_empty())
                && self.health.may_start(now)
                && self.flying() < self.health.allowance())
    }

    /// An attempt starts.
    pub(super) fn started(&mut self, seq: Seq, now: Duration) {
        self.in_flight.push((seq, now));
    }

    /// An attempt ended.
    pub(super) fn landed(&mut self, seq: Seq) {
        self.in_flight.retain(|(flying, _)| *flying != seq);
    }

    /// Whether an attempt in flight is older than [`SLOW`].
    pub(super) fn has_slow_ones(&self, now: Duration) -> bool {
        self.turns_slow_at().is_some_and(|at| at <= now)
    }

    /// When the oldest attempt in flight becomes slow.
    pub(super) fn turns_slow_at(&self) -> Option<Duration> {
        self.in_flight.first().map(|(_, start)| *start + SLOW)
    }

    /// The outcome of an event is on disk; it may be due again.
    pub(super) fn recorded(&mut self, seq: Seq, due: Option<Timestamp>) {
        self.in_hand.remove(&seq);
        self.next_due = earliest(self.next_due, due);
        if self.reading_retries || self.reading_redeliveries {
            self.left_meanwhile.insert(seq);
            self.due_meanwhile = earliest(self.due_meanwhile, due);
        }
        self.redeliveries_wanted |= self.blocked.remove(&seq);
    }

    /// An event was handed out and not attempted, because its run is skipped.
    pub(super) fn abandoned(&mut self, seq: Seq) {
        self.landed(seq);
        self.recorded(seq, None);
    }

    /// Forgets what waits: its runs are skipped.
    pub(super) fn skip(&mut self, through: Run) {
        for event in self
            .window
            .drain(..)
            .chain(self.retries.drain(..))
            .chain(self.redeliveries.drain(..))
        {
            self.in_hand.remove(&event.seq);
        }
        self.bytes = 0;
        // A first run has its event's number.
        self.loaded = self.loaded.max(Seq(through.0));
        self.committed = self.committed.max(self.loaded);
        self.next_due = None;
        self.redeliveries_wanted = false;
    }

    /// Reads everything anew.
    pub(super) fn revive(&mut self, now: Timestamp) {
        self.refill_wanted = true;
        self.next_due = Some(now);
        self.redeliveries_wanted = true;
    }

    /// When the soonest retry on disk is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        if self.reading_retries {
            return None;
        }
        self.next_due
    }

    /// Takes one waiting event whose run began before `began_before`.
    pub(super) fn take_expired(&mut self, began_before: Timestamp) -> Option<QueuedEvent> {
        let expired = |queue: &VecDeque<QueuedEvent>| {
            queue
                .front()
                .is_some_and(|event| event.run_started < began_before)
        };
        let event = if expired(&self.window) {
            self.window.pop_front()?
        } else if expired(&self.retries) {
            self.retries.pop_front()?
        } else {
            return None;
        };
        self.bytes -= body_bytes(&event);
        Some(event)
    }
}

fn body_bytes(event: &QueuedEvent) -> usize {
    event.body.as_ref().map_or(0, |body| body.len())
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
