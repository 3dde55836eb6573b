//! Who may read the store at the same time.
//!
//! The store has a handful of reading connections, and a list may hold one for seconds. If everybody
//! took them as they came, one caller's heavy lists would keep tokens from being looked up, which stops
//! all publishing, and a flood of made-up tokens would do the same to the lists. So reads go in lanes,
//! and some connections are in none: they are left for callers who are known already, and for the
//! delivery engine. Within the callers' lane turns go by workspace: see [`queue`]. Who waits for a lane
//! holds no thread.

mod queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::web;
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;

use self::queue::Queue;
use super::error::ApiError;
use crate::storage::{Store, StoreError, Unavailable};

/// Reads of callers at a time, of the store's eight: more lists at once would only make each slower.
const CALLERS: usize = 5;

/// Reads for strangers at a time. Each takes some ten microseconds, so one at a time serves tens of
/// thousands a second.
const STRANGERS: usize = 1;

/// How long a request waits for its turn: clients and proxies give up after about as long.
const PATIENCE: Duration = Duration::from_secs(20);

/// For whom is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// Somebody whose token was good a moment ago; never waits.
    Known,
    /// A request that was let in, of this workspace or admin token.
    Caller(Uuid),
    /// More of an answer that has begun; of the same. It waits like a request, but is not refused: there
    /// is no telling the client any more. There are no more of them than connections.
    Answer(Uuid),
    /// Anybody: a token never seen, or a probe.
    Stranger,
}

impl Lane {
    /// Where the rest of an answer waits whose beginning waited here.
    pub(super) const fn of_answer(self) -> Self {
        match self {
            Self::Caller(key) => Self::Answer(key),
            other => other,
        }
    }
}

/// The lanes.
pub(super) struct Readers {
    callers: Arc<Callers>,
    strangers: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new() -> Self {
        Self {
            callers: Arc::new(Callers(Mutex::new(Queue::new(CALLERS)))),
            strangers: Arc::new(Semaphore::new(STRANGERS)),
        }
    }

    /// Runs a read of the store off the asynchronous threads.
    ///
    /// # Errors
    /// The store's; [`Unavailable::ReadQueueFull`] too if too many wait in the lane, or for too long.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        lane: Lane,
        store: &Arc<dyn Store>,
        read: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = self.place(lane).await;
        let place = place.ok_or(StoreError::Unavailable(Unavailable::ReadQueueFull))?;
        let store = Arc::clone(store);
        let work = move || {
            // With the read, not with the request: one that hangs up leaves its read behind.
            let _place = place;
            read(&*store)
        };
        let answer = web::block(work).await;
        Ok(answer.map_err(|error| StoreError::Internal(error.to_string()))??)
    }

    /// Waits for a place in the lane; `None` if there is none to be had.
    async fn place(&self, lane: Lane) -> Option<Box<dyn Send>> {
        match lane {
            Lane::Known => Some(Box::new(())),
            Lane::Stranger => {
                let place = Arc::clone(&self.strangers).acquire_owned().await.ok()?;
                Some(Box::new(place))
            }
            Lane::Caller(key) => {
                let turn = self.callers.wait(key, true)?;
                let place = tokio::time::timeout(PATIENCE, turn.place()).await.ok()??;
                Some(Box::new(place))
            }
            Lane::Answer(key) => Some(Box::new(self.callers.wait(key, false)?.place().await?)),
        }
    }
}

/// The callers' lane.
struct Callers(Mutex<Queue<oneshot::Sender<Place>>>);

impl Callers {
    fn lock(&self) -> MutexGuard<'_, Queue<oneshot::Sender<Place>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait; `None` if there is a limit and too many wait already.
    fn wait(self: &Arc<Self>, key: Uuid, limited: bool) -> Option<Turn> {
        let (sender, receiver) = oneshot::channel();
        let mut queue = self.lock();
        if limited {
            queue.room_for(key).ok()?;
        }
        let ticket = queue.wait(key, sender, Instant::now());
        drop(queue);
        let turn = Turn {
            callers: Arc::clone(self),
            key,
            ticket,
            receiver,
        };
        self.go_on();
        Some(turn)
    }

    /// Gives places to those whose turn it is.
    fn go_on(self: &Arc<Self>) {
        loop {
            let began = Instant::now();
            let next = self.lock().next(began);
            let Some((key, read)) = next else {
                return;
            };
            let callers = Arc::clone(self);
            // Who is not there to take it gives it back.
            let _ = read.send(Place {
                callers,
                key,
                began,
            });
        }
    }
}

/// A read that waits. Dropped before its turn, it leaves.
struct Turn {
    callers: Arc<Callers>,
    key: Uuid,
    ticket: u64,
    receiver: oneshot::Receiver<Place>,
}

impl Turn {
    async fn place(mut self) -> Option<Place> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.callers.lock().leave(self.key, self.ticket);
    }
}

/// A read that has its turn. Its end makes room for the next.
struct Place {
    callers: Arc<Callers>,
    key: Uuid,
    began: Instant,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.callers
            .lock()
            .end(self.key, self.began, Instant::now());
        self.callers.go_on();
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
            let workspace = |at| Lane::Caller(Uuid::from_u128(at));
            let mut reads: Vec<_> = (0..20)
                .flat_map(|at| {
                    [
                        start(workspace(at), &lists),
                        start(Lane::Stranger, &guesses),
                    ]
                })
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

    #[test]
    fn a_workspace_leaves_room_for_another_and_is_refused_when_too_many_wait() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let clock = Arc::new(SystemClock::new());
        let sqlite = SqliteStore::open(&file, SqliteSettings::default(), clock).unwrap();
        let store: Arc<dyn Store> = sqlite.clone();
        actix_web::rt::System::new().block_on(async {
            let readers = Arc::new(Readers::new());
            let (lists, finish_lists) = Slow::new();
            let heavy = Lane::Caller(Uuid::from_u128(1));
            let start = |lane: Lane| {
                let (readers, store, slow) = (readers.clone(), store.clone(), lists.clone());
                let read = move |_: &dyn Store| {
                    slow.read();
                    Ok(())
                };
                actix_web::rt::spawn(async move { readers.read(lane, &store, read).await })
            };
            let started = || lists.started.load(Ordering::SeqCst);
            let mut reads: Vec<_> = (0..3 + queue::WAITING_OF_ONE)
                .map(|_| start(heavy))
                .collect();
            until(|| started() == 3).await;
            until(|| readers.callers.lock().room_for(Uuid::from_u128(1)).is_err()).await;
            let check = |lane| readers.read(lane, &store, |store| store.check());
            let refused = check(heavy).await;
            let full = StoreError::Unavailable(Unavailable::ReadQueueFull);
            assert!(matches!(refused, Err(ApiError::Store(error)) if error == full));
            for _ in 0..3 {
                assert!(check(Lane::Caller(Uuid::from_u128(2))).await.is_ok());
            }
            // Who hangs up makes room; the rest of an answer is never refused.
            reads.pop().unwrap().abort();
            until(|| readers.callers.lock().room_for(Uuid::from_u128(1)).is_ok()).await;
            reads.extend([start(heavy), start(heavy.of_answer())]);
            assert_eq!(started(), 3);
            drop(finish_lists);
            for read in reads {
                assert!(read.await.unwrap().is_ok());
            }
        });
        sqlite.stop();
    }
}
