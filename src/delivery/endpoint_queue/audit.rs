//! The simulation's view of an [`EndpointQueue`].

use super::{EndpointQueue, body_bytes};
use crate::storage::{QueuedEvent, Seq};

impl EndpointQueue {
    /// Counts the bytes of waiting bodies anew.
    pub(in crate::delivery) fn recounted_bytes(&self) -> usize {
        self.waiting_events().map(body_bytes).sum()
    }

    /// Returns the events that wait in memory.
    pub(in crate::delivery) fn waiting_events(&self) -> impl Iterator<Item = &QueuedEvent> {
        self.fresh
            .iter()
            .chain(&self.retries)
            .chain(&self.of_jobs)
            .chain(&self.redeliveries)
    }

    /// Returns the numbers of fresh events, of retries, of events of jobs and of redeliveries that wait in memory.
    pub(in crate::delivery) fn lengths(&self) -> [usize; 4] {
        [
            self.fresh.len(),
            self.retries.len(),
            self.of_jobs.len(),
            self.redeliveries.len(),
        ]
    }

    /// Returns the number of events in hand.
    pub(in crate::delivery) fn in_hand(&self) -> usize {
        self.in_hand.len()
    }

    /// Reports whether an event is in hand.
    pub(in crate::delivery) fn is_in_hand(&self, seq: Seq) -> bool {
        self.in_hand.contains_key(&seq)
    }

    /// Reports whether a read is running.
    pub(in crate::delivery) fn is_reading(&self) -> bool {
        self.running_reads() != [false; 3]
    }

    /// Returns the highest number of a fresh event that is known to be on disk.
    pub(in crate::delivery) fn committed(&self) -> Seq {
        self.committed
    }
}
