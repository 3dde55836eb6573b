//! The engine's handle: starts the threads, connects them to each other, and stops them.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use rand::RngExt;
use thiserror::Error;

use super::attempt::Transport;
use super::attempt_metrics::AttemptMetrics;
use super::dispatcher::Dispatcher;
use super::limits::Limits;
use super::mailbox::Mailbox;
use super::protocol::Now;
use super::reader::Reader;
use super::scheduler::{Rules, Scheduler};
use super::sender::Senders;
use super::target::LiveTargets;
use crate::domain::clock::Clock;
use crate::domain::retry::RetryPolicy;
use crate::metrics::DeliveryMetrics;
use crate::spans::Spans;
use crate::storage::{EndpointNumber, Queue, StoreError};
use crate::vital::VitalThread;

/// The settings of the engine.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// The most attempts in flight at a time.
    pub senders: u32,
    /// The schedule of retries.
    pub retry: RetryPolicy,
    /// The time that a stopping engine waits for the attempts in flight.
    pub grace: Duration,
}

/// The reason why the engine did not start.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The queue cannot be read.
    #[error("cannot read the queue: {0}")]
    Queue(#[from] StoreError),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// The running engine.
pub struct Engine {
    mailbox: Arc<Mailbox>,
    senders: Senders,
    live: Arc<LiveTargets>,
    dispatcher: VitalThread,
}

impl Engine {
    /// Takes over a queue and starts delivering.
    ///
    /// # Errors
    /// [`EngineError`], with nothing left running.
    pub fn start(
        queue: Arc<dyn Queue>,
        transport: Arc<dyn Transport>,
        settings: EngineSettings,
        clock: Arc<dyn Clock>,
        metrics: &DeliveryMetrics,
        spans: Spans,
    ) -> Result<Self, EngineError> {
        let live = Arc::new(LiveTargets::default());
        let mailbox = Arc::new(Mailbox::new(live.clone()));
        // Listening comes before reading: a commit in between is then seen twice, and never missed.
        queue.listen(mailbox.clone());
        let targets = queue.targets()?;
        wake_on_jump(&*clock, &mailbox);
        let senders = Senders::new(settings.senders as usize, transport, clock.clone(), spans);
        let reader = Reader::start(queue.clone(), mailbox.clone(), senders.clone())?;
        let grace = settings.grace;
        metrics.senders_max.set(settings.senders.into());
        let mut scheduler = scheduler(settings, live.clone());
        let now = Now::of(&*clock);
        // This comes before the API takes requests, because a request may change an endpoint: `targets` would
        // then be out of date.
        for stored in &targets {
            scheduler.resume(stored, now);
        }
        let dispatcher = Arc::new(Dispatcher {
            scheduler: Mutex::new(scheduler),
            mailbox: mailbox.clone(),
            queue,
            reader,
            senders: senders.clone(),
            clock,
            metrics: AttemptMetrics::new(metrics),
        });
        let reports: Weak<Dispatcher> = Arc::downgrade(&dispatcher);
        senders.report_to(reports);
        let dispatcher = VitalThread::start("dispatcher", move || dispatcher.run(grace))?;
        Ok(Self {
            mailbox,
            senders,
            live,
            dispatcher,
        })
    }

    /// Reports whether the dispatcher has made a round since the last call, and makes it make another one. The
    /// first call returns true.
    pub fn heartbeat(&self) -> bool {
        self.mailbox.heartbeat()
    }

    /// Reports whether the engine works; the error says in words what is wrong.
    pub fn check(&self) -> Result<(), String> {
        if !self.dispatcher.is_working() {
            return Err("the delivery engine has ended".to_owned());
        }
        self.senders.check()
    }

    /// Makes [`Engine::stop`] wait no longer for the attempts in flight: they are made again after the next start.
    pub fn cut_short(&self) {
        self.mailbox.cut_short();
    }

    /// Returns the number of threads for attempts that run.
    #[must_use]
    pub fn running_senders(&self) -> usize {
        self.senders.running()
    }

    /// Reports whether attempts to an endpoint may start now: it is enabled, does not rest, and its receiver
    /// did not ask to wait.
    #[must_use]
    pub fn takes_attempts(&self, endpoint: EndpointNumber) -> bool {
        self.live.takes_attempts(endpoint)
    }

    /// Stops the engine: starts no further attempt, waits for those in flight within the grace period, and
    /// ends the threads. The store must still be running, to record these attempts.
    pub fn stop(&self) {
        self.dispatcher.stop(|| self.mailbox.stop());
    }
}

/// Wakes the dispatcher whenever the wall clock is set: due times are wall-clock times.
fn wake_on_jump(clock: &dyn Clock, mailbox: &Arc<Mailbox>) {
    let mailbox = Arc::downgrade(mailbox);
    clock.on_jump(Arc::new(move || {
        if let Some(mailbox) = mailbox.upgrade() {
            mailbox.wake();
        }
    }));
}

fn scheduler(settings: EngineSettings, live: Arc<LiveTargets>) -> Scheduler {
    let rules = Rules {
        senders: settings.senders,
        retry: settings.retry,
        limits: Limits::PRODUCTION,
    };
    let random = Box::new(|| rand::rng().random::<f64>());
    Scheduler::new(rules, live, random)
}
