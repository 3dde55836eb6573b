//! The check of a database file, and its repair.
//!
//! # The check
//! It reads one snapshot and changes nothing, beside a running server or without one. `SQLite` checks the pages
//! and its own indexes (`integrity_check`) on one thread; on another, this module checks what `SQLite` cannot
//! know: that references lead somewhere, that copied columns agree with their source, that states make sense,
//! and that counters and list indexes are those of their rows.
//!
//! # Cost
//! Each large table is read once, in its order, with a search for each row in the tables that it refers to;
//! counters are compared block by block, and list indexes by sums of hashes ([`lists`]). So the memory does not
//! grow with the tables. The snapshot does cost a running server something: its write-ahead log cannot start over
//! until the check ends.
//!
//! # The repair
//! [`repair`] holds the lock of the file. It corrects rows in transactions of some thousand each, in an order in
//! which any of them may be the last. It repeats that until a check finds nothing more, since the correction of one
//! row can be the reason for another. If pages are damaged, but none of a table that only a backup could replace,
//! it writes all tables into a new file ([`rewrite`]).

mod batches;
mod blocks;
mod charts;
mod clock;
mod correct;
mod error;
mod examination;
mod examine;
mod lists;
mod marks;
mod message_lists;
mod pages;
mod problem;
mod progress;
mod references;
mod repair;
mod report;
mod rewrite;
mod rows;
mod rules;
mod schema;
mod snapshot;
mod tables;

pub use self::error::CheckError;
pub use self::examine::check;
pub use self::problem::Remedy;
pub use self::progress::CheckWatch;
pub use self::repair::{Repaired, repair};
pub use self::report::{PartReport, Problem, Report};
pub(crate) use self::schema::first_wrong_table;

#[cfg(test)]
mod tests;
