//! The emptying of the log after an erasure: of a payload, a secret, a custom header or a URL.
//!
//! The next checkpoint overwrites erased values in the database file; it may come after days on a server with little work.
//! In the log they stay until new frames overwrite them. So after an erasure the checkpoint thread empties the log. While it does, no commit begins; it waits for readers a moment only, and tries again later.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::storage::sqlite::file::backup_lock;
use crate::storage::sqlite::file::connection::BUSY_TIMEOUT;
use crate::storage::sqlite::file::database_files::DatabaseFiles;
use crate::storage::sqlite::file::failed_sync::end_if_failed_sync;
use crate::storage::sqlite::file::wal::checkpoint;

/// The time that it waits for readers, and commits for it.
const READERS_WAIT: Duration = Duration::from_millis(100);

/// The least time between two tries. All erasures in that time are one.
const PERIOD: Duration = Duration::from_secs(2);

/// The tries after an erasure. Every reader of this process ends within one period; another process, such as one that
/// replicates the log, may read for ever.
const TRIES: u32 = 5;

/// The request to empty the log.
#[derive(Debug, Default)]
pub(super) struct CleaningRequest(AtomicBool);

impl CleaningRequest {
    /// Makes the request. The caller wakes the thread.
    pub(super) fn make(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }

    fn is_made(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The state of the cleaning, of the checkpoint thread.
#[derive(Debug)]
pub(super) struct Cleaning {
    tries_left: u32,
    /// The earliest time of the next try.
    from: Instant,
}

impl Cleaning {
    pub(super) fn new() -> Self {
        Self {
            tries_left: 0,
            from: Instant::now(),
        }
    }

    /// Returns the time until the next try; `None` if there is none to make.
    pub(super) fn due_in(&self, request: &CleaningRequest) -> Option<Duration> {
        let is_wanted = request.is_made() || self.tries_left > 0;
        is_wanted.then(|| self.from.saturating_duration_since(Instant::now()))
    }

    /// Empties the log if a try is due.
    pub(super) fn clean(
        &mut self,
        request: &CleaningRequest,
        connection: &Connection,
        files: &DatabaseFiles,
    ) {
        if self.due_in(request) != Some(Duration::ZERO) {
            return;
        }
        self.from = Instant::now() + PERIOD;
        if request.take() {
            self.tries_left = TRIES;
        }
        // A backup ends, so its time costs no try.
        if backup_lock::is_held(files.database()) {
            return;
        }
        self.tries_left -= 1;
        match empty_log(connection) {
            Ok(true) => self.tries_left = 0,
            Ok(false) if self.tries_left > 0 => {}
            Ok(false) => tracing::warn!(
                "the write-ahead log keeps pages from before an erasure until it starts over: most likely another \
                 process reads it"
            ),
            Err(error) => {
                end_if_failed_sync(&error, files.database());
                tracing::warn!(%error, "the write-ahead log cannot be emptied after an erasure");
            }
        }
    }
}

/// Moves all frames, and empties the log; returns false if it is being read.
fn empty_log(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(READERS_WAIT)?;
    let emptied = checkpoint(connection, "TRUNCATE");
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(!emptied?.is_busy())
}
