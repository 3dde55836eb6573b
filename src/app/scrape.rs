//! The answer to a program that asks for the metrics: reads the values that parts of the server know, and makes
//! the text.
//!
//! A scrape only informs. It runs on a thread of the listener, waits for no lock that is held for long, and
//! reads the database on one reading connection, if one is free. The values are read at most once a second,
//! and more seldom if that takes long, so that scrapes cost at most a twentieth of one core.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::open_files;
use crate::delivery::Engine;
use crate::domain::clock::Clock;
use crate::metrics::{Metrics, MetricsListener};
use crate::spans::Spans;
use crate::storage::sqlite::SqliteStore;

/// The least time between two reads of the values.
const FRESH_FOR: Duration = Duration::from_secs(1);

/// The pause after a read of the values, in multiples of the time that it took.
const PAUSE_FACTOR: u32 = 20;

/// Serves the metrics on `listener`. If that fails, the server runs without.
pub(super) fn serve(
    listener: TcpListener,
    metrics: Metrics,
    store: &Arc<SqliteStore>,
    engine: &Arc<Engine>,
    clock: Arc<dyn Clock>,
    spans: &Spans,
) -> Option<MetricsListener> {
    let sources = Sources {
        metrics,
        store: store.clone(),
        engine: engine.clone(),
        clock,
        spans: spans.clone(),
        next: Mutex::new(None),
    };
    match MetricsListener::start(listener, move || sources.text()) {
        Ok(listener) => {
            tracing::info!(addr = %listener.addr(), "metrics are served");
            Some(listener)
        }
        Err(error) => {
            tracing::error!(%error, "metrics cannot be served");
            None
        }
    }
}

/// The parts of a server whose values are read for the metrics.
struct Sources {
    metrics: Metrics,
    store: Arc<SqliteStore>,
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    spans: Spans,
    /// The earliest time of the next read; `None` before the first.
    next: Mutex<Option<Instant>>,
}

impl Sources {
    fn text(&self) -> String {
        self.refresh_if_due();
        self.metrics.text()
    }

    /// Reads the values if they are old. Only one thread does so at a time; the others wait for it.
    fn refresh_if_due(&self) {
        let mut next = self.lock();
        let began = Instant::now();
        if next.is_none_or(|next| began >= next) {
            self.refresh();
            let pause = began.elapsed() * PAUSE_FACTOR;
            *next = Some(began + pause.max(FRESH_FOR));
        }
    }

    /// Takes the lock, also after a panic: the values are then read again.
    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refresh(&self) {
        self.refresh_store();
        let delivery = &self.metrics.delivery;
        delivery
            .senders
            .set(as_gauge(self.engine.running_senders()));
        let process = &self.metrics.process;
        process.count_spans(self.spans.exported(), self.spans.dropped());
        process.refresh(open_files::soft_limit());
    }

    fn refresh_store(&self) {
        let (storage, delivery) = (&self.metrics.storage, &self.metrics.delivery);
        let sizes = self.store.file_sizes();
        storage.database_bytes.set(as_gauge(sizes.database));
        storage.log_bytes.set(as_gauge(sizes.log));
        if let Some(free) = sizes.disk_free {
            storage.disk_free_bytes.set(as_gauge(free));
        }
        let limit = self.store.limit();
        storage
            .database_limit_bytes
            .set(as_gauge(limit.map_or(0, |limit| limit.bytes)));
        storage
            .database_limit_reached
            .set(limit.is_some_and(|limit| limit.is_reached).into());
        let takes_attempts = |endpoint| self.engine.takes_attempts(endpoint);
        let Some(measures) = self.store.measure(takes_attempts) else {
            storage.failed_reads.inc();
            return;
        };
        let age = measures.oldest_due.map(|due| self.clock.now().since(due));
        delivery
            .oldest_due_age
            .set(age.unwrap_or_default().as_secs_f64());
        storage.database_free_bytes.set(measures.free_bytes);
        storage.jobs_running.set(measures.running_jobs);
        delivery.endpoints_disabled.set(measures.disabled);
        delivery.endpoints_paused.set(measures.paused);
        // The dispatcher counts those that rest. Some of them may have been disabled a moment ago.
        let active = measures.enabled - delivery.endpoints_resting.get();
        delivery.endpoints_active.set(active.max(0));
    }
}

fn as_gauge<N: TryInto<i64>>(number: N) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
