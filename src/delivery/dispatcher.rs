//! The thread that owns the scheduler: hears, decides, hands out.

use std::sync::Arc;
use std::time::Duration;

use super::mailbox::{Mailbox, Messages};
use super::protocol::Now;
use super::reader::Reader;
use super::scheduler::Scheduler;
use super::sender::Senders;
use crate::domain::clock::Clock;
use crate::fail_point::{FailPoint, hit};
use crate::storage::Queue;

/// The longest sleep: the wall clock may jump, and due times are wall-clock times.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// What the dispatcher works with.
pub(super) struct Dispatcher {
    pub(super) scheduler: Scheduler,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) reader: Reader,
    pub(super) senders: Senders,
    pub(super) clock: Arc<dyn Clock>,
}

impl Dispatcher {
    /// Works until it is told to stop; then waits up to `grace` for attempts under way and for their
    /// outcomes to be recorded.
    pub(super) fn run(mut self, grace: Duration) {
        let mut patience = Duration::ZERO;
        let mut give_up = None;
        loop {
            let mail = self.mailbox.take(patience);
            hit(FailPoint::DispatcherTurn);
            let stopping = mail.stopping;
            self.hear(mail);
            if stopping {
                let started = std::time::Instant::now();
                let end = *give_up.get_or_insert_with(|| started + grace);
                let done = self.scheduler.in_flight() == 0 && self.scheduler.unrecorded() == 0;
                if done || started >= end {
                    break;
                }
                patience = end - started;
            } else {
                self.hand_out();
                patience = self.patience();
            }
        }
        if self.scheduler.in_flight() > 0 {
            tracing::warn!(
                attempts = self.scheduler.in_flight(),
                "stopping with attempts under way; they will be made again"
            );
        }
        self.reader.stop();
        self.senders.stop();
    }

    fn now(&self) -> Now {
        Now {
            wall: self.clock.now(),
            monotonic: self.clock.monotonic(),
        }
    }

    fn patience(&self) -> Duration {
        self.scheduler
            .next_wake()
            .saturating_sub(self.clock.monotonic())
            .min(SLEEP_MAX)
    }

    fn hear(&mut self, mail: Messages) {
        let now = self.now();
        for notice in mail.notices {
            self.scheduler.notice(notice, now);
        }
        for (endpoint, seq) in mail.overflow {
            self.scheduler.committed(endpoint, seq);
        }
        for read in mail.reads {
            self.scheduler.read(read, now);
        }
        for report in mail.reports {
            if let Some(outcome) = self.scheduler.handle_report(report, now) {
                self.queue.record(outcome);
            }
        }
    }

    fn hand_out(&mut self) {
        let now = self.now();
        self.scheduler.tick(now);
        self.senders.try_again();
        while let Some(start) = self.scheduler.next_start(now) {
            if start.event.body.is_some() {
                self.senders.send(start);
            } else {
                self.reader.send(start);
            }
        }
        while let Some(outcome) = self.scheduler.next_expired() {
            self.queue.record(outcome);
        }
        while let Some((workspace, request)) = self.scheduler.next_read(now) {
            self.reader.read(workspace, request);
        }
    }
}
