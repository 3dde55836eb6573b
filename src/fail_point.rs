//! Steps at which tests let the process die, wait, panic, or meet a failing disk.
//!
//! Promises of the form "whenever it crashes" are only as good as the moments that were tried, and the
//! interesting ones last microseconds. So the code names them here, and passes them by. Without the
//! feature `fail-points`, which only the crate's own tests turn on, [`reach`] is nothing at all.
//!
//! With it, the environment variable `HOOKPOST_FAIL_POINT` names a file; while that file says
//! `POINT ACTION`, `POINT ACTION N` or `POINT ACTION N M`, the process does so whenever (or from the Nth
//! time on, or from the Nth to the Mth time) it comes to that point. A file and not the variable itself, so that a test chooses its moment, and can heal
//! what it broke, while the process runs.

/// A step that matters to somebody's promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailPoint {
    /// A new database's file is there, and is empty.
    DatabaseMade,
    /// A new database is marked as ours, and has no table.
    DatabaseMarked,
    /// A migration has done everything but to commit.
    Migrating,
    /// A group of writes is about to commit.
    Commit,
    /// The same, of a group with more than one operation.
    CommitGroup,
    /// The same, of a group with a message that has events.
    CommitPublish,
    /// The same, of a group with the outcome of an attempt.
    CommitOutcome,
    /// A message that has events was committed; nobody was told.
    CommittedPublish,
    /// The outcome of an attempt was committed; nobody was told.
    CommittedOutcome,
    /// A request is about to be made.
    Sending,
    /// A request was answered; the outcome was not reported yet.
    Sent,
    /// Some of a message's bodies are dropped, within a transaction.
    Archiving,
    /// Some events of a disabled endpoint are skipped, within a transaction.
    Sweeping,
    /// A pass of a checkpoint was made by the thread for it.
    CheckpointPass,
    /// The writer has made the last pass of a checkpoint.
    CheckpointEnd,
    /// A write of a workspace is being queued for the writer, with the queue's lock held.
    Queueing,
    /// The writer has taken a group, and has not begun to write it.
    WriterTurn,
    /// The dispatcher has taken what it is to hear of.
    DispatcherTurn,
    /// The thread that reads the queue was asked for something.
    ReaderTurn,
    /// The janitor is about to look.
    JanitorTurn,
    /// A name was looked up; who waits for it was not told.
    LookUpTurn,
    /// A thread for a sender is about to be started.
    SenderStart,
    /// An attempt has ended, or has panicked; the dispatcher was not told.
    SenderTurn,
    /// The log is about to be synced for a commit.
    SyncLog,
    /// The database file is about to be synced for a checkpoint.
    SyncDatabase,
    /// Somebody is about to read.
    Read,
    /// The writer is about to read what it changes.
    ReadForWrite,
    /// A checkpoint is about to read the log.
    ReadLog,
}

/// What a point may report instead of success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No space is left.
    DiskFull,
    /// The disk fails.
    DiskError,
}

/// Whether this build has fail points.
pub const ENABLED: bool = cfg!(feature = "fail-points");

/// Passes by a point; the fault that is to be reported there, if any.
#[cfg(not(feature = "fail-points"))]
#[inline]
#[must_use]
pub const fn fault(_point: FailPoint) -> Option<Fault> {
    None
}

#[cfg(feature = "fail-points")]
pub use self::armed::fault;

/// Passes by a point where nothing can be reported.
pub fn reach(point: FailPoint) {
    let _ = fault(point);
}

#[cfg(feature = "fail-points")]
mod armed {
    use std::path::PathBuf;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::{FailPoint, Fault};

    const VARIABLE: &str = "HOOKPOST_FAIL_POINT";

    /// How often a process that is held looks whether it still is.
    const LOOK_AGAIN: Duration = Duration::from_millis(1);

    /// How often the armed point was passed.
    static PASSED: AtomicU32 = AtomicU32::new(0);

    /// Passes by a point; the fault that is to be reported there, if any.
    #[must_use]
    pub fn fault(point: FailPoint) -> Option<Fault> {
        static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
        let file = FILE.get_or_init(|| std::env::var_os(VARIABLE).map(PathBuf::from));
        let file = file.as_ref()?;
        let mut counted = false;
        loop {
            let text = std::fs::read_to_string(file).ok()?;
            let mut words = text.split_whitespace();
            if words.next() != Some(name(point)) {
                return None;
            }
            let action = words.next();
            let mut number = || words.next().and_then(|n| n.parse().ok());
            let from: u32 = number().unwrap_or(1);
            let times = from..=number().unwrap_or(u32::MAX);
            if !counted && !times.contains(&(PASSED.fetch_add(1, Ordering::Relaxed) + 1)) {
                return None;
            }
            counted = true;
            match action {
                Some("abort") => std::process::abort(),
                Some("full") => return Some(Fault::DiskFull),
                Some("fail") => return Some(Fault::DiskError),
                Some("panic") => panic!("{VARIABLE}: {text}"),
                Some("hold") => std::thread::sleep(LOOK_AGAIN),
                _ => panic!("{VARIABLE} has no such action: {text}"),
            }
        }
    }

    const fn name(point: FailPoint) -> &'static str {
        match point {
            FailPoint::DatabaseMade => "database-made",
            FailPoint::DatabaseMarked => "database-marked",
            FailPoint::Migrating => "migrating",
            FailPoint::Commit => "commit",
            FailPoint::CommitGroup => "commit-group",
            FailPoint::CommitPublish => "commit-publish",
            FailPoint::CommitOutcome => "commit-outcome",
            FailPoint::CommittedPublish => "committed-publish",
            FailPoint::CommittedOutcome => "committed-outcome",
            FailPoint::Sending => "sending",
            FailPoint::Sent => "sent",
            FailPoint::Archiving => "archiving",
            FailPoint::Sweeping => "sweeping",
            FailPoint::CheckpointPass => "checkpoint-pass",
            FailPoint::CheckpointEnd => "checkpoint-end",
            FailPoint::Queueing => "queueing",
            FailPoint::WriterTurn => "writer-turn",
            FailPoint::DispatcherTurn => "dispatcher-turn",
            FailPoint::ReaderTurn => "reader-turn",
            FailPoint::JanitorTurn => "janitor-turn",
            FailPoint::LookUpTurn => "look-up-turn",
            FailPoint::SenderStart => "sender-start",
            FailPoint::SenderTurn => "sender-turn",
            FailPoint::SyncLog => "sync-log",
            FailPoint::SyncDatabase => "sync-database",
            FailPoint::Read => "read",
            FailPoint::ReadForWrite => "read-for-write",
            FailPoint::ReadLog => "read-log",
        }
    }
}
