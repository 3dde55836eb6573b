//! The queue of a store in memory: that of the simulation, with the ids that the engine needs.

use std::sync::Arc;

use super::MemoryStore;
use crate::delivery::protocol::{ReadRequest, ReadResult};
use crate::domain::clock::Timestamp;
use crate::storage::{
    AttemptRecord, EndpointNumber, EventBody, NoticeSink, Queue, QueuedEvent, RetryBatch, Run, Seq,
    StoreError, StoredTarget,
};

impl MemoryStore {
    fn queued(&self, request: ReadRequest) -> ReadResult {
        self.read(|tables| {
            let mut result = tables.queue.read(request);
            let events = match &mut result {
                ReadResult::Fresh { events, .. } | ReadResult::Redeliveries { events, .. } => {
                    events.as_mut()
                }
                ReadResult::Retries { batch, .. } => batch.as_mut().map(|batch| &mut batch.events),
                ReadResult::Bodies { .. } => None,
            };
            for event in events.into_iter().flatten() {
                event.id = tables.event_id(event.seq);
            }
            result
        })
    }
}

impl Queue for MemoryStore {
    fn listen(&self, sink: Arc<dyn NoticeSink>) {
        let was_first = self.sink.set(sink).is_ok();
        assert!(was_first, "called once");
    }

    fn targets(&self) -> Result<Vec<StoredTarget>, StoreError> {
        Ok(self.read(|tables| tables.queue.targets()))
    }

    fn fresh(
        &self,
        endpoint: EndpointNumber,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<QueuedEvent>, StoreError> {
        let request = ReadRequest::Fresh {
            endpoint,
            after,
            limit,
        };
        match self.queued(request) {
            ReadResult::Fresh {
                events: Some(events),
                ..
            } => Ok(events),
            other => unreachable!("not what was asked for: {other:?}"),
        }
    }

    fn retries(
        &self,
        endpoint: EndpointNumber,
        skip_through: Run,
        now: Timestamp,
        limit: usize,
    ) -> Result<RetryBatch, StoreError> {
        let request = ReadRequest::Retries {
            endpoint,
            skip_through,
            now,
            limit,
        };
        match self.queued(request) {
            ReadResult::Retries {
                batch: Some(batch), ..
            } => Ok(batch),
            other => unreachable!("not what was asked for: {other:?}"),
        }
    }

    fn redeliveries(
        &self,
        endpoint: EndpointNumber,
        skip_through: Run,
        limit: usize,
    ) -> Result<Vec<QueuedEvent>, StoreError> {
        let request = ReadRequest::Redeliveries {
            endpoint,
            skip_through,
            limit,
        };
        match self.queued(request) {
            ReadResult::Redeliveries {
                events: Some(events),
                ..
            } => Ok(events),
            other => unreachable!("not what was asked for: {other:?}"),
        }
    }

    fn bodies(&self, seqs: &[Seq], bytes: usize) -> Result<Vec<Option<EventBody>>, StoreError> {
        Ok(self.read(|tables| tables.bodies(seqs, bytes)))
    }

    fn record(&self, record: AttemptRecord) {
        // The engine learns the result from the notice.
        drop(self.write(|tables, now| Ok(((), tables.record(&record, now)))));
    }
}
