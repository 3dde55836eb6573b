//! Changing endpoints, and what a change means for their events.

use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use crate::domain::access::Reach;
use crate::domain::endpoint::{DisabledReason, Endpoint, EndpointPatch, NewEndpoint};
use crate::domain::id::new_id;
use crate::domain::secret::Secret;
use crate::storage::sqlite::rows;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{Cause, EndpointNumber, Notice, StoreError};

/// Makes an endpoint, unless its workspace has `limit` of them.
pub(crate) fn create(
    context: &mut WriteContext<'_>,
    new: &NewEndpoint,
    limit: u64,
) -> Result<Endpoint, OperationError> {
    let publisher = context
        .state
        .publisher(context.connection, new.workspace_id)?
        .ok_or(StoreError::UnknownWorkspace(new.workspace_id))?;
    let count: u64 = context
        .connection
        .prepare_cached(
            "SELECT count(*) FROM endpoint WHERE workspace = ?1 AND deleted_at IS NULL",
        )?
        .query_row([publisher.number], |row| row.get(0))?;
    if count >= limit {
        return Err(StoreError::TooManyEndpoints(limit).into());
    }
    let id = new_id(context.now);
    let number = context
        .connection
        .prepare_cached(
            "INSERT INTO endpoint (id, workspace, url, format, secret, events, created_at,
                                   skip_through)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0) RETURNING n",
        )?
        .query_row(
            params![
                id,
                publisher.number,
                new.url.as_str(),
                rows::format_column(new.format),
                new.secret.reveal(),
                rows::subscriptions_column(&new.events),
                context.now.micros(),
            ],
            |row| row.get(0),
        )?;
    changed(
        context,
        EndpointNumber(number),
        new.workspace_id,
        Cause::Created,
    )?;
    find(context, EndpointNumber(number))
}

/// Changes an endpoint.
pub(crate) fn update(
    context: &mut WriteContext<'_>,
    reach: Reach,
    id: Uuid,
    patch: &EndpointPatch,
) -> Result<Endpoint, OperationError> {
    let (number, workspace) = locate(context, reach, id)?;
    let before = find(context, number)?;
    if patch.is_empty() {
        return Ok(before);
    }
    context
        .connection
        .prepare_cached(
            "UPDATE endpoint SET url = coalesce(?2, url), secret = coalesce(?3, secret),
                    format = coalesce(?4, format), events = coalesce(?5, events), modified_at = ?6
             WHERE n = ?1",
        )?
        .execute(params![
            number.0,
            patch.url.as_ref().map(|url| url.as_str().to_owned()),
            patch.secret.as_ref().map(Secret::reveal),
            patch.format.map(rows::format_column),
            patch.events.as_deref().map(rows::subscriptions_column),
            context.now.micros(),
        ])?;
    match patch.enabled {
        Some(true) => {
            context
                .connection
                .prepare_cached("UPDATE endpoint SET disabled = NULL, failures = 0 WHERE n = ?1")?
                .execute([number.0])?;
        }
        Some(false) if before.disabled_reason.is_none() => {
            disable(context, number, DisabledReason::Manual)?;
        }
        _ => {}
    }
    let moved = patch.url.as_ref().is_some_and(|url| *url != before.url);
    let cause = match patch.enabled {
        Some(false) => Cause::Disabled,
        Some(true) => Cause::Enabled,
        None if moved => Cause::Moved,
        None => Cause::Edited,
    };
    changed(context, number, workspace, cause)?;
    find(context, number)
}

/// Gives an endpoint another secret.
pub(crate) fn replace_secret(
    context: &mut WriteContext<'_>,
    reach: Reach,
    id: Uuid,
    secret: &Secret,
) -> Result<Endpoint, OperationError> {
    let patch = EndpointPatch {
        secret: Some(secret.clone()),
        ..EndpointPatch::default()
    };
    update(context, reach, id, &patch)
}

/// Deletes an endpoint: its events stay listed, those pending are skipped.
pub(crate) fn delete(
    context: &mut WriteContext<'_>,
    reach: Reach,
    id: Uuid,
) -> Result<(), OperationError> {
    let (number, workspace) = locate(context, reach, id)?;
    delete_located(context, number, workspace)
}

/// Deletes an endpoint that is known to exist. What it told of its receiver goes at once; its row stays, as
/// its events do.
pub(crate) fn delete_located(
    context: &mut WriteContext<'_>,
    number: EndpointNumber,
    workspace: Uuid,
) -> Result<(), OperationError> {
    context
        .connection
        .prepare_cached(
            "UPDATE endpoint SET deleted_at = ?2, url = '', secret = '', events = '' WHERE n = ?1",
        )?
        .execute(params![number.0, context.now.micros()])?;
    skip_pending(context, number)?;
    changed(context, number, workspace, Cause::Disabled)
}

/// Disables an endpoint and skips what is pending.
pub(crate) fn disable(
    context: &mut WriteContext<'_>,
    number: EndpointNumber,
    reason: DisabledReason,
) -> Result<(), OperationError> {
    let (workspace, id): (Uuid, Uuid) = context
        .connection
        .prepare_cached(
            "UPDATE endpoint SET disabled = ?2, modified_at = ?3 WHERE n = ?1
             RETURNING (SELECT id FROM workspace WHERE n = endpoint.workspace), id",
        )?
        .query_row(
            params![number.0, rows::reason_column(reason), context.now.micros()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
    if reason != DisabledReason::Manual {
        // Nobody asked for it, so somebody should hear of it.
        tracing::warn!(endpoint = %id, %workspace, reason = reason.as_str(), "endpoint disabled");
    }
    skip_pending(context, number)?;
    changed(context, number, workspace, Cause::Disabled)
}

/// Skips every run so far with one row; the events' own rows are swept later.
fn skip_pending(context: &mut WriteContext<'_>, number: EndpointNumber) -> rusqlite::Result<()> {
    let last_run = context.state.last_run();
    context
        .connection
        .prepare_cached("UPDATE endpoint SET skip_through = ?2, sweep = 1 WHERE n = ?1")?
        .execute(params![number.0, last_run])?;
    if !context.state.sweeping.contains(&number) {
        context.state.sweeping.push_back(number);
    }
    Ok(())
}

/// Has everybody forget what they knew of an endpoint, and tells the engine.
fn changed(
    context: &mut WriteContext<'_>,
    number: EndpointNumber,
    workspace: Uuid,
    cause: Cause,
) -> Result<(), OperationError> {
    context.state.forget_publisher(workspace);
    context.state.forget_health(number);
    let sql = format!("SELECT {} FROM endpoint WHERE n = ?1", rows::TARGET);
    let target = context
        .connection
        .prepare_cached(&sql)?
        .query_row([number.0], rows::target)?;
    context.notices.push(Notice::Endpoint(target, cause));
    Ok(())
}

fn find(context: &WriteContext<'_>, number: EndpointNumber) -> Result<Endpoint, OperationError> {
    let sql = format!(
        "SELECT {} FROM endpoint e JOIN workspace w ON w.n = e.workspace WHERE e.n = ?1",
        rows::ENDPOINT
    );
    Ok(context
        .connection
        .prepare_cached(&sql)?
        .query_row([number.0], rows::endpoint)?)
}

fn locate(
    context: &WriteContext<'_>,
    reach: Reach,
    id: Uuid,
) -> Result<(EndpointNumber, Uuid), OperationError> {
    let found = context
        .connection
        .prepare_cached(
            "SELECT e.n, w.id FROM endpoint e JOIN workspace w ON w.n = e.workspace
             WHERE e.id = ?1 AND e.deleted_at IS NULL",
        )?
        .query_row([id], |row| Ok((EndpointNumber(row.get(0)?), row.get(1)?)))
        .optional()?;
    match found {
        Some((number, workspace)) if reach.covers(workspace) => Ok((number, workspace)),
        _ => Err(StoreError::NotFound.into()),
    }
}
