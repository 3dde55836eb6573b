//! The implementation of the trait `Queue`: each method reads once, or queues one write.

use std::sync::Arc;

use super::SqliteStore;
use crate::domain::clock::Timestamp;
use crate::storage::sqlite::reads;
use crate::storage::sqlite::writes::record_attempt::RecordAttempt;
use crate::storage::{
    AttemptRecord, EndpointNumber, EventBody, NoticeSink, Queue, QueuedEvent, RetryBatch, Run, Seq,
    StoreError, StoredTarget,
};

impl Queue for SqliteStore {
    fn listen(&self, sink: Arc<dyn NoticeSink>) {
        self.writer.listen(sink);
    }

    fn targets(&self) -> Result<Vec<StoredTarget>, StoreError> {
        reads::backlog::targets(&self.readers)
    }

    fn fresh(
        &self,
        endpoint: EndpointNumber,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<QueuedEvent>, StoreError> {
        self.read(|connection| Ok(reads::queue::fresh(connection, endpoint, after, limit)?))
    }

    fn retries(
        &self,
        endpoint: EndpointNumber,
        skip_through: Run,
        now: Timestamp,
        limit: usize,
    ) -> Result<RetryBatch, StoreError> {
        self.read(|connection| {
            Ok(reads::queue::retries(
                connection,
                endpoint,
                skip_through,
                now,
                limit,
            )?)
        })
    }

    fn redeliveries(
        &self,
        endpoint: EndpointNumber,
        skip_through: Run,
        limit: usize,
    ) -> Result<Vec<QueuedEvent>, StoreError> {
        self.read(|connection| {
            Ok(reads::queue::redeliveries(
                connection,
                endpoint,
                skip_through,
                limit,
            )?)
        })
    }

    fn bodies(&self, seqs: &[Seq], bytes: usize) -> Result<Vec<Option<EventBody>>, StoreError> {
        self.read(|connection| Ok(reads::queue::bodies(connection, seqs, bytes)?))
    }

    fn record(&self, record: AttemptRecord) {
        self.writer.submit_record(Box::new(RecordAttempt {
            record,
            disable_after: self.settings.disable_after,
        }));
    }
}
