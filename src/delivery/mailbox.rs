//! The dispatcher's mailbox: notices of commits, attempt reports and read results; and the right to make a round.
//!
//! A thread that sends a message never waits for the dispatcher. At most one thread makes rounds at a time: the
//! dispatcher's own, or a sender, which saves two hand-overs between threads for each attempt. Messages that come
//! meanwhile wake nobody, because who makes a round looks for further messages before it ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::protocol::{AttemptReport, ReadResult};
use super::target::LiveTargets;
use crate::storage::{EndpointNumber, Notice, NoticeSink, Seq};
use crate::vital;

/// The most published events that the mailbox keeps. Of later ones it keeps only the endpoint and the highest
/// number, and the reader reads them from disk.
const PUBLISHED_MAX: usize = 10_000;

/// The longest time between two rounds. Due times are wall-clock times, and the wall clock may jump.
const PERIOD_MAX: Duration = Duration::from_secs(1);

/// The orders to the dispatcher about its end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stop {
    /// It starts no further attempt, and ends.
    pub(super) is_due: bool,
    /// Once it ends, it does not wait for the attempts in flight. This does not end it: who ends it says so first
    /// to those that watch the thread.
    pub(super) is_cut_short: bool,
}

/// The messages that arrived since the dispatcher last took them.
#[derive(Default)]
pub(super) struct Messages {
    pub(super) notices: Vec<Notice>,
    /// The number of published events among the notices.
    published: usize,
    /// The endpoints with published events beyond the limit, and the highest number of each.
    pub(super) overflow: BTreeMap<EndpointNumber, Seq>,
    pub(super) reports: Vec<AttemptReport>,
    pub(super) reads: Vec<ReadResult>,
    pub(super) stop: Stop,
    /// A heartbeat waits for the dispatcher.
    beats: bool,
    /// The dispatcher must look at the clocks, even if there is no message.
    woken: bool,
}

impl Messages {
    /// Reports whether there is nothing for the dispatcher.
    pub(super) fn is_empty(&self) -> bool {
        self.notices.is_empty()
            && self.overflow.is_empty()
            && self.reports.is_empty()
            && self.reads.is_empty()
            && !self.woken
    }

    /// Adds messages. Returns true if there was none before: the caller then wakes the dispatcher.
    #[must_use]
    pub(super) fn put(&mut self, put: impl FnOnce(&mut Self)) -> bool {
        let was_empty = self.is_empty();
        put(self);
        was_empty
    }

    /// Adds the notices of a commit. Keeps at most `published_max` published events, and none after the first
    /// that it does not keep, so that the scheduler gets events in publish order.
    pub(super) fn add(&mut self, notices: Vec<Notice>, published_max: usize) {
        for notice in notices {
            if let Notice::Published(event) = &notice {
                if self.published >= published_max || !self.overflow.is_empty() {
                    let highest = self.overflow.entry(event.endpoint).or_default();
                    *highest = event.seq.max(*highest);
                    continue;
                }
                self.published += 1;
            }
            self.notices.push(notice);
        }
    }

    /// Makes the dispatcher look at the clocks.
    pub(super) fn wake(&mut self) {
        self.woken = true;
    }
}

/// The dispatcher's mailbox.
pub(super) struct Mailbox {
    state: Mutex<State>,
    /// Wakes the dispatcher's thread.
    arrived: Condvar,
    live: Arc<LiveTargets>,
}

struct State {
    messages: Messages,
    /// A thread has the right to make rounds.
    is_round_under_way: bool,
    /// The time at which a round is due, even if there is no message.
    due: Instant,
    /// The time at which the dispatcher's thread wakes by itself; `None` while it does not wait.
    sleeps_until: Option<Instant>,
}

impl State {
    /// Gives the right to make a round, with all messages. `stop` stays set.
    fn begin_round(&mut self) -> Messages {
        self.is_round_under_way = true;
        self.due = Instant::now() + PERIOD_MAX;
        let taken = std::mem::take(&mut self.messages);
        self.messages.stop = taken.stop;
        taken
    }

    /// Makes a round due in `time`, or sooner.
    fn make_due(&mut self, time: Duration) {
        self.due = self.due.min(Instant::now() + time);
    }

    /// Reports whether the dispatcher's thread sleeps beyond the time at which a round is due.
    fn wakes_late(&self) -> bool {
        self.sleeps_until.is_some_and(|until| self.due < until)
    }
}

impl Mailbox {
    pub(super) fn new(live: Arc<LiveTargets>) -> Self {
        Self {
            state: Mutex::new(State {
                messages: Messages::default(),
                is_round_under_way: false,
                due: Instant::now(),
                sleeps_until: None,
            }),
            arrived: Condvar::new(),
            live,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        vital::lock(&self.state)
    }

    fn put(&self, put: impl FnOnce(&mut Messages)) {
        let mut state = self.lock();
        let is_first = state.messages.put(put);
        if is_first && !state.is_round_under_way {
            self.wake_dispatcher(state);
        }
    }

    /// Wakes the dispatcher's thread, if it waits.
    fn wake_dispatcher(&self, mut state: MutexGuard<'_, State>) {
        if state.sleeps_until.take().is_some() {
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Waits until a round is due and no other thread makes one, and takes the right to make it, with all messages.
    /// Only the dispatcher's thread calls this.
    pub(super) fn wait_for_round(&self) -> Messages {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let is_due = !state.messages.is_empty() || now >= state.due;
            let until = match state.is_round_under_way {
                false if is_due => return state.begin_round(),
                false => state.due,
                true => now + PERIOD_MAX,
            };
            state.sleeps_until = Some(until);
            let left = until.saturating_duration_since(now);
            state = vital::wait_timeout(&self.arrived, state, left).0;
            state.sleeps_until = None;
        }
    }

    /// Adds an attempt report. If no thread makes a round, the caller gets the right to make it, with all messages.
    pub(super) fn put_report(&self, report: AttemptReport) -> Option<Messages> {
        let mut state = self.lock();
        state.messages.reports.push(report);
        if state.is_round_under_way {
            return None;
        }
        // The dispatcher's thread alone stops the engine.
        if state.messages.stop.is_due {
            self.wake_dispatcher(state);
            return None;
        }
        Some(state.begin_round())
    }

    /// Ends a round, after which the next one is due in `time`, or sooner. If messages came meanwhile, the caller makes
    /// another round and gets them.
    pub(super) fn end_round(&self, time: Duration) -> Option<Messages> {
        let mut state = self.lock();
        let is_stopping = state.messages.stop.is_due;
        if !state.messages.is_empty() && !is_stopping {
            return Some(state.begin_round());
        }
        state.is_round_under_way = false;
        state.make_due(time);
        if state.wakes_late() || is_stopping {
            self.wake_dispatcher(state);
        }
        None
    }

    /// Makes the dispatcher look at the clocks in `time`, or sooner.
    pub(super) fn wake_in(&self, time: Duration) {
        let mut state = self.lock();
        state.make_due(time);
        // A round that is under way ends by looking at this time.
        if !state.is_round_under_way && state.wakes_late() {
            self.wake_dispatcher(state);
        }
    }

    /// Adds the result of a read.
    pub(super) fn put_read_result(&self, result: ReadResult) {
        self.put(|messages| messages.reads.push(result));
    }

    /// Makes the dispatcher look at the clocks.
    pub(super) fn wake(&self) {
        self.put(Messages::wake);
    }

    /// Reports whether the dispatcher has taken messages since the last call, and wakes it.
    pub(super) fn heartbeat(&self) -> bool {
        let was_taken = {
            let mut state = self.lock();
            !std::mem::replace(&mut state.messages.beats, true)
        };
        self.wake();
        was_taken
    }

    /// Tells the dispatcher to start no further attempt, and to end.
    pub(super) fn stop(&self) {
        self.put(|messages| {
            messages.stop.is_due = true;
            messages.wake();
        });
    }

    /// Tells a dispatcher that stops not to wait for the attempts in flight.
    pub(super) fn cut_short(&self) {
        self.put(|messages| {
            messages.stop.is_cut_short = true;
            messages.wake();
        });
    }

    /// Reports whether the engine is stopping.
    pub(super) fn is_stopping(&self) -> bool {
        self.lock().messages.stop.is_due
    }
}

impl NoticeSink for Mailbox {
    fn committed(&self, notices: Vec<Notice>) {
        self.live.apply(&notices);
        self.put(|messages| messages.add(notices, PUBLISHED_MAX));
    }
}

#[cfg(test)]
mod tests;
