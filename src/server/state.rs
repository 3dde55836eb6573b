//! The state that all requests share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::auth::Auth;
use super::large_bodies::LargeBodies;
use super::rate_limits::RateLimits;
use super::readers::Readers;
use super::request_log::LineLimit;
use crate::config::ApiSettings;
use crate::delivery::TestAttempts;
use crate::domain::clock::Clock;
use crate::domain::network_policy::NetworkPolicy;
use crate::metrics::ApiMetrics;
use crate::spans::Spans;
use crate::storage::{Pending, Store};

/// The time between two writes of the tokens' `last_used_at`.
const FLUSH_EVERY: Duration = Duration::from_mins(1);

/// The checks of whether the application is ready for work, besides those of the API itself.
pub type Readiness = Box<dyn Fn() -> Vec<ReadyCheck> + Send + Sync>;

/// The result of a check: its name, and the reason why it failed, which every client may read: `/readyz` needs
/// no token.
pub type ReadyCheck = (&'static str, Result<(), String>);

/// The parts of delivering that requests need.
pub struct Delivering {
    /// The policy on the URLs of endpoints.
    pub policy: NetworkPolicy,
    /// The maker of tests of endpoints.
    pub tests: TestAttempts,
}

/// The state that all requests share.
pub struct ServerState {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: ApiSettings,
    /// The policy on the URLs of endpoints.
    pub(crate) policy: NetworkPolicy,
    /// The maker of tests of endpoints.
    pub(crate) tests: TestAttempts,
    pub(crate) readiness: Readiness,
    pub(crate) auth: Auth,
    pub(crate) rate_limits: RateLimits,
    pub(crate) readers: Readers,
    pub(crate) large_bodies: LargeBodies,
    /// The counters of requests.
    pub(crate) metrics: ApiMetrics,
    /// The way to a collector of traces, if there is one.
    pub(crate) spans: Spans,
    /// The limit on lines about refused requests.
    pub(crate) refusal_lines: Mutex<LineLimit>,
    stopping: AtomicBool,
}

impl ServerState {
    /// Returns the state of a new server. Each request of `/readyz` calls `readiness`, which must not block.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        settings: ApiSettings,
        delivering: Delivering,
        readiness: Readiness,
        metrics: ApiMetrics,
        spans: Spans,
    ) -> Self {
        Self {
            store,
            clock,
            rate_limits: RateLimits::new(&settings),
            settings,
            policy: delivering.policy,
            tests: delivering.tests,
            readiness,
            metrics,
            spans,
            auth: Auth::default(),
            readers: Readers::new(),
            large_bodies: LargeBodies::new(),
            refusal_lines: Mutex::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Makes the server refuse publishes, and `/readyz`, with 503. All other requests are still served.
    pub fn stop_publishing(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Stores the times at which tokens were used last. Returns `None` if no token was used since the last
    /// call. A running server calls this about once a minute. Call it once more when the server stops.
    pub fn flush_last_used(&self) -> Option<Pending<()>> {
        self.auth.flush(&*self.store)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// Starts a task that stores the tokens' `last_used_at` from time to time, while the server runs.
pub(crate) fn flush_periodically(state: &Arc<ServerState>) {
    let state = Arc::downgrade(state);
    actix_web::rt::spawn(async move {
        loop {
            tokio::time::sleep(FLUSH_EVERY).await;
            let Some(pending) = state.upgrade().map(|state| state.flush_last_used()) else {
                return;
            };
            if let Some(Err(error)) = async { Some(pending?.await) }.await {
                tracing::warn!(%error, "when tokens were used last could not be written");
            }
        }
    });
}
