//! The table of a worker's connections, and the rules by which it closes some for others.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use prometheus_client::metrics::gauge::Gauge;

use super::accounts::Accounts;
use super::limits::ConnectionLimits;
use super::state::{ConnectionState, Kind, Progress, Stage};
use crate::domain::owner::Owner;
use crate::metrics::ApiMetrics;

/// The age up to which a request or a response is not given up for others, unless memory is very short: most
/// requests have their response by then.
const SPARED_FOR: Duration = Duration::from_secs(1);

/// The bytes below which a connection is not given up for the memory of others: if each connection of a
/// worker holds so much, they hold half of its limit.
pub(super) const SPARED_BYTES: usize = 4096;

/// The most draining connections of a worker: those on which actix-http reads and drops the rest of a request
/// after its response. It does so for five seconds, and each keeps a read buffer of up to 128 KiB, whose
/// bytes count for no account.
pub(super) const DRAINING_MAX: usize = 256;

/// The table of one worker's connections.
pub(crate) struct ConnectionTable {
    pub(super) limits: ConnectionLimits,
    states: RefCell<Vec<Rc<ConnectionState>>>,
    accounts: Accounts,
    /// The open connections of all workers, for the metrics.
    open: Gauge,
    /// The connections that began to drain last, in the order in which they began.
    draining: RefCell<VecDeque<Weak<ConnectionState>>>,
    watched: Cell<bool>,
}

impl ConnectionTable {
    /// Returns an empty table.
    pub(crate) fn new(limits: ConnectionLimits, metrics: &ApiMetrics) -> Rc<Self> {
        Rc::new(Self {
            limits,
            states: RefCell::default(),
            accounts: Accounts::new(),
            open: metrics.open_connections.clone(),
            draining: RefCell::default(),
            watched: Cell::new(false),
        })
    }

    /// Adds a connection. If there are too many, closes the one that has waited longest.
    pub(super) fn add(self: &Rc<Self>) -> Rc<ConnectionState> {
        let mut states = self.states.borrow_mut();
        if states.len() >= self.limits.connections
            && let Some(state) = oldest(&states, Instant::now())
        {
            state.close();
        }
        let state = Rc::new(ConnectionState::new(
            self.accounts.join(None),
            states.len(),
            Instant::now(),
        ));
        states.push(state.clone());
        self.open.inc();
        drop(states);
        self.watch();
        state
    }

    /// Starts a task that checks all connections periodically, as long as there are any.
    fn watch(self: &Rc<Self>) {
        if self.watched.replace(true) {
            return;
        }
        let table = Rc::downgrade(self);
        let period = self.limits.period;
        actix_web::rt::spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                let Some(table) = table.upgrade() else {
                    return;
                };
                if !table.close_overdue(Instant::now()) {
                    table.watched.set(false);
                    return;
                }
            }
        });
    }

    /// Records how many bytes of this kind `state` holds. If they became more, may give up connections for
    /// them.
    pub(super) fn note(&self, state: &ConnectionState, kind: Kind, bytes: usize) {
        let before = state.bytes[kind as usize].replace(bytes);
        self.accounts.change(&state.account.borrow(), before, bytes);
        if bytes > before {
            self.make_room(Instant::now);
        }
    }

    /// Records that a request begins on `state`; its owner is not known yet.
    pub(super) fn begin_request(&self, state: &ConnectionState) {
        state.enter(Stage::Request);
        state.progress.set(Progress::Unread);
        state.refused.set(None);
        self.attribute(state, None);
    }

    /// Records that actix-http got so many further bytes of a request, and keeps them.
    pub(super) fn receive(&self, state: &ConnectionState, bytes: usize) {
        let received = state.received.get() + bytes;
        state.received.set(received);
        self.note(state, Kind::Request, received.max(state.announced.get()));
    }

    /// Records that the request on `state` has its response, or the beginning of it.
    pub(super) fn end_request(&self, state: &ConnectionState) {
        state.received.set(0);
        state.announced.set(0);
        self.note(state, Kind::Request, 0);
    }

    /// Records that `state` drains. Beyond [`DRAINING_MAX`], closes the connection that began to drain first:
    /// its client has the response.
    pub(super) fn drain(&self, state: &Rc<ConnectionState>) {
        if state.draining.replace(true) {
            return;
        }
        let mut draining = self.draining.borrow_mut();
        draining.push_back(Rc::downgrade(state));
        if draining.len() > DRAINING_MAX
            && let Some(first) = draining.pop_front().and_then(|first| first.upgrade())
            && first.draining.get()
        {
            first.close();
        }
    }

    /// Counts the bytes of `state` for `owner` from now on; without one, for the account that all such
    /// connections share.
    pub(super) fn attribute(&self, state: &ConnectionState, owner: Option<Owner>) {
        if state.account.borrow().owner == owner {
            return;
        }
        let held = state.held();
        let account = self.accounts.join(owner);
        self.accounts.change(&account, 0, held);
        let before = state.account.replace(account);
        self.accounts.change(&before, held, 0);
        self.accounts.leave(&before);
    }

    /// Reports whether `state` may hold so many bytes more.
    pub(super) fn has_room(&self, state: &ConnectionState, more: usize) -> bool {
        let (account, limit) = (state.account.borrow(), self.limits.bytes);
        self.accounts.has_room(&account, state.held(), more, limit)
    }

    /// Stops counting the bytes of `state`, which is about to go.
    fn let_go(&self, state: &ConnectionState) {
        let held: usize = state.bytes.iter().map(Cell::take).sum();
        self.accounts.change(&state.account.borrow(), held, 0);
    }

    /// Gives up connections until the bytes of all fit in the limit: always the one that has waited longest,
    /// of the account that holds most.
    fn make_room(&self, now: impl Fn() -> Instant) {
        while self.accounts.total() > self.limits.bytes {
            let states = self.states.borrow();
            let Some(state) = heaviest(&states) else {
                return;
            };
            // Most young requests will soon have their response. Up to twice the limit, memory lasts as long.
            let age = now().saturating_duration_since(state.since.get());
            if age < SPARED_FOR && self.accounts.total() / 2 <= self.limits.bytes {
                return;
            }
            state.give_up();
            self.let_go(state);
        }
    }

    /// Closes connections that have been at their stage for too long. Returns `false` if there are no
    /// connections.
    pub(super) fn close_overdue(&self, now: Instant) -> bool {
        self.make_room(|| now);
        let states = self.states.borrow();
        for state in states.iter() {
            if state.is_overdue(&self.limits, now) {
                state.close();
            }
        }
        !states.is_empty()
    }

    pub(super) fn release(&self, state: &ConnectionState) {
        self.let_go(state);
        self.open.dec();
        self.accounts.leave(&state.account.borrow());
        let mut states = self.states.borrow_mut();
        let index = state.index.get();
        states.swap_remove(index);
        if let Some(moved) = states.get(index) {
            moved.index.set(index);
        }
    }
}

/// Returns the connection that has waited longest, of the account that holds most. Leaves out connections
/// that hold less than [`SPARED_BYTES`].
fn heaviest(states: &[Rc<ConnectionState>]) -> Option<&ConnectionState> {
    states
        .iter()
        .filter(|state| !state.closed.get() && state.can_be_given_up())
        .filter(|state| state.held() >= SPARED_BYTES)
        .max_by_key(|state| (state.account.borrow().bytes(), Reverse(state.since.get())))
        .map(Rc::as_ref)
}

/// Returns the connection that has waited longest for its client: an idle one, or else one that is about to end
/// after its response, or else one with a request
/// without a response, or else one whose client does not take the response.
fn oldest(states: &[Rc<ConnectionState>], now: Instant) -> Option<&ConnectionState> {
    let open = |stage| {
        let at =
            move |state: &&Rc<ConnectionState>| state.stage.get() == stage && !state.closed.get();
        states
            .iter()
            .filter(at)
            .min_by_key(|state| state.since.get())
            .map(Rc::as_ref)
    };
    let old =
        |state: &&ConnectionState| now.saturating_duration_since(state.since.get()) >= SPARED_FOR;
    open(Stage::Idle)
        .or_else(|| open(Stage::Discarding))
        .or_else(|| open(Stage::Request).filter(old))
        .or_else(|| open(Stage::Response).filter(old))
}

/// The handle by which the body of a streamed response reports its progress to its connection.
#[derive(Clone)]
pub(crate) struct Streaming {
    pub(super) state: Rc<ConnectionState>,
    pub(super) table: Weak<ConnectionTable>,
}

impl Streaming {
    /// Records that more of the response is still to be rendered.
    pub(crate) fn begin(&self) {
        self.state.streams.set(true);
    }

    /// Records how many bytes are rendered, but not handed to actix-http yet.
    pub(crate) fn holds(&self, bytes: usize) {
        if let Some(table) = self.table.upgrade() {
            table.note(&self.state, Kind::Rendered, bytes);
        }
    }

    /// Records that all of the response is handed to actix-http, or that the client is gone.
    pub(crate) fn end(&self) {
        self.state.streams.set(false);
        self.holds(0);
    }
}

#[cfg(test)]
mod tests;
