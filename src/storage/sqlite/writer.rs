//! The one thread that writes.
//!
//! # Group commit
//! An fsync costs the same for one row and for a thousand, so the writer takes everything that waits
//! and commits it in one transaction. While it commits, the next group gathers: the busier, the
//! larger the groups. Nobody is answered, and the engine hears nothing, before COMMIT returned.
//!
//! # Failure
//! There are no savepoints: they do not survive a full disk, and they cost every write. An operation
//! that refuses must do so before it writes. When the database itself fails, the group is rolled back
//! and each operation tried again in a transaction of its own, so that each gets its own error; unless
//! another process holds the lock, which each would wait for again. Outcomes
//! of attempts cannot be refused, they have happened: they stay at the head of the queue and are tried
//! again every half a second, until the disk takes them. Publishes are refused meanwhile.
//!
//! Two failures end the process: a failed sync ([`failed_sync`](super::file::failed_sync)), and a read that fails twice
//! ([`read_failure`](super::file::read_failure)). If the files are not those that were opened, nothing is written
//! until they are again.
//!
//! A disk that neither writes nor fails holds the writer inside a transaction; those who come to it find that out
//! ([`stall`]).
//!
//! # Bounds
//! Two queues, outcomes first, so that a flood of publishes cannot keep an attempt from being
//! recorded; while publishes wait, half of a group is theirs. Publishes are bounded in number and in
//! bytes, and workspaces take turns ([`fair_queue`]). Outcomes are bounded by the engine, which starts no
//! attempt while too many are unrecorded.

pub(super) mod cache;
pub(super) mod counters;
mod failure;
mod fair_queue;
mod group;
mod handle;
mod list_indexes;
pub(super) mod operation;
mod points;
mod shared;
mod stall;
pub(super) mod sweep_list;
#[cfg(test)]
mod tests;
mod thread;
pub(super) mod workspace_cache;

pub(super) use self::handle::Writer;
pub(super) use self::shared::WriterResources;
