//! The tests of crashes, disks and clocks: the real binary is killed, gets no memory or disk, and sees
//! wrong times.
//!
//! A crash may cost a second delivery of an event, with the same id and body. It must not cost a message
//! that was answered with 202, half of a message, or a counter that disagrees with its rows.
//! [`whole::check`] checks the file for all of that, after every test.
//!
//! Fail points (`src/fail_point.rs`), which the tests' build has, give the moments between two steps.

mod backup;
mod batches;
mod check;
mod clock;
mod disk;
mod encryption;
mod erasing;
mod files;
mod jobs;
mod kill;
mod log;
mod lost_frames;
mod moved;
mod operational_events;
mod panics;
mod points;
mod reads;
mod retention;
mod senders;
mod server;
mod signals;
mod stderr;
mod syncs;
mod users;
mod whole;
