//! The queue of log lines for stderr.
//!
//! The program that reads stderr may be slow, stall or end, and the disk that stores the log may be full.
//! None of this may delay or end a thread that logs. So each thread puts its lines into this queue, and one
//! thread writes them. A line that does not fit, or cannot be written, is dropped and counted. When lines can
//! be written again, the log says how many are missing.
//!
//! # Lines and records
//! A request and an attempt each make a line, tens of thousands a second. The threads that make them queue
//! only a [`Record`], without text. The thread that writes makes the lines, of many records at a time: one
//! write to the system, and one wake-up, are for all records of [`RECORD_PAUSE`]. All other lines come as text
//! and are written at once.
//!
//! # Bounds
//! The queue has at most [`QUEUE_LINES`] and [`QUEUE_BYTES`]. When it is full, new lines are dropped, not old
//! ones: the first lines of a problem tell more than later ones. The last eighth is reserved for errors.
//!
//! # The end
//! A process that ends first waits for the queued lines to be written, at most for [`FLUSH_TIMEOUT`].

mod batch;
mod record;
mod render;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use self::batch::{BatchWriter, Entry};
pub use self::record::{
    ATTEMPT_FIELDS, ATTEMPTS, AttemptLine, REQUEST_FIELDS, REQUESTS, Record, RequestLine,
    is_enabled,
};
use self::render::Renderer;
pub use self::render::Style;
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

/// The time for which the writing thread lets records gather before it writes them: a hundredth of a second is
/// no delay for a reader, and bounds the wake-ups of the thread to a hundred a second.
const RECORD_PAUSE: Duration = Duration::from_millis(10);

/// The number of waiting lines at which the thread writes before [`RECORD_PAUSE`] is over.
const GATHERED: usize = QUEUE_LINES / 8;

/// The most records that one write to the system has: some 128 KiB. After each [`RECORD_PAUSE`] this many are
/// 50,000 a second, more than a machine of two cores makes.
const BATCH: usize = 512;

/// The signal that the writing thread waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// None: it is at work.
    No,
    /// Any line.
    ForLine,
    /// A line of text, many records, or the end of [`RECORD_PAUSE`].
    ForText,
}

/// The waiting lines, and the counts of lost ones.
struct State {
    lines: VecDeque<Entry>,
    bytes: usize,
    /// Lines of text among `lines`.
    texts: usize,
    /// Threads that wait in [`flush`].
    flushing: usize,
    waits: Waits,
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
        texts: 0,
        flushing: 0,
        waits: Waits::No,
        writing: false,
        has_thread: false,
        lost: 0,
        unreported: 0,
    };

    /// Takes the oldest line.
    fn pop(&mut self) -> Option<Entry> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.bytes();
        self.texts -= usize::from(matches!(line, Entry::Text(_)));
        Some(line)
    }

    /// Takes the oldest line into `batch`; if it is a record, also those that follow it, up to [`BATCH`].
    fn take(&mut self, batch: &mut Vec<Entry>) {
        batch.extend(self.pop());
        let is_record = |line: Option<&Entry>| matches!(line, Some(Entry::Record(_)));
        while is_record(batch.first()) && is_record(self.lines.front()) && batch.len() < BATCH {
            batch.extend(self.pop());
        }
    }

    /// Reports whether the writing thread must not wait for further records.
    fn is_urgent(&self) -> bool {
        self.texts > 0 || self.flushing > 0 || self.lines.len() >= GATHERED
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
    /// The form of the lines that records become.
    style: OnceLock<Style>,
    state: Mutex<State>,
    /// Signals that a line was queued.
    arrived: Condvar,
    /// Signals that a line was written or lost.
    done: Condvar,
}

/// The queue of the process.
static STDERR: LogQueue = LogQueue::new();

/// Sets the form of the lines that records become; the first call counts. Without it they are plain text.
pub fn set_style(style: Style) {
    let _ = STDERR.style.set(style);
}

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

/// Queues what a line is to be made from; never waits. Ask [`is_enabled`] before.
pub fn push_record(record: Record) {
    STDERR.enqueue(Entry::Record(record), false);
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
            style: OnceLock::new(),
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
        self.enqueue(Entry::Text(line.to_vec()), is_error);
    }

    fn enqueue(&self, line: Entry, is_error: bool) {
        let bytes = line.bytes();
        let mut state = self.lock();
        let parts = if is_error { PARTS } else { PARTS - 1 };
        if !state.has_room(bytes, parts) {
            state.lose(1);
            return;
        }
        state.bytes += bytes;
        state.texts += usize::from(matches!(line, Entry::Text(_)));
        state.lines.push_back(line);
        self.wake(state);
    }

    /// Wakes the writing thread if it waits for what is there now. A signal costs a call of the system, so none
    /// is sent while the thread is at work.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let wakes = match state.waits {
            Waits::No => false,
            Waits::ForLine => true,
            Waits::ForText => state.is_urgent(),
        };
        if wakes {
            state.waits = Waits::No;
            drop(state);
            self.arrived.notify_one();
        }
    }

    fn wait(&self, timeout: Duration) {
        let mut state = self.lock();
        state.flushing += 1;
        self.wake(state);
        let is_busy = |state: &mut State| state.is_busy();
        let waited = self.done.wait_timeout_while(self.lock(), timeout, is_busy);
        waited.unwrap_or_else(PoisonError::into_inner).0.flushing -= 1;
    }

    fn renderer(&self) -> Renderer {
        Renderer::new(self.style.get().copied().unwrap_or_default())
    }

    fn drain(&self, out: &mut dyn Write) {
        let mut writer = BatchWriter::new(self.renderer());
        loop {
            self.lock().take(&mut writer.batch);
            if writer.batch.is_empty() {
                return;
            }
            let lost = writer.write(out);
            self.lock().lose(lost);
        }
    }

    /// Writes lines for ever. Calls `report` with the number of lost lines when lines can be written again.
    fn run(&self, out: &mut dyn Write, report: &dyn Fn(u64)) {
        let mut writer = BatchWriter::new(self.renderer());
        loop {
            self.next(&mut writer.batch);
            let lost = writer.write(out);
            let unreported = self.settle(lost);
            // `writing` is still true, so that `flush` also waits for the line that `report` adds.
            if unreported > 0 {
                report(unreported);
            }
            self.lock().writing = false;
            self.done.notify_all();
        }
    }

    /// Waits for lines and takes the next batch.
    fn next(&self, batch: &mut Vec<Entry>) {
        let mut state = self.lock();
        while state.lines.is_empty() {
            state.waits = Waits::ForLine;
            let woken = self.arrived.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        if !state.is_urgent() {
            state.waits = Waits::ForText;
            let gathers = |state: &mut State| !state.is_urgent();
            let gathered = self
                .arrived
                .wait_timeout_while(state, RECORD_PAUSE, gathers);
            state = gathered.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.waits = Waits::No;
        state.take(batch);
        state.writing = true;
    }

    /// Counts the lines of a batch that could not be written. Returns the number of lost lines to report now;
    /// 0 while lines cannot be written, or while more than half of the queue is in use.
    fn settle(&self, lost: u64) -> u64 {
        let mut state = self.lock();
        state.lose(lost);
        if lost > 0 || !state.has_room(0, PARTS / 2) {
            return 0;
        }
        std::mem::take(&mut state.unreported)
    }
}

#[cfg(test)]
mod tests;
