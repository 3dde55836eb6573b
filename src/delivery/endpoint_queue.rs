//! One endpoint's part of the queue: the events that wait in memory, and what is known of those on disk.
//!
//! The database has the whole queue; the waiting events are in memory as well. Of the fresh events these are
//! the ones with the lowest numbers: `seen_through` is the highest number that has been in memory,
//! `committed` the highest known to be on disk. While both are equal, a newly published event gets into
//! memory straight from its commit. Otherwise it stays on disk until a refill reads it. So publish order is
//! kept and memory is bounded.

#[cfg(test)]
pub(super) mod audit;
mod in_flight;
mod noted_rest;
mod order;
mod policy;
mod reads;
mod rest;
mod restarts;
mod terms;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::in_flight::InFlight;
pub(super) use self::in_flight::InFlightAttempt;
use self::noted_rest::NotedRest;
pub(super) use self::reads::Read;
use self::terms::Terms;
use super::limits::Limits;
use super::scheduler::shares::RingKind;
use super::target::LiveTarget;
use crate::domain::clock::Timestamp;
use crate::domain::health::{Health, SLOW};
use crate::storage::{Backlog, EventBody, QueuedEvent, Run, Seq, WorkspaceNumber};

/// The reason why an attempt may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StartReason {
    /// The endpoint's turn has come.
    Usual,
    /// The endpoint's rest has ended, and this attempt is the probe.
    Probe,
    /// A user requested a redelivery.
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
    noted_rest: NotedRest,
    terms: Terms,
    limits: Limits,
    /// The ring that the endpoint waits in, and its place there.
    pub(super) place: Option<(RingKind, u64)>,
    /// The time when the scheduler looks at the endpoint again, even if no message has come.
    pub(super) timer: Option<Duration>,
    /// The scheduler counts the endpoint among those that rest.
    pub(super) rests: bool,
    /// Bytes of the bodies that wait in memory.
    bytes: usize,
    in_flight: InFlight,
    /// Events that wait in memory, that are in flight, or whose records are not on disk yet, with the run in which they
    /// are.
    in_hand: HashMap<Seq, Run>,
    /// Fresh events that wait in memory, in publish order.
    fresh: VecDeque<QueuedEvent>,
    /// Due retries that wait in memory.
    retries: VecDeque<QueuedEvent>,
    /// Events that wait in memory because jobs let them go.
    of_jobs: VecDeque<QueuedEvent>,
    /// Redeliveries that wait in memory for their first attempt.
    redeliveries: VecDeque<QueuedEvent>,
    /// The highest number of a fresh event that has been in memory or was skipped; a refill reads above it.
    seen_through: Seq,
    /// The highest number of a fresh event that is known to be on disk.
    committed: Seq,
    /// There may be fresh events on disk that `committed` does not show.
    refill_wanted: bool,
    /// Rows that the running reads may bring, by [`Read`].
    reserved: [usize; 3],
    /// The value of `committed` when the running refill was requested.
    refilling: Option<Seq>,
    /// The time when the soonest retry on disk is due, or an earlier one.
    next_due: Option<Timestamp>,
    /// Events that were recorded or redelivered while a read was running, by [`Read`]. The read may return
    /// their old state, so it is ignored for them.
    changed_meanwhile: [HashSet<Seq>; 3],
    /// Running reads whose results are to be ignored, by [`Read`].
    ignored: [bool; 3],
    /// The due time of the soonest retry that was recorded while retries were read.
    due_meanwhile: Option<Timestamp>,
    reading_retries: bool,
    redeliveries_wanted: bool,
    reading_redeliveries: bool,
    /// Events that began a new run while an attempt was in flight; they wait until it has ended.
    blocked: HashSet<Seq>,
    /// Fresh events that started in a row while events of jobs waited.
    fresh_in_row: u32,
    /// The reader reads the body of an event that is to start. The events after it must not overtake it.
    reading_body: bool,
}

impl EndpointQueue {
    /// Returns the queue of an endpoint that may have events on disk.
    pub(super) fn new(target: Arc<LiveTarget>, cap: u32, limits: Limits, now: Timestamp) -> Self {
        Self {
            workspace: target.current().workspace,
            target,
            health: Health::new(cap),
            noted_rest: NotedRest::default(),
            terms: Terms::default(),
            limits,
            place: None,
            timer: None,
            rests: false,
            bytes: 0,
            in_flight: InFlight::default(),
            in_hand: HashMap::new(),
            fresh: VecDeque::new(),
            retries: VecDeque::new(),
            of_jobs: VecDeque::new(),
            redeliveries: VecDeque::new(),
            seen_through: Seq(0),
            committed: Seq(0),
            refill_wanted: true,
            reserved: [0; 3],
            refilling: None,
            next_due: Some(now),
            changed_meanwhile: Default::default(),
            ignored: [false; 3],
            due_meanwhile: None,
            reading_retries: false,
            redeliveries_wanted: true,
            reading_redeliveries: false,
            blocked: HashSet::new(),
            fresh_in_row: 0,
            reading_body: false,
        }
    }

    /// Returns the queue of an endpoint that was just created: nothing is on disk.
    pub(super) fn of_new_endpoint(target: Arc<LiveTarget>, cap: u32, limits: Limits) -> Self {
        Self::resumed(target, Backlog::default(), cap, limits)
    }

    /// Returns the queue of an endpoint with this backlog on disk.
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

    /// Returns the number of events that wait in memory.
    pub(super) fn waiting(&self) -> usize {
        self.fresh.len() + self.retries.len() + self.of_jobs.len() + self.redeliveries.len()
    }

    /// Returns the number of places in memory that are taken: by waiting events, and by rows that running
    /// reads may bring.
    pub(super) fn occupied(&self) -> usize {
        self.waiting() + self.reserved.iter().sum::<usize>()
    }

    /// Returns the bytes of the bodies that wait in memory.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the number of attempts in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.count()
    }

    /// Reports whether nothing of the endpoint is in memory, in flight or being read.
    pub(super) fn is_idle(&self) -> bool {
        self.in_hand.is_empty() && self.running_reads() == [false; 3] && !self.reading_body
    }

    /// Handles a published event. `room`: there is room in memory for it. Returns true if the event waits in
    /// memory from now on.
    pub(super) fn published(&mut self, event: QueuedEvent, room: bool) -> bool {
        if event.seq <= self.seen_through {
            return false;
        }
        let nothing_between =
            self.seen_through >= self.committed && !self.refill_wanted && self.refilling.is_none();
        self.committed = self.committed.max(event.seq);
        if !nothing_between || !room || self.fresh.len() >= self.limits.fresh_per_endpoint {
            return false;
        }
        self.seen_through = event.seq;
        self.in_hand.insert(event.seq, event.run);
        self.bytes += body_bytes(&event);
        self.fresh.push_back(event);
        true
    }

    /// Notes that events up to `seq` are on disk.
    pub(super) fn committed_through(&mut self, seq: Seq) {
        self.committed = self.committed.max(seq);
    }

    /// Prepares the start of an event that was taken. If its body is not in memory, no other event is taken
    /// until the body has been read. Returns the next events whose bodies are to be read along with it.
    pub(super) fn start_reading_body(&mut self, event: &QueuedEvent) -> Vec<Seq> {
        self.reading_body = event.body.is_none();
        if !self.reading_body {
            return Vec::new();
        }
        let next = self.redeliveries.iter().chain(&self.retries);
        next.chain(&self.fresh)
            .chain(&self.of_jobs)
            .filter(|event| event.body.is_none())
            .map(|event| event.seq)
            .take(self.limits.bodies_per_read - 1)
            .collect()
    }

    /// Notes that the event that waited for its body is with the senders. Keeps those bodies of its followers
    /// that fit into `room` bytes; the others will be read again.
    pub(super) fn bodies_read(&mut self, bodies: Vec<(Seq, EventBody)>, mut room: usize) {
        self.reading_body = false;
        let mut bodies: HashMap<Seq, EventBody> = bodies.into_iter().collect();
        let next = self.redeliveries.iter_mut().chain(&mut self.retries);
        for event in next.chain(&mut self.fresh).chain(&mut self.of_jobs) {
            if bodies.is_empty() {
                break;
            }
            if let Some(body) = bodies.remove(&event.seq)
                && body.size() <= room
            {
                room -= body.size();
                self.bytes += body.size();
                event.body = Some(body);
            }
        }
    }

    /// Notes the start of an attempt.
    pub(super) fn started(&mut self, seq: Seq, reason: StartReason, now: Duration) {
        self.terms.started(now);
        self.in_flight
            .started(seq, reason == StartReason::Probe, now);
    }

    /// Notes the end of an attempt.
    pub(super) fn ended(&mut self, seq: Seq) -> Option<InFlightAttempt> {
        self.in_flight.ended(seq)
    }

    /// Notes that a rest is over: the probe is an attempt like all others from now on.
    pub(super) fn rest_ended(&mut self) {
        self.in_flight.rest_ended();
    }

    /// Reports whether an attempt in flight is older than [`SLOW`].
    pub(super) fn has_slow_ones(&self, now: Duration) -> bool {
        self.becomes_slow_at().is_some_and(|at| at <= now)
    }

    /// Returns when the oldest attempt in flight becomes slow.
    pub(super) fn becomes_slow_at(&self) -> Option<Duration> {
        self.in_flight.oldest().map(|started| started + SLOW)
    }

    /// Notes that the record of an attempt is on disk. `due`: the time of the event's next attempt, if it
    /// waits for one.
    pub(super) fn recorded(&mut self, seq: Seq, due: Option<Timestamp>) {
        self.in_hand.remove(&seq);
        self.next_due = earliest(self.next_due, due);
        self.outdate_reads(seq);
        if self.reading_retries {
            self.due_meanwhile = earliest(self.due_meanwhile, due);
        }
        if self.blocked.remove(&seq) {
            self.redeliveries_wanted = true;
            self.next_due = Some(Timestamp::default());
        }
    }

    /// Notes that a retry on disk is due at this time, earlier than before.
    pub(super) fn due_earlier(&mut self, due: Timestamp) {
        self.next_due = earliest(self.next_due, Some(due));
        if self.reading_retries {
            self.due_meanwhile = earliest(self.due_meanwhile, Some(due));
        }
    }

    /// Handles an event that was handed out and whose attempt the sender skipped.
    pub(super) fn skipped(&mut self, seq: Seq, now: Duration) -> Option<InFlightAttempt> {
        let attempt = self.ended_without_attempt(seq, now);
        self.recorded(seq, None);
        attempt
    }

    /// Handles an event that was handed out and for which the sender made no attempt.
    fn ended_without_attempt(&mut self, seq: Seq, now: Duration) -> Option<InFlightAttempt> {
        let attempt = self.ended(seq);
        if attempt.is_some_and(|attempt| attempt.probes) {
            self.health.probe_skipped(now);
        }
        attempt
    }

    /// Removes the waiting events whose runs are skipped.
    pub(super) fn skip(&mut self, through: Run) {
        for queue in [
            &mut self.fresh,
            &mut self.retries,
            &mut self.of_jobs,
            &mut self.redeliveries,
        ] {
            // A read may have found events of later runs before this notice came.
            queue.retain(|event| {
                let stays = event.run > through;
                if !stays {
                    self.in_hand.remove(&event.seq);
                    self.bytes -= body_bytes(event);
                }
                stays
            });
        }
        // The first run of an event has the event's number.
        self.seen_through = self.seen_through.max(Seq(through.0));
        self.committed = self.committed.max(self.seen_through);
        self.next_due = None;
        self.redeliveries_wanted = false;
    }

    /// Requests all reads again.
    pub(super) fn revive(&mut self, now: Timestamp) {
        self.refill_wanted = true;
        self.next_due = Some(now);
        self.redeliveries_wanted = true;
    }

    /// Returns when the soonest retry on disk is due; `None` while retries are read.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        if self.reading_retries {
            return None;
        }
        self.next_due
    }
}

fn body_bytes(event: &QueuedEvent) -> usize {
    event.body.as_ref().map_or(0, EventBody::size)
}

fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
