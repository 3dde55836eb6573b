//! The bytes that a worker holds in memory, counted by workspace.
//!
//! As soon as the token of a request is known, the bytes of its connection count for the workspace, or for
//! the admin token. Before that, and without a valid token, they count for one account that all such
//! connections share.
//!
//! While there is room, every account may take more. When the room is used up, an account may still hold an
//! equal share of the whole, and the account that holds most loses connections. So a workspace that holds
//! little is served beside one with many requests, and a workspace that is alone may use all of the room.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use crate::domain::owner::Owner;

/// The bytes that the connections of one owner hold, or all connections without a valid token.
#[derive(Debug)]
pub(super) struct Account {
    /// `None` for all connections without a valid token.
    pub(super) owner: Option<Owner>,
    bytes: Cell<usize>,
    connections: Cell<usize>,
}

impl Account {
    fn of(owner: Option<Owner>) -> Rc<Self> {
        Rc::new(Self {
            owner,
            bytes: Cell::new(0),
            connections: Cell::new(0),
        })
    }

    /// Returns the bytes that its connections hold.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.get()
    }
}

/// The accounts of one worker.
pub(super) struct Accounts {
    unauthenticated: Rc<Account>,
    /// The accounts of owners with a connection.
    owned: RefCell<HashMap<Owner, Rc<Account>>>,
    total: Cell<usize>,
    /// The number of accounts that hold anything.
    holders: Cell<usize>,
}

impl Accounts {
    /// Returns accounts that consist of the shared one.
    pub(super) fn new() -> Self {
        Self {
            unauthenticated: Account::of(None),
            owned: RefCell::default(),
            total: Cell::new(0),
            holders: Cell::new(0),
        }
    }

    /// Returns the bytes of all accounts.
    pub(super) fn total(&self) -> usize {
        self.total.get()
    }

    /// Returns the account of `owner`, or the shared one, for one more connection; makes it if there is none.
    pub(super) fn join(&self, owner: Option<Owner>) -> Rc<Account> {
        let account = match owner {
            None => Rc::clone(&self.unauthenticated),
            Some(named) => {
                let mut owned = self.owned.borrow_mut();
                Rc::clone(owned.entry(named).or_insert_with(|| Account::of(owner)))
            }
        };
        account.connections.set(account.connections.get() + 1);
        account
    }

    /// Removes a connection, which holds nothing any more, from its account. Removes an owner's account with
    /// its last connection.
    pub(super) fn leave(&self, account: &Account) {
        let left = account.connections.get() - 1;
        account.connections.set(left);
        if let (Some(owner), 0) = (account.owner, left) {
            self.owned.borrow_mut().remove(&owner);
        }
    }

    /// Records that a connection of `account` now holds `bytes` instead of `before`.
    pub(super) fn change(&self, account: &Account, before: usize, bytes: usize) {
        let held = account.bytes.get();
        let now = held - before + bytes;
        account.bytes.set(now);
        self.total.set(self.total.get() - before + bytes);
        match (held, now) {
            (0, 1..) => self.holders.set(self.holders.get() + 1),
            (1.., 0) => self.holders.set(self.holders.get() - 1),
            _ => {}
        }
    }

    /// Reports whether a connection of `account`, which holds `held` bytes, may hold `more` besides, if all
    /// accounts together may hold `limit`. It always may if no other connection of the account holds
    /// anything.
    pub(super) fn has_room(
        &self,
        account: &Account,
        held: usize,
        more: usize,
        limit: usize,
    ) -> bool {
        let (own, holders) = (account.bytes.get(), self.holders.get().max(1));
        self.total.get().saturating_add(more) <= limit
            || own == held
            || own.saturating_add(more) <= limit / holders
    }

    /// Returns the number of owners with an account.
    #[cfg(test)]
    pub(super) fn owners(&self) -> usize {
        self.owned.borrow().len()
    }
}
