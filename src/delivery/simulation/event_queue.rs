//! The simulation's events, in the order of time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::disruption::Disruption;
use crate::delivery::protocol::{AttemptJob, AttemptReport, ReadRequest, ReadResult};

/// An event that will happen. The number is that of the process that it belongs to.
pub(super) enum SimEvent {
    /// The dispatcher wakes.
    Wake,
    /// The writer writes what waits for it.
    Write(u32),
    /// The reader reads.
    Read(u32, ReadRequest),
    /// The reader reports a result.
    ReadEnds(u32, ReadResult),
    /// The reader has read the bodies that a job needs.
    Load(u32, AttemptJob),
    /// A sender takes a job.
    TakeJob(u32, AttemptJob),
    /// A sender reports on a job.
    AttemptEnds(u32, AttemptReport),
    Disruption(Disruption),
}

#[derive(Default)]
pub(super) struct EventQueue {
    entries: BinaryHeap<Entry>,
    serial: u64,
}

impl EventQueue {
    pub(super) fn put(&mut self, at: Duration, event: SimEvent) {
        self.serial += 1;
        self.entries.push(Entry {
            at,
            serial: self.serial,
            event,
        });
    }

    /// Removes the next event if it happens by `end`; returns its time too.
    pub(super) fn next(&mut self, end: Duration) -> Option<(Duration, SimEvent)> {
        self.entries.peek().filter(|entry| entry.at <= end)?;
        self.entries.pop().map(|entry| (entry.at, entry.event))
    }
}

struct Entry {
    at: Duration,
    /// Of the entries of one moment, the one made first comes first.
    serial: u64,
    event: SimEvent,
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
