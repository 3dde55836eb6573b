//! The dispatcher's thread: owns the scheduler, makes its rounds and carries out its commands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::attempt_log;
use super::attempt_metrics::AttemptMetrics;
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
    pub(super) metrics: AttemptMetrics,
}

impl Dispatcher {
    /// Makes rounds until the mailbox is told to stop. Then waits until the attempts in flight have ended and are
    /// recorded: for at most `grace`, or until the mailbox is told to cut that short. Logs once a second what it
    /// waits for.
    pub(super) fn run(mut self, grace: Duration) {
        let mut sleep = Duration::ZERO;
        let mut deadline = None;
        let mut progress = Progress::default();
        loop {
            let messages = self.mailbox.take(sleep);
            hit(FailPoint::DispatcherTurn);
            let stop = messages.stop;
            let now = Now::of(&*self.clock);
            self.metrics.reported(&messages.reports);
            for record in round::handle_messages(&mut self.scheduler, messages, now) {
                self.record(record);
            }
            if !stop.is_due {
                self.hand_out();
                sleep = self.time_to_sleep();
                self.round_ended();
                continue;
            }
            self.round_ended();
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + grace);
            let left = deadline.saturating_duration_since(Instant::now());
            if self.is_done() || left.is_zero() || stop.is_cut_short {
                break;
            }
            progress.log(self.scheduler.in_flight(), left);
            sleep = left.min(Progress::PERIOD);
        }
        self.stop_threads();
    }

    fn round_ended(&self) {
        let (in_flight, resting) = (self.scheduler.in_flight(), self.scheduler.resting());
        self.metrics.round_ended(in_flight, resting);
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
        self.metrics.recorded(&record);
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

/// The lines in the log about the attempts that a stopping engine waits for.
#[derive(Default)]
struct Progress {
    last: Option<Instant>,
}

impl Progress {
    /// The time between two lines.
    const PERIOD: Duration = Duration::from_secs(1);

    /// Logs a line, unless the last one was just now.
    fn log(&mut self, in_flight: u32, left: Duration) {
        let now = Instant::now();
        let is_due = |last: Instant| now.saturating_duration_since(last) >= Self::PERIOD;
        if in_flight > 0 && self.last.is_none_or(is_due) {
            self.last = Some(now);
            let seconds_left = left.as_secs_f64().ceil();
            tracing::info!(
                in_flight,
                seconds_left,
                "stopping: waiting for the attempts under way"
            );
        }
    }
}
