//! The batch of lines that one write to the system has.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use super::record::Record;
use super::render::Renderer;

/// The pause of the writing thread while stderr has no room and does not block. The program that started the
/// process may have set `O_NONBLOCK`, which both share.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// A line that waits: its text, or what it is made from.
pub(super) enum Entry {
    Text(Vec<u8>),
    Record(Record),
}

impl Entry {
    /// Returns the memory that the line takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(line) => line.len(),
            Self::Record(record) => size_of::<Self>() + record.heap_bytes(),
        }
    }
}

/// The writer of one batch after the other.
pub(super) struct BatchWriter {
    renderer: Renderer,
    pub(super) batch: Vec<Entry>,
    /// The lines of the batch.
    text: Vec<u8>,
    /// True if only the first part of the last line was written; an end of line is then written first.
    torn: bool,
}

impl BatchWriter {
    pub(super) fn new(renderer: Renderer) -> Self {
        Self {
            renderer,
            batch: Vec::new(),
            text: Vec::new(),
            torn: false,
        }
    }

    /// Writes the batch, and empties it. Returns the number of its lines that were not written whole.
    pub(super) fn write(&mut self, out: &mut dyn Write) -> u64 {
        let count = u64::try_from(self.batch.len()).unwrap_or(u64::MAX);
        self.text.clear();
        for line in self.batch.drain(..) {
            match line {
                Entry::Text(line) => self.text.extend_from_slice(&line),
                Entry::Record(record) => self.renderer.line(&record, &mut self.text),
            }
        }
        if self.torn && write_all(out, b"\n") == 0 {
            return count;
        }
        let written = write_all(out, &self.text);
        let begun = self.text.get(..written).unwrap_or_default();
        let is_whole = written == self.text.len();
        self.torn = !is_whole && begun.last().is_some_and(|last| *last != b'\n');
        if is_whole {
            return 0;
        }
        // A line of text may have several ends of line, but is alone in its batch.
        let ends = begun.split(|byte| *byte == b'\n').count() - 1;
        let whole = u64::try_from(ends).unwrap_or(u64::MAX);
        count.saturating_sub(whole).max(1)
    }
}

/// Writes `bytes`, and returns how many of them were written.
fn write_all(out: &mut dyn Write, bytes: &[u8]) -> usize {
    let mut left = bytes;
    while !left.is_empty() {
        match out.write(left) {
            Ok(0) => break,
            Ok(written) => left = left.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(FULL_PAUSE),
            Err(_) => break,
        }
    }
    bytes.len() - left.len()
}
