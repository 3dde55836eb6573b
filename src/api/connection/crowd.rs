//! The connections of a worker: what each is waiting for, what it holds, and which have to go.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

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
    /// Bytes of requests without an answer, and of answers that are not taken, of one worker, before the
    /// oldest of them have to go.
    pub(in super::super) bytes: usize,
    /// Between two looks at all of them.
    pub(in super::super) period: Duration,
}

/// A request that is younger than this is not given up for another connection: most have come whole by
/// then, and are answered.
const SPARED_FOR: Duration = Duration::from_secs(1);

/// Who holds less than this is not given up for the memory of others: as many as there may be hold half of
/// what a worker may, together.
const SPARED_BYTES: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Idle,
    Request,
    Answer,
    /// Between two slices of an answer.
    Rendering,
}

/// A connection, as its worker sees it.
pub(super) struct Line {
    pub(super) stage: Cell<Stage>,
    since: Cell<Instant>,
    pub(super) closed: Cell<bool>,
    /// In memory: handed over since the last answer; written out and not taken; rendered beyond that.
    pub(super) bytes: [Cell<usize>; 3],
    /// Whether more of the answer is to come than what was written.
    pub(super) streams: Cell<bool>,
    /// What the client has taken of its answer since a time at this stage.
    taken: Cell<usize>,
    taken_since: Cell<Instant>,
    waker: RefCell<Option<Waker>>,
    /// Where it stands in the list.
    place: Cell<usize>,
}

impl Line {
    pub(super) fn enter(&self, stage: Stage) {
        let now = Instant::now();
        self.stage.set(stage);
        self.since.set(now);
        self.taken.set(0);
        self.taken_since.set(now);
    }

    /// Notes that the client took some of its answer, but not all there is.
    pub(super) fn takes(&self, bytes: usize, enough: usize) {
        self.taken.set(self.taken.get() + bytes);
        if self.taken.get() >= enough {
            self.taken.set(0);
            self.taken_since.set(Instant::now());
        }
    }

    fn held(&self) -> usize {
        self.bytes.iter().map(Cell::get).sum()
    }

    fn close(&self) {
        self.closed.set(true);
        self.wake();
    }

    pub(super) fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    pub(super) fn wake_by(&self, context: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        match &mut *waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => *waker = Some(context.waker().clone()),
        }
    }

    fn is_overdue(&self, limits: &Limits, now: Instant) -> bool {
        let (since, limit) = match self.stage.get() {
            Stage::Idle => (&self.since, limits.idle),
            Stage::Request | Stage::Rendering => (&self.since, limits.request),
            Stage::Answer => (&self.taken_since, limits.answer),
        };
        now.saturating_duration_since(since.get()) >= limit
    }
}

/// The connections of one worker.
pub(in super::super) struct Connections {
    pub(super) limits: Limits,
    lines: RefCell<Vec<Rc<Line>>>,
    /// The sum of theirs.
    bytes: Cell<usize>,
    watched: Cell<bool>,
}

impl Connections {
    /// None yet.
    pub(in super::super) fn new(limits: Limits) -> Rc<Self> {
        Rc::new(Self {
            limits,
            lines: RefCell::default(),
            bytes: Cell::new(0),
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
        let now = Instant::now();
        let line = Rc::new(Line {
            stage: Cell::new(Stage::Idle),
            since: Cell::new(now),
            closed: Cell::new(false),
            bytes: Default::default(),
            streams: Cell::new(false),
            taken: Cell::new(0),
            taken_since: Cell::new(now),
            waker: RefCell::default(),
            place: Cell::new(lines.len()),
        });
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
        self.bytes.set(self.bytes.get() - before + bytes);
        if bytes > before {
            self.make_room(Instant::now());
        }
    }

    /// Notes that `line` is to hold nothing any more.
    fn let_go(&self, line: &Line) {
        let held: usize = line.bytes.iter().map(Cell::take).sum();
        self.bytes.set(self.bytes.get() - held);
    }

    /// Closes those that have waited longest for their client, for as long as too many bytes are held.
    fn make_room(&self, now: Instant) {
        while self.bytes.get() > self.limits.bytes {
            let lines = self.lines.borrow();
            // Most that are young will be answered by themselves, if only memory lasts as long.
            let spared = if self.bytes.get() / 2 > self.limits.bytes {
                Duration::ZERO
            } else {
                SPARED_FOR
            };
            let Some(line) = lines
                .iter()
                .filter(|line| matches!(line.stage.get(), Stage::Request | Stage::Answer))
                .filter(|line| !line.closed.get() && line.held() >= SPARED_BYTES)
                .filter(|line| now.saturating_duration_since(line.since.get()) >= spared)
                .min_by_key(|line| line.since.get())
            else {
                return;
            };
            line.close();
            self.let_go(line);
        }
    }

    /// Closes what has been at its stage for too long; `false` if there are no connections at all.
    pub(super) fn close_overdue(&self, now: Instant) -> bool {
        self.make_room(now);
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
        let mut lines = self.lines.borrow_mut();
        let place = line.place.get();
        lines.swap_remove(place);
        if let Some(moved) = lines.get(place) {
            moved.place.set(place);
        }
    }
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

/// Which bytes a connection holds, as a place in [`Line::bytes`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Request,
    Written,
    Rendered,
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
