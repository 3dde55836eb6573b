//! One endpoint's part of the queue: what waits in memory, and what is known of the rest.
//!
//! The database holds the queue; memory holds a window of it. Of events never attempted, the window
//! holds the lowest numbers: `loaded` is the highest that has been in it, `committed` the highest known
//! to be on disk. While both are equal a newly published event may enter straight from its commit;
//! otherwise it waits on disk for a refill, so that publish order is kept and memory bounded.

#[cfg(test)]
pub(super) mod audit;
mod in_flight;
mod reads;

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use self::in_flight::InFlight;
pub(super) use self::in_flight::InFlightAttempt;
pub(super) use self::reads::Read;
use super::limits::Limits;
use super::scheduler::shares::Line;
use super::target::LiveTarget;
use crate::domain::clock::Timestamp;
use crate::domain::health::{Health, SLOW};
use crate::storage::{Backlog, QueuedEvent, Run, Seq, WorkspaceNumber};

/// By which right an attempt starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartReason {
    /// Its turn has come.
    Usual,
    /// Its endpoint rests, and it is sent to see.
    Probe,
    /// Somebody asked for it by hand.
    Redelivery,
}

/// One endpoint's queue.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, not a state machine"
)]
pub(super) struct EndpointQueue {
    pub(super) target: Arc<LiveTarget>,
    pub(super) workspace: WorkspaceNumber,
    pub(super) health: Health,
    limits: Limits,
    /// Where it stands in line.
    pub(super) standing: Option<(Line, u64)>,
    /// When the scheduler looks at it again by itself.
    pub(super) timer: Option<Duration>,
    /// Bytes of bodies that wait in memory.
    bytes: usize,
    in_flight: InFlight,
    /// In the window, in flight, or with an outcome that is not on disk yet.
    in_hand: HashSet<Seq>,
    window: VecDeque<QueuedEvent>,
    retries: VecDeque<QueuedEvent>,
    redeliveries: VecDeque<QueuedEvent>,
    loaded: Seq,
    committed: Seq,
    /// Nothing is known of the disk yet.
    refill_wanted: bool,
    /// Rows that the reads under way may bring, by [`Read`].
    reserved: [usize; 3],
    /// `committed` when the refill under way was asked for.
    refilling: Option<Seq>,
    next_due: Option<Timestamp>,
    /// Events that were recorded or redelivered while a read was under way, by [`Read`]: it may show
    /// them as they were before.
    left_meanwhile: [HashSet<Seq>; 3],
    /// The soonest retry recorded while retries were read.
    due_meanwhile: Option<Timestamp>,
    reading_retries: bool,
    redeliveries_wanted: bool,
    reading_redeliveries: bool,
    /// Redeliveries that wait for the attempt in flight.
    blocked: HashSet<Seq>,
    /// A start is with the reader, for its body: what comes after it must not overtake it.
    loading: bool,
}

impl EndpointQueue {
    /// Of an endpoint with events on disk, perhaps.
    pub(super) fn new(target: Arc<LiveTarget>, cap: u32, limits: Limits, now: Timestamp) -> Self {
        Self {
            workspace: target.current().workspace,
            target,
            health: Health::new(cap),
            limits,
            standing: None,
            timer: None,
            bytes: 0,
            in_flight: InFlight::default(),
            in_hand: HashSet::new(),
            window: VecDeque::new(),
            retries: VecDeque::new(),
            redeliveries: VecDeque::new(),
            loaded: Seq(0),
            committed: Seq(0),
            refill_wanted: true,
            reserved: [0; 3],
            refilling: None,
            next_due: Some(now),
            left_meanwhile: Default::default(),
            due_meanwhile: None,
            reading_retries: false,
            redeliveries_wanted: true,
            reading_redeliveries: false,
            blocked: HashSet::new(),
            loading: false,
        }
    }

    /// Of an endpoint that was just made: nothing is on disk.
    pub(super) fn of_new_endpoint(target: Arc<LiveTarget>, cap: u32, limits: Limits) -> Self {
        Self::resumed(target, Backlog::default(), cap, limits)
    }

    /// Of an endpoint of which this is on disk.
    pub(super) fn resumed(
        target: Arc<LiveTarget>,
        backlog: Backlog,
        cap: u32,
        limits: Limits,
    ) -> Self {
        Self {
            refill_wanted: backlog.fresh,
            next_due: backlog.next_due,
            redeliveries_wanted: backlog.redeliveries,
            ..Self::new(target, cap, limits, Timestamp::default())
        }
    }

    /// Events that wait in memory.
    pub(super) fn waiting(&self) -> usize {
        self.window.len() + self.retries.len() + self.redeliveries.len()
    }

    /// Places in memory that are taken: by what waits, and by what reads under way may bring.
    pub(super) fn occupied(&self) -> usize {
        self.waiting() + self.reserved.iter().sum::<usize>()
    }

    /// Bytes of bodies that wait in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Attempts in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.count()
    }

    /// Whether nothing of it is in memory or under way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_hand.is_empty() && self.reads_under_way() == [false; 3] && !self.loading
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
        self.outdates_reads(seq);
        self.redeliveries_wanted = true;
    }

    /// Takes the event whose turn it is, if the rules of health allow one.
    pub(super) fn take(&mut self, now: Duration) -> Option<(QueuedEvent, StartReason)> {
        if self.loading {
            return None;
        }
        // Somebody asked for it by hand: it waits for neither rest nor hold.
        if let Some(event) = self.redeliveries.pop_front() {
            self.bytes -= body_bytes(&event);
            return Some((event, StartReason::Redelivery));
        }
        if !self.health.may_start(now) || self.in_flight() >= self.health.concurrency_limit() {
            return None;
        }
        let event = self
            .retries
            .pop_front()
            .or_else(|| self.window.pop_front())?;
        self.bytes -= body_bytes(&event);
        let turn = if self.health.started() {
            StartReason::Probe
        } else {
            StartReason::Usual
        };
        Some((event, turn))
    }

    /// Whether [`EndpointQueue::take`] would take one.
    pub(super) fn is_ready(&self, now: Duration) -> bool {
        let usual = !(self.retries.is_empty() && self.window.is_empty())
            && self.health.may_start(now)
            && self.in_flight() < self.health.concurrency_limit();
        !self.loading && (usual || !self.redeliveries.is_empty())
    }

    /// An event that was taken is to start. If its body is not at hand, nothing else is taken until that
    /// has been read; answers whose bodies are to be read along with it: of those that come next.
    pub(super) fn load(&mut self, event: &QueuedEvent) -> Vec<Seq> {
        self.loading = event.body.is_none();
        if !self.loading {
            return Vec::new();
        }
        let next = self.redeliveries.iter().chain(&self.retries);
        next.chain(&self.window)
            .filter(|event| event.body.is_none())
            .map(|event| event.seq)
            .take(self.limits.load - 1)
            .collect()
    }

    /// A start that waited for its body is with the senders. Keeps those bodies of its followers that
    /// fit into `room` bytes; the others are read again.
    pub(super) fn loaded_bodies(&mut self, bodies: Vec<(Seq, Arc<[u8]>)>, mut room: usize) {
        self.loading = false;
        let mut bodies: HashMap<Seq, Arc<[u8]>> = bodies.into_iter().collect();
        let next = self.redeliveries.iter_mut().chain(&mut self.retries);
        for event in next.chain(&mut self.window) {
            if bodies.is_empty() {
                break;
            }
            if let Some(body) = bodies.remove(&event.seq)
                && body.len() <= room
            {
                room -= body.len();
                self.bytes += body.len();
                event.body = Some(body);
            }
        }
    }

    /// An attempt starts.
    pub(super) fn started(&mut self, seq: Seq, turn: StartReason, now: Duration) {
        self.in_flight.started(seq, turn == StartReason::Probe, now);
    }

    /// An attempt ended.
    pub(super) fn ended(&mut self, seq: Seq) -> Option<InFlightAttempt> {
        self.in_flight.ended(seq)
    }

    /// Rest is over: what had been sent to see is an attempt as others.
    pub(super) fn rest_ended(&mut self) {
        self.in_flight.rest_ended();
    }

    /// What was learnt is void, and what is in flight will teach nothing.
    pub(super) fn reset(&mut self) {
        self.health.reset();
        self.in_flight.reset();
    }

    /// Whether an attempt in flight is older than [`SLOW`].
    pub(super) fn has_slow_ones(&self, now: Duration) -> bool {
        self.becomes_slow_at().is_some_and(|at| at <= now)
    }

    /// When the oldest attempt in flight becomes slow.
    pub(super) fn becomes_slow_at(&self) -> Option<Duration> {
        self.in_flight.oldest().map(|started| started + SLOW)
    }

    /// The outcome of an event is on disk; it may be due again.
    pub(super) fn recorded(&mut self, seq: Seq, due: Option<Timestamp>) {
        self.in_hand.remove(&seq);
        self.next_due = earliest(self.next_due, due);
        self.outdates_reads(seq);
        if self.reading_retries {
            self.due_meanwhile = earliest(self.due_meanwhile, due);
        }
        self.redeliveries_wanted |= self.blocked.remove(&seq);
    }

    /// A retry on disk is due at this time, earlier than it was.
    pub(super) fn retimed(&mut self, due: Timestamp) {
        self.next_due = earliest(self.next_due, Some(due));
        if self.reading_retries {
            self.due_meanwhile = earliest(self.due_meanwhile, Some(due));
        }
    }

    /// An event was handed out and not attempted, because its run is skipped.
    pub(super) fn abandoned(&mut self, seq: Seq, now: Duration) -> Option<InFlightAttempt> {
        let attempt = self.ended(seq);
        if attempt.is_some_and(|attempt| attempt.probes) {
            self.health.abandoned(now);
        }
        self.recorded(seq, None);
        attempt
    }

    /// Forgets what waits in runs that are skipped.
    pub(super) fn skip(&mut self, through: Run) {
        for queue in [&mut self.window, &mut self.retries, &mut self.redeliveries] {
            // A read may have been ahead of this notice: it found events of later runs.
            queue.retain(|event| {
                let stays = event.run > through;
                if !stays {
                    self.in_hand.remove(&event.seq);
                    self.bytes -= body_bytes(event);
                }
                stays
            });
        }
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

    /// Takes an event that waits for another attempt and whose run began within `began`.
    pub(super) fn take_expired(&mut self, began: &Range<Timestamp>) -> Option<QueuedEvent> {
        let mut retries = self.retries.iter();
        let at = retries.position(|event| began.contains(&event.run_started))?;
        let event = self.retries.remove(at)?;
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
