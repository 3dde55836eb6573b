//! The handle by which a handler deals with the connection of its request, until there is a response.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::connection_table::{ConnectionTable, SPARED_BYTES};
use super::state::{ConnectionState, GivenUp, Kind, Progress};
use crate::domain::owner::Owner;

/// A handle by which a handler names the owner of its request, and learns whether the server can keep it.
#[derive(Clone)]
pub(crate) struct RequestHandle {
    pub(super) state: Rc<ConnectionState>,
    pub(super) table: Weak<ConnectionTable>,
}

impl RequestHandle {
    /// Counts the bytes of the request for this owner.
    pub(crate) fn attribute(&self, owner: Owner) {
        if let Some(table) = self.table.upgrade() {
            table.attribute(&self.state, Some(owner));
        }
    }

    /// Reserves memory for a body of so many bytes.
    ///
    /// # Errors
    /// [`GivenUp::ForOthers`] if the owner already holds its share.
    pub(crate) fn announce(&self, body_bytes: usize) -> Result<(), GivenUp> {
        // Every connection may hold so much.
        if body_bytes < SPARED_BYTES {
            return Ok(());
        }
        let Some(table) = self.table.upgrade() else {
            return Ok(());
        };
        let state = &self.state;
        let held = state.bytes[Kind::Request as usize].get();
        if !table.has_room(state, body_bytes.saturating_sub(held)) {
            return Err(GivenUp::ForOthers);
        }
        state.announced.set(body_bytes);
        table.note(state, Kind::Request, held.max(body_bytes));
        Ok(())
    }

    /// Checks that a body without an announced length may grow.
    ///
    /// # Errors
    /// [`GivenUp::ForOthers`] if the owner already holds its share.
    pub(crate) fn check_growth(&self) -> Result<(), GivenUp> {
        let table = self.table.upgrade();
        let has_room = table.is_none_or(|table| table.has_room(&self.state, 0));
        has_room.then_some(()).ok_or(GivenUp::ForOthers)
    }

    /// Gives the request so much more time until its response than others have.
    pub(crate) fn extend(&self, by: Duration) {
        self.state.extra.set(by);
    }

    /// Runs `work`, which stores nothing, until the server gives the request up.
    ///
    /// # Errors
    /// The reason, if the server does so: [`GivenUp::ForOthers`] or [`GivenUp::TooManyChunks`].
    pub(crate) async fn unless_given_up<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, GivenUp> {
        let mut work = pin!(work);
        let state = &*self.state;
        state.progress.set(Progress::Refusable);
        let done = poll_fn(|context| {
            if let Some(why) = state.refused.get() {
                return Poll::Ready(Err(why));
            }
            let done = work.as_mut().poll(context);
            if done.is_pending() {
                state.register_refusal_waker(context);
            }
            done.map(Ok)
        });
        let done = done.await;
        state.progress.set(Progress::Kept);
        done
    }

    /// Returns the reason why the server closed the connection before the end of the request; `None` if the
    /// server did not.
    pub(crate) fn why_cut_off(&self) -> Option<GivenUp> {
        if !self.state.closed.get() {
            return None;
        }
        let limits = self.table.upgrade()?.limits;
        let is_overdue = self.state.is_overdue(&limits, Instant::now());
        Some(if is_overdue {
            GivenUp::Overdue
        } else {
            GivenUp::ForOthers
        })
    }
}
