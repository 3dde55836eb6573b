//! The store in an embedded `SQLite` file.
//!
//! Promises: a write is on disk before its caller gets the result; reads see whole transactions; no other
//! server uses the file. Every line of SQL and of rusqlite is in this folder. Nothing here knows of HTTP.
//!
//! The parts, mostly divided by the thread that runs their code:
//!
//! - [`store`]: the handle that the rest of the program has; implements `Store` and `Queue`.
//! - [`writes`]: the statements of each write, run by the writer thread inside a transaction.
//! - [`reads`]: the statements of each read, run by any thread on a read-only connection of a pool.
//! - [`writer`]: the writer thread, its queue, and what it remembers between transactions.
//! - [`maintenance`]: the threads for checkpoints and for deleting what is old.
//! - [`backup`]: copies of the database, made beside a running server, and put back.
//! - [`check`]: the check of a whole file, and its repair, for a command-line tool.
//! - [`message_events`]: where the events of a message are.
//! - [`file`]: opening, locking, migrating and recovering the database file.
//!
//! The file is in WAL mode: readers never wait for the writer, and the writer waits for readers only when the
//! write-ahead log is long ([`maintenance::checkpoint`]). A read is one statement, or one short transaction,
//! and is interrupted after two seconds at the latest: while a reader is at work, `SQLite` cannot reuse the
//! write-ahead log, which grows meanwhile.

mod backup;
mod check;
mod endpoint_rows;
mod event_state;
mod file;
mod job_rows;
mod latency_column;
mod maintenance;
mod message_events;
mod message_tags;
mod reads;
mod rows;
mod sealing;
mod store;
mod writer;
mod writes;

pub use self::backup::{
    Backup, BackupError, BackupOptions, RestoreError, Restored, Watch, back_up, remove_leftover,
    restore,
};
pub use self::check::{
    CheckError, CheckWatch, PartReport, Problem, Remedy, Repaired, Report, check, repair,
};
pub use self::file::open_error::OpenError;
pub use self::maintenance::truncate::CloseError;
pub use self::store::{SqliteSettings, SqliteStore, StoreMeasures, Unread};

/// Returns the version of the `SQLite` that is part of the program, such as `3.50.4`.
#[must_use]
pub fn version() -> &'static str {
    rusqlite::version()
}
