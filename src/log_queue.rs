//! The queue of log lines for stderr.
//!
//! The program that reads stderr may be slow, stall or end, and the disk that stores the log may be full.
//! None of this may delay or end a thread that logs. So each thread puts its lines into this queue, and one
//! thread writes them. A line that does not fit, or cannot be written, is dropped and counted. When lines can
//! be written again, the log says how many are missing.
//!
//! # Bounds
//! The queue has at most [`QUEUE_LINES`] and [`QUEUE_BYTES`]. When it is full, new lines are dropped, not old
//! ones: the first lines of a problem tell more than later ones. The last eighth is reserved for errors.
//!
//! # The end
//! A process that ends first waits for the queued lines to be written, at most for [`FLUSH_TIMEOUT`].

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::fail_point::{FailPoint, inject};

/// The most lines that wait: as many as a server logs in a few seconds at its worst.
const QUEUE_LINES: usize = 8192;

/// The most bytes of all waiting lines: enough for [`QUEUE_LINES`] of three times the usual 150 bytes.
const QUEUE_BYTES: usize = 4 << 20;

/// The number of equal parts of both limits; only errors may use the last part.
const PARTS: usize = 8;

/// The longest time that the process waits at its end for the queued lines. A working disk or reader takes
/// them in milliseconds; one that is stuck must not keep the process from ending.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The pause of the writing thread while stderr has no room and does not block. The program that started the
/// process may have set `O_NONBLOCK`, which both share.
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// The waiting lines, and the counts of lost ones.
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// True while the thread writes a line that it took from the queue.
    writing: bool,
    /// True if the writing thread could be started.
    has_thread: bool,
    /// Lines lost since the process began.
    lost: u64,
    /// Lost lines that the log has not mentioned yet.
    unreported: u64,
}

impl State {
    const EMPTY: Self = Self {
        lines: VecDeque::new(),
        bytes: 0,
        writing: false,
        has_thread: false,
        lost: 0,
        unreported: 0,
    };

    /// Takes the oldest line.
    fn pop(&mut self) -> Option<Vec<u8>> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.len();
        Some(line)
    }

    fn lose(&mut self, lines: u64) {
        self.lost += lines;
        self.unreported += lines;
    }

    /// Reports whether a line of `bytes` fits into the first `parts` of [`PARTS`].
    fn has_room(&self, bytes: usize, parts: usize) -> bool {
        self.lines.len() < QUEUE_LINES / PARTS * parts
            && self.bytes + bytes <= QUEUE_BYTES / PARTS * parts
    }

    fn is_busy(&self) -> bool {
        self.writing || !self.lines.is_empty()
    }
}

/// A queue of lines, and its two signals.
struct LogQueue {
    state: Mutex<State>,
    /// Signals that a line was queued.
    arrived: Condvar,
    /// Signals that a line was written or lost.
    done: Condvar,
}

/// The queue of the process.
static STDERR: LogQueue = LogQueue::new();

/// Starts the thread that writes to stderr. Before that, only [`flush`] writes lines.
///
/// # Errors
/// The system cannot start a thread. A server must not go on then: nothing would be written before its end,
/// and what does not fit into the queue would be lost. A tool may, since it flushes what little it has.
pub fn start() -> io::Result<()> {
    if inject(FailPoint::LogStart).is_some() {
        return Err(ErrorKind::WouldBlock.into());
    }
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(|| STDERR.run(&mut *stderr(), &report))?;
    STDERR.lock().has_thread = true;
    Ok(())
}

/// Queues a line, which includes its end of line; never waits. An error may use the room reserved for errors.
pub fn push(line: &[u8], is_error: bool) {
    STDERR.push(line, is_error);
}

/// Waits until all lines are written, at most for `timeout`. Before [`start`] it writes them itself, however
/// long that takes.
pub fn flush(timeout: Duration) {
    if STDERR.lock().has_thread {
        STDERR.wait(timeout);
    } else {
        STDERR.drain(&mut *stderr());
    }
}

/// Returns the number of lines lost since the process began.
pub fn lost() -> u64 {
    STDERR.lock().lost
}

fn report(lines: u64) {
    tracing::warn!(
        lines,
        "lines of the log are missing here; they could not be written"
    );
}

/// Returns stderr without the standard library's lock, which a thread that waits for a full disk might hold.
#[cfg(unix)]
fn stderr() -> Box<dyn Write> {
    use std::os::fd::AsFd;

    match io::stderr().as_fd().try_clone_to_owned() {
        Ok(stderr) => Box::new(File::from(stderr)),
        Err(_) => Box::new(io::stderr()),
    }
}

#[cfg(not(unix))]
fn stderr() -> Box<dyn Write> {
    Box::new(io::stderr())
}

impl LogQueue {
    const fn new() -> Self {
        Self {
            state: Mutex::new(State::EMPTY),
            arrived: Condvar::new(),
            done: Condvar::new(),
        }
    }

    /// Takes the lock, even if a panic has poisoned it: at worst a line is missing or a count is wrong. The
    /// locks of `vital`, which end the process then, cannot be used here: they log through this module.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8], is_error: bool) {
        let mut state = self.lock();
        let parts = if is_error { PARTS } else { PARTS - 1 };
        if !state.has_room(line.len(), parts) {
            state.lose(1);
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line.to_vec());
        drop(state);
        self.arrived.notify_one();
    }

    fn wait(&self, timeout: Duration) {
        let is_busy = |state: &mut State| state.is_busy();
        drop(self.done.wait_timeout_while(self.lock(), timeout, is_busy));
    }

    fn drain(&self, out: &mut dyn Write) {
        let mut torn = false;
        loop {
            // Not in a `while let`, which would hold the lock while the line is written.
            let Some(line) = self.lock().pop() else {
                return;
            };
            if !write_line(out, &line, &mut torn) {
                self.lock().lose(1);
            }
        }
    }

    /// Writes lines for ever. Calls `report` with the number of lost lines when lines can be written again.
    fn run(&self, out: &mut dyn Write, report: &dyn Fn(u64)) {
        let mut torn = false;
        loop {
            let line = self.next();
            let written = write_line(out, &line, &mut torn);
            let unreported = self.settle(written);
            // `writing` is still true, so that `flush` also waits for the line that `report` adds.
            if unreported > 0 {
                report(unreported);
            }
            self.lock().writing = false;
            self.done.notify_all();
        }
    }

    /// Waits for a line and takes it.
    fn next(&self) -> Vec<u8> {
        let is_empty = |state: &mut State| state.lines.is_empty();
        let woken = self.arrived.wait_while(self.lock(), is_empty);
        let mut state = woken.unwrap_or_else(PoisonError::into_inner);
        let line = state.pop().unwrap_or_default();
        state.writing = true;
        line
    }

    /// Notes whether a line was written, and counts a lost one. Returns the number of lost lines to report
    /// now; 0 while lines cannot be written, or while more than half of the queue is in use.
    fn settle(&self, written: bool) -> u64 {
        let mut state = self.lock();
        if !written {
            state.lose(1);
            return 0;
        }
        if !state.has_room(0, PARTS / 2) {
            return 0;
        }
        std::mem::take(&mut state.unreported)
    }
}

/// Writes a line, and returns whether all of it was written. `torn` is true if only the first part of an
/// earlier line was written; an end of line is then written first.
fn write_line(out: &mut dyn Write, line: &[u8], torn: &mut bool) -> bool {
    if *torn && !write_all(out, b"\n").1 {
        return false;
    }
    let (begun, written) = write_all(out, line);
    *torn = begun && !written;
    written
}

/// Writes `bytes`, and returns whether some of them were written, and whether all were.
fn write_all(out: &mut dyn Write, bytes: &[u8]) -> (bool, bool) {
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
    (left.len() < bytes.len(), left.is_empty())
}

#[cfg(test)]
mod tests;
