//! The access that a route requires, and the check whether a caller has it.

use std::borrow::Cow;

use super::error::ApiError;
use crate::domain::access::{Caller, Scope, Scopes, Visibility};
use crate::domain::secret::{Secret, SecretType};

/// The callers that may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Every client, with or without a token. Such a route is at the root, not under [`BASES`](super::BASES).
    Public,
    /// A token with any of these scopes.
    AnyOf(&'static [Scope]),
    /// An admin token with any of these scopes.
    Admin(&'static [Scope]),
}

use Access::{Admin, AnyOf, Public};

/// The scopes that see webhooks; the last one sees no secrets.
pub(crate) const SEEING_WEBHOOKS: [Scope; 3] = [
    Scope::WebhooksRead,
    Scope::WebhooksWrite,
    Scope::WebhooksView,
];

pub(crate) const WEBHOOKS_VIEW: Access = AnyOf(&SEEING_WEBHOOKS);
pub(crate) const WEBHOOKS_WRITE: Access = AnyOf(&[Scope::WebhooksWrite]);
pub(crate) const PUBLISH: Access = AnyOf(&[Scope::WebhooksPublish]);
pub(crate) const WORKSPACES_READ: Access = AnyOf(&[Scope::WorkspacesRead, Scope::WorkspacesWrite]);
pub(crate) const WORKSPACES_WRITE: Access = AnyOf(&[Scope::WorkspacesWrite]);
pub(crate) const WORKSPACES_ADMIN: Access = Admin(&[Scope::WorkspacesWrite]);
pub(crate) const TOKENS_READ: Access = AnyOf(&[Scope::TokensRead, Scope::TokensWrite]);
pub(crate) const TOKENS_WRITE: Access = AnyOf(&[Scope::TokensWrite]);

/// Returns an endpoint's secret as a caller with these scopes sees it; `None` if it is hidden. A public key is no
/// secret, so everybody sees it. Everything that shows a secret asks this function.
pub(crate) fn shown_secret(secret: &Secret, scopes: Scopes) -> Option<Cow<'_, str>> {
    let is_public = secret.secret_type() == SecretType::Ed25519;
    (is_public || scopes.see_secrets()).then(|| secret.shown())
}

/// Checks that a caller has the access that a route requires.
///
/// # Errors
/// [`ApiError::AdminOnly`], [`ApiError::MissingScope`].
pub(crate) fn authorize(access: Access, caller: &Caller) -> Result<(), ApiError> {
    let scopes = match access {
        Public => return Ok(()),
        Admin(_) if caller.visibility != Visibility::All => return Err(ApiError::AdminOnly),
        Admin(scopes) | AnyOf(scopes) => scopes,
    };
    if scopes.iter().any(|scope| caller.scopes.contains(*scope)) {
        Ok(())
    } else {
        Err(ApiError::MissingScope(scopes.to_vec()))
    }
}
