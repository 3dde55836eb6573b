//! A whole store in memory, around the queue that the simulation runs on.
//!
//! The store shows that the traits can be implemented without a database, and that the simulation's queue
//! behaves as the real one does: `storage::conformance` tests both in the same way. Nothing is kept beyond
//! the process, and every write is made at once, under one lock.
//!
//! [`Unsupported`] names the parts that the store does not have.

mod endpoints;
mod interest;
mod jobs;
mod overviews;
mod publishing;
mod queue;
mod reads;
mod secrets;
mod tables;

use std::sync::{Arc, Mutex, OnceLock};

use uuid::Uuid;

use self::tables::{Tables, Written};
use crate::domain::access::{AccessToken, Actor, Caller, TokenHash, Visibility};
use crate::domain::chart::{Chart, ChartRange, ChartScope};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::{Endpoint, EndpointPatch, NewEndpoint, PutEndpoint};
use crate::domain::event::Event;
use crate::domain::event_type::EventType;
use crate::domain::message::NewMessage;
use crate::domain::overview::{EndpointSummary, MessageSummary, Overview};
use crate::domain::signing_secrets::SecretRotation;
use crate::domain::workspace::{NewWorkspace, Workspace, WorkspacePatch};
use crate::storage::conformance::{OpenStore, Settings};
use crate::storage::{
    AccessTokenPatch, DeliveryFilter, Descendants, EndpointFilter, ErasureStep, EventFilter,
    Listed, ListedMessages, LongPayload, MessageFilter, NewAccessToken, NoticeSink, Page, Paged,
    Part, PayloadPiece, Pending, Published, PutResult, ReconciledAdminToken, Row, RowNumber, Store,
    StoreError, StoreFacts, pending,
};

/// The parts of the traits that this store does not have. A call that needs one returns an error with its
/// name. The store also renders no format but `raw`, drops nothing with time, publishes no operational events, and
/// gives lists no order but that of the rows' numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unsupported {
    /// Access tokens.
    Tokens,
    /// The erasure of payloads.
    Erasure,
    /// Jobs: only their steps are there, in the queue.
    Jobs,
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
        let mut tables = self.tables.lock().unwrap();
        tables.forget_ended_secrets(self.clock.now());
        work(&tables)
    }

    /// Makes a write, then sends its notices, then its answer.
    fn write<T>(&self, work: impl FnOnce(&mut Tables, Timestamp) -> Written<T>) -> Pending<T> {
        let (sender, pending) = pending();
        let mut tables = self.tables.lock().unwrap();
        tables.forget_ended_secrets(self.clock.now());
        let result = work(&mut tables, self.clock.now()).map(|(result, notices)| {
            if let Some(sink) = self.sink.get() {
                sink.committed(notices);
            }
            result
        });
        sender.send(result);
        pending
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

    fn create_workspace_with(&self, new: NewWorkspace) -> Pending<Workspace> {
        self.write(|tables, now| tables.create_workspace(new, now))
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

    fn put_endpoint(&self, put: PutEndpoint) -> Pending<PutResult> {
        self.write(|tables, now| tables.put_endpoint(put, now))
    }

    fn list_endpoints(
        &self,
        filter: &EndpointFilter,
        page: Page,
        _: usize,
    ) -> Result<Paged<Endpoint>, StoreError> {
        let now = self.clock.now();
        Ok(self.read(|tables| tables.list_endpoints(filter, page, now)))
    }

    fn read_endpoints(&self, _: &[RowNumber], _: usize) -> Result<Part<Endpoint>, StoreError> {
        Err(Unsupported::Parts.error())
    }

    fn find_endpoint(&self, visibility: Visibility, id: Uuid) -> Result<Endpoint, StoreError> {
        self.read(|tables| {
            let index = tables.locate_endpoint(visibility, id)?;
            Ok(tables.endpoint(index, self.clock.now()))
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

    fn rotate_secret(
        &self,
        visibility: Visibility,
        id: Uuid,
        rotation: SecretRotation,
    ) -> Pending<Endpoint> {
        self.write(|tables, now| tables.rotate_secret(visibility, id, &rotation, now))
    }

    fn filters(&self, _: Uuid, _: &EventType) -> bool {
        false
    }

    fn shows_summaries(&self, _: Uuid) -> bool {
        false
    }

    fn publish(&self, new: NewMessage) -> Pending<Published> {
        self.write(|tables, now| tables.publish(&new, now))
    }

    fn publish_batch(&self, new: Vec<NewMessage>) -> Pending<Vec<Published>> {
        self.write(|tables, now| tables.publish_batch(&new, now))
    }

    fn list_events(
        &self,
        filter: &EventFilter,
        page: Page,
        _: usize,
    ) -> Result<Paged<Event>, StoreError> {
        if filter.query.is_some() {
            return Err(Unsupported::TextSearch.error());
        }
        let now = self.clock.now();
        Ok(self.read(|tables| tables.list_events(filter, page, now)))
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
            let seq = tables.locate_event(visibility, id)?;
            let item = tables.event(seq, self.clock.now());
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

    fn erase_payload(
        &self,
        _: Visibility,
        _: Uuid,
        _: ErasureStep,
    ) -> Pending<Option<ErasureStep>> {
        Unsupported::Erasure.pending()
    }

    fn skip_event(&self, visibility: Visibility, id: Uuid) -> Pending<()> {
        self.write(|tables, now| tables.skip(visibility, id, now))
    }

    fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
        page: Page,
        _: usize,
    ) -> Result<Paged<Delivery>, StoreError> {
        if filter.query.is_some() {
            return Err(Unsupported::TextSearch.error());
        }
        let now = self.clock.now();
        Ok(self.read(|tables| tables.list_deliveries(filter, page, now)))
    }

    fn read_deliveries(&self, _: &[RowNumber], _: usize) -> Result<Part<Delivery>, StoreError> {
        Err(Unsupported::Parts.error())
    }

    fn list_messages(
        &self,
        filter: &MessageFilter,
        page: Page,
    ) -> Result<ListedMessages, StoreError> {
        match filter.query {
            Some(_) => Err(Unsupported::TextSearch.error()),
            None => Ok(self.read(|tables| tables.list_messages(filter, page))),
        }
    }

    fn find_message(
        &self,
        visibility: Visibility,
        id: Uuid,
        _: usize,
    ) -> Result<Row<MessageSummary>, StoreError> {
        self.read(|tables| tables.find_message(visibility, id))
    }

    fn event_types(
        &self,
        visibility: Visibility,
        workspace: Uuid,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.read(|tables| tables.event_types(visibility, workspace, limit))
    }

    fn chart(
        &self,
        visibility: Visibility,
        scope: ChartScope,
        range: ChartRange,
        now: Timestamp,
    ) -> Result<Chart, StoreError> {
        self.read(|tables| tables.chart(visibility, scope, range, now))
    }

    fn endpoint_summaries(
        &self,
        visibility: Visibility,
        ids: &[Uuid],
        now: Timestamp,
    ) -> Result<Vec<EndpointSummary>, StoreError> {
        Ok(self.read(|tables| tables.endpoint_summaries(visibility, ids, now)))
    }

    fn overview(
        &self,
        visibility: Visibility,
        workspace: Option<Uuid>,
        now: Timestamp,
    ) -> Result<Overview, StoreError> {
        self.read(|tables| tables.overview(visibility, workspace, now))
    }

    fn facts(&self, _: Timestamp) -> StoreFacts {
        self.read(Tables::facts)
    }

    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
