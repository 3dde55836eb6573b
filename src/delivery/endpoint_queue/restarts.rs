//! Events that begin a new run, or are skipped, while an older state of them may be in memory.

use super::{EndpointQueue, body_bytes};
use crate::domain::clock::Timestamp;
use crate::storage::Seq;

impl EndpointQueue {
    /// Handles an event that begins a new run because a person asked for it.
    pub(in crate::delivery) fn redeliver(&mut self, seq: Seq) {
        self.forget_waiting(seq);
        self.redeliveries_wanted = true;
    }

    /// Handles an event that begins a new run because a job let it go.
    pub(in crate::delivery) fn let_go(&mut self, seq: Seq, due: Timestamp) {
        self.forget_waiting(seq);
        self.due_earlier(due);
    }

    /// Removes an event from memory whose state on disk has changed. An attempt in flight goes on.
    pub(in crate::delivery) fn forget_waiting(&mut self, seq: Seq) {
        // Nearly all events that jobs let go are not in memory, and the queues may be long.
        if self.in_hand.contains_key(&seq) {
            self.remove_waiting(seq);
        }
        self.outdate_reads(seq);
    }

    fn remove_waiting(&mut self, seq: Seq) {
        for queue in [
            &mut self.fresh,
            &mut self.retries,
            &mut self.of_jobs,
            &mut self.redeliveries,
        ] {
            if let Some(at) = queue.iter().position(|event| event.seq == seq)
                && let Some(event) = queue.remove(at)
            {
                self.in_hand.remove(&seq);
                self.bytes -= body_bytes(&event);
            }
        }
    }
}
