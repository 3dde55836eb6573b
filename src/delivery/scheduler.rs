//! The scheduler: decides which attempt starts, and when. It owns the whole scheduling state and does no I/O.
//!
//! The caller hands in time, randomness, read results and attempt reports, and takes out attempts to make,
//! reads to make and records to store. So one thread can own the scheduler without a lock, and a simulation
//! can drive it through months in seconds.
//!
//! An attempt starts when its endpoint has the turn, and each ready endpoint starts one event per turn.
//! [`turns`] describes the order of turns; [`shares`] has the rules that decide whether an endpoint may start
//! at all. Nothing waits for an endpoint that may not start.

#[cfg(test)]
pub(super) mod audit;
mod memory;
mod reports;
pub(in crate::delivery) mod shares;
#[cfg(test)]
mod tests;
mod timers;
pub(in crate::delivery) mod turns;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::turns::{MemoryUse, Turns};
use super::endpoint_queue::{EndpointQueue, Read};
use super::limits::Limits;
use super::protocol::{AttemptJob, Now, ReadRequest, ReadResult};
use super::target::LiveTargets;
use crate::domain::clock::Timestamp;
use crate::domain::health::Class;
use crate::domain::retry::RetryPolicy;
use crate::storage::{
    AttemptRecord, EndpointChange, EndpointNumber, Notice, QueuedEvent, Seq, StoredTarget, Target,
    WorkspaceNumber,
};

/// The settings of the scheduler.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) senders: u32,
    pub(super) retry: RetryPolicy,
    pub(super) limits: Limits,
}

/// The scheduling state of all endpoints.
pub(super) struct Scheduler {
    rules: Rules,
    live: Arc<LiveTargets>,
    random: Box<dyn FnMut() -> f64 + Send>,
    /// The values are boxed, because the map has up to twice as many places as endpoints, each of a value's
    /// size.
    endpoints: HashMap<EndpointNumber, Box<EndpointQueue>>,
    /// The order of turns.
    turns: Turns,
    /// The times at which to look at an endpoint again, even if no message has come.
    timers: BTreeSet<(Duration, EndpointNumber)>,
    /// The memory that the waiting events of all workspaces together take.
    memory_use: MemoryUse,
    /// Endpoints that rest.
    resting: usize,
    /// Attempts whose records are not on disk yet.
    unrecorded: usize,
    /// Endpoints that may want a read.
    wanting: VecDeque<EndpointNumber>,
    /// Records of runs whose time was up while they waited for a further attempt.
    expired: VecDeque<AttemptRecord>,
    next_expiry: Duration,
    /// The wall-clock time at which the monotonic clock was zero, calculated at the last look at both clocks.
    wall_at_zero: Option<Timestamp>,
    /// The moment when the wall clock was last set, or the moment of the start.
    steady_since: Option<Now>,
}

impl Scheduler {
    pub(super) fn new(
        rules: Rules,
        live: Arc<LiveTargets>,
        random: Box<dyn FnMut() -> f64 + Send>,
    ) -> Self {
        Self {
            turns: Turns::new(rules.senders),
            rules,
            live,
            random,
            endpoints: HashMap::new(),
            timers: BTreeSet::new(),
            memory_use: MemoryUse::default(),
            resting: 0,
            unrecorded: 0,
            wanting: VecDeque::new(),
            expired: VecDeque::new(),
            next_expiry: Duration::ZERO,
            wall_at_zero: None,
            steady_since: None,
        }
    }

    /// Adds an endpoint that existed before the start, with its backlog on disk and its rest.
    pub(super) fn resume(&mut self, stored: &StoredTarget, now: Now) {
        let target = &stored.target;
        let live = self.live.get_or_insert(target);
        let (cap, limits) = (self.turns.cap(), self.rules.limits);
        let mut queue = EndpointQueue::resumed(live, stored.backlog, cap, limits);
        queue.resume_rest(stored.rest, target.health_epoch, cap, now);
        queue.adopt(target, &self.rules.retry);
        self.add_endpoint(target.number, queue);
        self.settle(target.number, now);
    }

    /// Adds an endpoint, which may have events on disk.
    fn add_endpoint(&mut self, number: EndpointNumber, queue: EndpointQueue) {
        self.turns.endpoint_added(queue.workspace);
        self.endpoints.insert(number, Box::new(queue));
        self.wanting.push_back(number);
    }

    /// Handles the notice of a commit.
    pub(super) fn handle_notice(&mut self, notice: Notice, now: Now) {
        match notice {
            Notice::Published(event) => self.published(event, now),
            Notice::Endpoint(target, change) => {
                self.live.notice_handled(target.number);
                self.endpoint_changed(&target, change, now);
            }
            Notice::Redeliver { endpoint, seq } => {
                self.change(endpoint, |queue| queue.redeliver(seq));
                self.wanting.push_back(endpoint);
            }
            Notice::LetGo { endpoint, seq, at } => {
                self.change(endpoint, |queue| queue.let_go(seq, at));
                self.settle(endpoint, now);
            }
            Notice::Skipped { endpoint, seq } => {
                self.change(endpoint, |queue| queue.forget_waiting(seq));
                self.settle(endpoint, now);
            }
            Notice::Due { endpoint, at } => {
                if let Some(queue) = self.endpoints.get_mut(&endpoint) {
                    queue.due_earlier(at);
                    self.settle(endpoint, now);
                }
            }
            Notice::Recorded(recorded) => {
                self.unrecorded = self.unrecorded.saturating_sub(1);
                let Some(queue) = self.endpoints.get_mut(&recorded.endpoint) else {
                    return;
                };
                queue.recorded(recorded.seq, recorded.due);
                self.settle(recorded.endpoint, now);
                self.drop_if_idle(recorded.endpoint, now);
            }
        }
    }

    /// Handles published events of `endpoint`, up to `highest`, that the mailbox did not keep: they are to be
    /// read from disk.
    pub(super) fn handle_overflow(&mut self, endpoint: EndpointNumber, highest: Seq) {
        if let Some(queue) = self.endpoints.get_mut(&endpoint) {
            queue.committed_through(highest);
            self.wanting.push_back(endpoint);
        }
    }

    fn published(&mut self, mut event: QueuedEvent, now: Now) {
        let endpoint = event.endpoint;
        let room = self.room(event.workspace);
        if event
            .body
            .as_ref()
            .is_some_and(|body| body.size() > room.body_bytes)
        {
            event.body = None;
        }
        let room = room.events > 0;
        if self.change(endpoint, |queue| queue.published(event, room)) == Some(true) {
            self.settle(endpoint, now);
        } else {
            self.wanting.push_back(endpoint);
        }
    }

    fn endpoint_changed(&mut self, target: &Target, change: EndpointChange, now: Now) {
        let number = target.number;
        let retry = self.rules.retry.clone();
        if !target.enabled {
            self.change(number, |queue| {
                queue.adopt(target, &retry);
                queue.skip(target.skip_through);
            });
            self.settle(number, now);
            self.drop_if_idle(number, now);
            return;
        }
        // The mailbox applied the change at the commit; the endpoint may have changed again since.
        let live = self.live.get_or_insert(target);
        let (cap, limits) = (self.turns.cap(), self.rules.limits);
        let Some(queue) = self.endpoints.get_mut(&number) else {
            let mut queue = match change {
                EndpointChange::Created => EndpointQueue::of_new_endpoint(live, cap, limits),
                EndpointChange::Enabled => EndpointQueue::new(live, cap, limits, now.wall),
                // The scheduler dropped this endpoint because it was disabled; none of these enables it.
                EndpointChange::Moved | EndpointChange::Edited | EndpointChange::Disabled => return,
            };
            queue.begin_epoch(target.health_epoch);
            queue.adopt(target, &self.rules.retry);
            self.add_endpoint(number, queue);
            return;
        };
        match change {
            EndpointChange::Moved | EndpointChange::Enabled => {
                let classes = (queue.health.class(), Class::New);
                queue.reset(target.health_epoch);
                if change == EndpointChange::Enabled {
                    queue.revive(now.wall);
                }
                let (workspace, in_flight) = (queue.workspace, queue.in_flight());
                self.turns
                    .reclassify(workspace, classes, in_flight, now.monotonic);
            }
            EndpointChange::Created | EndpointChange::Edited | EndpointChange::Disabled => {}
        }
        self.change(number, |queue| queue.adopt(target, &retry));
        self.settle(number, now);
    }

    /// Removes a disabled endpoint of which nothing is in memory, in flight or being read.
    fn drop_if_idle(&mut self, number: EndpointNumber, now: Now) {
        if let Some(queue) = self.endpoints.get(&number) {
            if queue.target.current().enabled
                || !queue.is_idle()
                || self.live.has_pending_notices(number)
            {
                return;
            }
            let workspace = queue.workspace;
            if let Some((ring, place)) = queue.place {
                self.turns.leave(workspace, ring, place, now.monotonic);
            }
            self.resting -= usize::from(queue.rests);
            self.endpoints.remove(&number);
            self.turns.endpoint_removed(workspace);
        }
        self.live.forget(number);
    }

    /// Handles the result of a read.
    pub(super) fn handle_read_result(&mut self, result: ReadResult, now: Now) {
        let (ReadResult::Fresh { endpoint, .. }
        | ReadResult::Retries { endpoint, .. }
        | ReadResult::Redeliveries { endpoint, .. }
        | ReadResult::Bodies { endpoint, .. }) = result;
        let room = self.room_for(endpoint).body_bytes;
        self.change(endpoint, |queue| {
            match result {
                ReadResult::Fresh { events, limit, .. } => match events {
                    Some(events) => queue.fresh_read(events, limit),
                    None => queue.read_failed(Read::Fresh),
                },
                ReadResult::Retries { batch, .. } => match batch {
                    Some(batch) => queue.retries_read(batch),
                    None => queue.read_failed(Read::Retries),
                },
                ReadResult::Redeliveries { events, limit, .. } => match events {
                    Some(events) => queue.redeliveries_read(events, limit),
                    None => queue.read_failed(Read::Redeliveries),
                },
                ReadResult::Bodies { bodies, .. } => queue.bodies_read(bodies, room),
            }
            let target = queue.target.current();
            if !target.enabled {
                queue.skip(target.skip_through);
            }
        });
        self.settle(endpoint, now);
        self.drop_if_idle(endpoint, now);
    }

    /// Returns the next read to make, and its workspace.
    pub(super) fn next_read(&mut self, now: Now) -> Option<(WorkspaceNumber, ReadRequest)> {
        while let Some(number) = self.wanting.front().copied() {
            let room = self.room_for(number).events;
            let request = self.change(number, |queue| {
                let request = next_request(queue, number, room, now)?;
                Some((queue.workspace, request))
            });
            match request.flatten() {
                None => self.wanting.pop_front(),
                request => return request,
            };
        }
        None
    }

    /// Returns the next attempt to make.
    pub(super) fn next_start(&mut self, now: Now) -> Option<AttemptJob> {
        while !self.is_full() {
            let number = self.turns.next(now.monotonic)?;
            if let Some(job) = self.take_turn(number, now) {
                return Some(job);
            }
        }
        None
    }

    /// Reports whether so many attempts are unrecorded or in flight that none may start.
    fn is_full(&self) -> bool {
        self.unrecorded + self.turns.total() as usize >= self.rules.limits.unrecorded
    }

    /// Starts one event of the endpoint that has the turn; puts the endpoint back into a ring if it has more.
    fn take_turn(&mut self, number: EndpointNumber, now: Now) -> Option<AttemptJob> {
        self.endpoints.get_mut(&number)?.place = None;
        let taken = self.change(number, |queue| queue.take(now.monotonic));
        let Some((event, reason)) = taken.flatten() else {
            self.settle(number, now);
            return None;
        };
        let queue = self
            .endpoints
            .get_mut(&number)
            .expect("it has just been there");
        let class = queue.health.class();
        self.turns
            .attempt_started(queue.workspace, class, now.monotonic);
        queue.started(event.seq, reason, now.monotonic);
        let job = AttemptJob {
            followers: queue.start_reading_body(&event),
            event,
            target: queue.target.clone(),
        };
        self.settle(number, now);
        Some(job)
    }

    /// Returns the current state of an endpoint, if the scheduler knows it.
    pub(super) fn target(&self, number: EndpointNumber) -> Option<Arc<Target>> {
        Some(self.endpoints.get(&number)?.target.current())
    }

    /// Returns the number of attempts in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.turns.total()
    }

    /// Returns the number of endpoints that rest.
    pub(super) fn resting(&self) -> usize {
        self.resting
    }

    /// Returns the number of attempts whose records are not on disk yet.
    pub(super) fn unrecorded(&self) -> usize {
        self.unrecorded
    }
}

/// Returns the next read that an endpoint wants.
fn next_request(
    queue: &mut EndpointQueue,
    endpoint: EndpointNumber,
    room: usize,
    now: Now,
) -> Option<ReadRequest> {
    let target = queue.target.current();
    if !target.enabled || queue.is_paused() {
        return None;
    }
    let (read, new) = queue.next_read(now.wall, room)?;
    let skip_through = target.skip_through;
    Some(match read {
        Read::Fresh => ReadRequest::Fresh {
            endpoint,
            after: queue.seen_through(),
            limit: new,
        },
        Read::Retries => ReadRequest::Retries {
            endpoint,
            skip_through,
            now: now.wall,
            limit: queue.rows_for(new),
        },
        Read::Redeliveries => ReadRequest::Redeliveries {
            endpoint,
            skip_through,
            limit: queue.rows_for(new),
        },
    })
}
