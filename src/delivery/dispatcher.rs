//! The dispatcher: makes rounds and carries out what the scheduler decides.
//!
//! It has a thread of its own, which waits for notices of commits and for due times. A sender that ends an attempt
//! makes the next round itself, if no other thread makes one, and then takes a job that the round gave it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::attempt_log;
use super::attempt_metrics::AttemptMetrics;
use super::mailbox::{Mailbox, Messages};
use super::protocol::{AttemptReport, Now};
use super::reader::Reader;
use super::round::{self, Command};
use super::scheduler::Scheduler;
use super::sender::{ReportSink, Senders};
use crate::domain::clock::Clock;
use crate::fail_point::{FailPoint, hit};
use crate::storage::{AttemptRecord, Queue};
use crate::vital::lock;

/// The scheduler, and the threads that it gives work to.
pub(super) struct Dispatcher {
    /// Locked by the thread that has the right to make a round, which the mailbox gives to one at a time.
    pub(super) scheduler: Mutex<Scheduler>,
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
    pub(super) fn run(&self, grace: Duration) {
        loop {
            let messages = self.mailbox.wait_for_round();
            hit(FailPoint::DispatcherTurn);
            if messages.stop.is_due {
                self.wind_down(messages, grace);
                break;
            }
            self.make_rounds(messages, false);
        }
        self.reader.stop();
        self.senders.stop();
    }

    /// Makes a round with these messages, and further ones while there are messages. `by_sender` tells that the calling
    /// thread is a sender, which takes a job next.
    fn make_rounds(&self, messages: Messages, by_sender: bool) {
        let mut scheduler = lock(&self.scheduler);
        let mut next = Some(messages);
        while let Some(messages) = next {
            self.take_in(&mut scheduler, messages);
            self.hand_out(&mut scheduler, by_sender);
            self.round_ended(&scheduler);
            // A sender has looked at the jobs that wait when it took its own, and will again.
            if !by_sender {
                self.senders.call_again();
            }
            let time = self.time_to_sleep(&scheduler);
            next = self
                .mailbox
                .end_round(time.min(self.senders.time_to_call()));
        }
    }

    /// Waits for the attempts in flight, and starts none.
    fn wind_down(&self, mut messages: Messages, grace: Duration) {
        let deadline = Instant::now() + grace;
        let mut progress = Progress::default();
        let mut scheduler = lock(&self.scheduler);
        loop {
            let is_cut_short = messages.stop.is_cut_short;
            self.take_in(&mut scheduler, messages);
            self.round_ended(&scheduler);
            let in_flight = scheduler.in_flight();
            let is_done = in_flight == 0 && scheduler.unrecorded() == 0;
            let left = deadline.saturating_duration_since(Instant::now());
            if is_done || left.is_zero() || is_cut_short {
                break;
            }
            progress.log(in_flight, left);
            self.senders.call_again();
            let time = left.min(Progress::PERIOD);
            self.mailbox
                .end_round(time.min(self.senders.time_to_call()));
            messages = self.mailbox.wait_for_round();
        }
        if scheduler.in_flight() > 0 {
            tracing::warn!(
                attempts = scheduler.in_flight(),
                "stopping with attempts under way; they will be made again"
            );
        }
    }

    fn take_in(&self, scheduler: &mut Scheduler, messages: Messages) {
        let now = Now::of(&*self.clock);
        self.metrics.reported(&messages.reports);
        for record in round::handle_messages(scheduler, messages, now) {
            self.record(record, scheduler);
        }
    }

    fn hand_out(&self, scheduler: &mut Scheduler, by_sender: bool) {
        let now = Now::of(&*self.clock);
        scheduler.tick(now);
        let mut jobs = Vec::new();
        while let Some(command) = round::next_command(scheduler, now) {
            match command {
                Command::Send(job) => jobs.push(job),
                Command::LoadAndSend(job) => self.reader.load_and_send(job),
                Command::Record(record) => self.record(record, scheduler),
                Command::Read(workspace, request) => self.reader.read(workspace, request),
            }
        }
        if !jobs.is_empty() {
            self.senders.send(jobs, by_sender);
        }
    }

    fn round_ended(&self, scheduler: &Scheduler) {
        let (in_flight, resting) = (scheduler.in_flight(), scheduler.resting());
        self.metrics.round_ended(in_flight, resting);
    }

    fn time_to_sleep(&self, scheduler: &Scheduler) -> Duration {
        let wake = scheduler.next_wake();
        wake.saturating_sub(self.clock.monotonic())
    }

    fn record(&self, record: AttemptRecord, scheduler: &Scheduler) {
        self.metrics.recorded(&record);
        attempt_log::log(&record, || scheduler.target(record.event.endpoint));
        self.queue.record(record);
    }
}

impl ReportSink for Dispatcher {
    fn report(&self, report: AttemptReport) {
        if let Some(messages) = self.mailbox.put_report(report) {
            self.make_rounds(messages, true);
        }
    }

    fn wake_in(&self, time: Duration) {
        self.mailbox.wake_in(time);
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
