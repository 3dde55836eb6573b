//! Fail points: named steps at which tests make the process crash, wait, panic, or meet a failing disk.
//!
//! Promises about crashes must be tested at the critical moments, which last microseconds. So these steps
//! have names, and the code calls [`hit`] or [`inject`] at each. Without the feature `fail-points`, which
//! only the crate's own tests turn on, these calls compile to nothing.
//!
//! With the feature, the environment variable `HOOKPOST_FAIL_POINT` names a file. While that file contains
//! `POINT ACTION`, `POINT ACTION N` or `POINT ACTION N M`, the process performs the action whenever it comes
//! to the point, or from the Nth time on, or from the Nth to the Mth time. ACTION is `abort`, `full`, `fail`,
//! `panic` or `hold`. Since the file can change, a test can start and end a fault while the process runs.

/// A step that a promise depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailPoint {
    /// The file of a new database exists, and is empty.
    DatabaseMade,
    /// A new database is marked as one of this program, and has no table.
    DatabaseMarked,
    /// A migration has done everything but to commit.
    Migrating,
    /// A group of writes is about to commit.
    Commit,
    /// A group with more than one operation is about to commit.
    CommitGroup,
    /// A group with a message that has events is about to commit.
    CommitPublish,
    /// A group with an attempt record is about to commit.
    CommitRecord,
    /// A message that has events was committed; neither its publisher nor the dispatcher knows yet.
    CommittedPublish,
    /// A message of a batch is stored, and others may follow, within a transaction.
    BatchMessage,
    /// The answers stored with the deliveries of a message are dropped and its bodies are not, within a transaction.
    Erasing,
    /// An attempt record was committed; the dispatcher does not know yet.
    CommittedRecord,
    /// A request is about to be made.
    Sending,
    /// The response to a request has come, or the request failed; the sender has not reported it yet.
    Sent,
    /// Some of a message's bodies are dropped, within a transaction.
    Archiving,
    /// The deliveries of an old event are deleted and the event is not, within a transaction.
    Deleting,
    /// Some entries of deleted rows in a list index are deleted, within a transaction.
    Tombstones,
    /// Some free pages are given back, within a transaction.
    Vacuuming,
    /// Some events of a disabled endpoint are skipped, within a transaction.
    Sweeping,
    /// Some secrets are encrypted anew, within a transaction.
    Resealing,
    /// A job has done its action on some events, and its place is not noted, within a transaction.
    JobStep,
    /// The thread of the jobs is about to look for work.
    JobsTurn,
    /// The checkpoint thread has made a pass of a checkpoint.
    CheckpointPass,
    /// The writer has made the last pass of a checkpoint.
    CheckpointEnd,
    /// A workspace's write is put into the writer's queue, with the queue's lock held.
    Queueing,
    /// The writer has taken a group, and has not begun to write it.
    WriterTurn,
    /// The dispatcher has taken its messages.
    DispatcherTurn,
    /// The reader of the queue has taken a request.
    ReaderTurn,
    /// The janitor is about to look for work.
    JanitorTurn,
    /// The watch over the wall clock is about to compare the clocks.
    ClockWatchTurn,
    /// The watch over backlogs and the disk is about to look.
    AlertsTurn,
    /// A name was looked up; the attempts that wait for it do not have the result yet.
    LookUpTurn,
    /// The thread that writes the log is about to be started.
    LogStart,
    /// A handler is about to hand work over to a blocking thread.
    BlockingThread,
    /// A thread for a sender is about to be started.
    SenderStart,
    /// An attempt has ended, or has panicked; the dispatcher has no report of it yet.
    SenderTurn,
    /// The write-ahead log is about to be synced.
    SyncWal,
    /// The database file is about to be synced.
    SyncDatabase,
    /// The writer checks whether the write-ahead log is too long (a fault makes it so), or is about to make
    /// it start over.
    LongWal,
    /// A reading connection is about to read.
    Read,
    /// The writer is about to read what it changes.
    ReadForWrite,
    /// A checkpoint is about to read the write-ahead log.
    ReadWal,
    /// A backup or a restore is about to write some bytes of its copy.
    CopyWrite,
    /// The copy of a backup is complete and on the disk, and does not have its name yet.
    BackupWritten,
    /// A backup has its name; backups that are too many are still there.
    BackupNamed,
    /// The file of a restore is complete and on the disk; the old database is as it was.
    RestoreChecked,
    /// The old database has no write-ahead log any more, and is still in its place.
    RestoreAlone,
    /// The restored database is in its place; the old one does not have its last name yet.
    RestoreSwapped,
    /// A repair has made some corrections, within a transaction.
    Repairing,
    /// A repair has written a new file, and has not put it in its place.
    Rewritten,
    /// A repair has exchanged the names of the new and the old file.
    Exchanged,
}

/// A failure that the code at a point reports instead of success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No space is left.
    DiskFull,
    /// The disk fails.
    DiskError,
}

/// True if this build has fail points.
pub const ENABLED: bool = cfg!(feature = "fail-points");

/// Does nothing in this build, and returns no fault.
#[cfg(not(feature = "fail-points"))]
#[inline]
#[must_use]
pub const fn inject(_point: FailPoint) -> Option<Fault> {
    None
}

#[cfg(feature = "fail-points")]
pub use self::armed::inject;

/// Does the action that a test has set for `point`, where the code cannot report a fault.
pub fn hit(point: FailPoint) {
    let _ = inject(point);
}

#[cfg(feature = "fail-points")]
mod armed {
    use std::path::PathBuf;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::{FailPoint, Fault};

    const VARIABLE: &str = "HOOKPOST_FAIL_POINT";

    /// The interval at which a held thread reads the file again, to see whether it is still held.
    const LOOK_AGAIN: Duration = Duration::from_millis(1);

    /// The number of times that the process came to the point in the file.
    static PASSED: AtomicU32 = AtomicU32::new(0);

    /// Does the action that a test has set for `point`. Returns the fault to report, if that is the action.
    #[must_use]
    pub fn inject(point: FailPoint) -> Option<Fault> {
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
            FailPoint::CommitRecord => "commit-outcome",
            FailPoint::CommittedPublish => "committed-publish",
            FailPoint::BatchMessage => "batch-message",
            FailPoint::Erasing => "erasing",
            FailPoint::CommittedRecord => "committed-outcome",
            FailPoint::Sending => "sending",
            FailPoint::Sent => "sent",
            FailPoint::Archiving => "archiving",
            FailPoint::Deleting => "deleting",
            FailPoint::Tombstones => "tombstones",
            FailPoint::Vacuuming => "vacuuming",
            FailPoint::Sweeping => "sweeping",
            FailPoint::Resealing => "resealing",
            FailPoint::JobStep => "job-step",
            FailPoint::JobsTurn => "jobs-turn",
            FailPoint::CheckpointPass => "checkpoint-pass",
            FailPoint::CheckpointEnd => "checkpoint-end",
            FailPoint::Queueing => "queueing",
            FailPoint::WriterTurn => "writer-turn",
            FailPoint::DispatcherTurn => "dispatcher-turn",
            FailPoint::ReaderTurn => "reader-turn",
            FailPoint::JanitorTurn => "janitor-turn",
            FailPoint::ClockWatchTurn => "clock-watch-turn",
            FailPoint::AlertsTurn => "alerts-turn",
            FailPoint::LookUpTurn => "look-up-turn",
            FailPoint::LogStart => "log-start",
            FailPoint::BlockingThread => "blocking-thread",
            FailPoint::SenderStart => "sender-start",
            FailPoint::SenderTurn => "sender-turn",
            FailPoint::SyncWal => "sync-log",
            FailPoint::SyncDatabase => "sync-database",
            FailPoint::LongWal => "long-log",
            FailPoint::Read => "read",
            FailPoint::ReadForWrite => "read-for-write",
            FailPoint::ReadWal => "read-log",
            FailPoint::CopyWrite => "copy-write",
            FailPoint::BackupWritten => "backup-written",
            FailPoint::BackupNamed => "backup-named",
            FailPoint::RestoreChecked => "restore-checked",
            FailPoint::RestoreAlone => "restore-alone",
            FailPoint::RestoreSwapped => "restore-swapped",
            FailPoint::Repairing => "repairing",
            FailPoint::Rewritten => "rewritten",
            FailPoint::Exchanged => "exchanged",
        }
    }
}
