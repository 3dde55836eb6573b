//! The bytes of connections: one request at a time, and no connection that does not move on.
//!
//! All bytes pass through here. Those of a request that is sent ahead are held back until the request
//! before it is answered: see [`pipelining_workaround`].
//!
//! The framework bounds the head of the first request of a connection, the body (`call`), and how long
//! a connection may be silent between requests. It does not bound a later head that comes byte by
//! byte, nor a client that does not read its answer: either would hold a connection for ever. So each
//! connection is at one of four stages: nothing has come since the last answer; something has, and its
//! answer has not begun; there is something of an answer that the client does not take; it has taken all
//! there is of an answer of which more is being [rendered](super::streamed). Each has a limit, which one
//! task of each worker enforces. What is held back has not come yet. A client that takes its answer has to
//! take so much in so long: with "anything at all", a byte a second would hold a slice for hours.
//!
//! When a worker's connections are nearly used up, the one that has waited longest is closed for each
//! that comes. So whoever holds as many as there are keeps nobody out: a new connection gets its turn,
//! and has sent its request long before it is itself the oldest.
//!
//! What has come of requests that are not answered yet is in memory, and what is rendered of answers that
//! are not taken yet. It is counted by workspace: see [`accounts`]. When that is more than a worker may
//! hold, the server refuses further bodies of workspaces that hold their share, and gives up the requests
//! that have waited longest, of the workspace that holds most. So many clients that never end their requests,
//! or never take their answers, cannot use up the memory of the machine, nor another workspace's share of it.
//! A request that is given up gets an answer if its [handler](unanswered) still waits; otherwise its
//! connection is closed.
//!
//! A connection is closed by telling the framework that the client is gone, which lets an answer that
//! is being made go out.

mod accounts;
mod connections;
mod limits;
mod pipelining_workaround;
mod state;
mod unanswered;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(super) use self::connections::{Connections, Streaming};
pub(super) use self::limits::Limits;
use self::pipelining_workaround::PipelineGate;
use self::state::{ConnectionState, Kind, Stage};
pub(super) use self::unanswered::{GivenUp, Unanswered};

impl Connections {
    /// Takes a connection in; another one may have to go for it.
    pub(super) fn admit<T>(self: &Rc<Self>, stream: T) -> Connection<T> {
        Connection {
            stream,
            gate: PipelineGate::default(),
            state: self.take_in(),
            connections: Rc::downgrade(self),
        }
    }
}

/// A stream that is watched.
pub(super) struct Connection<T> {
    stream: T,
    gate: PipelineGate,
    state: Rc<ConnectionState>,
    connections: Weak<Connections>,
}

impl<T> Connection<T> {
    /// For the body of an answer.
    pub(super) fn streaming(&self) -> Streaming {
        Streaming {
            state: Rc::clone(&self.state),
            connections: Weak::clone(&self.connections),
        }
    }

    /// Returns the handle for the handlers of its requests.
    pub(super) fn unanswered(&self) -> Unanswered {
        Unanswered {
            state: Rc::clone(&self.state),
            connections: Weak::clone(&self.connections),
        }
    }

    /// Notes what became of an attempt to write these pieces, which are all that was to be written.
    fn wrote<'a>(
        &mut self,
        context: &Context<'_>,
        written: &Poll<io::Result<usize>>,
        pieces: impl Iterator<Item = &'a [u8]> + Clone,
    ) {
        let wanted: usize = pieces.clone().map(<[u8]>::len).sum();
        let out = match written {
            Poll::Pending => {
                self.state.wake_by(context);
                0
            }
            Poll::Ready(Ok(out)) => *out,
            Poll::Ready(Err(_)) => wanted, // There is nobody left to take it.
        };
        if let Poll::Ready(Ok(mut left)) = *written {
            for piece in pieces {
                let out = left.min(piece.len());
                self.gate.wrote(&piece[..out]);
                left -= out;
            }
        }
        let state = &self.state;
        let is_interim = out == wanted && self.gate.is_interim();
        if is_interim {
            // The request goes on.
        } else if out < wanted {
            if state.stage.get() != Stage::Answer {
                state.enter(Stage::Answer);
            }
        } else if state.streams.get() {
            state.enter(Stage::Rendering);
        } else {
            state.enter(Stage::Idle);
        }
        if let Some(connections) = self.connections.upgrade() {
            if state.stage.get() == Stage::Answer {
                state.takes(out, connections.limits.taken);
            }
            if out > 0 && !is_interim {
                connections.end_request(state);
            }
            connections.note(state, Kind::Written, wanted - out);
        }
    }

    /// Whether the client has not taken its answer for too long. An answer that goes out is never cut.
    fn is_given_up(&self) -> bool {
        self.state.closed.get() && self.state.stage.get() == Stage::Answer
    }
}

impl<T> Drop for Connection<T> {
    fn drop(&mut self) {
        if let Some(connections) = self.connections.upgrade() {
            connections.release(&self.state);
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
        if self.state.closed.get() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        if self.gate.holds() {
            let held = self.gate.held(buffer.remaining());
            buffer.put_slice(&held);
        } else {
            let read = Pin::new(&mut self.stream).poll_read(context, buffer);
            let fresh = &buffer.filled()[before..];
            if read.is_pending() {
                self.state.wake_by(context);
            }
            // Not least the end of what the client sends, which is told at any time.
            if fresh.is_empty() {
                return read;
            }
            let admitted = self.gate.admit(fresh);
            if admitted < fresh.len() {
                self.gate.hold(&fresh[admitted..]);
                buffer.set_filled(before + admitted);
            }
        }
        let handed_over = buffer.filled().len() - before;
        if handed_over == 0 {
            self.state.wake_by(context);
            return Poll::Pending;
        }
        if let Some(connections) = self.connections.upgrade() {
            if self.state.stage.get() == Stage::Idle {
                connections.begin_request(&self.state);
            }
            if !self.state.refused.get() && !self.gate.drops() {
                connections.receive(&self.state, handed_over);
            }
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
        self.wrote(context, &written, [bytes].into_iter());
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
        let is_out = matches!(flushed, Poll::Ready(Ok(()))) && !self.state.streams.get();
        if is_out && self.gate.flushed() {
            self.state.wake();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
