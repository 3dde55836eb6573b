//! What the simulation may see of an [`EndpointQueue`].

use super::{EndpointQueue, body_bytes};
use crate::storage::{QueuedEvent, Seq};

impl EndpointQueue {
    /// Bytes of bodies that wait, counted anew.
    pub(in crate::delivery) fn recounted_bytes(&self) -> usize {
        self.waiting_events().map(body_bytes).sum()
    }

    /// What waits in memory.
    pub(in crate::delivery) fn waiting_events(&self) -> impl Iterator<Item = &QueuedEvent> {
        self.window
            .iter()
            .chain(&self.retries)
            .chain(&self.redeliveries)
    }

    /// How many wait in the window, as retries and as redeliveries.
    pub(in crate::delivery) fn lengths(&self) -> [usize; 3] {
        [
            self.window.len(),
            self.retries.len(),
            self.redeliveries.len(),
        ]
    }

    /// Events in hand.
    pub(in crate::delivery) fn in_hand(&self) -> usize {
        self.in_hand.len()
    }

    /// Whether an event is in hand.
    pub(in crate::delivery) fn holds(&self, seq: Seq) -> bool {
        self.in_hand.contains(&seq)
    }

    /// Whether a read is under way.
    pub(in crate::delivery) fn reads(&self) -> bool {
        self.reads_under_way() != [false; 3]
    }

    /// What fresh events are known to be on disk.
    pub(in crate::delivery) fn committed(&self) -> Seq {
        self.committed
    }
}
