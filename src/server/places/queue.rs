//! The order in which work of several workspaces gets its places.
//!
//! Work is a read of the store, or the parsing of a large body. Turns go by workspace, whatever number of
//! connections or tokens it has. The next turn belongs to the workspace with the fewest pieces of work under
//! way; among equals, to the one that has used the least *time*: work of a second counts as much as a
//! thousand pieces of a millisecond. Within a workspace the oldest work is first.
//!
//! Work cannot be stopped for other work. So where it may take long ([`Share::LeavesRoom`]), no workspace
//! takes all places, however few others there are: it starts another piece only while more places are free
//! than it has taken. Of five places one workspace gets three at most, and the next workspace finds one
//! free.
//!
//! The queue knows the used time of a workspace while the workspace has work here. A workspace that had none
//! begins with the least used time of the others, so that staying away gives no advantage.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::domain::owner::Owner;

/// The share of the places that one workspace may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// About half, so that the next workspace finds a free place.
    LeavesRoom,
    /// All, while no other workspace waits; for work of which each piece is short.
    All,
}

/// The most pieces of work of one workspace that wait: more than its dashboards and scripts should need.
pub(crate) const WAITING_OF_ONE: usize = 100;

/// The most pieces of work that wait in all. Each has a connection, and some hundred bytes here.
pub(super) const WAITING_IN_ALL: usize = 1000;

/// The free places, and the work that waits for one, as `W`.
#[derive(Debug)]
pub(super) struct Queue<W> {
    free: usize,
    share: Share,
    waiting: usize,
    next_ticket: u64,
    accounts: HashMap<Owner, Account<W>>,
}

/// The work of one owner.
#[derive(Debug)]
struct Account<W> {
    /// The times at which its work under way began.
    running: Vec<Instant>,
    waiting: VecDeque<(u64, W)>,
    /// The time that its ended work took.
    used: Duration,
}

impl<W> Account<W> {
    fn used_by(&self, now: Instant) -> Duration {
        let running = self.running.iter();
        let running = running.map(|began| now.saturating_duration_since(*began));
        self.used.saturating_add(running.sum())
    }
}

/// The error that too much work waits already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl<W> Queue<W> {
    /// Returns a queue with so many free places.
    pub(super) fn new(places: usize, share: Share) -> Self {
        Self {
            free: places,
            share,
            waiting: 0,
            next_ticket: 0,
            accounts: HashMap::new(),
        }
    }

    /// Adds work, and returns its ticket. [`next`](Self::next) then returns the work whose turn it is.
    pub(super) fn wait(&mut self, owner: Owner, work: W, now: Instant) -> u64 {
        let used = self.accounts.values().map(|account| account.used_by(now));
        let least = used.min().unwrap_or_default();
        let account = self.accounts.entry(owner).or_insert_with(|| Account {
            running: Vec::new(),
            waiting: VecDeque::new(),
            used: least,
        });
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        account.waiting.push_back((ticket, work));
        self.waiting += 1;
        ticket
    }

    /// Checks that one more piece of work may wait.
    ///
    /// # Errors
    /// [`Full`]
    pub(super) fn room_for(&self, owner: Owner) -> Result<(), Full> {
        let own = self.accounts.get(&owner);
        let own = own.map_or(0, |account| account.waiting.len());
        let fits = own < WAITING_OF_ONE && self.waiting < WAITING_IN_ALL;
        fits.then_some(()).ok_or(Full)
    }

    /// Gives a free place to the work whose turn it is, and returns that work.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Owner, W)> {
        let (free, share) = (self.free, self.share);
        let may = |account: &Account<W>| match share {
            Share::LeavesRoom => account.running.len() < free,
            Share::All => free > 0,
        };
        let (owner, account) = self
            .accounts
            .iter_mut()
            .filter(|(_, account)| !account.waiting.is_empty() && may(account))
            .min_by_key(|(_, account)| {
                let ticket = account.waiting.front().map(|(ticket, _)| *ticket);
                (account.running.len(), account.used_by(now), ticket)
            })?;
        let (_, work) = account.waiting.pop_front()?;
        account.running.push(now);
        self.waiting -= 1;
        self.free -= 1;
        Some((*owner, work))
    }

    /// Frees the place of work that began then.
    pub(super) fn end(&mut self, owner: Owner, began: Instant, now: Instant) {
        let Some(account) = self.accounts.get_mut(&owner) else {
            return;
        };
        let Some(at) = account.running.iter().position(|one| *one == began) else {
            return;
        };
        account.running.swap_remove(at);
        let took = now.saturating_duration_since(began);
        account.used = account.used.saturating_add(took);
        self.free += 1;
        self.remove_if_idle(owner);
    }

    /// Removes work that waits no longer. Does nothing to work that already has a place.
    pub(super) fn leave(&mut self, owner: Owner, ticket: u64) {
        let Some(account) = self.accounts.get_mut(&owner) else {
            return;
        };
        let waiting = &mut account.waiting;
        if let Ok(at) = waiting.binary_search_by_key(&ticket, |(ticket, _)| *ticket) {
            waiting.remove(at);
            self.waiting -= 1;
            self.remove_if_idle(owner);
        }
    }

    fn remove_if_idle(&mut self, owner: Owner) {
        let is_idle =
            |account: &Account<W>| account.running.is_empty() && account.waiting.is_empty();
        if self.accounts.get(&owner).is_some_and(is_idle) {
            self.accounts.remove(&owner);
        }
    }
}

#[cfg(test)]
mod tests;
