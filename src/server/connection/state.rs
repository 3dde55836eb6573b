//! The state of one connection.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::accounts::Account;
use super::limits::ConnectionLimits;
#[cfg(test)]
use crate::domain::owner::Owner;

/// The time in which a client whose further bytes are dropped can read the response: as long as actix-http waits
/// after other refusals. If the connection closed at once, the client's system could throw the response away.
const DISCARDING: Duration = Duration::from_secs(5);

/// The stage of a connection: the thing that it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Idle,
    Request,
    Response,
    /// Between two slices of a response.
    Rendering,
    /// After a response behind which the connection ends; all that comes is dropped.
    Discarding,
}

/// The progress of a request's handler, as far as giving up the request depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The handler has not asked for the body, or there is no handler yet.
    Unread,
    /// Nothing of the request is stored, and the handler can refuse it.
    Refusable,
    /// The store may have the request already; giving it up would free nothing.
    Kept,
}

/// The reason why the server does not keep a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// Other requests need its memory, or its connection.
    ForOthers,
    /// The request did not arrive in time.
    Overdue,
    /// Its body has too many chunks for its size.
    TooManyChunks,
}

/// The state of a connection, as its worker sees it.
pub(super) struct ConnectionState {
    pub(super) stage: Cell<Stage>,
    pub(super) since: Cell<Instant>,
    /// The time that the request may take beyond the limit.
    pub(super) extra: Cell<Duration>,
    pub(super) closed: Cell<bool>,
    /// The bytes in memory, by [`Kind`].
    pub(super) bytes: [Cell<usize>; 3],
    /// Bytes that actix-http got since the last response.
    pub(super) received: Cell<usize>,
    /// The length of the body that memory is reserved for.
    pub(super) announced: Cell<usize>,
    /// The account that these bytes count for.
    pub(super) account: RefCell<Rc<Account>>,
    pub(super) progress: Cell<Progress>,
    /// The reason for which the handler must refuse the request, if it must; further bytes of it are not kept.
    pub(super) refused: Cell<Option<GivenUp>>,
    /// True while the connection drains: actix-http reads and drops the rest of a request that has its
    /// response.
    pub(super) draining: Cell<bool>,
    /// The waker of the handler, for a refusal.
    refusal: RefCell<Option<Waker>>,
    /// True while more of the response is still to be rendered.
    pub(super) streams: Cell<bool>,
    /// The bytes of the response that the client has taken since `taken_since`.
    taken: Cell<usize>,
    taken_since: Cell<Instant>,
    waker: RefCell<Option<Waker>>,
    /// Its index in the table of connections.
    pub(super) index: Cell<usize>,
}

impl ConnectionState {
    /// Returns the state of a new connection.
    pub(super) fn new(account: Rc<Account>, index: usize, now: Instant) -> Self {
        Self {
            stage: Cell::new(Stage::Idle),
            since: Cell::new(now),
            extra: Cell::default(),
            closed: Cell::new(false),
            bytes: Default::default(),
            received: Cell::new(0),
            announced: Cell::new(0),
            account: RefCell::new(account),
            progress: Cell::new(Progress::Unread),
            refused: Cell::new(None),
            draining: Cell::new(false),
            refusal: RefCell::default(),
            streams: Cell::new(false),
            taken: Cell::new(0),
            taken_since: Cell::new(now),
            waker: RefCell::default(),
            index: Cell::new(index),
        }
    }

    pub(super) fn enter(&self, stage: Stage) {
        let now = Instant::now();
        self.stage.set(stage);
        self.since.set(now);
        self.extra.set(Duration::ZERO);
        self.taken.set(0);
        self.taken_since.set(now);
    }

    /// Records that the client took `bytes` of its response, but not all that is written. Each time that it
    /// has taken `enough`, its time begins anew.
    pub(super) fn takes(&self, bytes: usize, enough: usize) {
        self.taken.set(self.taken.get() + bytes);
        if self.taken.get() >= enough {
            self.taken.set(0);
            self.taken_since.set(Instant::now());
        }
    }

    pub(super) fn held(&self) -> usize {
        self.bytes.iter().map(Cell::get).sum()
    }

    /// Returns the owner that its bytes count for.
    #[cfg(test)]
    pub(super) fn owner(&self) -> Option<Owner> {
        self.account.borrow().owner
    }

    /// Reports whether giving the connection up can free memory.
    pub(super) fn can_be_given_up(&self) -> bool {
        match self.stage.get() {
            Stage::Request => match self.progress.get() {
                Progress::Unread => true,
                Progress::Refusable => self.refused.get().is_none(),
                Progress::Kept => false,
            },
            Stage::Response => true,
            Stage::Idle | Stage::Rendering | Stage::Discarding => false,
        }
    }

    /// Makes the handler refuse the request if it still can; otherwise ends the connection.
    pub(super) fn give_up(&self) {
        if self.stage.get() == Stage::Request && self.progress.get() == Progress::Refusable {
            self.refuse(GivenUp::ForOthers);
        } else {
            self.close();
        }
    }

    /// Makes the handler refuse the request as soon as it waits for the body.
    pub(super) fn refuse(&self, why: GivenUp) {
        self.refused.set(Some(why));
        wake(&self.refusal);
    }

    pub(super) fn close(&self) {
        self.closed.set(true);
        self.wake();
    }

    pub(super) fn wake(&self) {
        wake(&self.waker);
    }

    pub(super) fn register_waker(&self, context: &Context<'_>) {
        register_waker(&self.waker, context);
    }

    pub(super) fn register_refusal_waker(&self, context: &Context<'_>) {
        register_waker(&self.refusal, context);
    }

    pub(super) fn is_overdue(&self, limits: &ConnectionLimits, now: Instant) -> bool {
        let (since, limit) = match self.stage.get() {
            Stage::Idle => (&self.since, limits.idle),
            Stage::Request => (&self.since, limits.request + self.extra.get()),
            Stage::Rendering => (&self.since, limits.request),
            Stage::Response => (&self.taken_since, limits.response),
            Stage::Discarding => (&self.since, DISCARDING),
        };
        now.saturating_duration_since(since.get()) >= limit
    }
}

fn wake(waker: &RefCell<Option<Waker>>) {
    let waker = waker.borrow_mut().take();
    if let Some(waker) = waker {
        waker.wake();
    }
}

fn register_waker(waker: &RefCell<Option<Waker>>, context: &Context<'_>) {
    let mut waker = waker.borrow_mut();
    match &mut *waker {
        Some(waker) => waker.clone_from(context.waker()),
        None => *waker = Some(context.waker().clone()),
    }
}

/// A kind of bytes that a connection holds, as an index in [`ConnectionState::bytes`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Of a request without a response: handed to actix-http, or announced if that is more.
    Request,
    /// Of a response: handed to actix-http, and not taken by the client.
    Written,
    /// Of a response: rendered, and not handed to actix-http yet.
    Rendered,
}
