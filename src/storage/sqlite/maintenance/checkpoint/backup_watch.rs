//! The watch for a backup, which keeps a long log from starting over.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::storage::sqlite::file::backup_lock;

/// The time between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// The state of backups, as of the last look.
pub(super) struct BackupWatch {
    reads: bool,
    has_ended: bool,
    look_from: Instant,
}

impl BackupWatch {
    pub(super) fn new() -> Self {
        Self {
            reads: false,
            has_ended: false,
            look_from: Instant::now(),
        }
    }

    /// Reports whether a backup reads the database; looks once in [`PERIOD`]. `frames` are those in the log.
    pub(super) fn reads(&mut self, database: &Path, frames: i64) -> bool {
        let now = Instant::now();
        if now < self.look_from {
            return self.reads;
        }
        self.look_from = now + PERIOD;
        let read_before = self.reads;
        self.reads = backup_lock::is_held(database);
        self.has_ended |= read_before && !self.reads;
        if self.reads && !read_before {
            tracing::info!(
                log_mb = frames * 4096 / 1_000_000,
                "a backup is being made: the write-ahead log grows until it ends"
            );
        }
        self.reads
    }

    /// Looks at the next call.
    #[cfg(test)]
    pub(super) fn look_now(&mut self) {
        self.look_from = Instant::now();
    }

    /// Reports once whether a backup has ended.
    pub(super) fn take_ended(&mut self) -> bool {
        std::mem::take(&mut self.has_ended)
    }
}
