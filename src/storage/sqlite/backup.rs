//! Copies of the database: made beside a running server, checked, and put back.
//!
//! A backup is the state of one moment: that of its last round. It is written page by page to a new file, plain or as gzip.
//! The backup interface of `SQLite` was not used: while another process writes, it begins anew again and again, or reads
//! all pages in one transaction, for which the write-ahead log gathers gigabytes.
//!
//! - [`view`]: the view of the database, a read transaction that is renewed, and the pages that were written meanwhile.
//! - [`copy_pages`]: the copying in rounds.
//! - [`copy_file`]: the file that a copy is written to, which has its name only when it is complete.
//! - [`take`]: a backup from its begin to its end.
//! - [`check`]: the checks of a copy.
//! - [`source`]: a backup as it is read, plain or from gzip.
//! - [`restore`]: a restore from its begin to its end; [`swap`]: the order of its last steps.

mod check;
mod copy_file;
mod copy_pages;
mod error;
mod pace;
mod restore;
mod source;
mod swap;
mod take;
mod view;
mod watch;

pub use self::copy_file::remove_leftover;
pub use self::error::{BackupError, RestoreError};
pub use self::restore::{Restored, restore};
pub use self::take::{Backup, BackupOptions, back_up};
pub use self::watch::Watch;
