//! Changes of an endpoint that a caller asks for.

use rusqlite::{params, params_from_iter};
use uuid::Uuid;

use super::keys::check_key;
use super::{changed, delete_old_secrets, disable, find, locate, without_rest};
use crate::domain::access::Visibility;
use crate::domain::endpoint::{
    DisabledReason, Endpoint, EndpointPatch, EndpointSettings, PausedReason,
};
use crate::domain::signing_secrets::{SecretRotation, SigningSecrets};
use crate::storage::sqlite::endpoint_rows;
use crate::storage::sqlite::sealing::sealed;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{EndpointChange, EndpointNumber, StoreError};

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
    let switches = Switches {
        enabled: patch.enabled,
        paused: patch.paused,
    };
    change(context, number, workspace, &before, &settings, switches)
}

/// The switches of an endpoint; `None`: it stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Switches {
    /// It gets events.
    pub(super) enabled: Option<bool>,
    /// Its events wait.
    pub(super) paused: Option<bool>,
}

/// Gives an endpoint other settings and switches.
pub(super) fn change(
    context: &mut WriteContext<'_>,
    number: EndpointNumber,
    workspace: Uuid,
    before: &Endpoint,
    settings: &EndpointSettings,
    switches: Switches,
) -> Result<Endpoint, OperationError> {
    if settings.key != before.settings.key {
        let workspace = context
            .cache
            .workspace_cache(context.connection, workspace)?;
        let workspace = workspace.ok_or(StoreError::NotFound)?.number;
        check_key(context, workspace, &settings.key, Some(number))?;
    }
    write_settings(context, number, settings, &before.settings)?;
    pause(context, number, before, switches.paused)?;
    match switches.enabled {
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
    if moved || switches.enabled == Some(true) {
        begin_health_epoch(context, number)?;
    }
    let change = match switches.enabled {
        Some(false) => EndpointChange::Disabled,
        Some(true) => EndpointChange::Enabled,
        None if moved => EndpointChange::Moved,
        None => EndpointChange::Edited,
    };
    changed(context, number, workspace, change)?;
    find(context, number)
}

/// Begins or ends the pause of an endpoint. The time of a run that began before counts from the end on.
fn pause(
    context: &WriteContext<'_>,
    number: EndpointNumber,
    before: &Endpoint,
    paused: Option<bool>,
) -> rusqlite::Result<()> {
    let (reason, resumed_at) = match paused {
        Some(true) if before.paused_reason.is_none() => (Some(PausedReason::Manual), None),
        Some(false) if before.paused_reason.is_some() => (None, Some(context.now.micros())),
        _ => return Ok(()),
    };
    context
        .connection
        .prepare_cached(
            "UPDATE endpoint SET paused = ?2, resumed_at = coalesce(?3, resumed_at) WHERE n = ?1",
        )?
        .execute(params![
            number.0,
            reason.map(endpoint_rows::paused_column),
            resumed_at
        ])
        .map(drop)
}

fn write_settings(
    context: &mut WriteContext<'_>,
    number: EndpointNumber,
    settings: &EndpointSettings,
    before: &EndpointSettings,
) -> rusqlite::Result<()> {
    let secrets = &settings.target.secrets;
    if secrets.old() != before.target.secrets.old() {
        write_old_secrets(context, number, secrets)?;
    }
    let (target, replaced) = (&settings.target, &before.target);
    context.has_erased |= target.url != replaced.url
        || target.headers != replaced.headers
        || target.secrets != replaced.secrets;
    let mut values = endpoint_rows::settings_values(settings).to_vec();
    values.push(context.now.micros().into());
    let sql = format!(
        "UPDATE endpoint SET ({}, modified_at) = ({}, ?) WHERE n = ?",
        endpoint_rows::settings_list(),
        endpoint_rows::settings_marks("id")
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
    let sql = format!(
        "INSERT INTO old_secret (endpoint, n, secret, ends_at)
         SELECT e.n, ?2, {}, ?4 FROM endpoint e WHERE e.n = ?1",
        sealed("?3", "e.id", "old_secret", "secret")
    );
    let mut insert = context.connection.prepare_cached(&sql)?;
    for (n, old) in (1_i64..).zip(secrets.old().iter().rev()) {
        let (secret, ends_at) = (old.secret.reveal(), old.ends_at.micros());
        insert.execute(params![number.0, n, secret, ends_at])?;
    }
    Ok(())
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
