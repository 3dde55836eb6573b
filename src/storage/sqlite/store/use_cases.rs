//! The implementation of the trait `Store`: each method reads once, or queues one write.

use rusqlite::Connection;
use uuid::Uuid;

use super::SqliteStore;
use crate::domain::access::{AccessToken, Actor, Caller, TokenHash, Visibility};
use crate::domain::chart::{Chart, ChartRange, ChartScope};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::{Endpoint, EndpointPatch, NewEndpoint, PutEndpoint};
use crate::domain::event::Event;
use crate::domain::event_type::EventType;
use crate::domain::message::NewMessage;
use crate::domain::overview::{EndpointSummary, MessageSummary, Overview};
use crate::domain::signing_secrets::SecretRotation;
use crate::domain::workspace::{NewWorkspace, Workspace, WorkspacePatch};
use crate::storage::sqlite::file::database_files::FilesState;
use crate::storage::sqlite::writer::operation::WriteContext;
use crate::storage::sqlite::{reads, writes};
use crate::storage::{
    AccessTokenPatch, DeliveryFilter, Descendants, EndpointFilter, ErasureStep, EventFilter,
    Listed, ListedMessages, LongPayload, MessageFilter, NewAccessToken, Page, Paged, Part,
    PayloadPiece, Pending, Published, PutResult, ReconciledAdminToken, Row, RowNumber, Store,
    StoreError, StoreFacts, Unavailable,
};

impl Store for SqliteStore {
    fn find_caller(&self, hash: &TokenHash) -> Result<Option<Caller>, StoreError> {
        self.read(|connection| Ok(reads::tokens::find_caller(connection, hash)?))
    }

    fn touch_tokens(&self, used: Vec<(Uuid, Timestamp)>) -> Pending<()> {
        self.write_uncached(None, used.len() * 24, move |context| {
            writes::tokens::touch(context, &used)
        })
    }

    fn create_token(&self, by: Actor, new: NewAccessToken) -> Pending<AccessToken> {
        let limit = self.settings.max_tokens;
        self.write_uncached(by.visibility().workspace(), 0, move |context| {
            writes::tokens::create(context, by, &new, limit)
        })
    }

    fn list_tokens(
        &self,
        visibility: Visibility,
        workspaces: &[Uuid],
        page: Page,
    ) -> Result<Listed<AccessToken>, StoreError> {
        self.read(|connection| {
            Ok(reads::tokens::list(
                connection, visibility, workspaces, page,
            )?)
        })
    }

    fn find_token(&self, visibility: Visibility, id: Uuid) -> Result<AccessToken, StoreError> {
        self.read_one(|connection| reads::tokens::find(connection, visibility, id))
    }

    fn update_token(&self, by: Actor, id: Uuid, patch: AccessTokenPatch) -> Pending<AccessToken> {
        self.write_uncached(by.visibility().workspace(), 0, move |context| {
            writes::tokens::update(context, by, id, &patch)
        })
    }

    fn revoke_token(&self, by: Actor, id: Uuid, descendants: Descendants) -> Pending<u64> {
        self.write_uncached(by.visibility().workspace(), 0, move |context| {
            writes::tokens::revoke(context, by, id, descendants)
        })
    }

    fn reconcile_admin_token(&self, given: Option<TokenHash>) -> Pending<ReconciledAdminToken> {
        self.write_as_lock_holder(None, 0, move |context| {
            writes::settings_token::reconcile(context, given)
        })
    }

    fn create_workspace_with(&self, new: NewWorkspace) -> Pending<Workspace> {
        self.write_uncached(None, 0, move |context| {
            writes::workspaces::create(context, &new)
        })
    }

    fn list_workspaces(
        &self,
        visibility: Visibility,
        page: Page,
    ) -> Result<Listed<Workspace>, StoreError> {
        self.read(|connection| Ok(reads::workspaces::list(connection, visibility, page)?))
    }

    fn find_workspace(&self, visibility: Visibility, id: Uuid) -> Result<Workspace, StoreError> {
        self.read_one(|connection| reads::workspaces::find(connection, visibility, id))
    }

    fn find_workspace_named(&self, name_or_id: &str) -> Result<Workspace, StoreError> {
        // A name is never a UUID, so the two cannot be confused.
        self.read_one(|connection| match Uuid::try_parse(name_or_id) {
            Ok(id) => reads::workspaces::find(connection, Visibility::All, id),
            Err(_) => reads::workspaces::find_named(connection, name_or_id),
        })
    }

    fn update_workspace(
        &self,
        visibility: Visibility,
        id: Uuid,
        patch: WorkspacePatch,
    ) -> Pending<Workspace> {
        let renames = patch.name.is_some();
        let update = move |context: &mut WriteContext<'_>| {
            writes::workspaces::update(context, visibility, id, &patch)
        };
        if renames {
            self.write_as_lock_holder(visibility.workspace(), 0, update)
        } else {
            // Those who use the times and whether it gets operational events read them from the file.
            self.write_uncached(visibility.workspace(), 0, update)
        }
    }

    fn delete_workspace(&self, visibility: Visibility, id: Uuid) -> Pending<()> {
        self.write_as_lock_holder(visibility.workspace(), 0, move |context| {
            writes::workspaces::delete(context, visibility, id)
        })
    }

    fn create_endpoint(&self, new: NewEndpoint) -> Pending<Endpoint> {
        let limit = self.settings.max_endpoints;
        self.write_as_lock_holder(Some(new.workspace_id), 0, move |context| {
            writes::endpoints::make::create(context, &new, limit)
        })
    }

    fn put_endpoint(&self, put: PutEndpoint) -> Pending<PutResult> {
        let limit = self.settings.max_endpoints;
        self.write_as_lock_holder(Some(put.workspace_id), 0, move |context| {
            writes::endpoints::make::put(context, &put, limit)
        })
    }

    fn list_endpoints(
        &self,
        filter: &EndpointFilter,
        page: Page,
        bytes: usize,
    ) -> Result<Paged<Endpoint>, StoreError> {
        let (recent, now) = (self.writer.recent_attempts(), self.clock.now());
        self.read(|connection| {
            Ok(reads::lists::list_endpoints(
                connection, recent, filter, page, bytes, now,
            )?)
        })
    }

    fn read_endpoints(
        &self,
        numbers: &[RowNumber],
        bytes: usize,
    ) -> Result<Part<Endpoint>, StoreError> {
        let (recent, now) = (self.writer.recent_attempts(), self.clock.now());
        self.read(|connection| {
            let snapshot = connection.unchecked_transaction()?;
            Ok(reads::lists::endpoints(
                &snapshot, recent, numbers, bytes, now,
            )?)
        })
    }

    fn find_endpoint(&self, visibility: Visibility, id: Uuid) -> Result<Endpoint, StoreError> {
        let (recent, now) = (self.writer.recent_attempts(), self.clock.now());
        self.read_one(|connection| reads::endpoints::find(connection, recent, visibility, id, now))
    }

    fn update_endpoint(
        &self,
        visibility: Visibility,
        id: Uuid,
        patch: EndpointPatch,
    ) -> Pending<Endpoint> {
        self.write_as_lock_holder(visibility.workspace(), 0, move |context| {
            writes::endpoints::change::update(context, visibility, id, &patch)
        })
    }

    fn delete_endpoint(&self, visibility: Visibility, id: Uuid) -> Pending<()> {
        self.write_as_lock_holder(visibility.workspace(), 0, move |context| {
            writes::endpoints::delete(context, visibility, id)
        })
    }

    fn rotate_secret(
        &self,
        visibility: Visibility,
        id: Uuid,
        rotation: SecretRotation,
    ) -> Pending<Endpoint> {
        self.write_as_lock_holder(visibility.workspace(), 0, move |context| {
            writes::endpoints::change::rotate_secret(context, visibility, id, &rotation)
        })
    }

    fn shows_summaries(&self, workspace: Uuid) -> bool {
        self.writer.shows_summaries(workspace)
    }

    fn filters(&self, workspace: Uuid, event_type: &EventType) -> bool {
        self.writer.filters(workspace, event_type)
    }

    fn publish(&self, new: NewMessage) -> Pending<Published> {
        let size = new.size();
        self.write_as_lock_holder(Some(new.workspace_id), size, move |context| {
            writes::publish::publish(context, &new)
        })
    }

    fn publish_batch(&self, new: Vec<NewMessage>) -> Pending<Vec<Published>> {
        self.queue_batch(new)
    }

    fn list_events(
        &self,
        filter: &EventFilter,
        page: Page,
        bytes: usize,
    ) -> Result<Paged<Event>, StoreError> {
        let now = self.clock.now();
        self.read_list(|connection, helpers| {
            reads::lists::list_events(connection, helpers, filter, page, bytes, now)
        })
    }

    fn read_events(&self, numbers: &[RowNumber], bytes: usize) -> Result<Part<Event>, StoreError> {
        let now = self.clock.now();
        self.read(|connection| Ok(reads::lists::events(connection, numbers, bytes, now)?))
    }

    fn find_event(
        &self,
        visibility: Visibility,
        id: Uuid,
        bytes: usize,
    ) -> Result<Row<Event>, StoreError> {
        let now = self.clock.now();
        self.read_one(|connection| reads::lists::find_event(connection, visibility, id, bytes, now))
    }

    fn has_message(&self, visibility: Visibility, id: Uuid) -> Result<bool, StoreError> {
        self.read(|connection| Ok(reads::lists::has_message(connection, visibility, id)?))
    }

    fn read_payload(
        &self,
        payload: LongPayload,
        from: u64,
        bytes: usize,
    ) -> Result<PayloadPiece, StoreError> {
        self.read(|connection| {
            let piece = reads::lists::read_payload(connection, payload, from, bytes)?;
            Ok(piece.ok_or(StoreError::EventArchived)?)
        })
    }

    fn redeliver(&self, visibility: Visibility, id: Uuid) -> Pending<()> {
        self.write_as_lock_holder(visibility.workspace(), 0, move |context| {
            writes::redeliver::redeliver(context, visibility, id)
        })
    }

    fn skip_event(&self, visibility: Visibility, id: Uuid) -> Pending<()> {
        self.write_as_lock_holder(visibility.workspace(), 0, move |context| {
            writes::skip::skip(context, visibility, id)
        })
    }

    fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
        page: Page,
        bytes: usize,
    ) -> Result<Paged<Delivery>, StoreError> {
        let now = self.clock.now();
        self.read_list(|connection, helpers| {
            reads::lists::list_deliveries(connection, helpers, filter, page, bytes, now)
        })
    }

    fn read_deliveries(
        &self,
        numbers: &[RowNumber],
        bytes: usize,
    ) -> Result<Part<Delivery>, StoreError> {
        let now = self.clock.now();
        self.read(|connection| Ok(reads::lists::deliveries(connection, numbers, bytes, now)?))
    }

    fn list_messages(
        &self,
        filter: &MessageFilter,
        page: Page,
    ) -> Result<ListedMessages, StoreError> {
        self.read_list(|connection, helpers| {
            reads::lists::list_messages(connection, helpers, filter, page)
        })
    }

    fn find_message(
        &self,
        visibility: Visibility,
        id: Uuid,
        bytes: usize,
    ) -> Result<Row<MessageSummary>, StoreError> {
        self.read_one(|connection| reads::messages::find(connection, visibility, id, bytes))
    }

    fn erase_payload(
        &self,
        visibility: Visibility,
        id: Uuid,
        from: ErasureStep,
    ) -> Pending<Option<ErasureStep>> {
        self.queue_erasure(visibility, id, from)
    }

    fn event_types(
        &self,
        visibility: Visibility,
        workspace: Uuid,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        self.read_one(|connection| {
            reads::messages::event_types(connection, visibility, workspace, limit)
        })
    }

    fn chart(
        &self,
        visibility: Visibility,
        scope: ChartScope,
        range: ChartRange,
        now: Timestamp,
    ) -> Result<Chart, StoreError> {
        let recent = self.writer.recent_attempts();
        self.read_one(|connection| {
            reads::charts::chart(connection, recent, visibility, scope, range, now)
        })
    }

    fn endpoint_summaries(
        &self,
        visibility: Visibility,
        ids: &[Uuid],
        now: Timestamp,
    ) -> Result<Vec<EndpointSummary>, StoreError> {
        let recent = self.writer.recent_attempts();
        self.read(|connection| {
            Ok(reads::summaries::summaries(
                connection, recent, visibility, ids, now,
            )?)
        })
    }

    fn overview(
        &self,
        visibility: Visibility,
        workspace: Option<Uuid>,
        now: Timestamp,
    ) -> Result<Overview, StoreError> {
        let recent = self.writer.recent_attempts();
        self.read_one(|connection| {
            reads::overview::overview(connection, recent, visibility, workspace, now)
        })
    }

    fn facts(&self, now: Timestamp) -> StoreFacts {
        self.read_facts(now)
    }

    fn check(&self) -> Result<(), StoreError> {
        self.writer.check()?;
        if self.files.state() != FilesState::InPlace {
            return Err(StoreError::Unavailable(Unavailable::Moved));
        }
        self.read(|connection: &Connection| {
            Ok(
                connection.query_row("SELECT count(*) FROM meta", [], |row| {
                    row.get::<_, i64>(0).map(drop)
                })?,
            )
        })
    }
}
