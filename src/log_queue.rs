//! Lines on their way to stderr.
//!
//! Whoever reads stderr may be slow, stall or go away, and the disk behind it may be full. None of that may
//! hold up or end a thread that has something to log. So lines are put into a queue, and a thread of its own
//! writes them. What does not fit, or cannot be written, is dropped and counted; the log says how many lines
//! it lacks as soon as lines can be written again.
//!
//! # Bounds
//! [`QUEUE_LINES`] and [`QUEUE_BYTES`]. New lines are dropped, not old ones: how trouble began tells more
//! than how it went on. The last eighth is left to errors.
//!
//! # The end
//! Lines that are queued when the process ends get [`LAST_WORDS`] to be written.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines that wait: what a server logs in a few seconds at its worst.
const QUEUE_LINES: usize = 8192;

/// Bytes of all lines that wait; of the usual 150 bytes a line there is room for three times as many.
const QUEUE_BYTES: usize = 4 << 20;

/// The part of both that only errors may use.
const FOR_ERRORS: usize = 8;

/// How long the lines that are left get at the end of the process: a disk or a reader that lives takes them
/// in milliseconds, and one that does not must not keep the process.
pub const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long the thread rests where stderr does not block and takes nothing (`O_NONBLOCK`, which it shares
/// with whoever started the process).
const FULL_PAUSE: Duration = Duration::from_millis(10);

/// What waits, and what was lost.
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// The thread has taken a line and has not written it yet.
    writing: bool,
    /// There is a thread that writes.
    is_written: bool,
    /// Lines lost since the process began.
    lost: u64,
    /// Those that the log has not told of.
    untold: u64,
}

impl State {
    const EMPTY: Self = Self {
        lines: VecDeque::new(),
        bytes: 0,
        writing: false,
        is_written: false,
        lost: 0,
        untold: 0,
    };

    fn lose(&mut self, lines: u64) {
        self.lost += lines;
        self.untold += lines;
    }

    /// Whether `bytes` more fit; `of`: the part that may be full, in eighths.
    fn has_room(&self, bytes: usize, of: usize) -> bool {
        self.lines.len() < QUEUE_LINES / FOR_ERRORS * of
            && self.bytes + bytes <= QUEUE_BYTES / FOR_ERRORS * of
    }
}

/// Lines that wait for being written.
struct LogQueue {
    state: Mutex<State>,
    /// A line was queued.
    arrived: Condvar,
    /// A line was written or lost.
    done: Condvar,
}

/// That of the process.
static STDERR: LogQueue = LogQueue::new();

/// Starts the thread that writes to stderr. Without one, lines are written by [`flush`].
pub fn start() {
    let started = std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(|| STDERR.run(&mut *stderr(), &tell));
    STDERR.lock().is_written = started.is_ok();
}

/// Queues a line, with its end of line; never waits. `is_error`: it may use the room left to errors.
pub fn push(line: &[u8], is_error: bool) {
    STDERR.push(line, is_error);
}

/// Waits until the lines are written, for at most `patience`.
pub fn flush(patience: Duration) {
    if STDERR.lock().is_written {
        STDERR.wait(patience);
    } else {
        STDERR.drain(&mut *stderr());
    }
}

/// How many lines were lost since the process began.
pub fn lost() -> u64 {
    STDERR.lock().lost
}

fn tell(lines: u64) {
    tracing::warn!(
        lines,
        "lines of the log are missing here; they could not be written"
    );
}

/// Stderr without the standard library's lock, which whoever else writes there would wait for.
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

    /// A panic while it was held, of which there is none, would leave a line out or a count behind.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8], is_error: bool) {
        let mut state = self.lock();
        let part = if is_error { FOR_ERRORS } else { FOR_ERRORS - 1 };
        if !state.has_room(line.len(), part) {
            state.lose(1);
            return;
        }
        state.bytes += line.len();
        state.lines.push_back(line.to_vec());
        drop(state);
        self.arrived.notify_one();
    }

    fn wait(&self, patience: Duration) {
        let end = Instant::now() + patience;
        let mut state = self.lock();
        while state.writing || !state.lines.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.done.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn drain(&self, out: &mut dyn Write) {
        let mut torn = false;
        loop {
            // Not in the loop's head: the lock would be held meanwhile.
            let Some(line) = self.lock().lines.pop_front() else {
                return;
            };
            write_line(out, &line, &mut torn);
        }
    }

    /// The life of the thread.
    fn run(&self, out: &mut dyn Write, tell: &dyn Fn(u64)) {
        let mut torn = false;
        loop {
            let line = self.next();
            let written = write_line(out, &line, &mut torn);
            let untold = self.settle(written);
            // Still as if it wrote, so that whoever waits for the end waits for this line, too.
            if untold > 0 {
                tell(untold);
            }
            self.lock().writing = false;
            self.done.notify_all();
        }
    }

    fn next(&self) -> Vec<u8> {
        let mut state = self.lock();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.bytes -= line.len();
                state.writing = true;
                return line;
            }
            let woken = self.arrived.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Counts a line; how many were lost that can be told now: lines are written again, and there is room
    /// for one that says so.
    fn settle(&self, written: bool) -> u64 {
        let mut state = self.lock();
        if !written {
            state.lose(1);
            return 0;
        }
        if !state.has_room(0, FOR_ERRORS / 2) {
            return 0;
        }
        std::mem::take(&mut state.untold)
    }
}

/// Writes a line; whether it went out. `torn`: a part of one before did, without its end.
fn write_line(out: &mut dyn Write, line: &[u8], torn: &mut bool) -> bool {
    if *torn && !write_all(out, b"\n").1 {
        return false;
    }
    let (begun, written) = write_all(out, line);
    *torn = begun && !written;
    written
}

/// Whether some of it was written, and whether all of it was.
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
