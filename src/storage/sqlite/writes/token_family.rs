//! Families of access tokens: parents and children, and the rules by which one token changes another.
//!
//! A token ends no later than its parent, so below an expired token nothing is alive. All checks are made in
//! the transaction of the change. So if a token is revoked while it makes another one, either the child was
//! committed first and is revoked with its parent, or the parent is gone and the child is refused.

use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use crate::domain::access::{AccessToken, Actor, Scope, Scopes};
use crate::domain::clock::Timestamp;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{Descendants, StoreError, TokenRule};

/// The token of the caller who asks for a change, as it is now.
pub(crate) struct ActingToken {
    /// Its number.
    pub(crate) number: i64,
    /// The time when it ends, if it does.
    pub(crate) expires_at: Option<Timestamp>,
    id: Uuid,
    scopes: Scopes,
}

impl ActingToken {
    /// Returns the token of `by`; `None` for the operator.
    ///
    /// # Errors
    /// [`StoreError::CallerEnded`], [`StoreError::MissingScopes`] if it may change no tokens any more.
    pub(crate) fn find(
        context: &WriteContext<'_>,
        by: Actor,
    ) -> Result<Option<Self>, OperationError> {
        let Actor::Caller(caller) = by else {
            return Ok(None);
        };
        let found = context
            .connection
            .prepare_cached("SELECT n, expires_at, scopes FROM token WHERE id = ?1")?
            .query_row([caller.token_id], |row| {
                Ok(Self {
                    number: row.get(0)?,
                    expires_at: row.get::<_, Option<i64>>(1)?.map(Timestamp::from_micros),
                    id: caller.token_id,
                    scopes: Scopes::from_bits(row.get(2)?),
                })
            })
            .optional()?;
        let alive = |acting: &Self| acting.expires_at.is_none_or(|end| context.now < end);
        let acting = found.filter(alive).ok_or(StoreError::CallerEnded)?;
        acting.must_hold([Scope::TokensWrite].into_iter().collect())?;
        Ok(Some(acting))
    }

    /// Returns an error unless it holds all of `scopes`.
    pub(crate) fn must_hold(&self, scopes: Scopes) -> Result<(), OperationError> {
        let lacking = scopes.without(self.scopes.with_parts());
        if lacking.is_empty() {
            Ok(())
        } else {
            Err(StoreError::MissingScopes(lacking).into())
        }
    }

    /// Returns an error unless it may change or revoke `token`: that is the token itself, or one that is no
    /// ancestor of it and holds no scope that it lacks.
    pub(crate) fn must_be_allowed(
        &self,
        context: &WriteContext<'_>,
        token: &AccessToken,
    ) -> Result<(), OperationError> {
        if token.id == self.id {
            return Ok(());
        }
        let is_ancestor: bool = context
            .connection
            .prepare_cached(
                "WITH RECURSIVE above (n) AS (
                   SELECT parent FROM token WHERE n = ?1
                   UNION SELECT t.parent FROM above a JOIN token t ON t.n = a.n
                 )
                 SELECT EXISTS (SELECT 1 FROM above JOIN token t USING (n) WHERE t.id = ?2)",
            )?
            .query_row(params![self.number, token.id], |row| row.get(0))?;
        if is_ancestor {
            return Err(StoreError::TokenRule(TokenRule::Ancestor).into());
        }
        self.must_hold(token.scopes)
    }

    /// Returns an error if it revokes itself and keeps its children: a thief would do so to save stolen
    /// tokens.
    pub(crate) fn must_not_orphan_children(
        &self,
        token: &AccessToken,
        descendants: Descendants,
    ) -> Result<(), OperationError> {
        if token.id == self.id && descendants == Descendants::Kept {
            return Err(StoreError::TokenRule(TokenRule::KeepsOwnChildren).into());
        }
        Ok(())
    }
}

/// Revokes a token. Returns the number of tokens below it.
pub(crate) fn end(
    context: &WriteContext<'_>,
    id: Uuid,
    descendants: Descendants,
) -> Result<u64, OperationError> {
    let connection = context.connection;
    let below: u64 = connection
        .prepare_cached(
            "WITH RECURSIVE below (n) AS (
               SELECT n FROM token WHERE id = ?1
               UNION SELECT t.n FROM below b JOIN token t ON t.parent = b.n
             )
             SELECT count(*) - 1 FROM below",
        )?
        .query_row([id], |row| row.get(0))?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO revoked_admin (hash, revoked_at)
             SELECT hash, ?2 FROM token WHERE id = ?1 AND workspace IS NULL",
        )?
        .execute(params![id, context.now.micros()])?;
    if descendants == Descendants::Kept {
        connection
            .prepare_cached(
                "UPDATE token SET parent = (SELECT parent FROM token WHERE id = ?1)
                 WHERE parent = (SELECT n FROM token WHERE id = ?1)",
            )?
            .execute([id])?;
    }
    connection
        .prepare_cached(
            "WITH RECURSIVE below (n) AS (
               SELECT n FROM token WHERE id = ?1
               UNION SELECT t.n FROM below b JOIN token t ON t.parent = b.n
             )
             DELETE FROM token WHERE n IN (SELECT n FROM below)",
        )?
        .execute([id])?;
    Ok(below)
}

/// Makes room for one more token of a workspace. Expired tokens do not count. They stay listed until the
/// table holds `limit` rows of the workspace, and are deleted then, so that its rows are bounded too.
pub(crate) fn make_room(
    context: &WriteContext<'_>,
    workspace: i64,
    limit: u64,
) -> Result<(), OperationError> {
    let connection = context.connection;
    let (all, expired): (u64, u64) = connection
        .prepare_cached(
            "SELECT count(*), count(*) FILTER (WHERE expires_at <= ?2) FROM token WHERE workspace = ?1",
        )?
        .query_row(params![workspace, context.now.micros()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    if all < limit {
        return Ok(());
    }
    if all - expired >= limit {
        return Err(StoreError::TooManyTokens(limit).into());
    }
    // All tokens below an expired one are expired, and belong to the same workspace.
    connection
        .prepare_cached("DELETE FROM token WHERE workspace = ?1 AND expires_at <= ?2")?
        .execute(params![workspace, context.now.micros()])?;
    Ok(())
}
