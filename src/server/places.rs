//! A semaphore whose permits workspaces take in turns.
//!
//! A permit is called a *place*, and a fixed number of pieces of work run at a time, one in each place. Work
//! that finds no free place waits in a [queue], in which workspaces take turns, and holds no thread
//! meanwhile. Turns go by [`Owner`]: workspace, or admin token.

mod queue;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use self::queue::Queue;
pub(crate) use self::queue::Share;
#[cfg(test)]
pub(crate) use self::queue::WAITING_OF_ONE;
use crate::domain::owner::Owner;

/// The places, and the queue for them.
pub(crate) struct Places(Mutex<Queue<oneshot::Sender<Place>>>);

impl Places {
    /// Returns so many free places, of which one workspace may take `share`.
    pub(crate) fn new(places: usize, share: Share) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Queue::new(places, share))))
    }

    fn lock(&self) -> MutexGuard<'_, Queue<oneshot::Sender<Place>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports whether one more piece of work of `owner` may wait.
    #[cfg(test)]
    pub(crate) fn has_room_for(&self, owner: Owner) -> bool {
        self.lock().room_for(owner).is_ok()
    }

    /// Adds work of `owner` to the queue, however much work waits already.
    pub(crate) fn wait(self: &Arc<Self>, owner: Owner) -> Turn {
        let (sender, receiver) = oneshot::channel();
        let ticket = self.lock().wait(owner, sender, Instant::now());
        self.turn(owner, ticket, receiver)
    }

    /// Adds work of `owner` to the queue; `None` if too much work waits already.
    pub(crate) fn wait_if_room(self: &Arc<Self>, owner: Owner) -> Option<Turn> {
        let (sender, receiver) = oneshot::channel();
        let mut queue = self.lock();
        queue.room_for(owner).ok()?;
        let ticket = queue.wait(owner, sender, Instant::now());
        drop(queue);
        Some(self.turn(owner, ticket, receiver))
    }

    fn turn(
        self: &Arc<Self>,
        owner: Owner,
        ticket: u64,
        receiver: oneshot::Receiver<Place>,
    ) -> Turn {
        let turn = Turn {
            places: Arc::clone(self),
            owner,
            ticket,
            receiver,
        };
        self.give_free_places();
        turn
    }

    /// Gives the free places to the work whose turn it is.
    fn give_free_places(self: &Arc<Self>) {
        loop {
            let began = Instant::now();
            let next = self.lock().next(began);
            let Some((owner, work)) = next else {
                return;
            };
            let places = Arc::clone(self);
            // If the work has left the queue meanwhile, this drops the place, and so frees it.
            let _ = work.send(Place {
                places,
                owner,
                began,
            });
        }
    }
}

/// The turn of a piece of work that waits for a place. If it is dropped before, the work leaves the queue.
pub(crate) struct Turn {
    places: Arc<Places>,
    owner: Owner,
    ticket: u64,
    receiver: oneshot::Receiver<Place>,
}

impl Turn {
    /// Waits for the place; `None` only if the places are gone.
    pub(crate) async fn place(mut self) -> Option<Place> {
        (&mut self.receiver).await.ok()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.places.lock().leave(self.owner, self.ticket);
    }
}

/// A place that is taken. When this is dropped, the next work gets the place.
pub(crate) struct Place {
    places: Arc<Places>,
    owner: Owner,
    began: Instant,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places
            .lock()
            .end(self.owner, self.began, Instant::now());
        self.places.give_free_places();
    }
}
