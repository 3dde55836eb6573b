//! The bytes of connections: one request at a time, and no connection that does not move on.
//!
//! All bytes pass through here. Those of a request that is sent ahead are held back until the request
//! before it is answered: see [`turns`].
//!
//! The framework bounds the head of the first request of a connection, the body (`call`), and how long
//! a connection may be silent between requests. It does not bound a later head that comes byte by
//! byte, nor a client that does not read its answer: either would hold a connection for ever. So each
//! connection is at one of three stages: nothing has come since the last answer; something has, and its
//! answer has not begun; an answer is ready that the client does not take. Each has a limit, which one
//! task of each worker enforces. What is held back has not come yet.
//!
//! When a worker's connections are nearly used up, the one that has waited longest is closed for each
//! that comes. So whoever holds as many as there are keeps nobody out: a new connection gets its turn,
//! and has sent its request long before it is itself the oldest.
//!
//! What has come of requests that are not answered yet is in memory. When that is more than a worker
//! may hold, those that have waited longest are closed in the same way: many clients that never end
//! their requests cannot use up the memory of the machine.
//!
//! A connection is closed by telling the framework that the client is gone, which lets an answer that
//! is being made go out.

mod boundary;
mod turns;

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::turns::Turns;

/// How long a connection may stay at each stage, and how many there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Without a byte of a request.
    pub(super) idle: Duration,
    /// From the first byte of a request to the first of its answer.
    pub(super) request: Duration,
    /// With an answer of which the client takes nothing.
    pub(super) answer: Duration,
    /// Of one worker, before the oldest have to go.
    pub(super) connections: usize,
    /// Bytes of requests without an answer, of one worker, before the oldest of them have to go.
    pub(super) bytes: usize,
    /// Between two looks at all of them.
    pub(super) period: Duration,
}

/// A request that is younger than this is not given up for another connection: most have come whole by
/// then, and are answered.
const SPARED_FOR: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Request,
    Answer,
}

/// A connection, as its worker sees it.
struct Line {
    stage: Cell<Stage>,
    since: Cell<Instant>,
    closed: Cell<bool>,
    /// Handed over since the last answer.
    bytes: Cell<usize>,
    waker: RefCell<Option<Waker>>,
    /// Where it stands in the list.
    place: Cell<usize>,
}

impl Line {
    fn enter(&self, stage: Stage) {
        self.stage.set(stage);
        self.since.set(Instant::now());
    }

    fn close(&self) {
        self.closed.set(true);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    fn wake_by(&self, context: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        match &mut *waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => *waker = Some(context.waker().clone()),
        }
    }

    fn is_overdue(&self, limits: &Limits, now: Instant) -> bool {
        let limit = match self.stage.get() {
            Stage::Idle => limits.idle,
            Stage::Request => limits.request,
            Stage::Answer => limits.answer,
        };
        now.saturating_duration_since(self.since.get()) >= limit
    }
}

/// The connections of one worker.
pub(super) struct Connections {
    limits: Limits,
    lines: RefCell<Vec<Rc<Line>>>,
    /// The sum of theirs.
    bytes: Cell<usize>,
    watched: Cell<bool>,
}

impl Connections {
    /// None yet.
    pub(super) fn new(limits: Limits) -> Rc<Self> {
        Rc::new(Self {
            limits,
            lines: RefCell::default(),
            bytes: Cell::new(0),
            watched: Cell::new(false),
        })
    }

    /// Takes a connection in; another one may have to go for it.
    pub(super) fn admit<T>(self: &Rc<Self>, stream: T) -> Connection<T> {
        let mut lines = self.lines.borrow_mut();
        if lines.len() >= self.limits.connections
            && let Some(line) = oldest(&lines, Instant::now())
        {
            line.close();
        }
        let line = Rc::new(Line {
            stage: Cell::new(Stage::Idle),
            since: Cell::new(Instant::now()),
            closed: Cell::new(false),
            bytes: Cell::new(0),
            waker: RefCell::default(),
            place: Cell::new(lines.len()),
        });
        lines.push(line.clone());
        drop(lines);
        self.watch();
        Connection {
            stream,
            turns: Turns::default(),
            line,
            connections: Rc::downgrade(self),
        }
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

    /// Notes that bytes of a request were handed over; others may have to go for them.
    fn took(&self, line: &Line, bytes: usize) {
        line.bytes.set(line.bytes.get() + bytes);
        self.bytes.set(self.bytes.get() + bytes);
        self.make_room(Instant::now());
    }

    /// Notes that the request of `line` is answered, or gone.
    fn let_go(&self, line: &Line) {
        self.bytes.set(self.bytes.get() - line.bytes.take());
    }

    /// Closes the requests that have waited longest, for as long as there are too many bytes of such.
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
                .filter(|line| line.stage.get() == Stage::Request && !line.closed.get())
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
    fn close_overdue(&self, now: Instant) -> bool {
        self.make_room(now);
        let lines = self.lines.borrow();
        for line in lines.iter() {
            if line.is_overdue(&self.limits, now) {
                line.close();
            }
        }
        !lines.is_empty()
    }

    fn release(&self, line: &Line) {
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

/// A stream that is watched.
pub(super) struct Connection<T> {
    stream: T,
    turns: Turns,
    line: Rc<Line>,
    connections: Weak<Connections>,
}

impl<T> Connection<T> {
    /// Notes what became of an attempt to write these pieces.
    fn wrote<'a>(
        &mut self,
        context: &Context<'_>,
        written: &Poll<io::Result<usize>>,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) {
        if written.is_pending() {
            if self.line.stage.get() != Stage::Answer {
                self.line.enter(Stage::Answer);
            }
            self.line.wake_by(context);
            return;
        }
        self.line.enter(Stage::Idle);
        if let Some(connections) = self.connections.upgrade() {
            connections.let_go(&self.line);
        }
        if let Poll::Ready(Ok(mut left)) = *written {
            for piece in pieces {
                let out = left.min(piece.len());
                self.turns.wrote(&piece[..out]);
                left -= out;
            }
        }
    }

    /// Whether the client has not taken its answer for too long. An answer that goes out is never cut.
    fn is_given_up(&self) -> bool {
        self.line.closed.get() && self.line.stage.get() == Stage::Answer
    }
}

impl<T> Drop for Connection<T> {
    fn drop(&mut self) {
        if let Some(connections) = self.connections.upgrade() {
            connections.release(&self.line);
        }
    }
}

fn given_up() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "the client does not take its answer",
    )
}

impl<T: AsyncRead + Unpin> AsyncRead for Connection<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.line.closed.get() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        if self.turns.holds() {
            let held = self.turns.held(buffer.remaining());
            buffer.put_slice(&held);
        } else {
            let read = Pin::new(&mut self.stream).poll_read(context, buffer);
            let fresh = &buffer.filled()[before..];
            if read.is_pending() {
                self.line.wake_by(context);
            }
            // Not least the end of what the client sends, which is told at any time.
            if fresh.is_empty() {
                return read;
            }
            let admitted = self.turns.admit(fresh);
            if admitted < fresh.len() {
                self.turns.hold(&fresh[admitted..]);
                buffer.set_filled(before + admitted);
            }
        }
        let handed_over = buffer.filled().len() - before;
        if handed_over == 0 {
            self.line.wake_by(context);
            return Poll::Pending;
        }
        if self.line.stage.get() == Stage::Idle {
            self.line.enter(Stage::Request);
        }
        if let Some(connections) = self.connections.upgrade() {
            connections.took(&self.line, handed_over);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Connection<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_given_up() {
            return Poll::Ready(Err(given_up()));
        }
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, &written, [bytes]);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_given_up() {
            return Poll::Ready(Err(given_up()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.wrote(context, &written, bytes.iter().map(|piece| &piece[..]));
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) && self.turns.flushed() {
            self.line.wake();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
