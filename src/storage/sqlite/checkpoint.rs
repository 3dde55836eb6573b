//! Moving committed pages from the write-ahead log into the database file, off the writer.
//!
//! A checkpoint inside a commit would hold every waiting publish for as long as it takes to sync the
//! file. So a thread of its own makes passive checkpoints, which block nobody, and syncs the file, until
//! little is left; then the writer makes the last one between two groups, when nothing is added: only
//! then can the log start over.
//!
//! # Readers
//! The log cannot start over while somebody reads from it. Reads that overlap without a gap would let it
//! grow for ever, so above [`TOO_MANY_FRAMES`] it is *long*: reads of this process get less time, and the
//! writer waits for them, now and then and not for long. What it cannot wait for is another process that
//! keeps a transaction open; then the log grows, publishing goes on, and the log file says why.

use std::cell::Cell;
use std::ffi::c_int;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use crate::fail_point::{FailPoint, reach};
use crate::storage::StoreError;
use crate::vital::{self, VitalThread};

/// Frames (pages of 4 KiB) in the log that start a checkpoint: 16 MB.
const START_FRAMES: i64 = 4000;

/// How long after the last one, at least. A page that is written again and again until then, as those of
/// indexes are where there are many endpoints, is moved once.
const START_PERIOD: Duration = Duration::from_secs(2);

/// Frames that start a checkpoint all the same: 96 MB.
const HURRY_FRAMES: i64 = 24_000;

/// Frames that the writer may move by itself: about a millisecond.
const LAST_FRAMES: i64 = 300;

/// Frames at which the log is long: 160 MB. That of a busy server does not get there by itself.
const TOO_MANY_FRAMES: i64 = 40_000;

/// How long the writer waits for readers of a long log: first a moment, and if that was not enough, as
/// long as it takes any reader of this process to end ([`LONG_LOG_READ_LIMIT`]).
const RESTART_WAITS: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(600)];

/// How long it then leaves it at that: by then, reads that began before the log was long have ended.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// The same if all of that was in vain: most likely another process reads.
const HOPELESS_PAUSE: Duration = Duration::from_secs(30);

/// The longest a read may take.
const READ_LIMIT: Duration = Duration::from_secs(2);

/// The same while the log is long.
const LONG_LOG_READ_LIMIT: Duration = Duration::from_millis(500);

thread_local! {
    /// Frames in the log after the last commit of this thread; SQLite's hook has no other place.
    static FRAMES: Cell<i64> = const { Cell::new(0) };
}

/// Has this thread count the frames of its commits on `connection`.
pub(super) fn watch(connection: &Connection) {
    connection.wal_hook(Some(count_frames));
}

#[expect(clippy::unnecessary_wraps, reason = "the hook's signature")]
fn count_frames(_: &Wal, pages: c_int) -> rusqlite::Result<()> {
    FRAMES.set(i64::from(pages));
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Nothing to do.
    Idle,
    /// The thread is to make passes.
    Thread,
    /// The thread has done what it can; the writer is to make the last one.
    Writer,
    Stopping,
}

struct Shared {
    turn: Mutex<Turn>,
    changed: Condvar,
    log_is_long: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Turn> {
        vital::lock(&self.turn)
    }
}

/// The checkpoint thread's handle.
pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    thread: VitalThread,
}

impl Checkpointer {
    /// Starts the thread.
    pub(super) fn start(database: &Path) -> Result<Self, StoreError> {
        let fault = |text: String| StoreError::Internal(text);
        let connection = super::open::write_connection(database)
            .map_err(|error| fault(format!("no connection for checkpoints: {error}")))?;
        let file = File::open(database)
            .map_err(|error| fault(format!("cannot open the database to sync it: {error}")))?;
        let shared = Arc::new(Shared {
            turn: Mutex::new(Turn::Idle),
            changed: Condvar::new(),
            log_is_long: AtomicBool::new(false),
        });
        let for_thread = shared.clone();
        let thread = VitalThread::start("checkpoint", move || {
            run(&connection, &file, &for_thread);
            // Closing any handle of the file drops the locks that SQLite holds on it in this
            // process (POSIX), so this one stays open for the life of the process.
            std::mem::forget(file);
        })
        .map_err(|error| fault(format!("no thread for checkpoints: {error}")))?;
        Ok(Self { shared, thread })
    }

    /// What the writer does between two groups.
    pub(super) fn between_groups(&self) -> impl FnMut(&Connection) + Send + use<> {
        let mut keeper = LogKeeper::new(self.shared.clone());
        move |connection| keeper.look_after(FRAMES.get(), connection)
    }

    /// Tells a read that began at `started` whether it has had its time.
    pub(super) fn read_limit(&self, started: Instant) -> impl Fn() -> bool + Send + use<> {
        let shared = self.shared.clone();
        move || started.elapsed() > read_limit(shared.log_is_long.load(Ordering::Relaxed))
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        self.thread.stop(|| {
            *self.shared.lock() = Turn::Stopping;
            self.shared.changed.notify_all();
        });
    }
}

const fn read_limit(log_is_long: bool) -> Duration {
    if log_is_long {
        LONG_LOG_READ_LIMIT
    } else {
        READ_LIMIT
    }
}

/// The writer's part: says when there is something to move, and has the log start over.
struct LogKeeper {
    shared: Arc<Shared>,
    /// Frames after the last group.
    frames: i64,
    /// Frames at which the thread is to work again. Where a reader has kept the log from being moved,
    /// trying at every group would sync the file each time for nothing.
    start_at: i64,
    /// Not before, unless there are many more.
    start_from: Instant,
    /// Waits for readers in a row that were in vain.
    waits_in_vain: usize,
    /// No wait for readers before.
    wait_from: Instant,
}

impl LogKeeper {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            frames: 0,
            start_at: START_FRAMES,
            start_from: Instant::now(),
            waits_in_vain: 0,
            wait_from: Instant::now(),
        }
    }

    fn look_after(&mut self, frames: i64, connection: &Connection) {
        if frames < self.frames {
            self.start_at = START_FRAMES;
            self.waits_in_vain = 0;
        }
        self.frames = frames;
        let is_long = frames >= TOO_MANY_FRAMES;
        self.shared.log_is_long.store(is_long, Ordering::Relaxed);
        if is_long && Instant::now() >= self.wait_from {
            self.wait_for_readers(connection);
        }
        let mut turn = self.shared.lock();
        match *turn {
            Turn::Writer => {
                *turn = Turn::Idle;
                drop(turn);
                self.start_at = match checkpoint(connection, "PASSIVE") {
                    Ok(Checkpoint { left: 0, .. }) => START_FRAMES,
                    Ok(_) => frames + START_FRAMES,
                    Err(error) => {
                        tracing::debug!(%error, "checkpoint");
                        frames + START_FRAMES
                    }
                };
                reach(FailPoint::CheckpointEnd);
            }
            Turn::Idle if frames >= self.start_at && self.may_start(frames) => {
                self.start_from = Instant::now() + START_PERIOD;
                *turn = Turn::Thread;
                drop(turn);
                self.shared.changed.notify_one();
            }
            _ => {}
        }
    }

    fn may_start(&self, frames: i64) -> bool {
        frames >= self.start_at + (HURRY_FRAMES - START_FRAMES) || Instant::now() >= self.start_from
    }

    fn wait_for_readers(&mut self, connection: &Connection) {
        let wait = RESTART_WAITS[self.waits_in_vain % RESTART_WAITS.len()];
        match restart_log(connection, wait) {
            Ok(Restart::Done) => self.waits_in_vain = 0,
            Ok(Restart::Readers) => self.waits_in_vain += 1,
            // That was no wait: SQLite does not wait for another checkpoint, and this one ends soon.
            Ok(Restart::Checkpoint) => return,
            Err(error) => tracing::debug!(%error, "restarting the log"),
        }
        let is_hopeless = self.waits_in_vain >= RESTART_WAITS.len();
        if is_hopeless {
            tracing::warn!(
                log_mb = self.frames * 4096 / 1_000_000,
                "the write-ahead log cannot start over and grows: most likely another process keeps a read \
                 transaction open"
            );
        }
        self.wait_from = Instant::now()
            + if is_hopeless {
                HOPELESS_PAUSE
            } else {
                RESTART_PAUSE
            };
    }
}

fn run(connection: &Connection, file: &File, shared: &Shared) {
    loop {
        let mut turn = shared.lock();
        while matches!(*turn, Turn::Idle | Turn::Writer) {
            turn = vital::wait(&shared.changed, turn);
        }
        if *turn == Turn::Stopping {
            return;
        }
        drop(turn);
        let mut before = i64::MAX;
        loop {
            let passed = checkpoint(connection, "PASSIVE");
            reach(FailPoint::CheckpointPass);
            match passed {
                // A long reader keeps the rest: no progress, so try again at the next sign.
                Ok(Checkpoint { left, .. }) if left < LAST_FRAMES || left >= before => break,
                Ok(Checkpoint { left, .. }) => before = left,
                Err(error) => {
                    tracing::debug!(%error, "checkpoint");
                    break;
                }
            }
            if let Err(error) = file.sync_data() {
                tracing::warn!(%error, "cannot sync the database file");
            }
        }
        let _ = file.sync_data();
        let mut turn = shared.lock();
        if *turn == Turn::Thread {
            *turn = Turn::Writer;
        }
    }
}

/// How far a checkpoint came.
struct Checkpoint {
    /// Whether it had to leave off because of others.
    busy: bool,
    /// Whether it began at all: only one can be made at a time.
    begun: bool,
    /// Frames that are left to move.
    left: i64,
}

/// What came of having the log start over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restart {
    Done,
    /// Somebody still reads from it.
    Readers,
    /// Another checkpoint is being made, most likely by the thread for it.
    Checkpoint,
}

fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Checkpoint> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        let (busy, log, moved): (bool, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Checkpoint {
            busy,
            begun: log >= 0,
            left: log - moved,
        })
    })
}

/// Has the log start over with the next commit, if readers leave it within `wait`.
fn restart_log(connection: &Connection, wait: Duration) -> rusqlite::Result<Restart> {
    connection.busy_timeout(wait)?;
    let restarted = checkpoint(connection, "RESTART");
    connection.busy_timeout(super::open::BUSY_TIMEOUT)?;
    Ok(match restarted? {
        Checkpoint { busy: false, .. } => Restart::Done,
        Checkpoint { begun: true, .. } => Restart::Readers,
        Checkpoint { begun: false, .. } => Restart::Checkpoint,
    })
}

/// Moves everything and empties the log: for a clean stop.
pub(super) fn truncate(database: &Path) {
    let done = super::open::write_connection(database)
        .and_then(|connection| checkpoint(&connection, "TRUNCATE"));
    if let Err(error) = done {
        tracing::warn!(%error, "the last checkpoint failed; the next start makes it");
    }
}

#[cfg(test)]
mod tests;
