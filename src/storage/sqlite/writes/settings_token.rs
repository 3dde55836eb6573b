//! The admin token of the server's settings: accepted at a start, and ended at the first start without it.
//!
//! A setting that is replaced or removed ends the token that it held before, so that an operator can change
//! it like a password. The children of the old token stay, as applications use them and a routine rotation
//! must not cut these off; the new token becomes their parent. A revoked token stays revoked, whatever the
//! settings say.

use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use crate::domain::access::{Scopes, TokenHash};
use crate::domain::clock::Timestamp;
use crate::domain::id::new_id;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{EndedAdminToken, ReconciledAdminToken, SettingsTokenState};

/// The comment of such a token, until it is changed.
const COMMENT: &str = "from the server's settings";

/// Brings the stored tokens in line with the settings, which hold the token `given`.
pub(crate) fn reconcile(
    context: &mut WriteContext<'_>,
    given: Option<TokenHash>,
) -> Result<ReconciledAdminToken, OperationError> {
    let given_status = given.map(|hash| accept(context, &hash)).transpose()?;
    let successor = match given_status {
        // A child may have no end, and must not outlive its parent.
        Some(SettingsTokenState::Accepted(None)) => given,
        _ => None,
    };
    let given = given.map(|hash| hash.0);
    let before: Vec<(i64, Uuid)> = context
        .connection
        .prepare_cached("SELECT n, id FROM token WHERE origin = 1 AND hash IS NOT ?1 ORDER BY n")?
        .query_map([given.as_ref().map(|hash| &hash[..])], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut ended = Vec::with_capacity(before.len());
    for (number, id) in before {
        let children = replace(context, number, successor)?;
        ended.push(EndedAdminToken { id, children });
    }
    Ok(ReconciledAdminToken {
        given: given_status,
        ended,
    })
}

/// Stores the token with this hash unless it is there already, or was revoked.
fn accept(
    context: &WriteContext<'_>,
    hash: &TokenHash,
) -> Result<SettingsTokenState, OperationError> {
    let connection = context.connection;
    let revoked_at: Option<i64> = connection
        .prepare_cached("SELECT revoked_at FROM revoked_admin WHERE hash = ?1")?
        .query_row([&hash.0[..]], |row| row.get(0))
        .optional()?;
    if let Some(at) = revoked_at {
        return Ok(SettingsTokenState::Revoked(Timestamp::from_micros(at)));
    }
    let expires_at: Option<Option<i64>> = connection
        .prepare_cached("SELECT expires_at FROM token WHERE hash = ?1")?
        .query_row([&hash.0[..]], |row| row.get(0))
        .optional()?;
    if let Some(expires_at) = expires_at {
        return Ok(SettingsTokenState::Accepted(
            expires_at.map(Timestamp::from_micros),
        ));
    }
    connection
        .prepare_cached(
            "INSERT INTO token (id, hash, comment, scopes, created_at, origin)
             VALUES (?1, ?2, ?3, ?4, ?5, 1)",
        )?
        .execute(params![
            new_id(context.now),
            &hash.0[..],
            COMMENT,
            Scopes::all().bits(),
            context.now.micros(),
        ])?;
    Ok(SettingsTokenState::Accepted(None))
}

/// Ends a token, and makes `successor` the parent of its children. Returns their number.
fn replace(
    context: &WriteContext<'_>,
    number: i64,
    successor: Option<TokenHash>,
) -> Result<u64, OperationError> {
    let successor = successor.map(|hash| hash.0);
    let children = context
        .connection
        .prepare_cached(
            "UPDATE token SET parent = (SELECT n FROM token WHERE hash = ?2) WHERE parent = ?1",
        )?
        .execute(params![number, successor.as_ref().map(|hash| &hash[..])])?;
    context
        .connection
        .prepare_cached("DELETE FROM token WHERE n = ?1")?
        .execute([number])?;
    Ok(children as u64)
}
