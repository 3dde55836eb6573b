//! The delivery engine: takes events from the queue and brings them to their endpoints.
//!
//! One dispatcher thread owns all scheduling state ([`scheduler`], pure). Sender threads make the
//! attempts ([`sender`]) and never touch the database; a reader thread reads the queue for the
//! dispatcher ([`reader`]). They talk through one letter box ([`mailbox`]) that nobody waits at. Every line
//! of ureq is in this folder; nothing here knows of the API.

mod dispatcher;
mod endpoint_queue;
pub mod http_client;
mod limits;
mod mailbox;
mod protocol;
mod reader;
pub mod resolver;
mod ring;
mod scheduler;
mod sender;
#[cfg(test)]
pub(crate) mod simulation;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use thiserror::Error;

use self::dispatcher::Dispatcher;
use self::http_client::{HttpClient, HttpResult};
use self::limits::Limits;
use self::mailbox::Mailbox;
use self::protocol::Now;
use self::reader::Reader;
use self::scheduler::{Rules, Scheduler};
use self::sender::Senders;
pub use self::sender::Transport;
use self::target::LiveTargets;
use crate::domain::clock::Clock;
use crate::domain::retry::RetryPolicy;
use crate::storage::{Queue, StoreError};
use crate::vital::VitalThread;

impl Transport for HttpClient {
    fn post(&self, url: &str, headers: &[(&'static str, &str)], body: &[u8]) -> HttpResult {
        HttpClient::post(self, url, headers, body)
    }
}

/// What the engine must know of the settings.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// The most attempts at the same time.
    pub senders: u32,
    /// When failed attempts are made again.
    pub retry: RetryPolicy,
    /// How long a stopping engine waits for attempts under way.
    pub grace: Duration,
}

/// Why the engine did not start.
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
    ) -> Result<Self, EngineError> {
        let live = Arc::new(LiveTargets::default());
        let mailbox = Arc::new(Mailbox::new(live.clone()));
        // First listen, then look: what is committed in between is heard of twice, not missed.
        queue.listen(mailbox.clone());
        let targets = queue.targets()?;
        let woken = Arc::downgrade(&mailbox);
        clock.on_jump(Arc::new(move || {
            if let Some(mailbox) = woken.upgrade() {
                mailbox.wake();
            }
        }));
        let senders = Senders::new(
            settings.senders as usize,
            transport,
            mailbox.clone(),
            clock.clone(),
        );
        let reader = Reader::start(queue.clone(), mailbox.clone(), senders.clone())?;
        let rules = Rules {
            senders: settings.senders,
            retry: settings.retry,
            limits: Limits::PRODUCTION,
        };
        let random = Box::new(|| rand::rng().random::<f64>());
        let mut scheduler = Scheduler::new(rules, live, random);
        // Before anybody can change an endpoint: a later look would bring back an older state.
        let now = Now {
            wall: clock.now(),
            monotonic: clock.monotonic(),
        };
        for (target, backlog) in &targets {
            scheduler.resume(target, *backlog, now);
        }
        let dispatcher = Dispatcher {
            scheduler,
            mailbox: mailbox.clone(),
            queue,
            reader,
            senders: senders.clone(),
            clock,
        };
        let dispatcher = VitalThread::start("dispatcher", move || dispatcher.run(settings.grace))?;
        Ok(Self {
            mailbox,
            senders,
            dispatcher,
        })
    }

    /// Whether the engine works; what is wrong if it does not.
    pub fn check(&self) -> Result<(), String> {
        if !self.dispatcher.is_working() {
            return Err("the delivery engine has ended".to_owned());
        }
        self.senders.check()
    }

    /// Starts no further attempt, waits for those under way within the grace period, and ends. The store
    /// must still be running, to record them.
    pub fn stop(&self) {
        self.dispatcher.stop(|| self.mailbox.stop());
    }
}
