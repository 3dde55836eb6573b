//! The turns of TLS handshakes on one worker, which bound the time that they take from requests.
//!
//! A handshake costs as much as many requests: some 0.6 ms with RSA-2048, several with RSA-4096. A client
//! without a token can start thousands a second by replaying one `ClientHello`. So each step that may compute needs
//! a turn, and after a turn as much time passes as it took: handshakes have about half of the worker at most.
//!
//! **The newest goes first.** In a flood there are more handshakes than turns. If the oldest went first, each
//! client would wait behind the whole flood, and be given up before its turn. The newest first gives a new client
//! its turn at once or late, and those that are late end at the time limit for heads, as they did in any order.
//!
//! **Second flights have turns of their own.** A client that was answered comes back within a round trip, and is no
//! longer the newest. So turns alternate between first and later flights while both wait.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use actix_web::rt::task::yield_now;
use actix_web::rt::time::sleep_until;

/// The part of the worker's time that handshakes have: one in this number.
const SHARE: u32 = 2;

/// The unused time that later turns may make up for. Timers are late by up to two milliseconds, in which ten turns
/// of P-256 could have been.
const CATCH_UP: Duration = Duration::from_millis(2);

/// The part of a handshake that a client has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flight {
    /// Its first bytes: a `ClientHello`.
    First,
    /// Bytes that it sends after an answer.
    Later,
}

/// The rule: when the next turn is, and whose. Time is an argument.
struct TurnRule {
    /// The earliest time of the next turn.
    free_at: Instant,
    /// Those that wait for a turn with their first flight, by number.
    first: BTreeMap<u64, Waker>,
    /// Those that wait with a later one.
    later: BTreeMap<u64, Waker>,
    /// The flights that had the last turn from the queue.
    last: Flight,
}

impl TurnRule {
    fn new(now: Instant) -> Self {
        Self {
            free_at: now,
            first: BTreeMap::new(),
            later: BTreeMap::new(),
            last: Flight::Later,
        }
    }

    fn is_free(&self, now: Instant) -> bool {
        self.free_at <= now
    }

    /// Records a turn that began at `start`.
    fn charge(&mut self, start: Instant, took: Duration) {
        let earliest = start.checked_sub(CATCH_UP).unwrap_or(start);
        self.free_at = self.free_at.max(earliest) + took * SHARE;
    }

    /// Adds or renews a place in the queue. Returns a waker that is no longer needed.
    fn wait(&mut self, number: u64, flight: Flight, waker: Waker) -> Option<Waker> {
        match flight {
            Flight::First => self.first.insert(number, waker),
            Flight::Later => self.later.insert(number, waker),
        }
    }

    /// Removes a place. Returns its waker.
    fn leave(&mut self, number: u64) -> Option<Waker> {
        self.first
            .remove(&number)
            .or_else(|| self.later.remove(&number))
    }

    /// Removes the place whose turn is next: the newest of the flights that did not have the last one.
    fn next(&mut self) -> Option<Waker> {
        let flight = match self.last {
            Flight::Later if !self.first.is_empty() => Flight::First,
            Flight::First if self.later.is_empty() => Flight::First,
            Flight::First | Flight::Later => Flight::Later,
        };
        self.last = flight;
        let places = match flight {
            Flight::First => &mut self.first,
            Flight::Later => &mut self.later,
        };
        places.pop_last().map(|(_, waker)| waker)
    }
}

/// The owner of the turn.
enum Next {
    /// Nobody yet.
    Later,
    /// Nobody waits.
    Nobody,
    /// A handshake that waits.
    Wake(Waker),
}

/// The turns of one worker.
pub(super) struct HandshakeTurns {
    rule: RefCell<TurnRule>,
    /// The number of handshakes so far.
    begun: Cell<u64>,
    /// True while a task gives the turns of the queue.
    paced: Cell<bool>,
}

impl HandshakeTurns {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            rule: RefCell::new(TurnRule::new(Instant::now())),
            begun: Cell::new(0),
            paced: Cell::new(false),
        })
    }

    /// Returns the place of a handshake that begins now.
    pub(super) fn place(self: &Rc<Self>) -> TurnPlace {
        let number = self.begun.get();
        self.begun.set(number + 1);
        TurnPlace {
            turns: Rc::clone(self),
            number,
        }
    }

    /// Starts the task that gives turns, unless it runs.
    fn pace(self: &Rc<Self>) {
        if !self.paced.replace(true) {
            let turns = Rc::clone(self);
            actix_web::rt::spawn(async move { turns.wake_each().await });
        }
    }

    fn next(&self, now: Instant) -> Next {
        let mut rule = self.rule.borrow_mut();
        if !rule.is_free(now) {
            return Next::Later;
        }
        rule.next().map_or(Next::Nobody, Next::Wake)
    }

    /// Wakes who is next each time that there is a turn, until nobody waits. A woken handshake that takes no turn,
    /// because it was closed meanwhile, holds up nobody.
    async fn wake_each(&self) {
        loop {
            let free_at = self.rule.borrow().free_at;
            sleep_until(free_at.into()).await;
            match self.next(Instant::now()) {
                Next::Later => {} // A new handshake took the turn.
                Next::Nobody => break,
                Next::Wake(next) => next.wake(),
            }
            // Requests that have arrived are read before the next turn.
            yield_now().await;
        }
        self.paced.set(false);
    }
}

/// The place of one handshake. Dropping it leaves the queue.
pub(super) struct TurnPlace {
    turns: Rc<HandshakeTurns>,
    number: u64,
}

impl TurnPlace {
    /// Returns when the handshake may go on; [`Self::take`] must follow.
    pub(super) fn poll_turn(&self, flight: Flight, context: &Context<'_>) -> Poll<()> {
        let mut rule = self.turns.rule.borrow_mut();
        if rule.is_free(Instant::now()) {
            drop(rule);
            self.leave();
            return Poll::Ready(());
        }
        let old = rule.wait(self.number, flight, context.waker().clone());
        drop(rule);
        drop(old);
        self.turns.pace();
        Poll::Pending
    }

    /// Takes a turn: runs `step`, and charges its time.
    pub(super) fn take<R>(&self, step: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = step();
        let took = start.elapsed();
        self.turns.rule.borrow_mut().charge(start, took);
        result
    }

    fn leave(&self) {
        // Dropped after the borrow: the last waker of a task may drop other things with it.
        let _waker = self.turns.rule.borrow_mut().leave(self.number);
    }
}

impl Drop for TurnPlace {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests;
