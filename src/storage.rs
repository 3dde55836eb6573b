//! What can be stored and asked.
//!
//! One method per use case, one transaction per method, domain types in and out, [`StoreError`]
//! out. Whoever uses a store must not learn what is behind it: no driver type or error passes, so
//! that another database can stand in for [`sqlite`].
//!
//! Reads block for milliseconds and belong off the asynchronous threads. Writes are queued, and
//! answer through [`Pending`], which a handler awaits without holding a thread. Nobody is answered
//! before the change is on disk.
//!
//! Rows that may be large are read in parts. Who reads some says how many bytes of text may be in memory,
//! and gets as many rows as fit, and one at least; a payload that does not fit is left out, to be read in
//! pieces. Nothing is held between two parts: a row is as it stands when it is read, and left out if it
//! is gone by then. Numbers of rows are those of a list that was within reach.
//!
//! Every method that takes a [`Reach`] treats what is out of reach as absent.

#[cfg(test)]
pub(crate) mod conformance;
mod error;
mod filter;
mod part;
mod pending;
mod queue;
pub mod sqlite;

use std::time::Duration;

use uuid::Uuid;

pub use self::error::{StoreError, TokenRule, Unavailable};
pub use self::filter::{
    DeliveryFilter, EndpointFilter, EventFilter, Listed, Page, QUERY_SCAN_MAX, RowNumber,
};
pub use self::part::{LongPayload, Paged, Part, PayloadPiece, Row};
pub use self::pending::{Answer, Pending, pending};
pub use self::queue::{
    AttemptRecord, Backlog, Cause, EndpointNumber, Notice, NoticeSink, Queue, QueuedEvent,
    Recorded, RetryBatch, Run, Seq, Target, Verdict, WorkspaceNumber,
};
use crate::domain::access::{AccessToken, Actor, Caller, Reach, Scopes, TokenHash};
use crate::domain::clock::Timestamp;
use crate::domain::delivery::Delivery;
use crate::domain::endpoint::{Endpoint, EndpointPatch, NewEndpoint};
use crate::domain::event::Event;
use crate::domain::message::{Message, NewMessage};
use crate::domain::secret::Secret;
use crate::domain::workspace::{Workspace, WorkspaceName};

/// What a caller says of a new access token.
#[derive(Clone, Debug)]
pub struct NewAccessToken {
    /// What is stored of the token.
    pub hash: TokenHash,
    /// The workspace it acts for; `None` for an admin token.
    pub workspace_id: Option<Uuid>,
    /// What its owner calls it.
    pub comment: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Its life from now on, which is cut at the end of the token that makes it; `None`: as long as that
    /// one lives, or until revoked.
    pub expires_in: Option<Duration>,
}

/// What a caller changes of an access token; `None` leaves a field alone.
#[derive(Clone, Debug, Default)]
pub struct AccessTokenPatch {
    /// What its owner calls it.
    pub comment: Option<String>,
    /// What it may do.
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

/// The result of [`Store::settle_admin_token`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledAdmin {
    /// The standing of the token that is in the settings; `None` if there is none.
    pub given: Option<GivenAdmin>,
    /// The tokens that were in the settings before, and have ended.
    pub ended: Vec<EndedAdmin>,
}

/// The standing of the admin token that is in the server's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenAdmin {
    /// It is accepted until it ends, if it does: one made on the command line may.
    Accepted(Option<Timestamp>),
    /// It was revoked at that time, and stays so.
    Revoked(Timestamp),
}

/// An admin token that was in the server's settings, and is not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedAdmin {
    /// Its id.
    pub id: Uuid,
    /// The number of tokens that it had made; they stay.
    pub children: u64,
}

/// The answer to a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The message, new or as it was published first.
    pub message: Message,
    /// Whether this is the answer of an earlier publish with the same idempotency key.
    pub replayed: bool,
}

/// Everything the API and the command line store and ask.
///
/// Writes answer [`StoreError::Unavailable`] when nothing was stored and trying again may help.
pub trait Store: Send + Sync {
    /// Whose token has this hash; `None` if nobody's. Expiry is the caller's to check.
    fn find_caller(&self, hash: &TokenHash) -> Result<Option<Caller>, StoreError>;
    /// Notes when tokens were used last; those gone meanwhile are passed over.
    fn touch_tokens(&self, used: Vec<(Uuid, Timestamp)>) -> Pending<()>;
    /// Makes a token. [`StoreError::UnknownWorkspace`]; of a caller also [`StoreError::CallerEnded`],
    /// [`StoreError::MissingScopes`] for what it does not hold itself, [`StoreError::TooManyTokens`].
    fn create_token(&self, by: Actor, new: NewAccessToken) -> Pending<AccessToken>;
    /// Tokens, newest first, of these workspaces if any are named. Admin tokens are listed only to
    /// [`Reach::Server`].
    fn list_tokens(
        &self,
        reach: Reach,
        workspaces: &[Uuid],
        page: Page,
    ) -> Result<Listed<AccessToken>, StoreError>;
    /// One token. [`StoreError::NotFound`].
    fn find_token(&self, reach: Reach, id: Uuid) -> Result<AccessToken, StoreError>;
    /// Changes a token. [`StoreError::NotFound`]; of a caller also [`StoreError::CallerEnded`],
    /// [`StoreError::MissingScopes`] for scopes that it does not hold and the token has or is to have,
    /// [`StoreError::TokenRule`].
    fn update_token(&self, by: Actor, id: Uuid, patch: AccessTokenPatch) -> Pending<AccessToken>;
    /// Ends a token. Returns the number of tokens below it, which were revoked too, or kept. Errors as for
    /// [`Store::update_token`].
    fn revoke_token(&self, by: Actor, id: Uuid, descendants: Descendants) -> Pending<u64>;
    /// Accepts the admin token of the server's settings unless it was revoked, and ends those that were
    /// in the settings before. What they made belongs to the new one, if there is one that does not end.
    fn settle_admin_token(&self, given: Option<TokenHash>) -> Pending<SettledAdmin>;

    /// Makes a workspace. [`StoreError::NameTaken`].
    fn create_workspace(&self, name: WorkspaceName) -> Pending<Workspace>;
    /// Workspaces, newest first.
    fn list_workspaces(&self, reach: Reach, page: Page) -> Result<Listed<Workspace>, StoreError>;
    /// One workspace. [`StoreError::NotFound`].
    fn find_workspace(&self, reach: Reach, id: Uuid) -> Result<Workspace, StoreError>;
    /// The workspace of that name, or with that id. [`StoreError::NotFound`].
    fn find_workspace_named(&self, name_or_id: &str) -> Result<Workspace, StoreError>;
    /// Renames a workspace. [`StoreError::NotFound`], [`StoreError::NameTaken`].
    fn rename_workspace(&self, reach: Reach, id: Uuid, name: WorkspaceName) -> Pending<Workspace>;
    /// Deletes a workspace: revokes its tokens, deletes its endpoints, skips what is pending.
    /// [`StoreError::NotFound`].
    fn delete_workspace(&self, reach: Reach, id: Uuid) -> Pending<()>;

    /// Makes an endpoint, enabled. [`StoreError::UnknownWorkspace`],
    /// [`StoreError::TooManyEndpoints`].
    fn create_endpoint(&self, new: NewEndpoint) -> Pending<Endpoint>;
    /// Endpoints, newest first.
    fn list_endpoints(
        &self,
        filter: &EndpointFilter,
        page: Page,
        bytes: usize,
    ) -> Result<Paged<Endpoint>, StoreError>;
    /// Endpoints with these numbers, in this order.
    fn read_endpoints(
        &self,
        numbers: &[RowNumber],
        bytes: usize,
    ) -> Result<Part<Endpoint>, StoreError>;
    /// One endpoint. [`StoreError::NotFound`].
    fn find_endpoint(&self, reach: Reach, id: Uuid) -> Result<Endpoint, StoreError>;
    /// Changes an endpoint; an empty patch changes nothing. [`StoreError::NotFound`].
    fn update_endpoint(&self, reach: Reach, id: Uuid, patch: EndpointPatch) -> Pending<Endpoint>;
    /// Deletes an endpoint; its pending events are skipped. [`StoreError::NotFound`].
    fn delete_endpoint(&self, reach: Reach, id: Uuid) -> Pending<()>;
    /// Gives an endpoint another secret. [`StoreError::NotFound`].
    fn replace_secret(&self, reach: Reach, id: Uuid, secret: Secret) -> Pending<Endpoint>;

    /// Whether an endpoint of the workspace is shown a [`Summary`](crate::domain::format::Summary) of
    /// what is published. A hint: a publish that comes without its summary is stored all the same, and
    /// everybody waits while it is made.
    fn shows_summaries(&self, workspace: Uuid) -> bool;
    /// Stores a message and its events. [`StoreError::UnknownWorkspace`],
    /// [`StoreError::IdempotencyKeyReused`].
    fn publish(&self, new: NewMessage) -> Pending<Published>;

    /// Events, newest first.
    fn list_events(
        &self,
        filter: &EventFilter,
        page: Page,
        bytes: usize,
    ) -> Result<Paged<Event>, StoreError>;
    /// Events with these numbers, in this order.
    fn read_events(&self, numbers: &[RowNumber], bytes: usize) -> Result<Part<Event>, StoreError>;
    /// One event. [`StoreError::NotFound`].
    fn find_event(&self, reach: Reach, id: Uuid, bytes: usize) -> Result<Row<Event>, StoreError>;
    /// At most `bytes` bytes, but four, of a payload, `from` where the piece before it ended.
    /// [`StoreError::EventArchived`] if the payload is gone.
    fn read_payload(
        &self,
        payload: LongPayload,
        from: u64,
        bytes: usize,
    ) -> Result<PayloadPiece, StoreError>;
    /// Starts a new run of an event. [`StoreError::NotFound`] (also if the endpoint was deleted),
    /// [`StoreError::EventArchived`], [`StoreError::EndpointDisabled`].
    fn redeliver(&self, reach: Reach, id: Uuid) -> Pending<()>;
    /// Deliveries, newest first.
    fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
        page: Page,
        bytes: usize,
    ) -> Result<Paged<Delivery>, StoreError>;
    /// Deliveries with these numbers, in this order.
    fn read_deliveries(
        &self,
        numbers: &[RowNumber],
        bytes: usize,
    ) -> Result<Part<Delivery>, StoreError>;

    /// Whether reading and writing works right now.
    fn check(&self) -> Result<(), StoreError>;
}
