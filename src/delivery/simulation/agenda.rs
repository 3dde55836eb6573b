//! What is going to happen, in the order of time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::plan::Plan;
use crate::delivery::protocol::{Landing, ReadRequest, ReadResult, Start};

/// What is going to happen. A number says in which life of the process.
pub(super) enum Happening {
    Wake,
    Write(u32),
    Snapshot(u32, ReadRequest),
    Answer(u32, ReadResult),
    Load(u32, Start),
    Admit(u32, Start),
    Land(u32, Landing),
    Plan(Plan),
}

#[derive(Default)]
pub(super) struct Agenda {
    entries: BinaryHeap<Entry>,
    serial: u64,
}

impl Agenda {
    pub(super) fn put(&mut self, at: Duration, what: Happening) {
        self.serial += 1;
        self.entries.push(Entry {
            at,
            serial: self.serial,
            what,
        });
    }

    /// Takes what comes next, if it comes by `end`, and when.
    pub(super) fn next(&mut self, end: Duration) -> Option<(Duration, Happening)> {
        self.entries.peek().filter(|entry| entry.at <= end)?;
        self.entries.pop().map(|entry| (entry.at, entry.what))
    }
}

struct Entry {
    at: Duration,
    /// Among entries of one moment, the one made first comes first.
    serial: u64,
    what: Happening,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.serial).cmp(&(self.at, self.serial))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.serial == other.serial
    }
}

impl Eq for Entry {}
