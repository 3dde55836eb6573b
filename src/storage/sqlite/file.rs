//! The database file: found, locked, opened, migrated, recovered and checked.

pub(super) mod backup_lock;
pub(super) mod connection;
pub(super) mod damage;
pub(super) mod database_files;
pub(super) mod failed_sync;
pub(super) mod free_space;
pub(super) mod injected_error;
mod least_length;
pub(super) mod lock;
mod lost_frames;
pub(super) mod migrations;
pub(super) mod open;
pub(super) mod open_error;
pub(super) mod place;
pub(super) mod read_failure;
pub(super) mod recovery;
mod stale_log;
pub(super) mod trace;
mod valid_log;
pub(super) mod wal;
pub(super) mod written_pages;
