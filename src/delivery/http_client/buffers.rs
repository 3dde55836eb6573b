//! The buffers between ureq and a connection, for one request.
//!
//! ureq's own buffers belong to a connection and keep their full size while it lives, also when it is idle.
//! With hundreds of connections they took most of the memory of a busy server. The buffers here belong to a
//! request: while a thread waits for the answer they are small, and an idle connection has none.

use ureq::unversioned::transport::Buffers;

use super::head::Head;
use super::limits::{INPUT_BYTES, OUTPUT_BYTES};

/// The first size of the input buffer. A usual answer fits; each read that fills the buffer doubles it, up to
/// [`INPUT_BYTES`].
const FIRST_INPUT_BYTES: usize = 2048;

/// The buffers of one request.
#[derive(Debug, Default)]
pub(super) struct RequestBuffers {
    input: Vec<u8>,
    consumed: usize,
    filled: usize,
    /// The head of the answer, which ureq sees only as far as it is regular.
    head: Head,
    /// ureq consumed some of the input when it last looked at it.
    progress: bool,
    output: Vec<u8>,
    /// Bytes at the start of `output` that are held back: they are sent with the next output.
    held_back: usize,
}

impl RequestBuffers {
    /// Holds back `amount` more bytes of the output. ureq's next output comes behind them.
    pub(super) fn hold_back(&mut self, amount: usize) {
        self.held_back += amount;
    }

    /// Returns the bytes that were held back and `amount` bytes behind them, and how many were held back.
    /// Nothing is held back after that.
    pub(super) fn take_output(&mut self, amount: usize) -> (&[u8], usize) {
        let held_back = std::mem::take(&mut self.held_back);
        (&self.output[..held_back + amount], held_back)
    }

    /// Frees the output's memory until the next write.
    pub(super) fn release_output(&mut self) {
        self.output = Vec::new();
    }

    fn ensure_output(&mut self) {
        if self.output.is_empty() {
            self.output = vec![0; OUTPUT_BYTES];
        }
    }

    fn make_room_for_input(&mut self) {
        if self.filled < self.input.len() {
            return;
        }
        self.input.copy_within(self.consumed..self.filled, 0);
        self.filled -= self.consumed;
        self.consumed = 0;
        let size = (self.input.len() * 2).clamp(FIRST_INPUT_BYTES, INPUT_BYTES);
        self.input.resize(size, 0);
    }
}

impl Buffers for RequestBuffers {
    fn output(&mut self) -> &mut [u8] {
        self.ensure_output();
        &mut self.output[self.held_back..]
    }

    fn input(&self) -> &[u8] {
        &self.input[self.consumed..][..self.head.shown()]
    }

    /// Returns an empty buffer if [`INPUT_BYTES`] have come and ureq consumed none of them.
    fn input_append_buf(&mut self) -> &mut [u8] {
        self.make_room_for_input();
        &mut self.input[self.filled..]
    }

    fn input_appended(&mut self, amount: usize) {
        self.filled += amount;
        self.head
            .advance(&mut self.input[self.consumed..self.filled]);
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.consumed += amount;
        self.head.consumed(amount);
        if self.consumed == self.filled && self.filled < self.input.len() {
            (self.consumed, self.filled) = (0, 0);
        }
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.ensure_output();
        self.make_room_for_input();
        (
            &mut self.input[self.filled..],
            &mut self.output[self.held_back..],
        )
    }

    fn can_use_input(&self) -> bool {
        !self.input().is_empty() && self.progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills the free room; returns its size.
    fn fill(buffers: &mut RequestBuffers) -> usize {
        let amount = buffers.input_append_buf().len();
        buffers.input_append_buf().fill(b'x');
        buffers.input_appended(amount);
        amount
    }

    #[test]
    fn input_grows_with_what_comes_up_to_its_limit() {
        let mut buffers = RequestBuffers::default();
        let mut total = 0;
        while total < INPUT_BYTES {
            let room = fill(&mut buffers);
            assert_eq!(room, total.max(FIRST_INPUT_BYTES));
            total += room;
        }
        assert_eq!(buffers.input(), [b'x'; INPUT_BYTES]);
        assert!(buffers.input_append_buf().is_empty());
        // Room is made by consuming, not by growing.
        buffers.input_consume(10);
        assert_eq!(fill(&mut buffers), 10);
        assert_eq!(buffers.input().len(), INPUT_BYTES);
    }

    #[test]
    fn input_that_is_consumed_as_it_comes_stays_small() {
        let mut buffers = RequestBuffers::default();
        for _ in 0..1000 {
            buffers.input_append_buf()[..300].fill(b'y');
            buffers.input_appended(300);
            assert_eq!(buffers.input(), [b'y'; 300]);
            buffers.input_consume(100);
            assert!(buffers.can_use_input());
            buffers.input_consume(200);
            assert!(!buffers.can_use_input());
        }
        assert_eq!(buffers.input.len(), FIRST_INPUT_BYTES);
    }

    #[test]
    fn output_is_gathered_and_given_up() {
        let mut buffers = RequestBuffers::default();
        buffers.output()[..4].copy_from_slice(b"head");
        buffers.hold_back(4);
        buffers.tmp_and_output().1[..4].copy_from_slice(b"body");
        assert_eq!(buffers.take_output(4), (b"headbody".as_slice(), 4));
        assert_eq!(buffers.take_output(4), (b"head".as_slice(), 0));
        buffers.release_output();
        assert_eq!(buffers.output.capacity(), 0);
        assert_eq!(buffers.output().len(), OUTPUT_BYTES);
    }
}
