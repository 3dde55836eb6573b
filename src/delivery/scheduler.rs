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

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::endpoint_queue::{EndpointQueue, Read, Turn};
use super::limits::Limits;
use super::ring::Ring;
use super::target::{LiveTarget, LiveTargets};
use crate::domain::clock::Timestamp;
use crate::domain::delivery_error::DeliveryError;
use crate::domain::health::{Class, Result as HealthResult};
use crate::domain::retry::{ENDPOINT_HOLD_MAX, RetryPolicy};
use crate::storage::{
    Cause, EndpointNumber, Notice, Outcome, QueuedEvent, RetryBatch, Run, Seq, Target, Verdict,
};

/// How often waiting events of endpoints that do not get a turn are looked through for expired runs.
const EXPIRY_PERIOD: Duration = Duration::from_mins(1);

/// A change of the wall clock that is a step and no drift.
const CLOCK_STEP: Duration = Duration::from_secs(1);

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// For what is stored.
    pub(super) wall: Timestamp,
    /// For what is waited on.
    pub(super) monotonic: Duration,
}

/// What the scheduler must know of the settings.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) senders: u32,
    pub(super) retry: RetryPolicy,
    pub(super) limits: Limits,
}

/// An attempt to be made.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) event: QueuedEvent,
    pub(super) target: Arc<LiveTarget>,
}

/// What a sender reports.
#[derive(Debug)]
pub(super) enum Landing {
    /// The run is skipped: no attempt was made.
    Abandoned(QueuedEvent),
    /// An attempt was made.
    Attempted(QueuedEvent, Attempted),
}

/// How an attempt went.
#[derive(Clone, Debug)]
pub(super) struct Attempted {
    pub(super) code: Option<u16>,
    pub(super) error: Option<DeliveryError>,
    /// Trying again cannot help.
    pub(super) is_final: bool,
    pub(super) response: Option<String>,
    pub(super) retry_after: Option<Duration>,
    pub(super) took: Duration,
}

/// A read to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadRequest {
    Fresh {
        endpoint: EndpointNumber,
        after: Seq,
        limit: usize,
    },
    Retries {
        endpoint: EndpointNumber,
        skipped: Run,
        now: Timestamp,
        limit: usize,
    },
    Redeliveries {
        endpoint: EndpointNumber,
        skipped: Run,
        limit: usize,
    },
}

/// What a read found; `None`: it failed.
#[derive(Debug)]
pub(super) enum ReadResult {
    Fresh(EndpointNumber, Option<Vec<QueuedEvent>>, usize),
    Retries(EndpointNumber, Option<RetryBatch>),
    Redeliveries(EndpointNumber, Option<Vec<QueuedEvent>>, usize),
}

#[derive(Default)]
struct InFlight {
    good: u32,
    new: u32,
    bad: u32,
}

impl InFlight {
    fn of(&mut self, class: Class) -> &mut u32 {
        match class {
            Class::Good => &mut self.good,
            Class::New => &mut self.new,
            Class::Bad => &mut self.bad,
        }
    }

    fn total(&self) -> u32 {
        self.good + self.new + self.bad
    }
}

/// The scheduling state of all endpoints.
pub(super) struct Scheduler {
    rules: Rules,
    live: Arc<LiveTargets>,
    random: Box<dyn FnMut() -> f64 + Send>,
    endpoints: HashMap<EndpointNumber, EndpointQueue>,
    /// Ready endpoints, by class.
    rings: [Ring; 3],
    /// When to look at an endpoint again although nothing happened.
    timers: BTreeSet<(Duration, EndpointNumber)>,
    in_flight: InFlight,
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
            rules,
            live,
            random,
            endpoints: HashMap::new(),
            rings: Default::default(),
            timers: BTreeSet::new(),
            in_flight: InFlight::default(),
            windows: 0,
            bodies: 0,
            unrecorded: 0,
            wanting: VecDeque::new(),
            expired: VecDeque::new(),
            next_expiry: Duration::ZERO,
            wall_at_zero: None,
        }
    }

    /// The most attempts of one endpoint in flight.
    fn cap(&self) -> u32 {
        (self.rules.senders / 8).max(1)
    }

    /// Takes an endpoint that may have events on disk.
    pub(super) fn resume(&mut self, target: &Target, now: Now) {
        let live = self.live.set(target);
        let queue = EndpointQueue::new(live, self.cap(), self.rules.limits, now.wall);
        self.endpoints.insert(target.number, queue);
        self.wanting.push_back(target.number);
    }

    /// Hears of a commit.
    pub(super) fn notice(&mut self, notice: Notice, now: Now) {
        match notice {
            Notice::Published(event) => self.published(event, now),
            Notice::Endpoint(target, cause) => self.endpoint_changed(&target, cause, now),
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
        let (cap, limits) = (self.cap(), self.rules.limits);
        let Some(queue) = self.endpoints.get_mut(&number) else {
            let queue = match cause {
                Cause::Created => EndpointQueue::of_new_endpoint(live, cap, limits),
                _ => EndpointQueue::new(live, cap, limits, now.wall),
            };
            self.endpoints.insert(number, queue);
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
                *self.in_flight.of(before) -= flying;
                *self.in_flight.of(Class::New) += flying;
            }
            Cause::Created | Cause::Edited | Cause::Disabled => {}
        }
        self.settle(number, now);
    }

    /// Forgets a disabled endpoint of which nothing is in memory or under way.
    fn drop_if_idle(&mut self, number: EndpointNumber) {
        if let Some(queue) = self.endpoints.get(&number) {
            if queue.target.current().enabled || !queue.is_idle() {
                return;
            }
            if let Some((class, place)) = queue.standing {
                self.rings[ring_of(class)].leave(place);
            }
            self.endpoints.remove(&number);
        }
        self.live.forget(number);
    }

    /// Takes what a read found.
    pub(super) fn read(&mut self, result: ReadResult, now: Now) {
        let (ReadResult::Fresh(number, ..)
        | ReadResult::Retries(number, ..)
        | ReadResult::Redeliveries(number, ..)) = result;
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
        for ring in 0..self.rings.len() {
            let mut turns = self.rings[ring].len();
            while turns > 0 && !self.is_full() && !self.is_closed(ring) {
                let Some(number) = self.rings[ring].pop_front() else {
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

    /// Whether nothing at all may start.
    fn is_full(&self) -> bool {
        let flying = self.in_flight.total();
        flying >= self.rules.senders
            || self.unrecorded + flying as usize >= self.rules.limits.unrecorded
    }

    /// Whether no endpoint of a ring may start, whichever it is.
    fn is_closed(&self, ring: usize) -> bool {
        let senders = self.rules.senders;
        let (quarter, half) = ((senders / 4).max(1), (senders / 2).max(1));
        let InFlight { new, bad, .. } = self.in_flight;
        match ring {
            RING_NEW => new >= quarter || new + bad >= half,
            RING_BAD => bad >= quarter,
            _ => false,
        }
    }

    /// Lets the endpoint that was first in line start one event, if it may; stands it in line again if
    /// it has more.
    fn take_turn(&mut self, number: EndpointNumber, now: Now) -> Taken {
        let free = self.rules.senders.saturating_sub(self.in_flight.total());
        let Some(queue) = self.endpoints.get_mut(&number) else {
            return Taken::Nothing;
        };
        queue.standing = None;
        let class = queue.health.class();
        let waits = class == Class::Good && queue.flying() > 0 && free <= self.rules.senders / 4;
        let taken = if waits {
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
        *self.in_flight.of(class) += 1;
        let target = queue.target.clone();
        self.settle(number, now);
        Taken::Start(Start { event, target })
    }

    /// Takes a sender's report; answers what is to be recorded.
    pub(super) fn landed(&mut self, landing: Landing, now: Now) -> Option<Outcome> {
        match landing {
            Landing::Abandoned(event) => {
                let number = event.endpoint;
                if let Some(queue) = self.endpoints.get_mut(&number) {
                    *self.in_flight.of(queue.health.class()) -= 1;
                    queue.abandoned(event.seq, now.monotonic);
                }
                self.settle(number, now);
                self.drop_if_idle(number);
                None
            }
            Landing::Attempted(event, attempted) => {
                self.learn(&event, &attempted, now);
                let verdict = self.verdict(&event, &attempted, now);
                self.unrecorded += 1;
                self.settle(event.endpoint, now);
                Some(Outcome {
                    event: QueuedEvent {
                        body: None,
                        ..event
                    },
                    verdict,
                    decided_at: now.wall,
                    code: attempted.code,
                    error: attempted.error,
                    response: attempted.response,
                    duration_ms: u32::try_from(attempted.took.as_millis()).unwrap_or(u32::MAX),
                })
            }
        }
    }

    fn learn(&mut self, event: &QueuedEvent, attempted: &Attempted, now: Now) {
        let random = (self.random)();
        let Some(queue) = self.endpoints.get_mut(&event.endpoint) else {
            return;
        };
        *self.in_flight.of(queue.health.class()) -= 1;
        let flight = queue.landed(event.seq);
        let flying = queue.flying();
        let before = queue.health.class();
        if let Some(flight) = flight.filter(|flight| flight.counts) {
            let slow_ones = queue.has_slow_ones(now.monotonic);
            let result = health_result(attempted);
            queue.health.finished(
                result,
                attempted.took,
                slow_ones,
                flight.probes,
                now.monotonic,
                random,
            );
            if result == HealthResult::Success {
                queue.rest_ended();
            }
            if let Some(hold) = attempted.retry_after {
                queue
                    .health
                    .hold(now.monotonic + hold.min(ENDPOINT_HOLD_MAX));
            }
        }
        let after = queue.health.class();
        *self.in_flight.of(before) -= flying;
        *self.in_flight.of(after) += flying;
    }

    fn verdict(&mut self, event: &QueuedEvent, attempted: &Attempted, now: Now) -> Verdict {
        match attempted.code {
            Some(200..=299) => return Verdict::Succeeded,
            Some(410) => return Verdict::Gone,
            _ if attempted.is_final => return Verdict::Failed,
            _ => {}
        }
        let made = event.run_attempt + 1;
        let random = (self.random)();
        let due = self.rules.retry.next_due(
            made,
            event.run_started,
            now.wall,
            attempted.retry_after,
            random,
        );
        due.map_or(Verdict::Failed, Verdict::RetryAt)
    }

    #[expect(clippy::needless_pass_by_value, reason = "the event ends here")]
    fn expire(&mut self, event: QueuedEvent, now: Now) {
        let hours = now.wall.since(event.run_started).as_secs() / 3600;
        self.unrecorded += 1;
        self.expired.push_back(Outcome {
            event: QueuedEvent {
                body: None,
                ..event
            },
            verdict: Verdict::Failed,
            decided_at: now.wall,
            code: None,
            error: Some(DeliveryError::Expired),
            response: Some(format!(
                "not delivered within {hours} hours; nothing was sent this time"
            )),
            duration_ms: 0,
        });
    }

    /// The next run that ended without an attempt, to be recorded.
    pub(super) fn next_expired(&mut self) -> Option<Outcome> {
        self.expired.pop_front()
    }

    /// Looks at what time alone has changed.
    pub(super) fn tick(&mut self, now: Now) {
        while let Some((at, number)) = self.timers.first().copied()
            && at <= now.monotonic
        {
            self.timers.pop_first();
            if let Some(queue) = self.endpoints.get_mut(&number) {
                queue.timer = None;
            }
            self.look_at(number, now);
        }
        self.look_at_wall_clock(now);
        if now.monotonic >= self.next_expiry {
            self.next_expiry = now.monotonic + EXPIRY_PERIOD;
            self.expire_waiting(now);
        }
    }

    /// Timers are monotonic. Where the wall clock was set forward, retries are due that they do not know of.
    fn look_at_wall_clock(&mut self, now: Now) {
        let at_zero = now.wall.before(now.monotonic);
        let before = self.wall_at_zero.replace(at_zero).unwrap_or(at_zero);
        if at_zero.since(before) > CLOCK_STEP {
            for number in self.numbers() {
                self.settle(number, now);
            }
        }
    }

    /// In order: that of a hash map differs from run to run, and what a simulation found must be found
    /// again.
    fn numbers(&self) -> Vec<EndpointNumber> {
        let mut numbers: Vec<EndpointNumber> = self.endpoints.keys().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    fn look_at(&mut self, number: EndpointNumber, now: Now) {
        let Some(queue) = self.endpoints.get_mut(&number) else {
            return;
        };
        if queue.has_slow_ones(now.monotonic) && queue.health.class() != Class::Bad {
            let flying = queue.flying();
            *self.in_flight.of(queue.health.class()) -= flying;
            queue.health.grew_old();
            *self.in_flight.of(Class::Bad) += flying;
        }
        self.settle(number, now);
    }

    fn expire_waiting(&mut self, now: Now) {
        let began_before = now.wall.before(self.rules.retry.expire_after);
        for number in self.numbers() {
            while self.unrecorded < self.rules.limits.unrecorded
                && let Some(Some(event)) =
                    self.change(number, |queue| queue.take_expired(began_before))
            {
                self.expire(event, now);
                self.wanting.push_back(number);
            }
        }
    }

    /// Puts an endpoint where it belongs: into its ring if it is ready, else on a timer.
    fn settle(&mut self, number: EndpointNumber, now: Now) {
        let Some(queue) = self.endpoints.get_mut(&number) else {
            return;
        };
        let ready = queue.is_ready(now.monotonic);
        let class = queue.health.class();
        if let Some((standing, place)) = queue.standing
            && (standing != class || !ready)
        {
            self.rings[ring_of(standing)].leave(place);
            queue.standing = None;
        }
        if ready && queue.standing.is_none() {
            let place = self.rings[ring_of(class)].join(number);
            queue.standing = Some((class, place));
        }
        let turns_slow = queue
            .turns_slow_at()
            .filter(|_| queue.health.class() != Class::Bad);
        let wakes = queue
            .health
            .wakes_at(now.monotonic)
            .filter(|_| !ready && queue.waiting() > 0);
        let due = queue
            .next_due()
            .filter(|due| *due > now.wall)
            .map(|due| now.monotonic + due.since(now.wall));
        let next = [turns_slow, wakes, due].into_iter().flatten().min();
        if let Some(at) = next {
            self.arm(number, at);
        }
        self.wanting.push_back(number);
    }

    /// Has an endpoint looked at again at `at`, or earlier if it is to be already.
    fn arm(&mut self, number: EndpointNumber, at: Duration) {
        let Some(queue) = self.endpoints.get_mut(&number) else {
            return;
        };
        match queue.timer {
            Some(earlier) if earlier <= at => return,
            Some(later) => {
                self.timers.remove(&(later, number));
            }
            None => {}
        }
        queue.timer = Some(at);
        self.timers.insert((at, number));
    }

    /// When to call [`Scheduler::tick`] although nothing has happened.
    pub(super) fn next_wake(&self) -> Duration {
        let timer = self.timers.first().map(|(at, _)| *at);
        timer.map_or(self.next_expiry, |at| at.min(self.next_expiry))
    }

    /// Attempts in flight.
    pub(super) fn flying(&self) -> u32 {
        self.in_flight.total()
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

const RING_NEW: usize = 1;
const RING_BAD: usize = 2;

fn ring_of(class: Class) -> usize {
    match class {
        Class::Good => 0,
        Class::New => RING_NEW,
        Class::Bad => RING_BAD,
    }
}

fn health_result(attempted: &Attempted) -> HealthResult {
    match (attempted.code, attempted.error) {
        (Some(200..=299), _) => HealthResult::Success,
        (Some(500.. | 429), _) => HealthResult::Failure,
        (Some(_), _) => HealthResult::Refusal,
        (None, Some(DeliveryError::Timeout)) => HealthResult::Timeout,
        (None, _) => HealthResult::Failure,
    }
}
