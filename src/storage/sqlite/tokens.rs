//! Access tokens: made, looked up, listed, changed, revoked.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::operation::{OperationError, WriteContext};
use super::rows;
use super::workspaces::{locate, offset};
use crate::domain::access::{AccessToken, Caller, Reach, Scopes, TokenHash};
use crate::domain::clock::Timestamp;
use crate::domain::id::new_id;
use crate::storage::{AccessTokenPatch, Listed, NewAccessToken, Page, StoreError};

/// Makes a token.
pub(super) fn create(
    context: &mut WriteContext<'_>,
    new: &NewAccessToken,
) -> Result<AccessToken, OperationError> {
    let workspace = match new.workspace_id {
        None => None,
        Some(id) => Some(locate(context.connection, Reach::Server, id).map_err(
            |error| match error {
                OperationError::Refused(_) => StoreError::UnknownWorkspace(id).into(),
                database @ OperationError::Database(_) => database,
            },
        )?),
    };
    let id = new_id(context.now);
    let expires_at = new.expires_in.map(|life| context.now.after(life));
    context
        .connection
        .prepare_cached(
            "INSERT INTO token (id, hash, workspace, comment, scopes, created_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            id,
            &new.hash.0[..],
            workspace,
            new.comment,
            new.scopes.bits(),
            context.now.micros(),
            expires_at.map(Timestamp::micros),
        ])?;
    find(context.connection, Reach::Server, id)?
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
    reach: Reach,
    id: Uuid,
    patch: &AccessTokenPatch,
) -> Result<AccessToken, OperationError> {
    let before = find(context.connection, reach, id)?.ok_or(StoreError::NotFound)?;
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
    find(context.connection, reach, id)?.ok_or_else(|| StoreError::NotFound.into())
}

/// Ends a token.
pub(super) fn revoke(
    context: &mut WriteContext<'_>,
    reach: Reach,
    id: Uuid,
) -> Result<(), OperationError> {
    find(context.connection, reach, id)?.ok_or(StoreError::NotFound)?;
    context
        .connection
        .prepare_cached("DELETE FROM token WHERE id = ?1")?
        .execute([id])?;
    Ok(())
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
    let sql = format!(
        "SELECT {} FROM token t LEFT JOIN workspace w ON w.n = t.workspace WHERE t.id = ?1",
        rows::TOKEN
    );
    let found = connection
        .prepare_cached(&sql)?
        .query_row([id], rows::token)
        .optional()?;
    Ok(found.filter(|token| match reach {
        Reach::Server => true,
        Reach::Workspace(own) => token.workspace_id == Some(own),
    }))
}

/// Tokens, newest first. There are few: they are filtered here, not by an index.
pub(super) fn list(
    connection: &Connection,
    reach: Reach,
    workspaces: &[Uuid],
    page: Page,
) -> rusqlite::Result<Listed<AccessToken>> {
    let sql = format!(
        "SELECT {} FROM token t LEFT JOIN workspace w ON w.n = t.workspace ORDER BY t.n DESC",
        rows::TOKEN
    );
    let wanted = |token: &AccessToken| {
        let covered = match (reach, token.workspace_id) {
            (Reach::Server, _) => true,
            (Reach::Workspace(own), id) => id == Some(own),
        };
        covered
            && (workspaces.is_empty()
                || token
                    .workspace_id
                    .is_some_and(|id| workspaces.contains(&id)))
    };
    let from = u64::try_from(offset(page)).unwrap_or(0);
    let mut total = 0;
    let mut items = Vec::new();
    let mut statement = connection.prepare_cached(&sql)?;
    for token in statement.query_map([], rows::token)? {
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
