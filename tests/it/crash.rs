//! Crashes, disks and clocks: the real binary killed, starved and misled, and what it makes of it.
//!
//! What a crash may cost is a second delivery of an event, with the same id and body. What it must not
//! cost: a message that was answered 202, half of a message, a counter that disagrees with its rows.
//! [`whole::check`] looks at the file for all of that, after every test.
//!
//! The moments in between come from fail points (`src/fail_point.rs`), which the tests' build has.

mod clock;
mod disk;
mod files;
mod kill;
mod log;
mod lost_frames;
mod moved;
mod panics;
mod points;
mod reads;
mod senders;
mod server;
mod signals;
mod stderr;
mod syncs;
mod users;
mod whole;
