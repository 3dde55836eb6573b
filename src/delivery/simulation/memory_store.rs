//! A whole store in memory, around the queue that the simulation runs on.
//!
//! The store shows that the traits can be implemented without a database, and that the simulation's queue
//! behaves as the real one does: `storage::conformance` tests both in the same way. Nothing is kept beyond
//! the process, and every write is made at once, under one lock.
//!
//! [`Unsupported`] names the parts that the store does not have.

mod reads;
mod tables;

use std::sync::{Arc, Mutex, OnceLock};

use uuid::Uuid;

use self::tables::{Tables, Written};
use crate::delivery::protocol::{ReadRequest, ReadResult};
use crate::domain::access::{AccessToken, Actor, Caller, TokenHash, Visibility};
use crate::domain::chart::{Chart, ChartRange, ChartScope};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::{Endpoint, EndpointPatch, NewEndpoint};
use crate::domain::event::Event;
use crate::domain::message::NewMessage;
use crate::domain::overview::{EndpointSummary, MessageSummary, Overview};
use crate::domain::retention::WorkspaceRetention;
use crate::domain::secret::Secret;
use crate::domain::workspace::{Workspace, WorkspaceName, WorkspacePatch};
use crate::storage::conformance::{OpenStore, Settings};
use crate::storage::{
    AccessTokenPatch, AttemptRecord, Backlog, DeliveryFilter, Descendants, EndpointFilter,
    EndpointNumber, EventBody, EventFilter, Listed, LongPayload, NewAccessToken, NoticeSink, Page,
    Paged, Part, PayloadPiece, Pending, Published, Queue, QueuedEvent, ReconciledAdminToken,
    RetryBatch, Row, RowNumber, Run, Seq, Store, StoreError, StoreFacts, Target, pending,
};

/// The parts of the traits that this store does not have. A call that needs one returns an error with its
/// name. The store also renders no format but `raw`, drops nothing with time, and gives lists no order but
/// that of the rows' numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unsupported {
    /// Access tokens.
    Tokens,
    /// Rows of a page by number, and pieces of payloads: pages are read as a whole.
    Parts,
    /// A `query` in lists of events and deliveries.
    TextSearch,
}

impl Unsupported {
    fn error(self) -> StoreError {
        StoreError::Internal(format!("a store in memory does not have this: {self:?}"))
    }

    fn pending<T>(self) -> Pending<T> {
        let (sender, pending) = pending();
        sender.send(Err(self.error()));
        pending
    }
}

/// A store in memory.
struct MemoryStore {
    tables: Mutex<Tables>,
    sink: OnceLock<Arc<dyn NoticeSink>>,
    clock: Arc<dyn Clock>,
}

/// Opens an empty store.
pub(crate) fn open(settings: Settings, clock: Arc<dyn Clock>) -> OpenStore {
    let store = Arc::new(MemoryStore {
        tables: Mutex::new(Tables::new(settings)),
        sink: OnceLock::new(),
        clock,
    });
    OpenStore {
        store: store.clone(),
        queue: store,
        kept: Box::new(()),
    }
}

impl MemoryStore {
    fn read<T>(&self, work: impl FnOnce(&Tables) -> T) -> T {
        work(&self.tables.lock().unwrap())
    }

    /// Makes a write, then sends its notices, then its answer.
    fn write<T>(&self, work: impl FnOnce(&mut Tables, Timestamp) -> Written<T>) -> Pending<T> {
        let (sender, pending) = pending();
        let mut tables = self.tables.lock().unwrap();
        let result = work(&mut tables, self.clock.now()).map(|(result, notices)| {
            if let Some(sink) = self.sink.get() {
                sink.committed(notices);
            }
            result
        });
        sender.send(result);
        pending
    }

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

impl Store for MemoryStore {
    fn find_caller(&self, _: &TokenHash) -> Result<Option<Caller>, StoreError> {
        Err(Unsupported::Tokens.error())
    }

    fn touch_tokens(&self, _: Vec<(Uuid, Timestamp)>) -> Pending<()> {
        Unsupported::Tokens.pending()
    }

    fn create_token(&self, _: Actor, _: NewAccessToken) -> Pending<AccessToken> {
        Unsupported::Tokens.pending()
    }

    fn list_tokens(
        &self,
        _: Visibility,
        _: &[Uuid],
        _: Page,
    ) -> Result<Listed<AccessToken>, StoreError> {
        Err(Unsupported::Tokens.error())
    }

    fn find_token(&self, _: Visibility, _: Uuid) -> Result<AccessToken, StoreError> {
        Err(Unsupported::Tokens.error())
    }

    fn update_token(&self, _: Actor, _: Uuid, _: AccessTokenPatch) -> Pending<AccessToken> {
        Unsupported::Tokens.pending()
    }

    fn revoke_token(&self, _: Actor, _: Uuid, _: Descendants) -> Pending<u64> {
        Unsupported::Tokens.pending()
    }

    fn reconcile_admin_token(&self, _: Option<TokenHash>) -> Pending<ReconciledAdminToken> {
        Unsupported::Tokens.pending()
    }

    fn create_workspace_with(
        &self,
        name: WorkspaceName,
        retention: WorkspaceRetention,
    ) -> Pending<Workspace> {
        self.write(|tables, now| tables.create_workspace(name, retention, now))
    }

    fn list_workspaces(
        &self,
        visibility: Visibility,
        page: Page,
    ) -> Result<Listed<Workspace>, StoreError> {
        Ok(self.read(|tables| tables.list_workspaces(visibility, page)))
    }

    fn find_workspace(&self, visibility: Visibility, id: Uuid) -> Result<Workspace, StoreError> {
        self.read(|tables| tables.find_workspace(visibility, id).cloned())
    }

    fn find_workspace_named(&self, name_or_id: &str) -> Result<Workspace, StoreError> {
        self.read(|tables| match Uuid::try_parse(name_or_id) {
            Ok(id) => tables.find_workspace(Visibility::All, id).cloned(),
            Err(_) => tables.find_workspace_named(name_or_id).cloned(),
        })
    }

    fn update_workspace(
        &self,
        visibility: Visibility,
        id: Uuid,
        patch: WorkspacePatch,
    ) -> Pending<Workspace> {
        self.write(|tables, now| tables.update_workspace(visibility, id, patch, now))
    }

    fn delete_workspace(&self, visibility: Visibility, id: Uuid) -> Pending<()> {
        self.write(|tables, _| tables.delete_workspace(visibility, id))
    }

    fn create_endpoint(&self, new: NewEndpoint) -> Pending<Endpoint> {
        self.write(|tables, now| tables.create_endpoint(new, now))
    }

    fn list_endpoints(
        &self,
        filter: &EndpointFilter,
        page: Page,
        _: usize,
    ) -> Result<Paged<Endpoint>, StoreError> {
        Ok(self.read(|tables| tables.list_endpoints(filter, page)))
    }

    fn read_endpoints(&self, _: &[RowNumber], _: usize) -> Result<Part<Endpoint>, StoreError> {
        Err(Unsupported::Parts.error())
    }

    fn find_endpoint(&self, visibility: Visibility, id: Uuid) -> Result<Endpoint, StoreError> {
        self.read(|tables| {
            let index = tables.locate_endpoint(visibility, id)?;
            Ok(tables.endpoint(index))
        })
    }

    fn update_endpoint(
        &self,
        visibility: Visibility,
        id: Uuid,
        patch: EndpointPatch,
    ) -> Pending<Endpoint> {
        self.write(|tables, now| tables.update_endpoint(visibility, id, patch, now))
    }

    fn delete_endpoint(&self, visibility: Visibility, id: Uuid) -> Pending<()> {
        self.write(|tables, _| tables.delete_endpoint(visibility, id))
    }

    fn replace_secret(
        &self,
        visibility: Visibility,
        id: Uuid,
        secret: Secret,
    ) -> Pending<Endpoint> {
        let patch = EndpointPatch {
            secret: Some(secret),
            ..EndpointPatch::default()
        };
        self.update_endpoint(visibility, id, patch)
    }

    fn shows_summaries(&self, _: Uuid) -> bool {
        false
    }

    fn publish(&self, new: NewMessage) -> Pending<Published> {
        self.write(|tables, now| tables.publish(&new, now))
    }

    fn list_events(
        &self,
        filter: &EventFilter,
        page: Page,
        _: usize,
    ) -> Result<Paged<Event>, StoreError> {
        match filter.query {
            Some(_) => Err(Unsupported::TextSearch.error()),
            None => Ok(self.read(|tables| tables.list_events(filter, page))),
        }
    }

    fn read_events(&self, _: &[RowNumber], _: usize) -> Result<Part<Event>, StoreError> {
        Err(Unsupported::Parts.error())
    }

    fn find_event(
        &self,
        visibility: Visibility,
        id: Uuid,
        _: usize,
    ) -> Result<Row<Event>, StoreError> {
        self.read(|tables| {
            let item = tables.event(tables.locate_event(visibility, id)?);
            Ok(Row {
                item,
                payload: None,
            })
        })
    }

    fn has_message(&self, visibility: Visibility, id: Uuid) -> Result<bool, StoreError> {
        self.read(|tables| Ok(tables.has_message(visibility, id)))
    }

    fn read_payload(&self, _: LongPayload, _: u64, _: usize) -> Result<PayloadPiece, StoreError> {
        Err(Unsupported::Parts.error())
    }

    fn redeliver(&self, visibility: Visibility, id: Uuid) -> Pending<()> {
        self.write(|tables, now| tables.redeliver(visibility, id, now))
    }

    fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
        page: Page,
        _: usize,
    ) -> Result<Paged<Delivery>, StoreError> {
        match filter.query {
            Some(_) => Err(Unsupported::TextSearch.error()),
            None => Ok(self.read(|tables| tables.list_deliveries(filter, page))),
        }
    }

    fn read_deliveries(&self, _: &[RowNumber], _: usize) -> Result<Part<Delivery>, StoreError> {
        Err(Unsupported::Parts.error())
    }

    fn find_message(
        &self,
        visibility: Visibility,
        id: Uuid,
        bytes: usize,
    ) -> Result<Row<MessageSummary>, StoreError> {
        todo!()
    }

    fn event_types(
        &self,
        visibility: Visibility,
        workspace: Uuid,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        todo!()
    }

    fn chart(
        &self,
        visibility: Visibility,
        scope: ChartScope,
        range: ChartRange,
        now: Timestamp,
    ) -> Result<Chart, StoreError> {
        todo!()
    }

    fn endpoint_summaries(
        &self,
        visibility: Visibility,
        ids: &[Uuid],
        now: Timestamp,
    ) -> Result<Vec<EndpointSummary>, StoreError> {
        todo!()
    }

    fn overview(
        &self,
        visibility: Visibility,
        workspace: Option<Uuid>,
        now: Timestamp,
    ) -> Result<Overview, StoreError> {
        todo!()
    }

    fn facts(&self, now: Timestamp) -> StoreFacts {
        todo!()
    }

    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Queue for MemoryStore {
    fn listen(&self, sink: Arc<dyn NoticeSink>) {
        let was_first = self.sink.set(sink).is_ok();
        assert!(was_first, "called once");
    }

    fn targets(&self) -> Result<Vec<(Target, Backlog)>, StoreError> {
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
