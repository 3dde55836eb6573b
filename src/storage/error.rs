//! The errors that the methods of a store return.

use thiserror::Error;
use uuid::Uuid;

use crate::domain::access::Scopes;
use crate::domain::endpoint::PatchProblem;
use crate::domain::secret::OtherPublicKey;

/// The reason why a store did not do as it was asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum StoreError {
    /// There is no such object that the caller may see.
    #[error("not found")]
    NotFound,
    /// No workspace has this id (or it was deleted).
    #[error("there is no workspace {0}")]
    UnknownWorkspace(Uuid),
    /// Another workspace has this name.
    #[error("the name is taken")]
    NameTaken,
    /// The public key that was sent as the endpoint's secret is not that of its present secret.
    #[error("the public key is not that of the endpoint's secret")]
    OtherPublicKey,
    /// Another endpoint of the workspace has this key.
    #[error("the key is taken")]
    KeyTaken,
    /// The value of a custom header is to stay, and none is stored under this name.
    #[error("no value is stored for the header {0}")]
    NoSuchHeader(String),
    /// The workspace has as many endpoints as the limit allows.
    #[error("a workspace can have at most {0} endpoints")]
    TooManyEndpoints(u64),
    /// The workspace has as many access tokens as the limit allows.
    #[error("a workspace can have at most {0} access tokens")]
    TooManyTokens(u64),
    /// The caller's token was revoked, or has expired, meanwhile.
    #[error("the caller's access token has ended")]
    CallerEnded,
    /// The caller's token does not hold these scopes.
    #[error("the caller's access token lacks a scope")]
    MissingScopes(Scopes),
    /// No token may do this, whatever its scopes are.
    #[error("{0}")]
    TokenRule(TokenRule),
    /// The event's payload is gone.
    #[error("the event is archived")]
    EventArchived,
    /// The event's endpoint is disabled.
    #[error("the endpoint is disabled")]
    EndpointDisabled,
    /// The event is not pending.
    #[error("the event is not pending")]
    NotPending,
    /// As many jobs of the workspace run as the limit allows.
    #[error("at most {0} jobs of a workspace can run at the same time")]
    TooManyJobs(usize),
    /// The workspace of a message has no endpoints with these ids, which are at these places of its list.
    #[error("the workspace has no such endpoint")]
    UnknownEndpoints(Vec<(usize, Uuid)>),
    /// The messages at these places of a batch have faults, so none of the batch was stored.
    #[error("a message of the batch is not valid")]
    InvalidMessages(Vec<(usize, MessageFault)>),
    /// The messages of a batch make more events than one transaction may have.
    #[error("the batch makes too many events")]
    TooManyEvents {
        /// The messages, from the first one on, that make few enough.
        fitting: usize,
        /// The messages of the batch.
        sent: usize,
    },
    /// The idempotency key was used with another body.
    #[error("the idempotency key was used with another body")]
    IdempotencyKeyReused,
    /// Nothing was stored, and the same call may work later.
    #[error("unavailable: {0}")]
    Unavailable(Unavailable),
    /// A bug, or an error of the file; the text is for the log, never for a client.
    #[error("storage fault: {0}")]
    Internal(String),
}

/// A fault of a message that only the store can find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageFault {
    /// No workspace has this id (or it was deleted).
    UnknownWorkspace(Uuid),
    /// Its workspace has no endpoints with these ids, which are at these places of its list.
    UnknownEndpoints(Vec<(usize, Uuid)>),
    /// This idempotency key was used with another message.
    KeyReused(String),
}

/// The error of a single publish.
impl From<MessageFault> for StoreError {
    fn from(fault: MessageFault) -> Self {
        match fault {
            MessageFault::UnknownWorkspace(id) => Self::UnknownWorkspace(id),
            MessageFault::UnknownEndpoints(unknown) => Self::UnknownEndpoints(unknown),
            MessageFault::KeyReused(_) => Self::IdempotencyKeyReused,
        }
    }
}

impl From<OtherPublicKey> for StoreError {
    fn from(_: OtherPublicKey) -> Self {
        Self::OtherPublicKey
    }
}

impl From<PatchProblem> for StoreError {
    fn from(problem: PatchProblem) -> Self {
        match problem {
            PatchProblem::OtherPublicKey(problem) => problem.into(),
            PatchProblem::NoSuchHeader(header) => Self::NoSuchHeader(header.0),
        }
    }
}

/// A rule for changes of access tokens that holds whatever the scopes are. Because of it, a thief who has a
/// token can neither end the tokens above it, nor detach those below it so that they survive its revocation.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TokenRule {
    /// The token would change or revoke the one that made it, or one above that.
    #[error("An access token cannot change or revoke one that it comes from")]
    Ancestor,
    /// The token would revoke itself, and keep the tokens that it made.
    #[error(
        "An access token that revokes itself cannot keep the tokens that it made: another one must revoke it"
    )]
    KeepsOwnChildren,
}

/// The reason why a store cannot do anything at the moment.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unavailable {
    /// Too many writes, or too many bytes of them, wait already.
    #[error("the write queue is full")]
    QueueFull,
    /// Too many reads of the same caller's workspace wait already, or have waited for too long.
    #[error("too many reads of the workspace wait")]
    ReadQueueFull,
    /// Too many requests for which no workspace counts wait for a read already, or this one has waited for too
    /// long.
    #[error("the server is overloaded")]
    Overloaded,
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// The database has reached the largest size that the settings allow, and nothing more can be deleted.
    #[error("the database has reached its largest size")]
    SizeLimit,
    /// Reading or writing the file fails.
    #[error("the disk reports errors")]
    DiskError,
    /// The disk has held one transaction for some seconds, and neither finishes nor fails it.
    #[error("the disk does not finish a write")]
    DiskStalled,
    /// The database, its log or its wal-index is not where it was opened, or its log was cut: writes would be
    /// lost with the process.
    #[error("the database file, its -wal or its -shm was moved, removed, replaced or cut")]
    Moved,
    /// Another process holds the file's write lock for too long.
    #[error("the database is locked by another process")]
    Locked,
    /// The system gives the server no thread for the work.
    #[error("the system gives the server no thread")]
    NoThread,
    /// The read took longer than its limit, or no connection became free in time.
    #[error("the query took too long")]
    TooSlow,
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}
