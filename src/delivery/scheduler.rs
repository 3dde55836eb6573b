//! Who may start an attempt, and when: the whole scheduling state, and no I/O.
//!
//! Time, randomness, reads and results are handed in; starts, reads and outcomes are handed out. So
//! one thread can own it without a lock, and a simulation can drive it through months in seconds.
//!
//! # Who may start
//! Turns go by workspace first ([`turns`]): to the one that holds fewest senders, and some are kept for
//! those that hold few. Below that, of S senders, endpoints that are *bad* hold fewer than a quarter together,
//! *new* ones fewer than a quarter, both fewer than half. A *good* endpoint with nothing in flight may
//! always start; with something in flight it may while more than a quarter of the senders is free
//! ([`shares`]). Ready endpoints stand once each in a line of their workspace, one event per turn; one that
//! may not start is passed over, never waited for.

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

use self::turns::{Turns, Waiting};
use super::endpoint_queue::{EndpointQueue, Read};
use super::limits::Limits;
use super::protocol::{AttemptJob, Now, ReadRequest, ReadResult};
use super::target::LiveTargets;
use crate::domain::clock::Timestamp;
use crate::domain::health::Class;
use crate::domain::retry::RetryPolicy;
use crate::storage::{
    AttemptRecord, Backlog, Cause, EndpointNumber, Notice, QueuedEvent, Seq, Target,
    WorkspaceNumber,
};

/// What the scheduler must know of the settings.
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
    /// Boxed, because the map has a place for up to twice as many, each as large as what is in it.
    endpoints: HashMap<EndpointNumber, Box<EndpointQueue>>,
    /// Who gets the next turn.
    turns: Turns,
    /// When to look at an endpoint again although nothing happened.
    timers: BTreeSet<(Duration, EndpointNumber)>,
    /// What waits in memory, of all workspaces.
    waiting: Waiting,
    unrecorded: usize,
    /// Endpoints to be looked at for reads.
    wanting: VecDeque<EndpointNumber>,
    /// Runs that ended while they waited for a further attempt.
    expired: VecDeque<AttemptRecord>,
    next_expiry: Duration,
    /// The wall clock at monotonic zero, as it was when last looked at.
    wall_at_zero: Option<Timestamp>,
    /// Since when the wall clock goes steadily: the start, or its last step.
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
            waiting: Waiting::default(),
            unrecorded: 0,
            wanting: VecDeque::new(),
            expired: VecDeque::new(),
            next_expiry: Duration::ZERO,
            wall_at_zero: None,
            steady_since: None,
        }
    }

    /// Takes an endpoint that was there before, and what it has on disk.
    pub(super) fn resume(&mut self, target: &Target, backlog: Backlog, now: Now) {
        let live = self.live.get_or_insert(target);
        let queue = EndpointQueue::resumed(live, backlog, self.turns.cap(), self.rules.limits);
        self.hold(target.number, queue);
        self.settle(target.number, now);
    }

    /// Holds one more endpoint, of which something may have to be read.
    fn hold(&mut self, number: EndpointNumber, queue: EndpointQueue) {
        self.turns.opened(queue.workspace);
        self.endpoints.insert(number, Box::new(queue));
        self.wanting.push_back(number);
    }

    /// Hears of a commit.
    pub(super) fn notice(&mut self, notice: Notice, now: Now) {
        match notice {
            Notice::Published(event) => self.published(event, now),
            Notice::Endpoint(target, cause) => {
                self.live.heard(target.number);
                self.endpoint_changed(&target, cause, now);
            }
            Notice::Redeliver { endpoint, seq } => {
                self.change(endpoint, |queue| queue.redeliver(seq));
                self.wanting.push_back(endpoint);
            }
            Notice::Due { endpoint, at } => {
                if let Some(queue) = self.endpoints.get_mut(&endpoint) {
                    queue.retimed(at);
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

    /// Events of `endpoint` up to `seq` were published, and are to be read from disk.
    pub(super) fn committed(&mut self, endpoint: EndpointNumber, seq: Seq) {
        if let Some(queue) = self.endpoints.get_mut(&endpoint) {
            queue.committed_through(seq);
            self.wanting.push_back(endpoint);
        }
    }

    fn published(&mut self, mut event: QueuedEvent, now: Now) {
        let endpoint = event.endpoint;
        let room = self.room(event.workspace);
        if event
            .body
            .as_ref()
            .is_some_and(|body| body.len() > room.bodies)
        {
            event.body = None;
        }
        let room = room.windows > 0;
        if self.change(endpoint, |queue| queue.published(event, room)) == Some(true) {
            self.settle(endpoint, now);
        } else {
            self.wanting.push_back(endpoint);
        }
    }

    fn endpoint_changed(&mut self, target: &Target, cause: Cause, now: Now) {
        let number = target.number;
        if !target.enabled {
            self.change(number, |queue| queue.skip(target.skip_through));
            self.drop_if_idle(number, now);
            return;
        }
        // It was set at the commit, and may have changed again since.
        let live = self.live.get_or_insert(target);
        let (cap, limits) = (self.turns.cap(), self.rules.limits);
        let Some(queue) = self.endpoints.get_mut(&number) else {
            let queue = match cause {
                Cause::Created => EndpointQueue::of_new_endpoint(live, cap, limits),
                Cause::Enabled => EndpointQueue::new(live, cap, limits, now.wall),
                // Only these bring one back; it was dropped because it is disabled.
                Cause::Moved | Cause::Edited | Cause::Disabled => return,
            };
            self.hold(number, queue);
            return;
        };
        match cause {
            Cause::Moved | Cause::Enabled => {
                let change = (queue.health.class(), Class::New);
                queue.reset();
                if cause == Cause::Enabled {
                    queue.revive(now.wall);
                }
                let (workspace, in_flight) = (queue.workspace, queue.in_flight());
                self.turns
                    .reclassify(workspace, change, in_flight, now.monotonic);
            }
            Cause::Created | Cause::Edited | Cause::Disabled => {}
        }
        self.settle(number, now);
    }

    /// Forgets a disabled endpoint of which nothing is in memory or under way.
    fn drop_if_idle(&mut self, number: EndpointNumber, now: Now) {
        if let Some(queue) = self.endpoints.get(&number) {
            if queue.target.current().enabled || !queue.is_idle() || self.live.is_ahead(number) {
                return;
            }
            let workspace = queue.workspace;
            if let Some((line, at)) = queue.standing {
                self.turns.leave(workspace, line, at, now.monotonic);
            }
            self.endpoints.remove(&number);
            self.turns.closed(workspace);
        }
        self.live.forget(number);
    }

    /// Takes what a read found.
    pub(super) fn read(&mut self, result: ReadResult, now: Now) {
        let (ReadResult::Fresh(number, ..)
        | ReadResult::Retries(number, ..)
        | ReadResult::Redeliveries(number, ..)
        | ReadResult::Bodies(number, ..)) = result;
        let room = self.room_for(number).bodies;
        self.change(number, |queue| {
            match result {
                ReadResult::Fresh(_, Some(events), limit) => queue.refilled(events, limit),
                ReadResult::Fresh(_, None, _) => queue.read_failed(Read::Fresh),
                ReadResult::Retries(_, Some(batch)) => queue.retries_read(batch),
                ReadResult::Retries(_, None) => queue.read_failed(Read::Retries),
                ReadResult::Redeliveries(_, Some(events), limit) => {
                    queue.redeliveries_read(events, limit);
                }
                ReadResult::Redeliveries(_, None, _) => queue.read_failed(Read::Redeliveries),
                ReadResult::Bodies(_, bodies) => queue.loaded_bodies(bodies, room),
            }
            let target = queue.target.current();
            if !target.enabled {
                queue.skip(target.skip_through);
            }
        });
        self.settle(number, now);
        self.drop_if_idle(number, now);
    }

    /// The next read to make, and for whom.
    pub(super) fn next_read(&mut self, now: Now) -> Option<(WorkspaceNumber, ReadRequest)> {
        while let Some(number) = self.wanting.front().copied() {
            let room = self.room_for(number).windows;
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

    /// The next attempt to make.
    pub(super) fn next_start(&mut self, now: Now) -> Option<AttemptJob> {
        while !self.is_full() {
            let number = self.turns.next(now.monotonic)?;
            if let Some(start) = self.take_turn(number, now) {
                return Some(start);
            }
        }
        None
    }

    /// Whether so many outcomes are not on disk, or about to come, that nothing may start.
    fn is_full(&self) -> bool {
        self.unrecorded + self.turns.total() as usize >= self.rules.limits.unrecorded
    }

    /// Lets the endpoint whose turn it is start one event; stands it in line again if it has more.
    fn take_turn(&mut self, number: EndpointNumber, now: Now) -> Option<AttemptJob> {
        self.endpoints.get_mut(&number)?.standing = None;
        let taken = self.change(number, |queue| queue.take(now.monotonic));
        let Some((event, turn)) = taken.flatten() else {
            self.settle(number, now);
            return None;
        };
        let queue = self
            .endpoints
            .get_mut(&number)
            .expect("it has just been there");
        let class = queue.health.class();
        self.turns.take(queue.workspace, class, now.monotonic);
        queue.started(event.seq, turn, now.monotonic);
        let start = AttemptJob {
            followers: queue.load(&event),
            event,
            target: queue.target.clone(),
        };
        self.settle(number, now);
        Some(start)
    }

    /// Attempts in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.turns.total()
    }

    /// Outcomes that are not on disk yet.
    pub(super) fn unrecorded(&self) -> usize {
        self.unrecorded
    }
}

/// The next read that an endpoint wants.
fn next_request(
    queue: &mut EndpointQueue,
    endpoint: EndpointNumber,
    room: usize,
    now: Now,
) -> Option<ReadRequest> {
    let target = queue.target.current();
    if !target.enabled {
        return None;
    }
    let (read, new) = queue.next_read(now.wall, room)?;
    let skipped = target.skip_through;
    Some(match read {
        Read::Fresh => ReadRequest::Fresh {
            endpoint,
            after: queue.loaded(),
            limit: new,
        },
        Read::Retries => ReadRequest::Retries {
            endpoint,
            skipped,
            now: now.wall,
            limit: queue.rows_for(new),
        },
        Read::Redeliveries => ReadRequest::Redeliveries {
            endpoint,
            skipped,
            limit: queue.rows_for(new),
        },
    })
}
