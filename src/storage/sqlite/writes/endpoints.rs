//! Changes of endpoints, and their effect on pending events.

pub(crate) mod change;
mod keys;
pub(crate) mod make;

use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::domain::endpoint::{DisabledReason, Endpoint};
use crate::storage::sqlite::endpoint_rows;
use crate::storage::sqlite::rows::Columns;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{EndpointChange, EndpointNumber, Notice, StoreError};

/// The assignments that end a rest and a hold.
macro_rules! without_rest {
    () => {
        "rests = 0, resting_until = NULL, held_until = NULL"
    };
}
use without_rest;

fn delete_old_secrets(context: &WriteContext<'_>, number: EndpointNumber) -> rusqlite::Result<()> {
    let mut delete = context
        .connection
        .prepare_cached("DELETE FROM old_secret WHERE endpoint = ?1")?;
    delete.execute([number.0]).map(drop)
}

/// Deletes an endpoint: its events stay listed; pending ones are skipped.
pub(crate) fn delete(
    context: &mut WriteContext<'_>,
    visibility: Visibility,
    id: Uuid,
) -> Result<(), OperationError> {
    let (number, workspace) = locate(context, visibility, id)?;
    delete_located(context, number, workspace)
}

/// Deletes an endpoint that is known to exist. Its URL, secrets and texts go at once; its row stays, as do its
/// events.
pub(crate) fn delete_located(
    context: &mut WriteContext<'_>,
    number: EndpointNumber,
    workspace: Uuid,
) -> Result<(), OperationError> {
    context
        .connection
        .prepare_cached(concat!(
            "UPDATE endpoint SET deleted_at = ?2, url = '', secret = '', events = '', name = '',
                    description = '', key = '', metadata = '', headers = '', policy = '', filter = '', paused = NULL, last_success_at = NULL, last_failure_at = NULL, warned_at = NULL,
                    failed_told_at = NULL, failed_untold = 0, backlog_told_at = NULL, ",
            without_rest!(),
            " WHERE n = ?1",
        ))?
        .execute(params![number.0, context.now.micros()])?;
    delete_old_secrets(context, number)?;
    context.has_erased = true;
    skip_pending(context, number)?;
    changed(context, number, workspace, EndpointChange::Disabled)
}

/// Disables an endpoint and skips its pending events.
pub(crate) fn disable(
    context: &mut WriteContext<'_>,
    number: EndpointNumber,
    reason: DisabledReason,
) -> Result<(), OperationError> {
    let (workspace, id): (Uuid, Uuid) = context
        .connection
        .prepare_cached(concat!(
            "UPDATE endpoint SET disabled = ?2, modified_at = ?3, ",
            without_rest!(),
            " WHERE n = ?1
             RETURNING (SELECT id FROM workspace WHERE n = endpoint.workspace), id",
        ))?
        .query_row(
            params![
                number.0,
                endpoint_rows::reason_column(reason),
                context.now.micros()
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
    if reason != DisabledReason::Manual {
        // The owner did not ask for it, so it is logged.
        tracing::warn!(endpoint = %id, %workspace, reason = reason.as_str(), "endpoint disabled");
    }
    skip_pending(context, number)?;
    changed(context, number, workspace, EndpointChange::Disabled)
}

/// Skips every run so far by changing one row; the rows of the events are swept later.
fn skip_pending(context: &mut WriteContext<'_>, number: EndpointNumber) -> rusqlite::Result<()> {
    let last_run = context.cache.last_run();
    context
        .connection
        .prepare_cached("UPDATE endpoint SET skip_through = ?2, sweep = 1 WHERE n = ?1")?
        .execute(params![number.0, last_run])?;
    context.cache.sweeping.add(number);
    Ok(())
}

/// Removes an endpoint from the caches, and notifies the engine.
fn changed(
    context: &mut WriteContext<'_>,
    number: EndpointNumber,
    workspace: Uuid,
    change: EndpointChange,
) -> Result<(), OperationError> {
    context.cache.forget_workspace(workspace);
    context.cache.forget_endpoint(number);
    let sql = format!(
        "SELECT {} FROM endpoint WHERE n = ?1",
        endpoint_rows::TARGET
    );
    let target = context
        .connection
        .prepare_cached(&sql)?
        .query_row([number.0], |row| {
            endpoint_rows::target(&mut Columns::of(row))
        })?;
    context.notices.push(Notice::Endpoint(target, change));
    Ok(())
}

fn find(context: &WriteContext<'_>, number: EndpointNumber) -> Result<Endpoint, OperationError> {
    let later = context.charts.last_results(context.recent, number.0);
    let sql = format!(
        "SELECT {} FROM endpoint e JOIN workspace w ON w.n = e.workspace WHERE e.n = ?1",
        endpoint_rows::ENDPOINT
    );
    Ok(context
        .connection
        .prepare_cached(&sql)?
        .query_row([number.0], |row| {
            endpoint_rows::endpoint(row, later, context.now)
        })?)
}

fn locate(
    context: &WriteContext<'_>,
    visibility: Visibility,
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
        Some((number, workspace)) if visibility.includes(workspace) => Ok((number, workspace)),
        _ => Err(StoreError::NotFound.into()),
    }
}
