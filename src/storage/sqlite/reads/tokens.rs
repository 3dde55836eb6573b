//! Look-ups and lists of access tokens.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::domain::access::{AccessToken, Caller, Scopes, TokenHash, Visibility};
use crate::domain::clock::Timestamp;
use crate::storage::sqlite::rows;
use crate::storage::{Listed, Page};

/// Returns the caller whose token has this hash.
pub(crate) fn find_caller(
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
                visibility: workspace.map_or(Visibility::All, Visibility::Workspace),
                scopes: Scopes::from_bits(row.get(2)?),
                expires_at: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_micros),
            })
        })
        .optional()
}

/// Returns a token that the caller may see.
pub(crate) fn find(
    connection: &Connection,
    visibility: Visibility,
    id: Uuid,
) -> rusqlite::Result<Option<AccessToken>> {
    let found = connection
        .prepare_cached(&format!("{} WHERE t.id = ?1", rows::TOKEN))?
        .query_row(params![id, visibility == Visibility::All], rows::token)
        .optional()?;
    Ok(found.filter(|token| match visibility {
        Visibility::All => true,
        Visibility::Workspace(own) => token.workspace_id == Some(own),
    }))
}

/// Returns tokens, newest first. A workspace has few, so further filters need no index.
pub(crate) fn list(
    connection: &Connection,
    visibility: Visibility,
    workspaces: &[Uuid],
    page: Page,
) -> rusqlite::Result<Listed<AccessToken>> {
    let (own, which) = match visibility {
        Visibility::All => (None, "?1 IS NULL"),
        Visibility::Workspace(own) => (
            Some(own),
            "t.workspace = (SELECT n FROM workspace WHERE id = ?1)",
        ),
    };
    let sql = format!("{} WHERE {which} ORDER BY t.n DESC", rows::TOKEN);
    let wanted = |token: &AccessToken| {
        let named = |id| workspaces.contains(&id);
        workspaces.is_empty() || token.workspace_id.is_some_and(named)
    };
    let from = u64::try_from(rows::offset(page)).unwrap_or(0);
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
