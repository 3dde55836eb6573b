//! The connections of a worker: what each is waiting for, what it holds, and which have to go.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use super::accounts::{Accounts, Owner};
use super::line::{Kind, Line, Progress, Stage};

/// How long a connection may stay at each stage, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Limits {
    /// Without a byte of a request.
    pub(in super::super) idle: Duration,
    /// From the first byte of a request to the first of its answer.
    pub(in super::super) request: Duration,
    /// With an answer of which the client takes less than [`taken`](Self::taken), and that it has not
    /// taken all of.
    pub(in super::super) answer: Duration,
    /// Bytes.
    pub(in super::super) taken: usize,
    /// Of one worker, before the oldest have to go.
    pub(in super::super) connections: usize,
    /// Bytes of requests without an answer, and of answers that are not taken, of one worker, before
    /// requests are refused and the oldest of those who hold most have to go.
    pub(in super::super) bytes: usize,
    /// Between two looks at all of them.
    pub(in super::super) period: Duration,
}

/// A request that is younger than this is not given up for another connection: most have come whole by
/// then, and are answered.
const SPARED_FOR: Duration = Duration::from_secs(1);

/// Who holds less than this is not given up for the memory of others: as many as there may be hold half of
/// what a worker may, together.
pub(super) const SPARED_BYTES: usize = 4096;

/// The connections of one worker.
pub(in super::super) struct Connections {
    pub(super) limits: Limits,
    lines: RefCell<Vec<Rc<Line>>>,
    accounts: Accounts,
    watched: Cell<bool>,
}

impl Connections {
    /// None yet.
    pub(in super::super) fn new(limits: Limits) -> Rc<Self> {
        Rc::new(Self {
            limits,
            lines: RefCell::default(),
            accounts: Accounts::new(),
            watched: Cell::new(false),
        })
    }

    /// Takes a connection in; another one may have to go for it.
    pub(super) fn take_in(self: &Rc<Self>) -> Rc<Line> {
        let mut lines = self.lines.borrow_mut();
        if lines.len() >= self.limits.connections
            && let Some(line) = oldest(&lines, Instant::now())
        {
            line.close();
        }
        let line = Rc::new(Line::new(
            self.accounts.join(None),
            lines.len(),
            Instant::now(),
        ));
        lines.push(line.clone());
        drop(lines);
        self.watch();
        line
    }

    /// Has a task look at all connections now and then, for as long as there are any.
    fn watch(self: &Rc<Self>) {
        if self.watched.replace(true) {
            return;
        }
        let connections = Rc::downgrade(self);
        let period = self.limits.period;
        actix_web::rt::spawn(async move {
            loop {
                tokio::time::sleep(period).await;
                let Some(connections) = connections.upgrade() else {
                    return;
                };
                if !connections.close_overdue(Instant::now()) {
                    connections.watched.set(false);
                    return;
                }
            }
        });
    }

    /// Notes how many bytes `line` holds of this kind; others may have to go for them.
    pub(super) fn note(&self, line: &Line, kind: Kind, bytes: usize) {
        let before = line.bytes[kind as usize].replace(bytes);
        self.accounts.change(&line.account.borrow(), before, bytes);
        if bytes > before {
            self.make_room(Instant::now);
        }
    }

    /// Records that a request begins on `line`; its owner is not known yet.
    pub(super) fn begin_request(&self, line: &Line) {
        line.enter(Stage::Request);
        line.progress.set(Progress::Unread);
        line.refused.set(false);
        self.attribute(line, None);
    }

    /// Records that so many further bytes of a request are handed over and kept.
    pub(super) fn receive(&self, line: &Line, bytes: usize) {
        let received = line.received.get() + bytes;
        line.received.set(received);
        self.note(line, Kind::Request, received.max(line.announced.get()));
    }

    /// Records that the request on `line` is answered.
    pub(super) fn end_request(&self, line: &Line) {
        line.received.set(0);
        line.announced.set(0);
        self.note(line, Kind::Request, 0);
    }

    /// Counts the bytes of `line` for `owner` from now on.
    pub(super) fn attribute(&self, line: &Line, owner: Owner) {
        if line.account.borrow().owner == owner {
            return;
        }
        let held = line.held();
        let account = self.accounts.join(owner);
        self.accounts.change(&account, 0, held);
        let before = line.account.replace(account);
        self.accounts.change(&before, held, 0);
        self.accounts.leave(&before);
    }

    /// Returns whether `line` may hold so many bytes more.
    pub(super) fn has_room(&self, line: &Line, more: usize) -> bool {
        let (account, limit) = (line.account.borrow(), self.limits.bytes);
        self.accounts.has_room(&account, line.held(), more, limit)
    }

    /// Notes that `line` is to hold nothing any more.
    fn let_go(&self, line: &Line) {
        let held: usize = line.bytes.iter().map(Cell::take).sum();
        self.accounts.change(&line.account.borrow(), held, 0);
    }

    /// Gives up the connections that have waited longest for their client, of the account that holds most,
    /// for as long as too many bytes are held.
    fn make_room(&self, now: impl Fn() -> Instant) {
        while self.accounts.total() > self.limits.bytes {
            let lines = self.lines.borrow();
            let Some(line) = heaviest(&lines) else {
                return;
            };
            // The server will soon have answered most young requests, if memory lasts as long.
            let age = now().saturating_duration_since(line.since.get());
            if age < SPARED_FOR && self.accounts.total() / 2 <= self.limits.bytes {
                return;
            }
            line.give_up();
            self.let_go(line);
        }
    }

    /// Closes what has been at its stage for too long; `false` if there are no connections at all.
    pub(super) fn close_overdue(&self, now: Instant) -> bool {
        self.make_room(|| now);
        let lines = self.lines.borrow();
        for line in lines.iter() {
            if line.is_overdue(&self.limits, now) {
                line.close();
            }
        }
        !lines.is_empty()
    }

    pub(super) fn release(&self, line: &Line) {
        self.let_go(line);
        self.accounts.leave(&line.account.borrow());
        let mut lines = self.lines.borrow_mut();
        let place = line.place.get();
        lines.swap_remove(place);
        if let Some(moved) = lines.get(place) {
            moved.place.set(place);
        }
    }
}

/// Returns the connection that has waited longest, of the account that holds most; small ones are spared.
fn heaviest(lines: &[Rc<Line>]) -> Option<&Line> {
    lines
        .iter()
        .filter(|line| !line.closed.get() && !line.refused.get())
        .filter(|line| line.holds_for_client() && line.held() >= SPARED_BYTES)
        .max_by_key(|line| (line.account.borrow().bytes(), Reverse(line.since.get())))
        .map(Rc::as_ref)
}

/// The connection that has waited longest for its client: an idle one, or else one with a request that
/// does not get on.
fn oldest(lines: &[Rc<Line>], now: Instant) -> Option<&Line> {
    let open = |stage| {
        let at = move |line: &&Rc<Line>| line.stage.get() == stage && !line.closed.get();
        lines
            .iter()
            .filter(at)
            .min_by_key(|line| line.since.get())
            .map(Rc::as_ref)
    };
    let old = |line: &&Line| now.saturating_duration_since(line.since.get()) >= SPARED_FOR;
    open(Stage::Idle)
        .or_else(|| open(Stage::Request).filter(old))
        .or_else(|| open(Stage::Answer).filter(old))
}

/// What the body of an answer tells its connection, if it is streamed.
#[derive(Clone)]
pub(in super::super) struct Streaming {
    pub(super) line: Rc<Line>,
    pub(super) connections: Weak<Connections>,
}

impl Streaming {
    /// More of the answer is to come than what is written.
    pub(in super::super) fn begin(&self) {
        self.line.streams.set(true);
    }

    /// So many bytes are rendered and not written.
    pub(in super::super) fn holds(&self, bytes: usize) {
        if let Some(connections) = self.connections.upgrade() {
            connections.note(&self.line, Kind::Rendered, bytes);
        }
    }

    /// All of the answer is written, or none of it is wanted any more.
    pub(in super::super) fn end(&self) {
        self.line.streams.set(false);
        self.holds(0);
    }
}

#[cfg(test)]
mod tests;
