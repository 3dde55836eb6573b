//! The gate that passes the requests of a connection to actix-http one at a time.
//!
//! It holds the next request back until all of the response to the one before is written. actix-http has no
//! other request meanwhile. So the first bytes that it writes after a head are the response to that request,
//! or `100 Continue`. It writes all that it has ready and then flushes, so a flush is the end of a response.
//! A streamed response has many flushes; the connection does not report those before its end.
//!
//! A response may come before the end of the request's body. Then the gate holds nothing at that end. If such
//! a request announced its length, the gate holds nothing later either, because actix-http drops what it
//! reads from then on, and closes the connection.
//!
//! Of a body with too many chunks, the gate admits nothing from the first surplus chunk on, and no later request.

use actix_web::web::BytesMut;

use super::boundary::Boundary;

/// The interim response to a client that asks before it sends the body (`Expect: 100-continue`).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The bytes that a chunk costs actix-http besides its data: an item in a queue, which may have room for twice
/// as many.
const CHUNK_COST_BYTES: usize = 40;

/// The gate of one connection.
#[derive(Debug, Default)]
pub(crate) struct PipelineGate {
    boundary: Boundary,
    response: ResponseState,
    /// The bytes after a request that has no complete response yet: the rest of one read.
    held: BytesMut,
    /// True if actix-http reads and drops all further bytes of the connection.
    drains_all: bool,
    /// The chunks that were admitted since [`take_chunk_cost`](Self::take_chunk_cost).
    new_chunks: u64,
}

/// The progress of the response to the request.
#[derive(Debug, PartialEq, Eq)]
enum ResponseState {
    /// Nothing was written yet, except so many bytes of [`CONTINUE`].
    Awaited {
        interim: usize,
    },
    Begun,
    Flushed,
}

impl Default for ResponseState {
    fn default() -> Self {
        Self::Awaited { interim: 0 }
    }
}

impl PipelineGate {
    /// Returns how many of the next `bytes` actix-http may get, and prepares them for it: none if a complete
    /// request waits for its response.
    pub(crate) fn admit(&mut self, bytes: &mut [u8]) -> usize {
        let mut admitted = 0;
        while admitted < bytes.len() {
            if self.boundary.is_over() {
                if self.response != ResponseState::Flushed {
                    break;
                }
                self.boundary = Boundary::default();
                self.response = ResponseState::default();
            }
            if self.boundary.has_too_many_chunks() {
                break;
            }
            let before = self.boundary.chunks();
            admitted += self.boundary.follow(&mut bytes[admitted..]);
            self.new_chunks += self.boundary.chunks() - before;
        }
        admitted
    }

    /// Keeps bytes that were not admitted, unless they never will be.
    pub(crate) fn hold(&mut self, bytes: &[u8]) {
        if !self.has_too_many_chunks() {
            self.held = BytesMut::from(bytes);
        }
    }

    /// Reports whether the request has too many chunks: nothing more is admitted.
    pub(crate) fn has_too_many_chunks(&self) -> bool {
        self.boundary.has_too_many_chunks()
    }

    /// Returns what the chunks that were admitted since the last call cost actix-http besides their bytes.
    pub(crate) fn take_chunk_cost(&mut self) -> usize {
        let chunks = usize::try_from(std::mem::take(&mut self.new_chunks)).unwrap_or(usize::MAX);
        chunks.saturating_mul(CHUNK_COST_BYTES)
    }

    /// Reports whether bytes are held back.
    pub(crate) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Returns the bytes held back that actix-http may get now, at most `room` bytes.
    pub(crate) fn held(&mut self, room: usize) -> BytesMut {
        let mut held = std::mem::take(&mut self.held);
        let room = room.min(held.len());
        let admitted = self.admit(&mut held[..room]);
        let now = held.split_to(admitted);
        if !self.has_too_many_chunks() {
            self.held = held;
        }
        now
    }

    /// Records bytes that the client's socket took.
    pub(crate) fn wrote(&mut self, bytes: &[u8]) {
        if let ResponseState::Awaited { interim } = &mut self.response
            && self.boundary.is_past_head()
        {
            let ahead = &CONTINUE[*interim..];
            let same = ahead.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            *interim += same;
            if same < bytes.len() {
                self.response = ResponseState::Begun;
            }
        }
    }

    /// Records that all written bytes are flushed. Returns whether actix-http may get bytes now that were
    /// held.
    pub(crate) fn flushed(&mut self) -> bool {
        if self.response != ResponseState::Begun {
            return false;
        }
        self.response = ResponseState::Flushed;
        if self.boundary.is_in_sized_body() {
            self.boundary.lose();
            self.drains_all = true;
        }
        self.holds()
    }

    /// Reports whether [`CONTINUE`], or the beginning of it, was written and nothing else.
    pub(crate) fn is_interim(&self) -> bool {
        matches!(self.response, ResponseState::Awaited { interim } if interim > 0)
    }

    /// Reports whether the connection drains: actix-http drops the bytes that it got last, the rest of a body
    /// whose request has its response.
    pub(crate) fn is_draining(&self) -> bool {
        let is_flushed = self.response == ResponseState::Flushed;
        self.drains_all || is_flushed && !self.boundary.is_over() && !self.boundary.is_lost()
    }
}

#[cfg(test)]
mod tests;
