//! Who may start an attempt, and when: the whole scheduling state, and no I/O.
//!
//! Time, randomness, reads and results are handed in; starts, reads and outcomes are handed out. So
//! one thread can own it without a lock, and a simulation can drive it through months in seconds.
//!
//! # Who may start
//! Of S senders, endpoints that are *bad* hold fewer than a quarter together, *new* ones fewer than a
//! quarter, both fewer than half. A *good* endpoint with nothing in flight may always start; with
//! something in flight it may while more than a quarter of the senders is free. Ready endpoints stand once
//! each in the ring of their class, one event per turn; one that may not start is passed over, never
//! waited for.

#[cfg(test)]
pub(super) mod audit;
mod landings;
mod shares;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::shares::{Shares, place};
use super::endpoint_queue::{EndpointQueue, Read, Turn};
use super::limits::Limits;
use super::protocol::{Now, ReadRequest, ReadResult, Start};
use super::ring::Ring;
use super::target::LiveTargets;
use crate::domain::clock::Timestamp;
use crate::domain::health::Class;
use crate::domain::retry::RetryPolicy;
use crate::storage::{Cause, EndpointNumber, Notice, Outcome, QueuedEvent, Seq, Target};

/// In the order in which they get their turns.
const CLASSES: [Class; 3] = [Class::Good, Class::New, Class::Bad];

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
    /// Ready endpoints, by class.
    rings: [Ring; 3],
    /// When to look at an endpoint again although nothing happened.
    timers: BTreeSet<(Duration, EndpointNumber)>,
    shares: Shares,
    windows: usize,
    bodies: usize,
    unrecorded: usize,
    /// Endpoints to be looked at for reads.
    wanting: VecDeque<EndpointNumber>,
    /// Runs that ended without an attempt.
    expired: VecDeque<Outcome>,
    next_expiry: Duration,
    /// The wall clock at monotonic zero, as it was when last looked at.
    wall_at_zero: Option<Timestamp>,
}

impl Scheduler {
    pub(super) fn new(
        rules: Rules,
        live: Arc<LiveTargets>,
        random: Box<dyn FnMut() -> f64 + Send>,
    ) -> Self {
        Self {
            shares: Shares::new(rules.senders),
            rules,
            live,
            random,
            endpoints: HashMap::new(),
            rings: Default::default(),
            timers: BTreeSet::new(),
            windows: 0,
            bodies: 0,
            unrecorded: 0,
            wanting: VecDeque::new(),
            expired: VecDeque::new(),
            next_expiry: Duration::ZERO,
            wall_at_zero: None,
        }
    }

    /// Takes an endpoint that may have events on disk.
    pub(super) fn resume(&mut self, target: &Target, now: Now) {
        let live = self.live.get_or_insert(target);
        let queue = EndpointQueue::new(live, self.shares.cap(), self.rules.limits, now.wall);
        self.endpoints.insert(target.number, Box::new(queue));
        self.wanting.push_back(target.number);
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
                self.drop_if_idle(recorded.endpoint);
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

    /// Changes what waits for an endpoint, and keeps the sums over all endpoints.
    fn change<T>(
        &mut self,
        number: EndpointNumber,
        work: impl FnOnce(&mut EndpointQueue) -> T,
    ) -> Option<T> {
        let queue = self.endpoints.get_mut(&number)?;
        self.windows -= queue.occupied();
        self.bodies -= queue.bytes();
        let result = work(queue);
        self.windows += queue.occupied();
        self.bodies += queue.bytes();
        Some(result)
    }

    fn published(&mut self, mut event: QueuedEvent, now: Now) {
        let endpoint = event.endpoint;
        let size = event.body.as_ref().map_or(0, |body| body.len());
        if self.bodies + size > self.rules.limits.bodies {
            event.body = None;
        }
        let room = self.windows < self.rules.limits.windows;
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
            self.drop_if_idle(number);
            return;
        }
        // It was set at the commit, and may have changed again since.
        let live = self.live.get_or_insert(target);
        let (cap, limits) = (self.shares.cap(), self.rules.limits);
        let Some(queue) = self.endpoints.get_mut(&number) else {
            let queue = match cause {
                Cause::Created => EndpointQueue::of_new_endpoint(live, cap, limits),
                Cause::Enabled => EndpointQueue::new(live, cap, limits, now.wall),
                // Only these bring one back; it was dropped because it is disabled.
                Cause::Moved | Cause::Edited | Cause::Disabled => return,
            };
            self.endpoints.insert(number, Box::new(queue));
            self.wanting.push_back(number);
            return;
        };
        match cause {
            Cause::Moved | Cause::Enabled => {
                let flying = queue.flying();
                let before = queue.health.class();
                queue.renew();
                if cause == Cause::Enabled {
                    queue.revive(now.wall);
                }
                self.shares.reclassify(before, Class::New, flying);
            }
            Cause::Created | Cause::Edited | Cause::Disabled => {}
        }
        self.settle(number, now);
    }

    /// Forgets a disabled endpoint of which nothing is in memory or under way.
    fn drop_if_idle(&mut self, number: EndpointNumber) {
        if let Some(queue) = self.endpoints.get(&number) {
            if queue.target.current().enabled || !queue.is_idle() || self.live.is_ahead(number) {
                return;
            }
            if let Some((class, at)) = queue.standing {
                self.rings[place(class)].leave(at);
            }
            self.endpoints.remove(&number);
        }
        self.live.forget(number);
    }

    /// Takes what a read found.
    pub(super) fn read(&mut self, result: ReadResult, now: Now) {
        let (ReadResult::Fresh(number, ..)
        | ReadResult::Retries(number, ..)
        | ReadResult::Redeliveries(number, ..)
        | ReadResult::Bodies(number, ..)) = result;
        let room = self.rules.limits.bodies.saturating_sub(self.bodies);
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
        self.drop_if_idle(number);
    }

    /// The next read to make.
    pub(super) fn next_read(&mut self, now: Now) -> Option<ReadRequest> {
        while let Some(number) = self.wanting.front().copied() {
            let room = self.rules.limits.windows.saturating_sub(self.windows);
            let request = self.change(number, |queue| next_request(queue, number, room, now));
            match request.flatten() {
                None => self.wanting.pop_front(),
                request => return request,
            };
        }
        None
    }

    /// The next attempt to make.
    pub(super) fn next_start(&mut self, now: Now) -> Option<Start> {
        for class in CLASSES {
            let mut turns = self.rings[place(class)].len();
            while turns > 0 && !self.is_full() && !self.shares.is_closed(class) {
                let Some(number) = self.rings[place(class)].pop_front() else {
                    break;
                };
                match self.take_turn(number, now) {
                    Taken::Start(start) => return Some(start),
                    Taken::Expired => {}
                    Taken::Nothing => turns -= 1,
                }
            }
        }
        None
    }

    /// Whether so many outcomes are not on disk, or about to come, that nothing may start.
    fn is_full(&self) -> bool {
        self.unrecorded + self.shares.total() as usize >= self.rules.limits.unrecorded
    }

    /// Lets the endpoint that was first in line start one event, if it may; stands it in line again if
    /// it has more.
    fn take_turn(&mut self, number: EndpointNumber, now: Now) -> Taken {
        let Some(queue) = self.endpoints.get_mut(&number) else {
            return Taken::Nothing;
        };
        queue.standing = None;
        let class = queue.health.class();
        let taken = if self.shares.waits(class, queue.flying()) {
            None
        } else {
            self.change(number, |queue| queue.take(now.monotonic))
                .flatten()
        };
        let Some((event, turn)) = taken else {
            self.settle(number, now);
            return Taken::Nothing;
        };
        if event.run_started <= now.wall.before(self.rules.retry.expire_after) {
            if let Some(queue) = self.endpoints.get_mut(&number)
                && turn == Turn::Probe
            {
                queue.health.abandoned(now.monotonic);
            }
            self.settle(number, now);
            self.expire(event, now);
            return Taken::Expired;
        }
        let queue = self
            .endpoints
            .get_mut(&number)
            .expect("it has just been there");
        queue.started(event.seq, turn, now.monotonic);
        self.shares.take(class);
        let start = Start {
            followers: queue.load(&event),
            event,
            target: queue.target.clone(),
        };
        self.settle(number, now);
        Taken::Start(start)
    }

    /// Attempts in flight.
    pub(super) fn flying(&self) -> u32 {
        self.shares.total()
    }

    /// Outcomes that are not on disk yet.
    pub(super) fn unrecorded(&self) -> usize {
        self.unrecorded
    }
}

/// What came of an endpoint's turn.
enum Taken {
    Start(Start),
    /// The event's run is over; the endpoint may have another one.
    Expired,
    Nothing,
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
