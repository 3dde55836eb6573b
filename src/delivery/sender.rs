//! The senders: threads that make attempts. Each signs, sends and reports, and never touches the database.
//!
//! An attempt is a blocking call of some milliseconds, so a thread makes it. The threads take little memory:
//! their stacks are small, a thread starts only when it is needed, and an idle one ends. A panic in an
//! attempt is the result of that attempt.
//!
//! A sender is called, that is woken or started, for each job that waits. While jobs are taken very fast, they wait for the
//! senders that come free, and of many senders some go idle ([`take_rate`](super::take_rate)). Not all are called at once
//! ([`call_limit`]).

mod call_limit;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use self::call_limit::CallLimit;
use super::attempt::{self, STACK_BYTES, Transport, internal};
use super::attempt_trace::AttemptTrace;
use super::protocol::{AttemptJob, AttemptReport, AttemptResult};
use super::take_rate::{STALL, TakeRate};
use super::target::NotAdmitted;
use crate::domain::clock::Clock;
use crate::fail_point::{FailPoint, hit, inject};
use crate::spans::Spans;
use crate::vital;

/// The time that a sender waits for a job before it ends.
const IDLE: Duration = Duration::from_secs(10);

/// Time between two lines in the log that say that the system gives no thread.
const REMINDER_PERIOD: Duration = Duration::from_mins(1);

/// The text of `/readyz` while no sender runs and none can be started.
const NOTHING_IS_DELIVERED: &str =
    "nothing can be delivered: the system gives the server no thread to make an attempt in";

/// The receiver of the senders' reports.
pub(super) trait ReportSink: Send + Sync {
    /// Takes in a report. It may use the calling thread to hand out further jobs.
    fn report(&self, report: AttemptReport);

    /// Makes the dispatcher call [`Senders::call_again`] in this time, or sooner.
    fn wake_in(&self, time: Duration);
}

#[derive(Default)]
struct Work {
    jobs: VecDeque<AttemptJob>,
    /// The idle threads, each by what wakes it. The last one to become idle is woken first, so that those that are not
    /// needed end.
    idle: Vec<Arc<Condvar>>,
    /// Threads that were woken and have not looked for a job yet.
    woken: usize,
    /// Threads that were started and have not looked for a job yet.
    starting: usize,
    rate: TakeRate,
    call_limit: CallLimit,
    threads: Vec<JoinHandle<()>>,
    running: usize,
    stopping: bool,
    reminder: Reminder,
}

impl Work {
    /// Returns the number of threads that are not idle.
    fn busy(&self) -> usize {
        self.running - self.idle.len()
    }
}

/// The rate limit of a line that the log is to repeat while something is wrong.
#[derive(Default)]
struct Reminder {
    next: Option<Duration>,
}

impl Reminder {
    /// Reports whether the line is due at `now`, on the monotonic clock: at the first call, and then once in
    /// each [`REMINDER_PERIOD`].
    fn is_due(&mut self, now: Duration) -> bool {
        let is_due = self.next.is_none_or(|next| now >= next);
        if is_due {
            self.next = Some(now + REMINDER_PERIOD);
        }
        is_due
    }
}

struct Shared {
    work: Mutex<Work>,
    /// The system gave no thread for jobs that wait.
    lacks_threads: AtomicBool,
    /// Jobs wait for senders that come free, and none was called.
    is_call_put_off: AtomicBool,
    transport: Arc<dyn Transport>,
    /// Not owned: the sink owns the senders.
    reports: OnceLock<Weak<dyn ReportSink>>,
    clock: Arc<dyn Clock>,
    spans: Spans,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        vital::lock(&self.work)
    }

    /// Returns the receiver of reports; `None` if it is gone.
    fn sink(&self) -> Option<Arc<dyn ReportSink>> {
        self.reports.get()?.upgrade()
    }
}

/// The pool of senders.
#[derive(Clone)]
pub(super) struct Senders {
    shared: Arc<Shared>,
    max: usize,
}

impl Senders {
    pub(super) fn new(
        max: usize,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        spans: Spans,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                work: Mutex::default(),
                lacks_threads: AtomicBool::new(false),
                is_call_put_off: AtomicBool::new(false),
                transport,
                reports: OnceLock::new(),
                clock,
                spans,
            }),
            max,
        }
    }

    /// Sets the receiver of reports, before the first job. Once it is gone, reports are dropped.
    pub(super) fn report_to(&self, sink: Weak<dyn ReportSink>) {
        let _ = self.shared.reports.set(sink);
    }

    /// Gives jobs to the senders. The scheduler never hands out more jobs than there may be senders. `by_sender` tells
    /// that the calling thread is a sender, which takes a job next.
    pub(super) fn send(&self, jobs: impl IntoIterator<Item = AttemptJob>, by_sender: bool) {
        let mut work = self.shared.lock();
        work.jobs.extend(jobs);
        if work.jobs.len() > usize::from(by_sender) {
            self.call_senders(work, Instant::now());
        }
    }

    /// Calls a sender for jobs that have waited too long, or tries again to start one if the system gave no thread. The
    /// dispatcher's thread calls this in each round: if all senders wait for receivers, or none runs, nothing else would.
    pub(super) fn call_again(&self) {
        let shared = &self.shared;
        if self.is_call_put_off() || shared.lacks_threads.load(Ordering::Relaxed) {
            self.call_senders(shared.lock(), Instant::now());
        }
    }

    /// Returns the time until [`Senders::call_again`] is to be called at the latest; the longest one if that is not needed.
    pub(super) fn time_to_call(&self) -> Duration {
        if self.is_call_put_off() {
            STALL
        } else {
            Duration::MAX
        }
    }

    fn is_call_put_off(&self) -> bool {
        self.shared.is_call_put_off.load(Ordering::Relaxed)
    }

    /// Wakes or starts the senders that are needed for jobs that wait. If it puts a call off, it makes the dispatcher call
    /// [`Senders::call_again`] in [`STALL`].
    fn call_senders(&self, mut work: MutexGuard<'_, Work>, now: Instant) {
        let uncalled = work.jobs.len().saturating_sub(work.woken + work.starting);
        let mut needed = (work.rate).senders_needed(uncalled, work.busy(), now);
        if work.idle.len() == work.running {
            // No sender will come free.
            needed = needed.max(uncalled.min(1));
        }
        let (busy, startable) = (work.busy(), self.max - work.running);
        let called = needed.min(work.idle.len() + startable);
        let called = work.call_limit.take(called, busy, now);
        let is_put_off = uncalled > called && busy + called < self.max;
        let was_put_off = (self.shared.is_call_put_off).swap(is_put_off, Ordering::Relaxed);
        let left_idle = work.idle.len().saturating_sub(called);
        let woken = work.idle.split_off(left_idle);
        work.woken += woken.len();
        let to_start = called - woken.len();
        if to_start > 0 {
            self.start_threads(&mut work, to_start);
        } else {
            self.shared.lacks_threads.store(false, Ordering::Relaxed);
        }
        drop(work);
        for thread in woken {
            thread.notify_one();
        }
        if is_put_off
            && !was_put_off
            && let Some(sink) = self.shared.sink()
        {
            sink.wake_in(STALL);
        }
    }

    fn start_threads(&self, work: &mut Work, count: usize) {
        work.threads.retain(|thread| !thread.is_finished());
        let started = (0..count).try_for_each(|_| self.start_thread(work));
        self.shared
            .lacks_threads
            .store(started.is_err(), Ordering::Relaxed);
        match started {
            Ok(()) => {
                if work.reminder.next.take().is_some() {
                    tracing::info!("senders could be started again");
                }
            }
            // A running sender takes the jobs, or the next try starts one. Not every try is logged.
            Err(error) if work.reminder.is_due(self.shared.clock.monotonic()) => {
                report_lack(&error, work.running);
            }
            Err(_) => {}
        }
    }

    /// Checks that attempts can be made. The error says that jobs wait, no sender runs, and the system gives
    /// no thread for one.
    pub(super) fn check(&self) -> Result<(), String> {
        let work = self.shared.lock();
        let lacks = self.shared.lacks_threads.load(Ordering::Relaxed);
        if lacks && work.running == 0 && !work.jobs.is_empty() {
            return Err(NOTHING_IS_DELIVERED.to_owned());
        }
        Ok(())
    }

    /// Returns the number of threads that run.
    pub(super) fn running(&self) -> usize {
        self.shared.lock().running
    }

    fn start_thread(&self, work: &mut Work) -> std::io::Result<()> {
        if inject(FailPoint::SenderStart).is_some() {
            return Err(std::io::ErrorKind::WouldBlock.into());
        }
        let senders = self.clone();
        let thread = vital::start_pool_thread("sender", STACK_BYTES, move || senders.run())?;
        work.threads.push(thread);
        work.running += 1;
        work.starting += 1;
        Ok(())
    }

    /// Ends the threads; each finishes its attempt first.
    pub(super) fn stop(&self) {
        let mut work = self.shared.lock();
        work.stopping = true;
        for thread in &work.idle {
            thread.notify_one();
        }
    }

    /// Makes attempts until there is nothing to do. This is the work of a thread.
    fn run(&self) {
        let shared = &*self.shared;
        let wake = Arc::default();
        let mut work = shared.lock();
        work.starting -= 1;
        let mut goes_idle = false;
        while let Some(job) = self.next_job(work, goes_idle, &wake) {
            let event = job.event.clone();
            let report = catch_unwind(AssertUnwindSafe(|| run_job(shared, job)));
            let report = report.unwrap_or_else(|_| {
                tracing::error!(event = %event.id, "an attempt panicked");
                AttemptReport::Made(event, internal("the attempt ended in an internal error"))
            });
            hit(FailPoint::SenderTurn);
            if let Some(sink) = shared.sink() {
                sink.report(report);
            }
            work = shared.lock();
            let busy = work.busy();
            goes_idle = !work.stopping && work.rate.lets_one_go_idle(busy);
        }
    }

    /// Waits for a job and takes it; `None` if the thread is to end. `goes_idle` tells that it first waits until it is called,
    /// and leaves the present jobs to others. `wake` wakes the calling thread.
    fn next_job(
        &self,
        mut work: MutexGuard<'_, Work>,
        mut goes_idle: bool,
        wake: &Arc<Condvar>,
    ) -> Option<AttemptJob> {
        loop {
            if !goes_idle && let Some(job) = work.jobs.pop_front() {
                let now = Instant::now();
                let others_wait = !work.jobs.is_empty();
                work.rate.taken(now, others_wait);
                self.call_senders(work, now);
                return Some(job);
            }
            if work.stopping {
                work.running -= 1;
                return None;
            }
            goes_idle = false;
            work.idle.push(wake.clone());
            let (locked, timed_out) = vital::wait_timeout(wake, work, IDLE);
            work = locked;
            let place = (work.idle.iter()).rposition(|thread| Arc::ptr_eq(thread, wake));
            let Some(place) = place else {
                work.woken -= 1;
                continue;
            };
            work.idle.remove(place);
            // Jobs that wait now wait for the busy ones.
            let are_others_busy = work.running > work.idle.len() + 1;
            if timed_out && (work.jobs.is_empty() || are_others_busy) {
                work.running -= 1;
                return None;
            }
        }
    }
}

fn report_lack(error: &std::io::Error, senders: usize) {
    if senders == 0 {
        tracing::error!(%error, senders, "cannot start a sender: {NOTHING_IS_DELIVERED}");
    } else {
        tracing::warn!(%error, senders, "cannot start a sender");
    }
}

fn run_job(shared: &Shared, job: AttemptJob) -> AttemptReport {
    let AttemptJob { event, target, .. } = job;
    let target = match target.admit(event.run) {
        Ok(target) => target,
        Err(NotAdmitted::Skipped) => return AttemptReport::Skipped(event),
        Err(NotAdmitted::Paused) => return AttemptReport::GivenBack(event),
    };
    let Some(body) = event.body.clone() else {
        let result = AttemptResult {
            is_final: true,
            ..internal("the payload is gone")
        };
        return AttemptReport::Made(event, result);
    };
    hit(FailPoint::Sending);
    let trace = AttemptTrace::begin(&body, &shared.spans);
    let result = attempt::make(
        &*shared.transport,
        &*shared.clock,
        event.id,
        &target.settings,
        body.bytes(),
        trace.as_ref(),
    );
    hit(FailPoint::Sent);
    if let Some(trace) = trace {
        trace.export(&shared.spans, &event, &target, &result);
    }
    AttemptReport::Made(event, result)
}

#[cfg(test)]
mod tests;
