//! The dispatcher's thread: owns the scheduler, makes its rounds and carries out its commands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::attempt_log;
use super::mailbox::Mailbox;
use super::protocol::Now;
use super::reader::Reader;
use super::round::{self, Command};
use super::scheduler::Scheduler;
use super::sender::Senders;
use crate::domain::clock::Clock;
use crate::fail_point::{FailPoint, hit};
use crate::storage::{AttemptRecord, Queue};

/// The longest sleep. Due times are wall-clock times, and the wall clock may jump.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// The dispatcher and the threads that it gives work to.
pub(super) struct Dispatcher {
    pub(super) scheduler: Scheduler,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) reader: Reader,
    pub(super) senders: Senders,
    pub(super) clock: Arc<dyn Clock>,
}

impl Dispatcher {
    /// Makes rounds until the mailbox is told to stop. Then waits, for at most `grace`, until the attempts in
    /// flight have ended and are recorded.
    pub(super) fn run(mut self, grace: Duration) {
        let mut sleep = Duration::ZERO;
        let mut deadline = None;
        loop {
            let messages = self.mailbox.take(sleep);
            hit(FailPoint::DispatcherTurn);
            let stopping = messages.stopping;
            let now = Now::of(&*self.clock);
            for record in round::handle_messages(&mut self.scheduler, messages, now) {
                self.record(record);
            }
            if stopping {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + grace);
                sleep = deadline.saturating_duration_since(Instant::now());
                if self.is_done() || sleep.is_zero() {
                    break;
                }
            } else {
                self.hand_out();
                sleep = self.time_to_sleep();
            }
        }
        self.stop_threads();
    }

    fn is_done(&self) -> bool {
        self.scheduler.in_flight() == 0 && self.scheduler.unrecorded() == 0
    }

    fn stop_threads(self) {
        if self.scheduler.in_flight() > 0 {
            tracing::warn!(
                attempts = self.scheduler.in_flight(),
                "stopping with attempts under way; they will be made again"
            );
        }
        self.reader.stop();
        self.senders.stop();
    }

    fn time_to_sleep(&self) -> Duration {
        self.scheduler
            .next_wake()
            .saturating_sub(self.clock.monotonic())
            .min(SLEEP_MAX)
    }

    fn hand_out(&mut self) {
        let now = Now::of(&*self.clock);
        self.scheduler.tick(now);
        self.senders.try_again();
        while let Some(command) = round::next_command(&mut self.scheduler, now) {
            self.carry_out(command);
        }
    }

    fn record(&self, record: AttemptRecord) {
        attempt_log::log(&record, || self.scheduler.target(record.event.endpoint));
        self.queue.record(record);
    }

    fn carry_out(&self, command: Command) {
        match command {
            Command::Send(job) => self.senders.send(job),
            Command::LoadAndSend(job) => self.reader.load_and_send(job),
            Command::Record(record) => self.record(record),
            Command::Read(workspace, request) => self.reader.read(workspace, request),
        }
    }
}
