//! Changes of access tokens: made, used, changed, revoked.

use rusqlite::params;
use uuid::Uuid;

use super::token_family;
use super::token_family::{ActingToken, make_room};
use super::workspaces::locate;
use crate::domain::access::{AccessToken, Actor, Scopes, Visibility};
use crate::domain::clock::Timestamp;
use crate::domain::id::new_id;
use crate::storage::sqlite::reads::tokens::find;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{AccessTokenPatch, Descendants, NewAccessToken, StoreError};

/// Makes a token. Callers of the API are refused beyond `limit` tokens of a workspace.
pub(crate) fn create(
    context: &mut WriteContext<'_>,
    by: Actor,
    new: &NewAccessToken,
    limit: u64,
) -> Result<AccessToken, OperationError> {
    let parent = ActingToken::find(context, by)?;
    if let Some(parent) = &parent {
        parent.must_hold(new.scopes)?;
    }
    let workspace = match new.workspace_id {
        None => None,
        Some(id) => Some(
            locate(context.connection, Visibility::All, id).map_err(|error| match error {
                OperationError::Refused(_) => StoreError::UnknownWorkspace(id).into(),
                database @ OperationError::Database(_) => database,
            })?,
        ),
    };
    if let (Some(_), Some(workspace)) = (&parent, workspace) {
        make_room(context, workspace, limit)?;
    }
    let id = new_id(context.now);
    let wanted = new.expires_in.map(|life| context.now.after(life));
    let bound = parent.as_ref().and_then(|parent| parent.expires_at);
    let expires_at = wanted.into_iter().chain(bound).min();
    context
        .connection
        .prepare_cached(
            "INSERT INTO token (id, hash, workspace, comment, scopes, created_at, expires_at, parent)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            id,
            &new.hash.0[..],
            workspace,
            new.comment,
            new.scopes.bits(),
            context.now.micros(),
            expires_at.map(Timestamp::micros),
            parent.map(|parent| parent.number),
        ])?;
    find(context.connection, by.visibility(), id)?
        .ok_or_else(|| StoreError::Internal("a new token is not there".to_owned()).into())
}

/// Stores the times when tokens were used last.
pub(crate) fn touch(
    context: &mut WriteContext<'_>,
    used: &[(Uuid, Timestamp)],
) -> Result<(), OperationError> {
    let mut update = context.connection.prepare_cached(
        "UPDATE token SET last_used_at = ?2 WHERE id = ?1 AND coalesce(last_used_at, 0) < ?2",
    )?;
    for (id, at) in used {
        update.execute(params![id, at.micros()])?;
    }
    Ok(())
}

/// Changes a token.
pub(crate) fn update(
    context: &mut WriteContext<'_>,
    by: Actor,
    id: Uuid,
    patch: &AccessTokenPatch,
) -> Result<AccessToken, OperationError> {
    let acting = ActingToken::find(context, by)?;
    if let (Some(acting), Some(scopes)) = (&acting, patch.scopes) {
        acting.must_hold(scopes)?;
    }
    let before = find(context.connection, by.visibility(), id)?.ok_or(StoreError::NotFound)?;
    if let Some(acting) = &acting {
        acting.must_be_allowed(context, &before)?;
    }
    if patch.comment.is_none() && patch.scopes.is_none() {
        return Ok(before);
    }
    context
        .connection
        .prepare_cached(
            "UPDATE token SET comment = coalesce(?2, comment), scopes = coalesce(?3, scopes),
                    modified_at = ?4 WHERE id = ?1",
        )?
        .execute(params![
            id,
            patch.comment,
            patch.scopes.map(Scopes::bits),
            context.now.micros()
        ])?;
    find(context.connection, by.visibility(), id)?.ok_or_else(|| StoreError::NotFound.into())
}

/// Ends a token. Returns the number of tokens below it.
pub(crate) fn revoke(
    context: &mut WriteContext<'_>,
    by: Actor,
    id: Uuid,
    descendants: Descendants,
) -> Result<u64, OperationError> {
    let acting = ActingToken::find(context, by)?;
    let token = find(context.connection, by.visibility(), id)?.ok_or(StoreError::NotFound)?;
    if let Some(acting) = &acting {
        acting.must_be_allowed(context, &token)?;
        acting.must_not_orphan_children(&token, descendants)?;
    }
    token_family::end(context, id, descendants)
}
