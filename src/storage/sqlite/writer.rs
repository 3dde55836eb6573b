//! The one thread that writes.
//!
//! # Group commit
//! An fsync costs the same for one row as for a thousand, so the writer takes all operations that wait and
//! commits them in one transaction. The next group gathers meanwhile: the more there is to write, the larger
//! the groups. Callers get their results, and the engine its notices, only after COMMIT has returned.
//!
//! # Failure
//! There are no savepoints: they do not survive a full disk, and they cost every write. So an operation that
//! refuses must do so before it writes. When the database itself fails, the writer rolls the group back and
//! tries each operation again in a transaction of its own, so that each caller gets its own error. It does
//! not try again if another process holds the write lock, because each operation would wait for the lock
//! again. Attempt records cannot be refused, because the attempts were made: they stay at the head of their
//! queue, and the writer tries them again every half second until the disk takes them. Other operations are
//! refused meanwhile.
//!
//! Two failures end the process: a failed sync ([`failed_sync`](super::file::failed_sync)), and a read that
//! fails twice ([`read_failure`](super::file::read_failure)). If the files are not those that were opened,
//! the writer writes nothing until they are back.
//!
//! A disk that neither finishes nor fails a write holds the writer inside a transaction. Threads that queue
//! an operation or check the writer notice that ([`stall`]).
//!
//! # Bounds
//! There are two queues. Attempt records come first, so that a flood of publishes cannot delay them; while
//! other operations wait, attempt records get at most half of a group. The queue of the other operations is
//! bounded in number and in bytes, and workspaces take turns in it ([`fair_queue`]). The engine bounds the
//! attempt records: it starts no attempt while too many are not stored.

pub(super) mod cache;
pub(super) mod charts;
mod commit_fail_points;
pub(super) mod counters;
mod failure;
mod fair_queue;
mod group;
mod handle;
pub(super) mod list_indexes;
mod message_counts;
pub(super) mod operation;
pub(super) mod recent_attempts;
mod shared;
pub(super) mod size_limit;
mod stall;
pub(super) mod sweep_list;
#[cfg(test)]
pub(super) mod test_context;
#[cfg(test)]
mod tests;
mod thread;
pub(super) mod workspace_cache;

pub(super) use self::handle::Writer;
pub(super) use self::shared::WriterResources;
