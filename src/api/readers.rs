//! Who may read the store at the same time.
//!
//! The store has a handful of reading connections, and a list may hold one for seconds. If everybody
//! took them as they came, one caller's heavy lists would keep tokens from being looked up, which stops
//! all publishing, and a flood of made-up tokens would do the same to the lists. So reads go in lanes,
//! and some connections are in none: they are left for callers who are known already, and for the
//! delivery engine. Who waits for a lane holds no thread.

use std::sync::Arc;

use actix_web::web;
use tokio::sync::Semaphore;

use super::error::ApiError;
use crate::storage::{Store, StoreError};

/// Reads of callers at a time, of the store's eight: more lists at once would only make each slower.
const CALLERS: usize = 5;

/// Reads for strangers at a time. Each takes some ten microseconds, so one at a time serves tens of
/// thousands a second.
const STRANGERS: usize = 1;

/// For whom is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Somebody whose token was good a moment ago; never waits.
    Known,
    /// A request that was let in.
    Caller,
    /// Anybody: a token never seen, or a probe.
    Stranger,
}

/// The lanes.
pub(super) struct Readers {
    callers: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new() -> Self {
        Self {
            callers: Arc::new(Semaphore::new(CALLERS)),
            strangers: Arc::new(Semaphore::new(STRANGERS)),
        }
    }

    /// Runs a read of the store off the asynchronous threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        lane: Lane,
        store: &Arc<dyn Store>,
        read: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = match lane {
            Lane::Known => None,
            Lane::Caller => Some(&self.callers),
            Lane::Stranger => Some(&self.strangers),
        };
        let place = match place {
            Some(lane) => Arc::clone(lane).acquire_owned().await.ok(),
            None => None,
        };
        let store = Arc::clone(store);
        let work = move || {
            // With the read, not with the request: one that hangs up leaves its read behind.
            let _place = place;
            read(&*store)
        };
        let answer = web::block(work).await;
        Ok(answer.map_err(|error| StoreError::Internal(error.to_string()))??)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::storage::sqlite::{SqliteSettings, SqliteStore};

    /// Reads that stand until they are let go.
    struct Slow {
        started: AtomicUsize,
        gate: Mutex<Receiver<()>>,
    }

    impl Slow {
        fn new() -> (Arc<Self>, Sender<()>) {
            let (open, gate) = channel();
            let started = AtomicUsize::new(0);
            let gate = Mutex::new(gate);
            (Arc::new(Self { started, gate }), open)
        }

        fn read(&self) {
            self.started.fetch_add(1, Ordering::SeqCst);
            // Ends when the gate's other side is dropped.
            let _ = self.gate.lock().unwrap().recv();
        }
    }

    async fn until(condition: impl Fn() -> bool) {
        let all = async {
            while !condition() {
                tokio::task::yield_now().await;
            }
        };
        let patience = std::time::Duration::from_secs(20);
        tokio::time::timeout(patience, all).await.unwrap();
    }

    #[test]
    fn heavy_reads_and_strangers_leave_room_for_who_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let clock = Arc::new(SystemClock::new());
        let sqlite = SqliteStore::open(&file, SqliteSettings::default(), clock).unwrap();
        let store: Arc<dyn Store> = sqlite.clone();
        actix_web::rt::System::new().block_on(async {
            let readers = Arc::new(Readers::new());
            let start = |lane, slow: &Arc<Slow>| {
                let (readers, store, slow) = (readers.clone(), store.clone(), slow.clone());
                actix_web::rt::spawn(async move {
                    readers
                        .read(lane, &store, move |_| {
                            slow.read();
                            Ok(())
                        })
                        .await
                })
            };
            let (lists, finish_lists) = Slow::new();
            let (guesses, finish_guesses) = Slow::new();
            let mut reads: Vec<_> = (0..20)
                .flat_map(|_| [start(Lane::Caller, &lists), start(Lane::Stranger, &guesses)])
                .collect();
            let taken = || {
                let started = |slow: &Slow| slow.started.load(Ordering::SeqCst);
                [started(&lists), started(&guesses)]
            };
            until(|| taken() == [CALLERS, STRANGERS]).await;
            // Who hangs up leaves a read behind, which keeps its place.
            for read in &reads[..2] {
                read.abort();
            }
            for _ in 0..3 {
                let done = readers
                    .read(Lane::Known, &store, |store| store.check())
                    .await;
                assert!(done.is_ok());
            }
            assert_eq!(taken(), [CALLERS, STRANGERS]);
            drop((finish_lists, finish_guesses));
            for read in reads.drain(..).skip(2) {
                assert!(read.await.unwrap().is_ok());
            }
        });
        sqlite.stop();
    }
}
