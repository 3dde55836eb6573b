//! What is going to happen, in the order of time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::disruption::Disruption;
use crate::delivery::protocol::{AttemptJob, AttemptReport, ReadRequest, ReadResult};

/// What is going to happen. A number says in which life of the process.
pub(super) enum SimEvent {
    Wake,
    Write(u32),
    Snapshot(u32, ReadRequest),
    Answer(u32, ReadResult),
    Load(u32, AttemptJob),
    Admit(u32, AttemptJob),
    Land(u32, AttemptReport),
    Disruption(Disruption),
}

#[derive(Default)]
pub(super) struct EventQueue {
    entries: BinaryHeap<Entry>,
    serial: u64,
}

impl EventQueue {
    pub(super) fn put(&mut self, at: Duration, what: SimEvent) {
        self.serial += 1;
        self.entries.push(Entry {
            at,
            serial: self.serial,
            what,
        });
    }

    /// Takes what comes next, if it comes by `end`, and when.
    pub(super) fn next(&mut self, end: Duration) -> Option<(Duration, SimEvent)> {
        self.entries.peek().filter(|entry| entry.at <= end)?;
        self.entries.pop().map(|entry| (entry.at, entry.what))
    }
}

struct Entry {
    at: Duration,
    /// Among entries of one moment, the one made first comes first.
    serial: u64,
    what: SimEvent,
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
