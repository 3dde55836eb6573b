//! Copies of the database: made beside a running server, checked, and put back.
//!
//! A backup is the state of one moment. It is read in one transaction, page by page in the order of the file,
//! and written to a new file, plain or as gzip. The backup interface of `SQLite` was not used: it would write a
//! database, which cannot be compressed on the way, and it cannot be slowed down evenly.
//!
//! - [`snapshot`]: the transaction, and the pages that it sees.
//! - [`copy_file`]: the file that a copy is written to, which has its name only when it is complete.
//! - [`take`]: a backup from its begin to its end.
//! - [`check`]: the checks of a copy.
//! - [`source`]: a backup as it is read, plain or from gzip.
//! - [`restore`]: a restore from its begin to its end; [`swap`]: the order of its last steps.

mod check;
mod copy_file;
mod error;
mod pace;
mod restore;
mod snapshot;
mod source;
mod swap;
mod take;
mod watch;

pub use self::copy_file::remove_leftover;
pub use self::error::{BackupError, RestoreError};
pub use self::restore::{Restored, restore};
pub use self::take::{Backup, BackupOptions, back_up};
pub use self::watch::Watch;
