//! The dispatcher's mailbox: notices of commits, attempt reports and read results.
//!
//! A thread that sends a message never waits for the dispatcher.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::protocol::{AttemptReport, ReadResult};
use super::sender::ReportSink;
use super::target::LiveTargets;
use crate::storage::{EndpointNumber, Notice, NoticeSink, Seq};
use crate::vital;

/// The most published events that the mailbox keeps. Of later ones it keeps only the endpoint and the highest
/// number, and the reader reads them from disk.
const PUBLISHED_MAX: usize = 10_000;

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
    messages: Mutex<Messages>,
    arrived: Condvar,
    live: Arc<LiveTargets>,
}

impl Mailbox {
    pub(super) fn new(live: Arc<LiveTargets>) -> Self {
        Self {
            messages: Mutex::default(),
            arrived: Condvar::new(),
            live,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Messages> {
        vital::lock(&self.messages)
    }

    fn put(&self, put: impl FnOnce(&mut Messages)) {
        let wake = self.lock().put(put);
        if wake {
            self.arrived.notify_one();
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
            let mut messages = self.lock();
            !std::mem::replace(&mut messages.beats, true)
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
        self.lock().stop.is_due
    }

    /// Takes out all messages; if there are none, waits for one for at most `time`. `stop` stays
    /// set.
    pub(super) fn take(&self, time: Duration) -> Messages {
        let mut messages = self.lock();
        if messages.is_empty() && !time.is_zero() {
            messages = vital::wait_timeout(&self.arrived, messages, time).0;
        }
        let taken = std::mem::take(&mut *messages);
        messages.stop = taken.stop;
        taken
    }
}

impl NoticeSink for Mailbox {
    fn committed(&self, notices: Vec<Notice>) {
        self.live.apply(&notices);
        self.put(|messages| messages.add(notices, PUBLISHED_MAX));
    }
}

impl ReportSink for Mailbox {
    fn report(&self, report: AttemptReport) {
        self.put(|messages| messages.reports.push(report));
    }
}
