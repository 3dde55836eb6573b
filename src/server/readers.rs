//! The lanes in which requests read the store.
//!
//! The store has a handful of reading connections, and a list may hold one for seconds. Without lanes, one
//! caller's heavy lists would keep the server from looking tokens up, which stops all publishing, and a
//! flood of made-up tokens would stop the lists and the probes. So each read belongs to a lane, and a lane has
//! a limit of reads at a time. Only [`Lane::Known`] has no limit: the connections that the other lanes leave
//! are for it, and for the delivery engine. In the callers' lane, workspaces take turns: see
//! [`places`](super::places). A read that waits holds no thread. The number of waiting reads has a limit as
//! well, and so has the time that a request waits; beyond them, the request is refused.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::blocking;
use super::error::ApiError;
use super::places::{Places, Share};
use crate::domain::owner::Owner;
use crate::storage::{Store, StoreError, Unavailable};

/// The reads of callers at a time, of the store's eight: more lists at once would only make each slower.
const CALLERS: usize = 5;

/// The reads of the lane for unauthenticated callers at a time, and of the lane for probes. Each takes some ten
/// microseconds, so one at a time serves tens of thousands a second.
const SHORT: usize = 1;

/// The most reads that wait in a lane for short reads: those of about a second. Fewer would let a flood of
/// made-up tokens keep out a client whose token is valid, but not in the cache.
const SHORT_WAITING: usize = 10_000;

/// The time for which a request waits for its turn: clients and proxies give up after about as long.
const PATIENCE: Duration = Duration::from_secs(20);

/// The lane of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// The look-up of a token that was valid a moment ago; never waits.
    Known,
    /// A read for a request of this owner.
    Caller(Owner),
    /// The rest of a response to such a request. It waits like a request, but is not refused, since the
    /// status is sent already. There are at most as many as connections.
    Response(Owner),
    /// The look-up of a token that is not in the cache.
    Unauthenticated,
    /// The read of a probe.
    Probe,
}

impl Lane {
    /// Returns the lane for the rest of a response whose first part was read in this lane.
    pub(crate) const fn of_response(self) -> Self {
        match self {
            Self::Caller(owner) => Self::Response(owner),
            other => other,
        }
    }

    /// Returns the reason for which a read that cannot wait, or has waited for too long, is refused.
    const fn refusal(self) -> Unavailable {
        match self {
            Self::Known | Self::Caller(_) | Self::Response(_) => Unavailable::ReadQueueFull,
            Self::Unauthenticated | Self::Probe => Unavailable::Overloaded,
        }
    }
}

/// The places of a lane whose reads are short and have no owner. The read that has waited longest is next.
struct ShortReads {
    places: Arc<Semaphore>,
    /// The room for reads that wait.
    room: Semaphore,
}

impl ShortReads {
    fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(SHORT)),
            room: Semaphore::new(SHORT_WAITING),
        }
    }

    /// Waits for a place; `None` if too many reads wait.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let _waits = self.room.try_acquire().ok()?;
        Arc::clone(&self.places).acquire_owned().await.ok()
    }
}

/// The lanes of one server.
pub(crate) struct Readers {
    callers: Arc<Places>,
    unauthenticated: ShortReads,
    probes: ShortReads,
    /// [`PATIENCE`], except in tests.
    patience: Duration,
}

impl Readers {
    pub(crate) fn new() -> Self {
        Self {
            callers: Places::new(CALLERS, Share::LeavesRoom),
            unauthenticated: ShortReads::new(),
            probes: ShortReads::new(),
            patience: PATIENCE,
        }
    }

    /// Runs a read of the store off the asynchronous threads.
    ///
    /// # Errors
    /// The store's, and [`Unavailable::ReadQueueFull`] or [`Unavailable::Overloaded`] if too many reads wait
    /// in the lane, or this one for too long.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        lane: Lane,
        store: &Arc<dyn Store>,
        read: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = self.place(lane).await;
        let place = place.ok_or(StoreError::Unavailable(lane.refusal()))?;
        let store = Arc::clone(store);
        let work = move || {
            // The read keeps the place, not the request: when the client hangs up, the read still runs.
            let _place = place;
            read(&*store)
        };
        Ok(blocking::run(work).await??)
    }

    /// Takes the places for look-ups of tokens, until the returned value is dropped.
    #[cfg(test)]
    pub(crate) fn take_unauthenticated(&self) -> impl Sized + use<> {
        Arc::clone(&self.unauthenticated.places)
            .try_acquire_many_owned(u32::try_from(SHORT).unwrap())
            .unwrap()
    }

    /// Fills the queue with reads of `owner`, until the returned value is dropped.
    #[cfg(test)]
    pub(crate) fn fill(&self, owner: Owner) -> impl Sized + use<> {
        let waiting = std::iter::from_fn(|| self.callers.wait_if_room(owner));
        waiting.collect::<Vec<_>>()
    }

    /// Waits for a place in the lane; `None` if too many reads wait, or this one for too long.
    async fn place(&self, lane: Lane) -> Option<Box<dyn Send>> {
        match lane {
            Lane::Known => Some(Box::new(())),
            Lane::Unauthenticated => self.in_time(self.unauthenticated.place()).await,
            Lane::Probe => self.in_time(self.probes.place()).await,
            Lane::Caller(owner) => {
                let turn = self.callers.wait_if_room(owner)?;
                self.in_time(turn.place()).await
            }
            Lane::Response(owner) => Some(Box::new(self.callers.wait(owner).place().await?)),
        }
    }

    /// Waits for a place as long as a request waits.
    async fn in_time<P: Send + 'static>(
        &self,
        place: impl Future<Output = Option<P>>,
    ) -> Option<Box<dyn Send>> {
        let place = tokio::time::timeout(self.patience, place).await.ok()??;
        Some(Box::new(place))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Waker};

    use super::super::places;
    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::storage::sqlite::{SqliteSettings, SqliteStore};
    use actix_web::rt::task::JoinHandle;
    use uuid::Uuid;

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
        tokio::time::timeout(PATIENCE, all).await.unwrap();
    }

    /// A store, and the lanes to it.
    struct ReadersFixture {
        sqlite: Arc<SqliteStore>,
        store: Arc<dyn Store>,
        readers: Arc<Readers>,
        _folder: tempfile::TempDir,
    }

    impl ReadersFixture {
        fn new() -> Self {
            Self::with_patience(PATIENCE)
        }

        fn with_patience(patience: Duration) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("test.db");
            let clock = Arc::new(SystemClock::new());
            let sqlite = SqliteStore::open(&file, SqliteSettings::default(), clock).unwrap();
            Self {
                store: sqlite.clone(),
                sqlite,
                readers: Arc::new(Readers {
                    patience,
                    ..Readers::new()
                }),
                _folder: folder,
            }
        }

        /// Begins a read that stands until it is let go.
        fn start(&self, lane: Lane, slow: &Arc<Slow>) -> JoinHandle<Result<(), ApiError>> {
            let (readers, store) = (self.readers.clone(), self.store.clone());
            let slow = slow.clone();
            let read = move |_: &dyn Store| {
                slow.read();
                Ok(())
            };
            actix_web::rt::spawn(async move { readers.read(lane, &store, read).await })
        }

        /// A read that takes no time, once it has its turn.
        async fn check(&self, lane: Lane) -> Result<(), ApiError> {
            let read = |store: &dyn Store| store.check();
            let read = self.readers.read(lane, &self.store, read);
            tokio::time::timeout(PATIENCE, read).await.unwrap()
        }
    }

    impl Drop for ReadersFixture {
        fn drop(&mut self) {
            self.sqlite.stop();
        }
    }

    #[test]
    fn heavy_reads_and_strangers_leave_room_for_who_is_known() {
        let fixture = ReadersFixture::new();
        actix_web::rt::System::new().block_on(async {
            let (lists, finish_lists) = Slow::new();
            let (guesses, finish_guesses) = Slow::new();
            let workspace = |at| Lane::Caller(Owner::new(Uuid::from_u128(at)));
            let mut reads: Vec<_> = (0..20)
                .flat_map(|at| {
                    [
                        fixture.start(workspace(at), &lists),
                        fixture.start(Lane::Unauthenticated, &guesses),
                    ]
                })
                .collect();
            let taken = || {
                let started = |slow: &Slow| slow.started.load(Ordering::SeqCst);
                [started(&lists), started(&guesses)]
            };
            until(|| taken() == [CALLERS, SHORT]).await;
            // The read of a client that hangs up goes on, and keeps its place.
            for read in &reads[..2] {
                read.abort();
            }
            for _ in 0..3 {
                assert!(fixture.check(Lane::Known).await.is_ok());
                assert!(fixture.check(Lane::Probe).await.is_ok());
            }
            assert_eq!(taken(), [CALLERS, SHORT]);
            drop((finish_lists, finish_guesses));
            for read in reads.drain(..).skip(2) {
                assert!(read.await.unwrap().is_ok());
            }
        });
    }

    #[test]
    fn a_workspace_leaves_room_for_another_and_is_refused_when_too_many_wait() {
        let fixture = ReadersFixture::new();
        actix_web::rt::System::new().block_on(async {
            let (lists, finish_lists) = Slow::new();
            let owner = Owner::new(Uuid::from_u128(1));
            let heavy = Lane::Caller(owner);
            let has_room = || fixture.readers.callers.has_room_for(owner);
            let started = || lists.started.load(Ordering::SeqCst);
            let mut reads: Vec<_> = (0..3 + places::WAITING_OF_ONE)
                .map(|_| fixture.start(heavy, &lists))
                .collect();
            until(|| started() == 3).await;
            until(|| !has_room()).await;
            let refused = fixture.check(heavy).await;
            assert!(is_refused(&refused, Unavailable::ReadQueueFull));
            for _ in 0..3 {
                let other = Lane::Caller(Owner::new(Uuid::from_u128(2)));
                assert!(fixture.check(other).await.is_ok());
            }
            // A client that hangs up makes room; the rest of a response is never refused.
            reads.pop().unwrap().abort();
            until(has_room).await;
            reads.extend([heavy, heavy.of_response()].map(|lane| fixture.start(lane, &lists)));
            assert_eq!(started(), 3);
            drop(finish_lists);
            for read in reads {
                assert!(read.await.unwrap().is_ok());
            }
        });
    }

    fn is_refused(result: &Result<(), ApiError>, why: Unavailable) -> bool {
        let refusal = StoreError::Unavailable(why);
        matches!(result, Err(ApiError::Store(error)) if *error == refusal)
    }

    #[test]
    fn a_short_read_is_refused_when_too_many_wait_and_only_then() {
        let fixture = ReadersFixture::new();
        actix_web::rt::System::new().block_on(async {
            for lane in [Lane::Unauthenticated, Lane::Probe] {
                let (slow, finish) = Slow::new();
                let first = fixture.start(lane, &slow);
                until(|| slow.started.load(Ordering::SeqCst) == SHORT).await;
                let mut waiting: Vec<_> = (0..SHORT_WAITING)
                    .map(|_| Box::pin(fixture.check(lane)))
                    .collect();
                let mut context = Context::from_waker(Waker::noop());
                for read in &mut waiting {
                    assert!(read.as_mut().poll(&mut context).is_pending());
                }
                let refused = fixture.check(lane).await;
                assert!(is_refused(&refused, Unavailable::Overloaded), "{lane:?}");
                // A client that hangs up makes room.
                drop(waiting);
                let last = fixture.start(lane, &slow);
                drop(finish);
                for read in [first, last] {
                    assert!(read.await.unwrap().is_ok(), "{lane:?}");
                }
            }
        });
    }

    #[test]
    fn a_read_that_waits_for_too_long_is_refused() {
        let fixture = ReadersFixture::with_patience(Duration::from_millis(1));
        actix_web::rt::System::new().block_on(async {
            let owner = Lane::Caller(Owner::new(Uuid::from_u128(1)));
            for (lane, places, why) in [
                (Lane::Unauthenticated, SHORT, Unavailable::Overloaded),
                (Lane::Probe, SHORT, Unavailable::Overloaded),
                (owner, 3, Unavailable::ReadQueueFull),
            ] {
                let (slow, finish) = Slow::new();
                let reads: Vec<_> = (0..places).map(|_| fixture.start(lane, &slow)).collect();
                until(|| slow.started.load(Ordering::SeqCst) == places).await;
                assert!(is_refused(&fixture.check(lane).await, why), "{lane:?}");
                drop(finish);
                for read in reads {
                    assert!(read.await.unwrap().is_ok(), "{lane:?}");
                }
            }
        });
    }
}
