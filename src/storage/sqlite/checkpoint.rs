//! Moving committed pages from the write-ahead log into the database file, off the writer.
//!
//! A checkpoint inside a commit would hold every waiting publish for as long as it takes to sync the
//! file. So a thread of its own makes passive checkpoints, which block nobody, and syncs the file, until
//! little is left; then the writer makes the last one between two groups, when nothing is added: only
//! then can the log start over.

use std::cell::Cell;
use std::ffi::c_int;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use crate::fail_point::{FailPoint, reach};
use crate::storage::StoreError;

/// Frames (pages of 4 KiB) in the log that start a checkpoint: 16 MB.
const START_FRAMES: i64 = 4000;

/// Frames that the writer may move by itself: about a millisecond.
const LAST_FRAMES: i64 = 300;

/// Frames at which the writer waits for readers, so that the log can start over: 128 MB.
const TOO_MANY_FRAMES: i64 = 32_768;

/// How long the writer then waits.
const RESTART_WAIT: Duration = Duration::from_millis(100);

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
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The checkpoint thread's handle.
pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
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
        });
        let for_thread = shared.clone();
        let thread = std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || {
                run(&connection, &file, &for_thread);
                // Closing any handle of the file drops the locks that SQLite holds on it in this
                // process (POSIX), so this one stays open for the life of the process.
                std::mem::forget(file);
            })
            .map_err(|error| fault(format!("no thread for checkpoints: {error}")))?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// What the writer does between two groups.
    pub(super) fn between_groups(&self) -> impl FnMut(&Connection) + Send + use<> {
        let shared = self.shared.clone();
        move |connection| {
            let frames = FRAMES.get();
            let mut turn = shared.lock();
            match *turn {
                Turn::Writer => {
                    *turn = Turn::Idle;
                    drop(turn);
                    if let Err(error) = checkpoint(connection, "PASSIVE") {
                        tracing::debug!(%error, "checkpoint");
                    }
                    reach(FailPoint::CheckpointEnd);
                }
                Turn::Idle if frames >= START_FRAMES => {
                    *turn = Turn::Thread;
                    drop(turn);
                    shared.changed.notify_one();
                    if frames >= TOO_MANY_FRAMES {
                        restart_log(connection);
                    }
                }
                _ => {}
            }
        }
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        *self.shared.lock() = Turn::Stopping;
        self.shared.changed.notify_all();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, file: &File, shared: &Shared) {
    loop {
        let mut turn = shared.lock();
        while matches!(*turn, Turn::Idle | Turn::Writer) {
            turn = shared
                .changed
                .wait(turn)
                .unwrap_or_else(PoisonError::into_inner);
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
                Ok(left) if left < LAST_FRAMES || left >= before => break,
                Ok(left) => before = left,
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

/// Makes a checkpoint; answers how many frames are left to move.
fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<i64> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        let (log, moved): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(log - moved)
    })
}

fn restart_log(connection: &Connection) {
    let waited = connection
        .busy_timeout(RESTART_WAIT)
        .and_then(|()| checkpoint(connection, "RESTART"));
    if let Err(error) = waited.and_then(|_| connection.busy_timeout(super::open::BUSY_TIMEOUT)) {
        tracing::debug!(%error, "restarting the log");
    }
}

/// Moves everything and empties the log: for a clean stop.
pub(super) fn truncate(database: &Path) {
    let done = super::open::write_connection(database)
        .and_then(|connection| checkpoint(&connection, "TRUNCATE"));
    if let Err(error) = done {
        tracing::warn!(%error, "the last checkpoint failed; the next start makes it");
    }
}
