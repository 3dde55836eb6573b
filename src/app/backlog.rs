//! The check of `/readyz` that no event waits for too long.
//!
//! To find the oldest event takes a read of the database, of up to some hundred milliseconds on a large one. So it
//! is read from time to time, and the check looks at what was read last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix_web::rt;

use crate::delivery::Engine;
use crate::domain::clock::Clock;
use crate::storage::sqlite::SqliteStore;

/// The pause between two reads. It is longer after a read that takes long: see [`PAUSE_FACTOR`].
const PAUSE: Duration = Duration::from_secs(1);

/// The pause after a read, in multiples of the time that it took.
const PAUSE_FACTOR: u32 = 20;

/// The age of the oldest event that could be attempted, and its limit.
pub(super) struct Backlog {
    /// The greatest age; zero if there is no limit.
    limit: Duration,
    /// In milliseconds, when it was read last.
    age: AtomicU64,
}

impl Backlog {
    /// Returns the check. If there is a limit, starts to read, for as long as the check is used. Needs actix's
    /// runtime.
    pub(super) fn watch(
        limit: Duration,
        store: &Arc<SqliteStore>,
        engine: &Arc<Engine>,
        clock: &Arc<dyn Clock>,
    ) -> Arc<Self> {
        let backlog = Arc::new(Self {
            limit,
            age: AtomicU64::new(0),
        });
        if limit.is_zero() {
            return backlog;
        }
        let watched = Arc::downgrade(&backlog);
        let sources = (Arc::downgrade(store), Arc::downgrade(engine), clock.clone());
        rt::spawn(async move {
            while let Some(backlog) = watched.upgrade() {
                let (store, engine, clock) = sources.clone();
                let read = rt::task::spawn_blocking(move || {
                    let (store, engine) = (store.upgrade()?, engine.upgrade()?);
                    let began = Instant::now();
                    let measures = store.measure(|endpoint| engine.takes_attempts(endpoint))?;
                    let age = measures.oldest_due.map(|due| clock.now().since(due));
                    Some((age.unwrap_or_default(), began.elapsed()))
                });
                let pause = match read.await {
                    Ok(Some((age, took))) => {
                        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
                        backlog.age.store(age, Ordering::Relaxed);
                        PAUSE.max(took * PAUSE_FACTOR)
                    }
                    // Nothing was read: the other checks say why.
                    _ => PAUSE,
                };
                drop(backlog);
                rt::time::sleep(pause).await;
            }
        });
        backlog
    }

    /// Reports whether no event waits for longer than the limit; the error says how long the oldest has waited.
    pub(super) fn check(&self) -> Result<(), String> {
        let age = Duration::from_millis(self.age.load(Ordering::Relaxed));
        if self.limit.is_zero() || age <= self.limit {
            return Ok(());
        }
        Err(format!(
            "the oldest event that could be attempted has waited for {} s",
            age.as_secs()
        ))
    }
}
