//! Access tokens: the identity of a caller, and its permissions.
//!
//! A token is `hookpost_wat_…` (one workspace) or `hookpost_adm_…` (the whole server): 32 random bytes and a
//! four-byte checksum, in base64url. With the checksum, the server recognises a mistyped token without asking
//! the database, and secret scanners avoid false alarms. Only the SHA-256 of a token is stored. A slow hash
//! is not needed: nobody can try all values of 256 random bits.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngExt;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::clock::Timestamp;
use super::owner::Owner;
use super::words::words;

words! {
    /// A permission of a token. The database stores the position of a scope in this list.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Scope {
        /// See endpoints (their signing secrets too), messages, events and deliveries.
        WebhooksRead = "webhooks:read",
        /// Change endpoints and redeliver events; includes reading them.
        WebhooksWrite = "webhooks:write",
        /// Publish messages.
        WebhooksPublish = "webhooks:publish",
        /// See workspaces.
        WorkspacesRead = "workspaces:read",
        /// Change workspaces.
        WorkspacesWrite = "workspaces:write",
        /// See access tokens (never the token itself).
        TokensRead = "workspace_access_tokens:read",
        /// Create, change and revoke access tokens.
        TokensWrite = "workspace_access_tokens:write",
        /// See what [`Scope::WebhooksRead`] sees, but no signing secret. A token with that scope, or with
        /// [`Scope::WebhooksWrite`], has this one, too.
        WebhooksView = "webhooks:view",
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u16);

impl Scopes {
    /// Returns the scopes of an admin token.
    #[must_use]
    pub fn all() -> Self {
        Scope::ALL.into_iter().collect()
    }

    /// Returns the default scopes of a workspace token: the three `webhooks:*`.
    #[must_use]
    pub fn webhooks() -> Self {
        [
            Scope::WebhooksRead,
            Scope::WebhooksWrite,
            Scope::WebhooksPublish,
        ]
        .into_iter()
        .collect()
    }

    /// Reports whether `scope` is in the set.
    #[must_use]
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    /// Reports whether all scopes of `other` are in the set.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Returns the scopes, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |s| self.contains(*s))
    }

    /// Returns the set as it is stored: bit *n* is the *n*th of [`Scope::ALL`].
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Returns the scopes of this set that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns the scopes that a token with this set may give to others: the set, and what is a part of it.
    #[must_use]
    pub fn with_parts(self) -> Self {
        if self.see_secrets() {
            Self(self.0 | bit(Scope::WebhooksView))
        } else {
            self
        }
    }

    /// Reports whether a caller with these scopes may see the signing secrets of endpoints.
    #[must_use]
    pub fn see_secrets(self) -> bool {
        self.contains(Scope::WebhooksRead) || self.contains(Scope::WebhooksWrite)
    }

    /// Reports whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Reads a set that [`Scopes::bits`] wrote; unknown bits are dropped.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & ((1 << Scope::ALL.len()) - 1))
    }
}

/// Returns the bit of a scope.
const fn bit(scope: Scope) -> u16 {
    1 << scope as u16
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, s| bits | bit(s)))
    }
}

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// Acts for one workspace.
    Workspace,
    /// Acts for the whole server. The operator makes it; the API makes none.
    Admin,
}

impl TokenKind {
    /// Returns the prefix of tokens of this kind.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Workspace => "hookpost_wat_",
            Self::Admin => "hookpost_adm_",
        }
    }
}

const SECRET_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;

/// A whole token, which is a credential. `Debug` shows only its kind.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    kind: TokenKind,
    text: String,
}

/// The SHA-256 of a token: the only part that is stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl Token {
    /// Makes a token from the system's random source.
    #[must_use]
    pub fn generate(kind: TokenKind) -> Self {
        Self::from_secret(kind, rand::rng().random())
    }

    fn from_secret(kind: TokenKind, secret: [u8; SECRET_BYTES]) -> Self {
        let mut bytes = [0; SECRET_BYTES + CHECKSUM_BYTES];
        bytes[..SECRET_BYTES].copy_from_slice(&secret);
        bytes[SECRET_BYTES..].copy_from_slice(&checksum(kind, &secret));
        Self {
            kind,
            text: format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(bytes)),
        }
    }

    /// Reads a token; `None` for a text that is no token, or whose checksum is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, encoded) = [TokenKind::Workspace, TokenKind::Admin]
            .into_iter()
            .find_map(|kind| Some((kind, text.strip_prefix(kind.prefix())?)))?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let secret: [u8; SECRET_BYTES] = bytes.get(..SECRET_BYTES)?.try_into().ok()?;
        let token = Self::from_secret(kind, secret);
        (token.text == text).then_some(token)
    }

    /// Returns the credential itself, to show it once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Returns the kind of the token.
    #[must_use]
    pub const fn kind(&self) -> TokenKind {
        self.kind
    }

    /// Returns the hash that is stored and looked up.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.text.as_bytes()).into())
    }
}

fn checksum(kind: TokenKind, secret: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = Sha256::new()
        .chain_update(kind.prefix())
        .chain_update(secret)
        .finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}…)", self.kind.prefix())
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// The objects that a caller may see: all of them, or those of one workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// The whole server.
    All,
    /// One workspace.
    Workspace(Uuid),
}

impl Visibility {
    /// Reports whether objects of `workspace` are visible to the caller.
    #[must_use]
    pub fn includes(self, workspace: Uuid) -> bool {
        match self {
            Self::All => true,
            Self::Workspace(own) => own == workspace,
        }
    }

    /// Reports whether an object that belongs to `workspace` is visible to the caller. An object of no single workspace
    /// (`None`) is visible to admins alone.
    #[must_use]
    pub fn includes_of(self, workspace: Option<Uuid>) -> bool {
        match workspace {
            Some(workspace) => self.includes(workspace),
            None => self == Self::All,
        }
    }

    /// Returns the workspace, if the caller sees only one; `None` for the whole server.
    #[must_use]
    pub const fn workspace(self) -> Option<Uuid> {
        match self {
            Self::All => None,
            Self::Workspace(own) => Some(own),
        }
    }
}

/// An authenticated caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The id of the token that the caller sent.
    pub token_id: Uuid,
    /// The workspaces whose objects the caller may see.
    pub visibility: Visibility,
    /// The caller's permissions.
    pub scopes: Scopes,
    /// The time at which the token ends, if it does.
    pub expires_at: Option<Timestamp>,
}

impl Caller {
    /// Returns the owner of what the caller uses.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        match self.visibility {
            Visibility::All => Owner::new(self.token_id),
            Visibility::Workspace(id) => Owner::new(id),
        }
    }

    /// Reports whether the token has expired at `now`; from `expires_at` on it has.
    #[must_use]
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// The author of a change to access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The operator, on the command line or at the start of a server, with all permissions.
    Operator,
    /// A caller of the API. A token that it makes sees no more workspaces, has no more scopes and ends no
    /// later than its own token.
    Caller(Caller),
}

impl Actor {
    /// Returns the workspaces whose tokens the author may see.
    #[must_use]
    pub const fn visibility(self) -> Visibility {
        match self {
            Self::Operator => Visibility::All,
            Self::Caller(caller) => caller.visibility,
        }
    }
}

/// An access token as it is listed; the credential itself is never stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// Its id.
    pub id: Uuid,
    /// The workspace that it acts for; `None` for an admin token.
    pub workspace_id: Option<Uuid>,
    /// The owner's note about it, at most [`COMMENT_MAX`] characters.
    pub comment: String,
    /// Its permissions.
    pub scopes: Scopes,
    /// The time at which it ends, if it does.
    pub expires_at: Option<Timestamp>,
    /// The time of its last use, to about a minute.
    pub last_used_at: Option<Timestamp>,
    /// The time at which it was made.
    pub created_at: Timestamp,
    /// The time of its last change.
    pub modified_at: Option<Timestamp>,
    /// The parent: the token that made it, which ends no earlier. If that one was revoked without its
    /// children, its own parent. `None` if the operator made the token, if earlier versions did not record
    /// the parent, or if the reader may not see the parent.
    pub parent_id: Option<Uuid>,
}

/// The longest comment of a token, in characters: a line or two, shown in lists.
pub const COMMENT_MAX: usize = 256;

/// The longest life of a token made to expire: 100 years, so that no sum overflows.
pub const EXPIRES_IN_MAX_S: u64 = 100 * 366 * 24 * 3600;

#[cfg(test)]
mod tests;
