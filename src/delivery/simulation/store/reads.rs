//! The reads of the queue of a store in memory.

use super::{Store, index_of};
use crate::delivery::protocol::{ReadRequest, ReadResult};
use crate::storage::{RetryBatch, Seq};

impl Store {
    /// Makes a read of the queue, as `storage/sqlite/reads/queue.rs` does.
    pub(in crate::delivery::simulation) fn read(&self, request: ReadRequest) -> ReadResult {
        match request {
            ReadRequest::Fresh {
                endpoint,
                after,
                limit,
            } => {
                let fresh = self.endpoints[index_of(endpoint)]
                    .fresh
                    .range(after.0 + 1..);
                let events = fresh.take(limit).map(|seq| self.queued(*seq)).collect();
                ReadResult::Fresh {
                    endpoint,
                    events: Some(events),
                    limit,
                }
            }
            ReadRequest::Retries {
                endpoint,
                skip_through,
                now,
                limit,
            } => {
                let mut batch = RetryBatch::default();
                for (due, seq) in &self.endpoints[index_of(endpoint)].retries {
                    if self.row(Seq(*seq)).run <= skip_through.0 {
                        continue;
                    }
                    if *due > now || batch.events.len() == limit {
                        batch.next_due = Some(*due);
                        break;
                    }
                    batch.events.push(self.queued(*seq));
                }
                ReadResult::Retries {
                    endpoint,
                    batch: Some(batch),
                }
            }
            ReadRequest::Redeliveries {
                endpoint,
                skip_through,
                limit,
            } => {
                let waiting = self.endpoints[index_of(endpoint)].redeliveries.iter();
                let events = waiting
                    .filter(|seq| self.row(Seq(**seq)).run > skip_through.0)
                    .take(limit)
                    .map(|seq| self.queued(*seq))
                    .collect();
                ReadResult::Redeliveries {
                    endpoint,
                    events: Some(events),
                    limit,
                }
            }
        }
    }
}
