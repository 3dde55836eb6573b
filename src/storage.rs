//! The store: the traits [`Store`] and [`Queue`], and the types of their methods.
//!
//! A use case is one method and one transaction. Methods take and return domain types, and [`StoreError`]. No
//! type and no error of a database driver passes through them, so that another database can take the place of
//! [`sqlite`].
//!
//! Reads block for milliseconds and must not run on asynchronous threads. Writes are queued and return a
//! [`Pending`], which a handler awaits without holding a thread. It resolves after the change is on disk.
//!
//! Rows that may be large are read in parts. The caller says how many bytes of text may be in memory, and
//! gets as many rows as fit, at least one. A payload that does not fit is left out, to be read in pieces. No
//! transaction is open between two parts: a row is returned as it is when it is read, and left out if it is
//! gone by then. Such a read does not check who may see a row, because the row's number comes from a list
//! that did.
//!
//! Every method that takes a [`Visibility`] treats objects that the caller may not see as absent.

#[cfg(test)]
pub(crate) mod conformance;
mod error;
mod facts;
mod filter;
mod jobs;
mod part;
mod pending;
mod queue;
pub mod sqlite;

use std::time::Duration;

use uuid::Uuid;

pub use self::error::{MessageFault, StoreError, TokenRule, Unavailable};
pub use self::facts::{DatabaseLimit, FileSizes, RowCounts, StoreFacts};
pub use self::filter::{
    DeliveryFilter, EndpointFilter, EventFilter, Listed, ListedMessages, MessageFilter, Page,
    QUERY_SCAN_MAX, RowNumber,
};
pub use self::jobs::{CreatedJob, Interest, JobListFilter, JobSurvey, Jobs};
pub use self::part::{LongPayload, Paged, Part, PayloadPiece, Row};
pub use self::pending::{Pending, ResultSender, pending};
pub use self::queue::{
    AttemptRecord, Backlog, EndpointChange, EndpointNumber, EndpointRest, EventBody, HealthEpoch,
    Notice, NoticeSink, Queue, QueuedEvent, Recorded, RestNote, RetryBatch, Run, Seq, StoredTarget,
    Target, Verdict, WorkspaceNumber,
};
use crate::domain::access::{AccessToken, Actor, Caller, Scopes, TokenHash, Visibility};
use crate::domain::chart::{Chart, ChartRange, ChartScope};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::{Endpoint, EndpointPatch, NewEndpoint, PutEndpoint};
use crate::domain::event::Event;
use crate::domain::event_type::EventType;
use crate::domain::message::{Message, NewMessage};
use crate::domain::overview::{EndpointSummary, MessageSummary, Overview};
use crate::domain::signing_secrets::SecretRotation;
use crate::domain::workspace::{NewWorkspace, Workspace, WorkspaceName, WorkspacePatch};

/// The data of a new access token.
#[derive(Clone, Debug)]
pub struct NewAccessToken {
    /// The hash, which is stored in the token's place.
    pub hash: TokenHash,
    /// The workspace that it acts for; `None` for an admin token.
    pub workspace_id: Option<Uuid>,
    /// The comment of its owner.
    pub comment: String,
    /// The scopes that it grants.
    pub scopes: Scopes,
    /// Its lifetime from now on, at most until the end of the token that makes it; `None`: until that end, or
    /// until revoked.
    pub expires_in: Option<Duration>,
}

/// A caller's changes to an access token; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct AccessTokenPatch {
    /// The comment of its owner.
    pub comment: Option<String>,
    /// The scopes that it grants.
    pub scopes: Option<Scopes>,
}

/// The treatment of the tokens below a revoked one: those that it made, and those that these made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descendants {
    /// They are revoked as well.
    Revoked,
    /// They stay. Those that it made itself now belong to the token that made it.
    Kept,
}

/// The result of [`Store::reconcile_admin_token`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconciledAdminToken {
    /// The state of the token that is in the settings; `None` if there is none.
    pub given: Option<SettingsTokenState>,
    /// The tokens that were in the settings before, and have ended.
    pub ended: Vec<EndedAdminToken>,
}

/// The state of the admin token that is in the server's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsTokenState {
    /// It is accepted until this time; `None`: it has no end. A token that was made on the command line may
    /// have one.
    Accepted(Option<Timestamp>),
    /// It was revoked at this time, and stays revoked.
    Revoked(Timestamp),
}

/// An admin token that was in the server's settings, and is not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedAdminToken {
    /// Its id.
    pub id: Uuid,
    /// The number of tokens that it had made; they stay.
    pub children: u64,
}

/// The place of a step in the erasure of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErasureStep(
    /// The number of the event from which on answers are to be dropped.
    pub(crate) i64,
);

impl ErasureStep {
    /// The first step.
    pub const FIRST: Self = Self(0);
}

/// The result of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The message, new or as it was published first.
    pub message: Message,
    /// Set if an earlier publish with the same idempotency key stored the message.
    pub replayed: bool,
}

/// The result of [`Store::put_endpoint`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutResult {
    /// The endpoint with the key.
    pub endpoint: Endpoint,
    /// Set if there was none before.
    pub is_new: bool,
}

/// All that the API and the command line store and read; [`Jobs`] has the part of jobs.
///
/// A write returns [`StoreError::Unavailable`] if nothing was stored and trying again may help.
pub trait Store: Jobs + Send + Sync {
    /// Returns the caller whose token has this hash; `None` if there is none. The caller of this method
    /// checks the expiry.
    fn find_caller(&self, hash: &TokenHash) -> Result<Option<Caller>, StoreError>;
    /// Stores the times when tokens were used last. Ignores tokens that are gone.
    fn touch_tokens(&self, used: Vec<(Uuid, Timestamp)>) -> Pending<()>;
    /// Makes a token. Errors: [`StoreError::UnknownWorkspace`]; for a caller of the API also
    /// [`StoreError::CallerEnded`], [`StoreError::MissingScopes`] for scopes that it does not hold itself,
    /// [`StoreError::TooManyTokens`].
    fn create_token(&self, by: Actor, new: NewAccessToken) -> Pending<AccessToken>;
    /// Returns tokens, newest first: those of `workspaces`, or of all if none are named. Only
    /// [`Visibility::All`] includes admin tokens.
    fn list_tokens(
        &self,
        visibility: Visibility,
        workspaces: &[Uuid],
        page: Page,
    ) -> Result<Listed<AccessToken>, StoreError>;
    /// Returns a token. Errors: [`StoreError::NotFound`].
    fn find_token(&self, visibility: Visibility, id: Uuid) -> Result<AccessToken, StoreError>;
    /// Changes a token. Errors: [`StoreError::NotFound`]; for a caller of the API also
    /// [`StoreError::CallerEnded`], [`StoreError::MissingScopes`] for scopes that it does not hold and the
    /// token has or is to have, [`StoreError::TokenRule`].
    fn update_token(&self, by: Actor, id: Uuid, patch: AccessTokenPatch) -> Pending<AccessToken>;
    /// Ends a token. Returns the number of tokens below it, which were revoked too, or kept. Errors as for
    /// [`Store::update_token`].
    fn revoke_token(&self, by: Actor, id: Uuid, descendants: Descendants) -> Pending<u64>;
    /// Accepts the admin token of the server's settings unless it was revoked, and ends those that were in
    /// the settings before. The tokens that these made become children of the new one, if the new one has no
    /// end.
    fn reconcile_admin_token(&self, given: Option<TokenHash>) -> Pending<ReconciledAdminToken>;

    /// Makes a workspace that keeps its data as long as the server. Errors: [`StoreError::NameTaken`].
    fn create_workspace(&self, name: WorkspaceName) -> Pending<Workspace> {
        self.create_workspace_with(NewWorkspace::named(name))
    }
    /// Makes a workspace. Errors: [`StoreError::NameTaken`].
    fn create_workspace_with(&self, new: NewWorkspace) -> Pending<Workspace>;
    /// Returns workspaces, newest first.
    fn list_workspaces(
        &self,
        visibility: Visibility,
        page: Page,
    ) -> Result<Listed<Workspace>, StoreError>;
    /// Returns a workspace. Errors: [`StoreError::NotFound`].
    fn find_workspace(&self, visibility: Visibility, id: Uuid) -> Result<Workspace, StoreError>;
    /// Returns the workspace with that name or id. Errors: [`StoreError::NotFound`].
    fn find_workspace_named(&self, name_or_id: &str) -> Result<Workspace, StoreError>;
    /// Changes a workspace; an empty patch changes nothing. Errors: [`StoreError::NotFound`],
    /// [`StoreError::NameTaken`].
    fn update_workspace(
        &self,
        visibility: Visibility,
        id: Uuid,
        patch: WorkspacePatch,
    ) -> Pending<Workspace>;
    /// Deletes a workspace: revokes its tokens, deletes its endpoints, skips what is pending. Errors:
    /// [`StoreError::NotFound`].
    fn delete_workspace(&self, visibility: Visibility, id: Uuid) -> Pending<()>;

    /// Makes an endpoint. Errors: [`StoreError::UnknownWorkspace`], [`StoreError::KeyTaken`],
    /// [`StoreError::TooManyEndpoints`].
    fn create_endpoint(&self, new: NewEndpoint) -> Pending<Endpoint>;
    /// Makes the endpoint with a key, or gives the one that has it exactly these fields. Errors: as
    /// [`create_endpoint`](Self::create_endpoint), [`StoreError::OtherPublicKey`], [`StoreError::NoSuchHeader`].
    fn put_endpoint(&self, put: PutEndpoint) -> Pending<PutResult>;
    /// Returns endpoints, newest first.
    fn list_endpoints(
        &self,
        filter: &EndpointFilter,
        page: Page,
        bytes: usize,
    ) -> Result<Paged<Endpoint>, StoreError>;
    /// Returns endpoints with these numbers, in this order.
    fn read_endpoints(
        &self,
        numbers: &[RowNumber],
        bytes: usize,
    ) -> Result<Part<Endpoint>, StoreError>;
    /// Returns an endpoint, like all endpoints without old secrets whose time is over. Errors:
    /// [`StoreError::NotFound`].
    fn find_endpoint(&self, visibility: Visibility, id: Uuid) -> Result<Endpoint, StoreError>;
    /// Changes an endpoint; an empty patch changes nothing. Errors: [`StoreError::NotFound`],
    /// [`StoreError::OtherPublicKey`], [`StoreError::NoSuchHeader`], [`StoreError::KeyTaken`].
    fn update_endpoint(
        &self,
        visibility: Visibility,
        id: Uuid,
        patch: EndpointPatch,
    ) -> Pending<Endpoint>;
    /// Deletes an endpoint; its pending events are skipped. Errors: [`StoreError::NotFound`].
    fn delete_endpoint(&self, visibility: Visibility, id: Uuid) -> Pending<()>;
    /// Rotates the secret of an endpoint. Errors: [`StoreError::NotFound`], [`StoreError::OtherPublicKey`].
    fn rotate_secret(
        &self,
        visibility: Visibility,
        id: Uuid,
        rotation: SecretRotation,
    ) -> Pending<Endpoint>;

    /// Reports whether an endpoint of the workspace has a format that shows a
    /// [`Summary`](crate::domain::format::Summary) of a message. A caller then makes the summary before it
    /// publishes; without it the writer makes it, and all writes wait meanwhile. The result may be out of
    /// date.
    fn shows_summaries(&self, workspace: Uuid) -> bool;
    /// Reports whether an endpoint of the workspace that is subscribed to the type has a filter. A caller then makes the
    /// tree of the message's data before it publishes; without it the writer makes it. The result may be out of date.
    fn filters(&self, workspace: Uuid, event_type: &EventType) -> bool;
    /// Stores a message and its events. Errors: [`StoreError::UnknownWorkspace`],
    /// [`StoreError::UnknownEndpoints`], [`StoreError::IdempotencyKeyReused`].
    fn publish(&self, new: NewMessage) -> Pending<Published>;
    /// Stores messages and their events, all or none, and numbers them in their order. Returns as many results, in the
    /// same order. Of two messages with the same idempotency key and the same content, the second is replayed. Errors:
    /// [`StoreError::InvalidMessages`] with the faults of all messages, [`StoreError::TooManyEvents`].
    fn publish_batch(&self, new: Vec<NewMessage>) -> Pending<Vec<Published>>;

    /// Returns events, newest first.
    fn list_events(
        &self,
        filter: &EventFilter,
        page: Page,
        bytes: usize,
    ) -> Result<Paged<Event>, StoreError>;
    /// Returns events with these numbers, in this order.
    fn read_events(&self, numbers: &[RowNumber], bytes: usize) -> Result<Part<Event>, StoreError>;
    /// Returns an event. Errors: [`StoreError::NotFound`].
    fn find_event(
        &self,
        visibility: Visibility,
        id: Uuid,
        bytes: usize,
    ) -> Result<Row<Event>, StoreError>;
    /// Reports whether a message has this id.
    fn has_message(&self, visibility: Visibility, id: Uuid) -> Result<bool, StoreError>;
    /// Returns the piece of a payload that begins at `from`, where the piece before ends: at most `bytes`
    /// bytes, or four if `bytes` is less. Errors: [`StoreError::EventArchived`] if the payload is gone.
    fn read_payload(
        &self,
        payload: LongPayload,
        from: u64,
        bytes: usize,
    ) -> Result<PayloadPiece, StoreError>;
    /// Starts a new run of an event. Errors: [`StoreError::NotFound`] (also if the endpoint was deleted),
    /// [`StoreError::EventArchived`], [`StoreError::EndpointDisabled`].
    fn redeliver(&self, visibility: Visibility, id: Uuid) -> Pending<()>;
    /// Skips a pending event: no further attempt starts. An attempt under way is recorded, and if it succeeds, the
    /// event has succeeded. Errors: [`StoreError::NotFound`], [`StoreError::NotPending`].
    fn skip_event(&self, visibility: Visibility, id: Uuid) -> Pending<()>;
    /// Returns deliveries, newest first.
    fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
        page: Page,
        bytes: usize,
    ) -> Result<Paged<Delivery>, StoreError>;
    /// Returns deliveries with these numbers, in this order.
    fn read_deliveries(
        &self,
        numbers: &[RowNumber],
        bytes: usize,
    ) -> Result<Part<Delivery>, StoreError>;

    /// Returns messages, newest first.
    fn list_messages(
        &self,
        filter: &MessageFilter,
        page: Page,
    ) -> Result<ListedMessages, StoreError>;
    /// Returns a message, with its payload unless that is longer than `bytes`. Errors: [`StoreError::NotFound`].
    fn find_message(
        &self,
        visibility: Visibility,
        id: Uuid,
        bytes: usize,
    ) -> Result<Row<MessageSummary>, StoreError>;
    /// Makes a step of the erasure of a message's payload. The last step, in one transaction, skips the pending events,
    /// and drops the bodies of the message and of its events, and the answers stored with their deliveries; steps before it
    /// drop answers, if there are many. An attempt that is under way is recorded, without its answer. `from` is
    /// [`ErasureStep::FIRST`], or what the step before returned. Returns `None` after the last step. Errors:
    /// [`StoreError::NotFound`].
    fn erase_payload(
        &self,
        visibility: Visibility,
        id: Uuid,
        from: ErasureStep,
    ) -> Pending<Option<ErasureStep>>;
    /// Returns names of event types that were published in the workspace, in the order of the alphabet, at most
    /// `limit`. Errors: [`StoreError::NotFound`].
    fn event_types(
        &self,
        visibility: Visibility,
        workspace: Uuid,
        limit: usize,
    ) -> Result<Vec<String>, StoreError>;

    /// Returns a chart of attempts. Attempts that retention deleted stay in it. Errors: [`StoreError::NotFound`]
    /// if the workspace or endpoint of the scope is absent.
    fn chart(
        &self,
        visibility: Visibility,
        scope: ChartScope,
        range: ChartRange,
        now: Timestamp,
    ) -> Result<Chart, StoreError>;
    /// Returns the state of endpoints, in the order of the ids. Leaves out ids of absent endpoints, and all after
    /// the first [`SUMMARIES_MAX`](crate::domain::overview::SUMMARIES_MAX). The pending events of an endpoint are
    /// counted up to some thousand, and to fewer if there are many endpoints.
    fn endpoint_summaries(
        &self,
        visibility: Visibility,
        ids: &[Uuid],
        now: Timestamp,
    ) -> Result<Vec<EndpointSummary>, StoreError>;
    /// Returns the state of the queue and of the endpoints: of a workspace, or of all that the caller may see.
    /// Errors: [`StoreError::NotFound`] if the workspace is absent.
    fn overview(
        &self,
        visibility: Visibility,
        workspace: Option<Uuid>,
        now: Timestamp,
    ) -> Result<Overview, StoreError>;
    /// Returns facts of the whole store. A fact that cannot be read within a short time is `None`.
    fn facts(&self, now: Timestamp) -> StoreFacts;

    /// Checks that reading and writing work right now.
    fn check(&self) -> Result<(), StoreError>;
}
