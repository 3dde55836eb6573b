//! The connections of clients, as streams that actix-http reads and writes: their limits on time, number and
//! memory.
//!
//! All bytes of a connection pass through here. Those of a pipelined request are held back until the request
//! before it is answered, and requests for another protocol are made ineffective: see
//! [`pipelining_workaround`].
//!
//! **Time.** actix-http limits the time of the first head of a connection, and the time between requests;
//! `call` limits that of the body. Neither limits a later head that comes byte by byte, nor a client that
//! does not read its response: either would hold a connection forever. So a connection is at one of five
//! stages. At the first it is idle. At the second it has a request whose response has not begun. At the third
//! it has a response that is written, but not all taken by the client. At the fourth it has a response whose
//! next part is being [rendered](super::streamed). At the fifth it has the response to a request with too
//! many chunks, and what the client still sends is dropped. Each stage has a limit, which one task of each
//! worker enforces. Bytes that are held back do not count as received. At the third stage the client must
//! take a number of bytes in a given time ([`ConnectionLimits`]): if any byte were enough, a client could
//! hold a slice for hours with a byte a second.
//!
//! **Number.** A worker has a greatest number of connections. For each new one beyond it, the worker closes
//! the connection that has waited longest for its client. So a client that holds all connections keeps no
//! other client out: a new connection sends its request long before it is itself the oldest.
//!
//! **Memory.** The worker keeps the bytes of requests without a response, and the parts of responses that
//! clients have not taken. It counts them by workspace: see [`accounts`]. When they are more than its limit,
//! the worker refuses further bodies of workspaces that have their share. It also gives up the connections
//! that have waited longest, of the workspace that holds most. So clients that never end their requests, or
//! never take their responses, cannot use up the memory of the machine, nor that of another workspace. A
//! request that is given up gets a response if its [handler](request_handle) still waits, else the worker closes
//! its connection.
//!
//! **Chunks.** Chunks of a byte cost actix-http far more than their bytes. A body with too many of them is refused
//! at the first surplus chunk ([`pipelining_workaround`]), and its connection ends after the response. What the
//! client sends meanwhile is read and dropped here, and actix-http does not see it.
//!
//! To close a connection, this module reports to actix-http that the client sends no more; actix-http still
//! sends a response under way, unless the client does not take it.

mod accounts;
mod connection_table;
mod limits;
mod pipelining_workaround;
mod request_handle;
mod state;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) use self::connection_table::{ConnectionTable, Streaming};
pub(crate) use self::limits::ConnectionLimits;
use self::pipelining_workaround::PipelineGate;
pub(crate) use self::request_handle::RequestHandle;
pub(crate) use self::state::GivenUp;
use self::state::{ConnectionState, Kind, Stage};

impl ConnectionTable {
    /// Adds a connection. If there are too many, closes the one that has waited longest.
    pub(crate) fn admit<T>(self: &Rc<Self>, stream: T) -> Connection<T> {
        Connection {
            stream,
            gate: PipelineGate::default(),
            state: self.add(),
            table: Rc::downgrade(self),
        }
    }
}

/// The stream of a connection, with its limits.
pub(crate) struct Connection<T> {
    stream: T,
    gate: PipelineGate,
    state: Rc<ConnectionState>,
    table: Weak<ConnectionTable>,
}

impl<T> Connection<T> {
    /// Returns the handle that the body of a streamed response uses.
    pub(crate) fn streaming(&self) -> Streaming {
        Streaming {
            state: Rc::clone(&self.state),
            table: Weak::clone(&self.table),
        }
    }

    /// Returns the handle that the handlers of its requests use.
    pub(crate) fn request_handle(&self) -> RequestHandle {
        RequestHandle {
            state: Rc::clone(&self.state),
            table: Weak::clone(&self.table),
        }
    }

    /// Records the result of writing `pieces`, which are all that actix-http had to write.
    fn wrote<'a>(
        &mut self,
        context: &Context<'_>,
        written: &Poll<io::Result<usize>>,
        pieces: impl Iterator<Item = &'a [u8]> + Clone,
    ) {
        let wanted: usize = pieces.clone().map(<[u8]>::len).sum();
        let out = match written {
            Poll::Pending => {
                self.state.register_waker(context);
                0
            }
            Poll::Ready(Ok(out)) => *out,
            Poll::Ready(Err(_)) => wanted, // The client is gone.
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
            if state.stage.get() != Stage::Response {
                state.enter(Stage::Response);
            }
        } else if state.streams.get() {
            state.enter(Stage::Rendering);
        } else {
            state.enter(Stage::Idle);
        }
        if let Some(table) = self.table.upgrade() {
            if state.stage.get() == Stage::Response {
                state.takes(out, table.limits.taken);
            }
            if out > 0 && !is_interim {
                table.end_request(state);
            }
            table.note(state, Kind::Written, wanted - out);
        }
    }

    /// Has the handler refuse the request, which has too many chunks, if it has no response yet.
    fn refuse_chunks(&self) {
        if self.gate.is_draining() {
            self.begin_discarding();
        } else {
            self.state.refuse(GivenUp::TooManyChunks);
        }
    }

    /// Begins the stage at which the client can read the last response of the connection.
    fn begin_discarding(&self) {
        if self.state.stage.get() != Stage::Discarding {
            self.state.enter(Stage::Discarding);
        }
    }

    /// Reports whether the server has closed the connection while the client did not take its response. Any
    /// other response is sent to its end.
    fn is_given_up(&self) -> bool {
        self.state.closed.get() && self.state.stage.get() == Stage::Response
    }
}

impl<T> Drop for Connection<T> {
    fn drop(&mut self) {
        if let Some(table) = self.table.upgrade() {
            table.release(&self.state);
        }
    }
}

fn given_up() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "the client does not take its answer",
    )
}

impl<T: AsyncRead + Unpin> Connection<T> {
    /// Reads and drops what the client sends, up to its end. The runtime bounds the reads of one turn.
    fn discard(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            let read = Pin::new(&mut self.stream).poll_read(context, buffer);
            if read.is_pending() {
                self.state.register_waker(context);
            }
            if buffer.filled().len() == before {
                return read;
            }
            buffer.set_filled(before);
        }
    }
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
        if self.gate.has_too_many_chunks() {
            return self.discard(context, buffer);
        }
        let before = buffer.filled().len();
        if self.gate.holds() {
            let held = self.gate.held(buffer.remaining());
            buffer.put_slice(&held);
        } else {
            let read = Pin::new(&mut self.stream).poll_read(context, buffer);
            let received = &mut buffer.filled_mut()[before..];
            if read.is_pending() {
                self.state.register_waker(context);
            }
            // This may be the end of the client's bytes, which actix-http must get at any time.
            if received.is_empty() {
                return read;
            }
            let admitted = self.gate.admit(received);
            if admitted < received.len() {
                self.gate.hold(&received[admitted..]);
                buffer.set_filled(before + admitted);
            }
        }
        let handed_over = buffer.filled().len() - before;
        if handed_over == 0 {
            self.state.register_waker(context);
            return Poll::Pending;
        }
        let chunk_cost = self.gate.take_chunk_cost();
        if let Some(table) = self.table.upgrade() {
            if self.state.stage.get() == Stage::Idle {
                // Dropped bytes, too: a client must not send them for ever.
                table.begin_request(&self.state);
            }
            if !self.gate.is_draining() {
                self.state.draining.set(false);
                if self.state.refused.get().is_none() {
                    table.receive(&self.state, handed_over + chunk_cost);
                }
            }
        }
        if self.gate.has_too_many_chunks() {
            self.refuse_chunks();
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
        if is_out
            && self.gate.is_draining()
            && let Some(table) = self.table.upgrade()
        {
            table.drain(&self.state);
            if self.gate.has_too_many_chunks() {
                self.begin_discarding();
            }
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
