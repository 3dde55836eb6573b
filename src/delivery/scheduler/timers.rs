//! Changes that come with time alone: rests end, retries become due, runs expire, clocks are set.

use std::time::Duration;

use super::Scheduler;
use super::shares::RingKind;
use crate::delivery::protocol::Now;
use crate::domain::health::{Class, Rest};
use crate::storage::EndpointNumber;

/// The time between two searches for expired runs among the waiting events of all endpoints.
const EXPIRY_PERIOD: Duration = Duration::from_mins(1);

impl Scheduler {
    /// Handles everything that has changed with time alone.
    pub(in crate::delivery) fn tick(&mut self, now: Now) {
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

    /// Notes a step of the wall clock. After a step forward, looks at all endpoints: timers are monotonic, so
    /// retries may be due before their timers. Rests end earlier then, too: they are stored as times of the wall
    /// clock, and a process that slept for hours has slept through them.
    pub(in crate::delivery) fn look_at_wall_clock(&mut self, now: Now) {
        let at_zero = now.wall.before(now.monotonic);
        let before = self.wall_at_zero.replace(at_zero);
        let forward = before.is_some_and(|before| at_zero.is_a_step_after(before));
        let back = before.is_some_and(|before| before.is_a_step_after(at_zero));
        if before.is_none() || forward || back {
            self.steady_since = Some(now);
        }
        if !forward && !back {
            return;
        }
        // Zero after a step back.
        let step = before.map_or(Duration::ZERO, |before| at_zero.since(before));
        for number in self.endpoint_numbers() {
            if let Some(queue) = self.endpoints.get_mut(&number) {
                queue.clock_was_set(step);
            }
            self.settle(number, now);
        }
    }

    /// Returns the numbers of all endpoints in order. A hash map has another order in each run, but the
    /// simulation must repeat a run exactly.
    pub(in crate::delivery) fn endpoint_numbers(&self) -> Vec<EndpointNumber> {
        let mut numbers: Vec<EndpointNumber> = self.endpoints.keys().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// Handles an endpoint's timer.
    fn look_at(&mut self, number: EndpointNumber, now: Now) {
        let Some(queue) = self.endpoints.get_mut(&number) else {
            return;
        };
        if queue.has_slow_ones(now.monotonic) && queue.health.class() != Class::Bad {
            let change = (queue.health.class(), Class::Bad);
            queue.health.became_slow();
            let (workspace, in_flight) = (queue.workspace, queue.in_flight());
            self.turns
                .reclassify(workspace, change, in_flight, now.monotonic);
        }
        self.settle(number, now);
    }

    /// Ends runs that have had an attempt and that wait beyond their end for another one, because their
    /// endpoint rests. A run that was over already when the server started, or when the clock was set, did
    /// not have its full time: it waits for its turn and gets one attempt more.
    fn expire_waiting(&mut self, now: Now) {
        let Some(steady_since) = self.steady_since else {
            return;
        };
        for number in self.endpoint_numbers() {
            let queue = self.endpoints.get(&number);
            let retry = queue.map_or(&self.rules.retry, |queue| queue.retry(&self.rules.retry));
            let lasts = retry.expire_after;
            let began = steady_since.wall.before(lasts)..now.wall.before(lasts);
            while self.unrecorded < self.rules.limits.unrecorded
                && let Some(Some(event)) = self.change(number, |queue| queue.take_expired(&began))
            {
                self.expire(event, now);
                self.wanting.push_back(number);
            }
        }
    }

    /// Updates an endpoint's place after a change: joins or leaves a ring, sets the timer, and notes that the
    /// endpoint may want a read.
    pub(super) fn settle(&mut self, number: EndpointNumber, now: Now) {
        let Some(queue) = self.endpoints.get_mut(&number) else {
            return;
        };
        let ready = queue.is_ready(now.monotonic);
        let kind = RingKind::of(queue.health.class(), queue.in_flight());
        let workspace = queue.workspace;
        queue.target.hold(!queue.health.may_start(now.monotonic));
        let rests = queue.health.rest() != Rest::None && !queue.is_paused();
        let rested = std::mem::replace(&mut queue.rests, rests);
        self.resting = self.resting + usize::from(queue.rests) - usize::from(rested);
        if let Some((ring, place)) = queue.place
            && (ring != kind || !ready)
        {
            self.turns.leave(workspace, ring, place, now.monotonic);
            queue.place = None;
        }
        if ready && queue.place.is_none() {
            let place = self.turns.join(workspace, kind, number, now.monotonic);
            queue.place = Some((kind, place));
        }
        let becomes_slow = queue
            .becomes_slow_at()
            .filter(|_| queue.health.class() != Class::Bad);
        let wakes = queue
            .wakes_at(now.monotonic)
            .filter(|_| !ready && queue.waiting() > 0);
        let due = queue
            .next_due()
            .filter(|due| *due > now.wall)
            .map(|due| now.monotonic + due.since(now.wall));
        let next = [becomes_slow, wakes, due].into_iter().flatten().min();
        if let Some(at) = next {
            self.arm(number, at);
        }
        self.wanting.push_back(number);
    }

    /// Sets an endpoint's timer to `at`, unless it is set to an earlier time.
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

    /// Returns when to call [`Scheduler::tick`], even if no message has come.
    pub(in crate::delivery) fn next_wake(&self) -> Duration {
        let timer = self.timers.first().map(|(at, _)| *at);
        timer.map_or(self.next_expiry, |at| at.min(self.next_expiry))
    }
}
