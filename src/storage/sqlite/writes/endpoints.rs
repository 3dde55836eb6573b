//! Changes of endpoints, and their effect on pending events.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params, params_from_iter};
use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::domain::endpoint::{
    DisabledReason, Endpoint, EndpointPatch, EndpointSettings, NewEndpoint,
};
use crate::domain::id::new_id;
use crate::domain::signing_secrets::{SecretRotation, SigningSecrets};
use crate::storage::sqlite::rows;
use crate::storage::sqlite::rows::Columns;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{EndpointChange, EndpointNumber, Notice, StoreError};

/// The assignments that end a rest and a hold.
macro_rules! without_rest {
    () => {
        "rests = 0, resting_until = NULL, held_until = NULL"
    };
}

/// Makes an endpoint, unless its workspace has `limit` of them.
pub(crate) fn create(
    context: &mut WriteContext<'_>,
    new: &NewEndpoint,
    limit: u64,
) -> Result<Endpoint, OperationError> {
    let workspace = context
        .cache
        .workspace_cache(context.connection, new.workspace_id)?
        .ok_or(StoreError::UnknownWorkspace(new.workspace_id))?;
    let count: u64 = context
        .connection
        .prepare_cached(
            "SELECT count(*) FROM endpoint WHERE workspace = ?1 AND deleted_at IS NULL",
        )?
        .query_row([workspace.number], |row| row.get(0))?;
    if count >= limit {
        return Err(StoreError::TooManyEndpoints(limit).into());
    }
    let mut values: Vec<Value> = vec![
        new_id(context.now).into(),
        workspace.number.into(),
        context.now.micros().into(),
        0.into(),
    ];
    values.extend(rows::settings_values(&new.settings));
    let sql = format!(
        "INSERT INTO endpoint (id, workspace, created_at, skip_through, {}) VALUES ({}) RETURNING n",
        rows::SETTINGS,
        rows::marks(values.len())
    );
    let number = context
        .connection
        .prepare_cached(&sql)?
        .query_row(params_from_iter(values), |row| row.get(0))?;
    changed(
        context,
        EndpointNumber(number),
        new.workspace_id,
        EndpointChange::Created,
    )?;
    find(context, EndpointNumber(number))
}

/// Changes an endpoint.
pub(crate) fn update(
    context: &mut WriteContext<'_>,
    visibility: Visibility,
    id: Uuid,
    patch: &EndpointPatch,
) -> Result<Endpoint, OperationError> {
    let (number, workspace) = locate(context, visibility, id)?;
    let before = find(context, number)?;
    if patch.is_empty() {
        return Ok(before);
    }
    let mut settings = before.settings.clone();
    (patch.clone().apply(&mut settings)).map_err(StoreError::from)?;
    write_settings(context, number, &settings, &before.settings)?;
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
    let moved = settings.target.url != before.settings.target.url;
    if moved || patch.enabled == Some(true) {
        begin_health_epoch(context, number)?;
    }
    let change = match patch.enabled {
        Some(false) => EndpointChange::Disabled,
        Some(true) => EndpointChange::Enabled,
        None if moved => EndpointChange::Moved,
        None => EndpointChange::Edited,
    };
    changed(context, number, workspace, change)?;
    find(context, number)
}

fn write_settings(
    context: &WriteContext<'_>,
    number: EndpointNumber,
    settings: &EndpointSettings,
    before: &EndpointSettings,
) -> rusqlite::Result<()> {
    let secrets = &settings.target.secrets;
    if secrets.old() != before.target.secrets.old() {
        write_old_secrets(context, number, secrets)?;
    }
    let mut values = rows::settings_values(settings);
    values.push(context.now.micros().into());
    let sql = format!(
        "UPDATE endpoint SET ({}, modified_at) = ({}) WHERE n = ?",
        rows::SETTINGS,
        rows::marks(values.len())
    );
    values.push(number.0.into());
    let mut update = context.connection.prepare_cached(&sql)?;
    update.execute(params_from_iter(values))?;
    Ok(())
}

/// Ends the rest of an endpoint, because it has another URL or was enabled.
fn begin_health_epoch(context: &WriteContext<'_>, number: EndpointNumber) -> rusqlite::Result<()> {
    context
        .connection
        .prepare_cached(concat!(
            "UPDATE endpoint SET health_epoch = health_epoch + 1, ",
            without_rest!(),
            " WHERE n = ?1"
        ))?
        .execute([number.0])?;
    Ok(())
}

/// Stores the old secrets of an endpoint in place of those that are there.
fn write_old_secrets(
    context: &WriteContext<'_>,
    number: EndpointNumber,
    secrets: &SigningSecrets,
) -> rusqlite::Result<()> {
    delete_old_secrets(context, number)?;
    let mut insert = context.connection.prepare_cached(
        "INSERT INTO old_secret (endpoint, n, secret, ends_at) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (n, old) in (1_i64..).zip(secrets.old().iter().rev()) {
        let (secret, ends_at) = (old.secret.reveal(), old.ends_at.micros());
        insert.execute(params![number.0, n, secret, ends_at])?;
    }
    Ok(())
}

fn delete_old_secrets(context: &WriteContext<'_>, number: EndpointNumber) -> rusqlite::Result<()> {
    let mut delete = context
        .connection
        .prepare_cached("DELETE FROM old_secret WHERE endpoint = ?1")?;
    delete.execute([number.0]).map(drop)
}

/// Rotates the secret of an endpoint.
pub(crate) fn rotate_secret(
    context: &mut WriteContext<'_>,
    visibility: Visibility,
    id: Uuid,
    rotation: &SecretRotation,
) -> Result<Endpoint, OperationError> {
    let (number, workspace) = locate(context, visibility, id)?;
    let before = find(context, number)?;
    let mut settings = before.settings.clone();
    let rotated = settings.target.secrets.rotate(rotation, context.now);
    rotated.map_err(StoreError::from)?;
    if settings == before.settings {
        return Ok(before);
    }
    write_settings(context, number, &settings, &before.settings)?;
    changed(context, number, workspace, EndpointChange::Edited)?;
    find(context, number)
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
                    description = '', last_success_at = NULL, last_failure_at = NULL, warned_at = NULL,
                    failed_told_at = NULL, failed_untold = 0, backlog_told_at = NULL, ",
            without_rest!(),
            " WHERE n = ?1",
        ))?
        .execute(params![number.0, context.now.micros()])?;
    delete_old_secrets(context, number)?;
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
            params![number.0, rows::reason_column(reason), context.now.micros()],
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
    let sql = format!("SELECT {} FROM endpoint WHERE n = ?1", rows::TARGET);
    let target = context
        .connection
        .prepare_cached(&sql)?
        .query_row([number.0], |row| rows::target(&mut Columns::of(row)))?;
    context.notices.push(Notice::Endpoint(target, change));
    Ok(())
}

fn find(context: &WriteContext<'_>, number: EndpointNumber) -> Result<Endpoint, OperationError> {
    let later = context.charts.last_results(context.recent, number.0);
    let sql = format!(
        "SELECT {} FROM endpoint e JOIN workspace w ON w.n = e.workspace WHERE e.n = ?1",
        rows::ENDPOINT
    );
    Ok(context
        .connection
        .prepare_cached(&sql)?
        .query_row([number.0], |row| rows::endpoint(row, later, context.now))?)
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
