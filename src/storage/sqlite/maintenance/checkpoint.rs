//! The checkpoint thread: moves committed pages from the write-ahead log into the database file.
//!
//! A checkpoint inside a commit would delay every waiting publish by the time that it takes to sync the file.
//! So a thread of its own makes passive checkpoints, which block no other connection, and syncs the file,
//! until little is left. Then the writer makes the last checkpoint between two groups, when nothing is added:
//! only then can the log start over.
//!
//! # Readers
//! The log cannot start over while a connection reads from it. Reads that overlap without a gap would let it
//! grow for ever. So above [`TOO_MANY_FRAMES`] the log is *long*: reads of this process get less time, and
//! the writer waits for them from time to time, for a moment. It cannot wait for another process that keeps a
//! transaction open. Then the write-ahead log grows, publishing goes on, and a log line says why.
//!
//! A backup is such a process, and known by its lock. While it reads, the thread moves what its present snapshot allows, the
//! writer does not wait at all, and reads get the usual time. When it has ended, the thread moves what is left
//! before the writer waits again.
//!
//! # Failure
//! A failed sync ends the process ([`crate::storage::sqlite::file::failed_sync`]). What cannot be read is
//! read again on a new connection ([`crate::storage::sqlite::file::read_failure`]). Anything else is tried
//! again when the log has grown.

mod backup_watch;
mod cleaning;
mod passes;
mod read_limit;
mod restart;
mod shrinking;

use std::cell::Cell;
use std::ffi::c_int;
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use self::backup_watch::BackupWatch;
use self::cleaning::{Cleaning, CleaningRequest};
use self::passes::{make_pass, make_passes};
pub(crate) use self::read_limit::ReadLimit;
use self::restart::{Restart, restart_log};
use self::shrinking::Shrinking;
use crate::fail_point::{FailPoint, hit, inject};
use crate::storage::StoreError;
use crate::storage::sqlite::file::connection::write_connection;
use crate::storage::sqlite::file::database_files::{DatabaseFiles, FilesState};
use crate::storage::sqlite::file::failed_sync::end_if_failed_sync;
use crate::storage::sqlite::file::read_failure::is_read_failure;
use crate::vital;
use crate::vital::VitalThread;

/// Frames (pages of 4 KiB) in the log that start a checkpoint: 16 MB.
const START_FRAMES: i64 = 4000;

/// The least time between two checkpoints. A page that is written again and again in that time, as pages of
/// indexes are with many endpoints, is moved once.
const START_PERIOD: Duration = Duration::from_secs(2);

/// Frames that start a checkpoint before that time is over: 96 MB.
const HURRY_FRAMES: i64 = 24_000;

/// Frames that the thread may leave to the writer: 5 MB, which takes some milliseconds.
const LEFT_MAX: i64 = 1200;

/// Frames at which the log is long: 160 MB. Load alone does not make it that long.
const TOO_MANY_FRAMES: i64 = 40_000;

/// The times that the writer waits for readers of a long log: first a moment, and if that was not enough, the
/// time in which every reader of this process ends ([`read_limit`]).
const RESTART_WAITS: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(600)];

/// The pause after such a wait: in that time, reads that began before the log was long end.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// The pause after all waits have failed: most likely another process reads.
const BLOCKED_RESTART_PAUSE: Duration = Duration::from_secs(30);

thread_local! {
    /// Frames in the log after the last commit of this thread. The driver's hook is a plain function without
    /// data of its own.
    static FRAMES: Cell<i64> = const { Cell::new(0) };
}

/// Counts the frames in the log after each commit of this thread on `connection`.
pub(crate) fn watch(connection: &Connection) {
    connection.wal_hook(Some(count_frames));
}

#[expect(clippy::unnecessary_wraps, reason = "the hook's signature")]
fn count_frames(_: &Wal, pages: c_int) -> rusqlite::Result<()> {
    FRAMES.set(i64::from(pages));
    Ok(())
}

/// The next work on a checkpoint, and the thread that does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CheckpointPhase {
    /// Nothing to do.
    Idle,
    /// The thread must make passes.
    Thread,
    /// The thread has left little; the writer must make the last checkpoint.
    Writer,
    /// The thread has done what it can, and a reader keeps the rest from being moved. Once that has ended, the rest may be
    /// much: the thread moves it later.
    Blocked,
    Stopping,
}

impl CheckpointPhase {
    /// Returns the one after the thread's passes, which left so many frames.
    fn after_passes(left: i64) -> Self {
        if left <= LEFT_MAX {
            Self::Writer
        } else {
            Self::Blocked
        }
    }
}

struct Shared {
    phase: Mutex<CheckpointPhase>,
    changed: Condvar,
    log_is_long: Arc<AtomicBool>,
    cleaning: CleaningRequest,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, CheckpointPhase> {
        vital::lock(&self.phase)
    }
}

/// The checkpoint thread's handle.
pub(crate) struct Checkpointer {
    shared: Arc<Shared>,
    /// `None`: no checkpoints are made.
    files: Option<Arc<DatabaseFiles>>,
    thread: Option<VitalThread>,
}

impl Checkpointer {
    fn new(files: Option<Arc<DatabaseFiles>>) -> Self {
        Self {
            shared: Arc::new(Shared {
                phase: Mutex::new(CheckpointPhase::Idle),
                changed: Condvar::new(),
                log_is_long: Arc::default(),
                cleaning: CleaningRequest::default(),
            }),
            files,
            thread: None,
        }
    }

    /// Returns a handle that makes no checkpoints, for a tool beside a server: if a write of the server has
    /// failed before, the system does not report that to the tool's syncs.
    pub(crate) fn idle() -> Self {
        Self::new(None)
    }

    /// Starts the thread.
    pub(crate) fn start(files: &Arc<DatabaseFiles>) -> Result<Self, StoreError> {
        let fault = |text: String| StoreError::Internal(text);
        let connection = write_connection(files.database())
            .map_err(|error| fault(format!("no connection for checkpoints: {error}")))?;
        let file = File::open(files.database())
            .map_err(|error| fault(format!("cannot open the database to sync it: {error}")))?;
        let mut checkpointer = Self::new(Some(files.clone()));
        let (for_thread, files) = (checkpointer.shared.clone(), files.clone());
        let thread = VitalThread::start("checkpoint", move || {
            run(connection, &file, &for_thread, &files);
            // Closing any handle of the file drops the locks that SQLite holds on it in this
            // process (POSIX), so this one stays open for the life of the process.
            std::mem::forget(file);
        })
        .map_err(|error| fault(format!("no thread for checkpoints: {error}")))?;
        checkpointer.thread = Some(thread);
        Ok(checkpointer)
    }

    /// Returns the work that the writer does between two groups.
    pub(crate) fn between_groups(&self) -> impl FnMut(&Connection) + Send + use<> {
        let files = self.files.clone();
        let mut keeper = files.map(|files| LogKeeper::new(self.shared.clone(), files));
        move |connection| {
            if let Some(keeper) = &mut keeper {
                keeper.look_after(FRAMES.get(), connection);
            }
        }
    }

    /// Returns what empties the log soon, for a write that erases what the log must not keep.
    pub(crate) fn cleaner(&self) -> impl Fn() + Send + use<> {
        let shared = self.shared.clone();
        move || {
            shared.cleaning.make();
            // With the lock, so that the thread does not begin to wait in between.
            let _phase = shared.lock();
            shared.changed.notify_all();
        }
    }

    /// Returns the time limit of reads, which depends on the length of the log.
    pub(crate) fn read_limit(&self) -> ReadLimit {
        ReadLimit::new(self.shared.log_is_long.clone())
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        if let Some(thread) = &self.thread {
            thread.stop(|| {
                *self.shared.lock() = CheckpointPhase::Stopping;
                self.shared.changed.notify_all();
            });
        }
    }
}

/// The writer's part of checkpoints: starts the thread's work, and makes the log start over.
struct LogKeeper {
    shared: Arc<Shared>,
    files: Arc<DatabaseFiles>,
    /// Frames after the last group.
    frames: i64,
    /// Frames at which the thread works again. While a reader keeps frames from being moved, a try after
    /// every group would sync the file each time for nothing.
    start_at: i64,
    /// The earliest time of the next checkpoint, unless there are many more frames.
    start_from: Instant,
    /// The number of waits for readers in a row that failed.
    failed_restarts: usize,
    /// The earliest time of the next wait for readers.
    wait_from: Instant,
    backup: BackupWatch,
    /// Set when a backup has ended, until the thread has moved what has gathered: the writer would move all of
    /// it by itself when it waits.
    thread_first: bool,
    shrinking: Shrinking,
}

impl LogKeeper {
    fn new(shared: Arc<Shared>, files: Arc<DatabaseFiles>) -> Self {
        Self {
            shared,
            files,
            frames: 0,
            start_at: START_FRAMES,
            start_from: Instant::now(),
            failed_restarts: 0,
            wait_from: Instant::now(),
            backup: BackupWatch::new(),
            thread_first: false,
            shrinking: Shrinking::default(),
        }
    }

    fn look_after(&mut self, frames: i64, connection: &Connection) {
        if frames < self.frames {
            self.start_at = START_FRAMES;
            self.failed_restarts = 0;
            self.shrinking.started_over(log_bytes(self.frames));
        }
        self.frames = frames;
        self.shrinking.step(&self.files, log_bytes(frames));
        let has_many = frames >= TOO_MANY_FRAMES || inject(FailPoint::LongWal).is_some();
        let is_long = has_many && !self.backup_reads();
        self.shared.log_is_long.store(is_long, Ordering::Relaxed);
        if is_long && !self.thread_first && Instant::now() >= self.wait_from {
            self.wait_for_readers(connection);
        }
        let mut phase = self.shared.lock();
        match *phase {
            CheckpointPhase::Writer => {
                *phase = CheckpointPhase::Idle;
                drop(phase);
                self.thread_first = false;
                self.start_at = match make_pass(connection, &self.files) {
                    Ok(Some(done)) if done.left() == 0 => START_FRAMES,
                    Ok(_) => frames + START_FRAMES,
                    // The thread reads again, on its own connection.
                    Err(error) if is_read_failure(&error) => frames,
                    Err(error) => {
                        tracing::warn!(%error, "the last pass of a checkpoint failed");
                        frames + START_FRAMES
                    }
                };
                hit(FailPoint::CheckpointEnd);
            }
            CheckpointPhase::Blocked => {
                *phase = CheckpointPhase::Idle;
                self.thread_first = false;
                self.start_at = frames + START_FRAMES;
            }
            CheckpointPhase::Idle if frames >= self.start_at && self.may_start(frames) => {
                self.start_from = Instant::now() + START_PERIOD;
                *phase = CheckpointPhase::Thread;
                drop(phase);
                self.shared.changed.notify_one();
            }
            _ => {}
        }
    }

    fn may_start(&self, frames: i64) -> bool {
        frames >= self.start_at + (HURRY_FRAMES - START_FRAMES) || Instant::now() >= self.start_from
    }

    /// Reports whether a backup keeps the log from starting over.
    fn backup_reads(&mut self) -> bool {
        let reads = self.backup.reads(self.files.database(), self.frames);
        if self.backup.take_ended() {
            self.thread_first = true;
            self.start_at = START_FRAMES;
            self.start_from = Instant::now();
        }
        reads
    }

    fn wait_for_readers(&mut self, connection: &Connection) {
        if self.files.state() != FilesState::InPlace {
            return;
        }
        let wait = RESTART_WAITS[self.failed_restarts % RESTART_WAITS.len()];
        match restart_log(connection, wait) {
            Ok(Restart::Done) => self.failed_restarts = 0,
            Ok(Restart::Readers) => self.failed_restarts += 1,
            // No time was waited: SQLite does not wait for another checkpoint, which ends soon.
            Ok(Restart::Checkpoint) => return,
            Err(error) => {
                end_if_failed_sync(&error, self.files.database());
                tracing::warn!(%error, "the write-ahead log cannot start over");
            }
        }
        let is_blocked = self.failed_restarts >= RESTART_WAITS.len();
        if is_blocked {
            tracing::warn!(
                log_mb = log_bytes(self.frames) / 1_000_000,
                "the write-ahead log cannot start over and grows: most likely another process keeps a read \
                 transaction open"
            );
        }
        self.wait_from = Instant::now()
            + if is_blocked {
                BLOCKED_RESTART_PAUSE
            } else {
                RESTART_PAUSE
            };
    }
}

/// Returns the bytes of a log with so many frames.
fn log_bytes(frames: i64) -> u64 {
    u64::try_from(frames).unwrap_or(0) * 4096
}

fn run(mut connection: Connection, file: &File, shared: &Shared, files: &DatabaseFiles) {
    let mut cleaning = Cleaning::new();
    loop {
        let mut phase = shared.lock();
        while !matches!(*phase, CheckpointPhase::Thread | CheckpointPhase::Stopping) {
            phase = match cleaning.due_in(&shared.cleaning) {
                None => vital::wait(&shared.changed, phase),
                Some(Duration::ZERO) => break,
                Some(left) => vital::wait_timeout(&shared.changed, phase, left).0,
            };
        }
        if *phase == CheckpointPhase::Stopping {
            return;
        }
        drop(phase);
        let left = make_passes(&mut connection, file, files);
        cleaning.clean(&shared.cleaning, &connection, files);
        let mut phase = shared.lock();
        if *phase == CheckpointPhase::Thread {
            *phase = CheckpointPhase::after_passes(left);
        }
    }
}

#[cfg(test)]
mod tests;
