//! The body of a response that is a part of the binary.
//!
//! actix-web copies what a body gives it, and keeps that until the client has taken it. So the body gives a
//! piece at a time: a large file that a client takes slowly, or not at all, costs two pieces of memory. These
//! count towards the limit of memory, since the client needs no token.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;

use super::call::Call;
use super::connection::Streaming;

/// The bytes that actix-web gets at a time. It copies them, and asks for more as soon as it has less than
/// this left to send.
pub(crate) const PIECE_BYTES: usize = 32 * 1024;

/// The most bytes of a body that actix-web keeps: it asks for another piece while it has less than one.
const KEPT_BYTES: usize = 2 * PIECE_BYTES;

/// Bytes that are handed to actix-web piece by piece.
pub(crate) struct StaticBody {
    left: Bytes,
    /// The connection; `None` in tests without a socket.
    streaming: Option<Streaming>,
}

impl StaticBody {
    /// Returns a body of the response to `call` with these bytes.
    pub(crate) fn new(call: &Call, bytes: &'static [u8]) -> Self {
        let body = Self {
            left: Bytes::from_static(bytes),
            streaming: call.request.conn_data::<Streaming>().cloned(),
        };
        body.note(bytes.len().min(KEPT_BYTES));
        body
    }

    fn note(&self, bytes: usize) {
        if let Some(streaming) = &self.streaming {
            streaming.holds(bytes);
        }
    }
}

impl Drop for StaticBody {
    fn drop(&mut self) {
        self.note(0);
    }
}

impl MessageBody for StaticBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.left.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.left.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(self.left.split_to(length))))
    }
}
