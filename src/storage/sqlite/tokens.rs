//! Access tokens: made, looked up, listed, changed, revoked.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::operation::{OperationError, WriteContext};
use super::rows;
use super::token_family::{self, Acting, make_room};
use super::workspaces::{locate, offset};
use crate::domain::access::{AccessToken, Actor, Caller, Reach, Scopes, TokenHash};
use crate::domain::clock::Timestamp;
use crate::domain::id::new_id;
use crate::storage::{AccessTokenPatch, Descendants, Listed, NewAccessToken, Page, StoreError};

/// Makes a token. Callers of the API are refused beyond `limit` tokens of a workspace.
pub(super) fn create(
    context: &mut WriteContext<'_>,
    by: Actor,
    new: &NewAccessToken,
    limit: u64,
) -> Result<AccessToken, OperationError> {
    let parent = Acting::find(context, by)?;
    if let Some(parent) = &parent {
        parent.must_hold(new.scopes)?;
    }
    let workspace = match new.workspace_id {
        None => None,
        Some(id) => Some(locate(context.connection, Reach::Server, id).map_err(
            |error| match error {
                OperationError::Refused(_) => StoreError::UnknownWorkspace(id).into(),
                database @ OperationError::Database(_) => database,
            },
        )?),
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
    find(context.connection, by.reach(), id)?
        .ok_or_else(|| StoreError::Internal("a new token is not there".to_owned()).into())
}

/// Notes when tokens were used last.
pub(super) fn touch(
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
pub(super) fn update(
    context: &mut WriteContext<'_>,
    by: Actor,
    id: Uuid,
    patch: &AccessTokenPatch,
) -> Result<AccessToken, OperationError> {
    let acting = Acting::find(context, by)?;
    if let (Some(acting), Some(scopes)) = (&acting, patch.scopes) {
        acting.must_hold(scopes)?;
    }
    let before = find(context.connection, by.reach(), id)?.ok_or(StoreError::NotFound)?;
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
    find(context.connection, by.reach(), id)?.ok_or_else(|| StoreError::NotFound.into())
}

/// Ends a token. Returns the number of tokens below it.
pub(super) fn revoke(
    context: &mut WriteContext<'_>,
    by: Actor,
    id: Uuid,
    descendants: Descendants,
) -> Result<u64, OperationError> {
    let acting = Acting::find(context, by)?;
    let token = find(context.connection, by.reach(), id)?.ok_or(StoreError::NotFound)?;
    if let Some(acting) = &acting {
        acting.must_be_allowed(context, &token)?;
        acting.must_not_hide(&token, descendants)?;
    }
    token_family::end(context, id, descendants)
}

/// Whose token has this hash.
pub(super) fn find_caller(
    connection: &Connection,
    hash: &TokenHash,
) -> rusqlite::Result<Option<Caller>> {
    connection
        .prepare_cached(
            "SELECT t.id, w.id, t.scopes, t.expires_at
             FROM token t LEFT JOIN workspace w ON w.n = t.workspace WHERE t.hash = ?1",
        )?
        .query_row([&hash.0[..]], |row| {
            let workspace: Option<Uuid> = row.get(1)?;
            Ok(Caller {
                token_id: row.get(0)?,
                reach: workspace.map_or(Reach::Server, Reach::Workspace),
                scopes: Scopes::from_bits(row.get(2)?),
                expires_at: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_micros),
            })
        })
        .optional()
}

/// One token within reach.
pub(super) fn find(
    connection: &Connection,
    reach: Reach,
    id: Uuid,
) -> rusqlite::Result<Option<AccessToken>> {
    let found = connection
        .prepare_cached(&format!("{} WHERE t.id = ?1", rows::TOKEN))?
        .query_row(params![id, reach == Reach::Server], rows::token)
        .optional()?;
    Ok(found.filter(|token| match reach {
        Reach::Server => true,
        Reach::Workspace(own) => token.workspace_id == Some(own),
    }))
}

/// Tokens, newest first. A workspace has few, so further filters need no index.
pub(super) fn list(
    connection: &Connection,
    reach: Reach,
    workspaces: &[Uuid],
    page: Page,
) -> rusqlite::Result<Listed<AccessToken>> {
    let (own, which) = match reach {
        Reach::Server => (None, "?1 IS NULL"),
        Reach::Workspace(own) => (
            Some(own),
            "t.workspace = (SELECT n FROM workspace WHERE id = ?1)",
        ),
    };
    let sql = format!("{} WHERE {which} ORDER BY t.n DESC", rows::TOKEN);
    let wanted = |token: &AccessToken| {
        let named = |id| workspaces.contains(&id);
        workspaces.is_empty() || token.workspace_id.is_some_and(named)
    };
    let from = u64::try_from(offset(page)).unwrap_or(0);
    let mut total = 0;
    let mut items = Vec::new();
    let mut statement = connection.prepare_cached(&sql)?;
    for token in statement.query_map(params![own, own.is_none()], rows::token)? {
        let token = token?;
        if wanted(&token) {
            if (from..from.saturating_add(page.limit)).contains(&total) {
                items.push(token);
            }
            total += 1;
        }
    }
    Ok(Listed {
        items,
        total,
        searched: None,
    })
}
