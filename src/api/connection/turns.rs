//! Requests of a connection, one at a time.
//!
//! A client may send requests ahead of the answers. The framework then reads ahead too, and what it
//! notes of a request it notes for the connection: whether an answer has a body follows from the
//! request that was read last. A `GET` with a `HEAD` behind it got a length and no bytes, and the
//! client took the next answer for them. So the next request is held back until the one before it is
//! answered.
//!
//! The framework writes what it has ready, then flushes. As nothing else is being answered, what it
//! writes when it has a head is the answer to that one, or `100 Continue`; and all of an answer is written
//! when what was written is flushed, unless it is streamed: what is flushed of that before its body is at
//! its end does not count, as the connection sees to. An answer may come before
//! the body is at its end. Then nothing is held at that end; and if the length of the body was told,
//! not later either: the framework closes that connection, and drops what it reads until then.

use actix_web::web::Bytes;

use super::boundary::Boundary;

/// What is sent to a client that asks before it sends the body.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turns {
    boundary: Boundary,
    answer: Answer,
    /// What came behind a request that was not answered yet: the rest of one read.
    held: Bytes,
    /// True if the framework drops all further bytes of the connection.
    drops: bool,
}

/// How far the request's answer is.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// Nothing was written but so much of [`CONTINUE`].
    Awaited {
        interim: usize,
    },
    Begun,
    Given,
}

impl Default for Answer {
    fn default() -> Self {
        Self::Awaited { interim: 0 }
    }
}

impl Turns {
    /// How many of `bytes`, which are the next to be handed over, may be: none if a whole request waits
    /// for its answer.
    pub(super) fn admit(&mut self, bytes: &[u8]) -> usize {
        let mut admitted = 0;
        while admitted < bytes.len() {
            if self.boundary.is_over() {
                if self.answer != Answer::Given {
                    break;
                }
                self.boundary = Boundary::default();
                self.answer = Answer::default();
            }
            admitted += self.boundary.follow(&bytes[admitted..]);
        }
        admitted
    }

    /// Keeps what was not admitted.
    pub(super) fn hold(&mut self, bytes: &[u8]) {
        self.held = Bytes::copy_from_slice(bytes);
    }

    /// Whether there is something that was not admitted, and still has not been.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// What was held, as much of it as may be handed over now, and at most `room` bytes.
    pub(super) fn held(&mut self, room: usize) -> Bytes {
        let mut held = std::mem::take(&mut self.held);
        let admitted = self.admit(&held[..room.min(held.len())]);
        let now = held.split_to(admitted);
        self.held = held;
        now
    }

    /// Takes note of bytes that went out.
    pub(super) fn wrote(&mut self, bytes: &[u8]) {
        if let Answer::Awaited { interim } = &mut self.answer
            && self.boundary.is_past_head()
        {
            let ahead = &CONTINUE[*interim..];
            let same = ahead.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            *interim += same;
            if same < bytes.len() {
                self.answer = Answer::Begun;
            }
        }
    }

    /// Takes note that all went out that was to. Returns whether this lets something go that was held.
    pub(super) fn flushed(&mut self) -> bool {
        if self.answer != Answer::Begun {
            return false;
        }
        self.answer = Answer::Given;
        if self.boundary.is_in_sized_body() {
            self.boundary.lose();
            self.drops = true;
        }
        self.holds()
    }

    /// Returns whether nothing was written but [`CONTINUE`], or the beginning of it.
    pub(super) fn is_interim(&self) -> bool {
        matches!(self.answer, Answer::Awaited { interim } if interim > 0)
    }

    /// Returns whether the framework drops the bytes that were handed over last: the rest of a body whose
    /// request is answered.
    pub(super) fn drops(&self) -> bool {
        let is_answered = self.answer == Answer::Given;
        self.drops || is_answered && !self.boundary.is_over() && !self.boundary.is_lost()
    }
}

#[cfg(test)]
mod tests;
