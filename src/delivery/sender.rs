//! The threads that make attempts: sign, send, report. They never touch the database.
//!
//! Blocking threads, because an attempt is a blocking call of some milliseconds, and they are cheap
//! where memory is: small stacks, grown on demand, gone when idle. A panic in one is an outcome.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use super::http_client::{Failure, HttpResult, Response};
use super::protocol::{AttemptJob, AttemptReport, AttemptResult};
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::Clock;
use crate::domain::retry::parse_retry_after;
use crate::domain::signature::signature_header;
use crate::fail_point::{FailPoint, fault, reach};
use crate::storage::{QueuedEvent, Target};
use crate::vital;

/// The stack of a sender. TLS handshakes are the deepest it gets; checked with a margin of half.
const STACK_BYTES: usize = 256 << 10;

/// A sender with nothing to do for so long ends.
const IDLE: Duration = Duration::from_secs(10);

/// What makes a request. The engine's tests script it; production is the HTTP client.
pub trait Transport: Send + Sync {
    /// Makes one POST and says how it went.
    fn post(&self, url: &str, headers: &[(&'static str, &str)], body: &[u8]) -> HttpResult;
}

/// Where senders report.
pub(super) trait Reports: Send + Sync {
    fn report(&self, report: AttemptReport);
}

#[derive(Default)]
struct Work {
    jobs: VecDeque<AttemptJob>,
    idle: usize,
    threads: Vec<JoinHandle<()>>,
    running: usize,
    stopping: bool,
}

struct Shared {
    work: Mutex<Work>,
    /// Whether the system gave no thread for the last attempt that wanted one.
    lacks_threads: AtomicBool,
    arrived: Condvar,
    transport: Arc<dyn Transport>,
    reports: Arc<dyn Reports>,
    clock: Arc<dyn Clock>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        vital::lock(&self.work)
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
        reports: Arc<dyn Reports>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                work: Mutex::default(),
                lacks_threads: AtomicBool::new(false),
                arrived: Condvar::new(),
                transport,
                reports,
                clock,
            }),
            max,
        }
    }

    /// Has an attempt made. The scheduler never hands out more than there may be senders.
    pub(super) fn send(&self, start: AttemptJob) {
        let mut work = self.shared.lock();
        work.jobs.push_back(start);
        self.staff(work);
    }

    /// Tries again to start a thread, if the system gave none and attempts wait. To be called every now and
    /// then: where no sender runs, nobody else comes to them.
    pub(super) fn try_again(&self) {
        if self.shared.lacks_threads.load(Ordering::Relaxed) {
            self.staff(self.shared.lock());
        }
    }

    /// Has a sender come to the attempts that wait: wakes one, or starts one.
    fn staff(&self, mut work: MutexGuard<'_, Work>) {
        if work.idle >= work.jobs.len() || work.running >= self.max {
            self.shared.lacks_threads.store(false, Ordering::Relaxed);
            drop(work);
            self.shared.arrived.notify_one();
            return;
        }
        work.threads.retain(|thread| !thread.is_finished());
        let started = self.start_thread();
        let lacks = self
            .shared
            .lacks_threads
            .swap(started.is_err(), Ordering::Relaxed);
        match started {
            Ok(thread) => {
                work.threads.push(thread);
                work.running += 1;
            }
            // Those that run will come to it, or the next try will. Said once, not at every try.
            Err(error) if !lacks => {
                tracing::warn!(%error, senders = work.running, "cannot start a sender");
            }
            Err(_) => {}
        }
    }

    fn start_thread(&self) -> std::io::Result<JoinHandle<()>> {
        if fault(FailPoint::SenderStart).is_some() {
            return Err(std::io::ErrorKind::WouldBlock.into());
        }
        let shared = self.shared.clone();
        vital::start_one_of_many("sender", STACK_BYTES, move || run(&shared))
    }

    /// Has the threads end when their attempts have.
    pub(super) fn stop(&self) {
        self.shared.lock().stopping = true;
        self.shared.arrived.notify_all();
    }
}

fn run(shared: &Shared) {
    while let Some(start) = next_job(shared) {
        let event = start.event.clone();
        let attempt = catch_unwind(AssertUnwindSafe(|| attempt(shared, start)));
        let report = attempt.unwrap_or_else(|_| {
            tracing::error!(event = %event.id, "an attempt panicked");
            AttemptReport::Made(event, internal("the attempt ended in an internal error"))
        });
        reach(FailPoint::SenderTurn);
        shared.reports.report(report);
    }
}

fn next_job(shared: &Shared) -> Option<AttemptJob> {
    let mut work = shared.lock();
    loop {
        if let Some(job) = work.jobs.pop_front() {
            return Some(job);
        }
        if work.stopping {
            work.running -= 1;
            return None;
        }
        work.idle += 1;
        let (woken, timed_out) = vital::wait_timeout(&shared.arrived, work, IDLE);
        work = woken;
        work.idle -= 1;
        if timed_out && work.jobs.is_empty() {
            work.running -= 1;
            return None;
        }
    }
}

fn attempt(shared: &Shared, start: AttemptJob) -> AttemptReport {
    let AttemptJob { event, target, .. } = start;
    let Some(target) = target.admit(event.run) else {
        return AttemptReport::Skipped(event);
    };
    let Some(body) = event.body.clone() else {
        let gone = AttemptResult {
            is_final: true,
            ..internal("the payload is gone")
        };
        return AttemptReport::Made(event, gone);
    };
    reach(FailPoint::Sending);
    let attempted = post(shared, &event, &target, &body);
    reach(FailPoint::Sent);
    AttemptReport::Made(event, attempted)
}

fn post(shared: &Shared, event: &QueuedEvent, target: &Target, body: &[u8]) -> AttemptResult {
    let now = shared.clock.now();
    let id = event.id.to_string();
    let timestamp = now.seconds().to_string();
    let signature = signature_header(&target.settings.secret, event.id, now.seconds(), body);
    let headers = [
        ("webhook-id", id.as_str()),
        ("webhook-timestamp", timestamp.as_str()),
        ("webhook-signature", signature.as_str()),
    ];
    let HttpResult { result, duration } =
        shared
            .transport
            .post(target.settings.url.as_str(), &headers, body);
    match result {
        Ok(Response {
            code,
            body,
            retry_after,
        }) => AttemptResult {
            code: Some(code),
            error: None,
            is_final: false,
            response: Some(body).filter(|body| !body.is_empty()),
            retry_after: retry_after
                .filter(|_| matches!(code, 429 | 503))
                .and_then(|value| parse_retry_after(&value, shared.clock.now())),
            took: duration,
        },
        Err(Failure {
            kind,
            message,
            is_final,
        }) => AttemptResult {
            code: None,
            error: Some(kind),
            is_final,
            response: Some(message),
            retry_after: None,
            took: duration,
        },
    }
}

fn internal(message: &str) -> AttemptResult {
    AttemptResult {
        code: None,
        error: Some(AttemptFailure::Internal),
        is_final: false,
        response: Some(message.to_owned()),
        retry_after: None,
        took: Duration::ZERO,
    }
}
