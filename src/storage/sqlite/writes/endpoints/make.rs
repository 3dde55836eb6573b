//! New endpoints, and those that a caller wants to be there under a key.

use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::change::{Switches, change};
use super::keys::{check_key, find_key};
use super::{changed, find};
use crate::domain::custom_headers::GivenHeaders;
use crate::domain::endpoint::{DisabledReason, Endpoint, NewEndpoint, PausedReason, PutEndpoint};
use crate::domain::id::new_id;
use crate::storage::sqlite::endpoint_rows;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{EndpointChange, EndpointNumber, PutResult, StoreError};

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
    let workspace = workspace.number;
    check_key(context, workspace, &new.settings.key, None)?;
    let disabled = (!new.enabled).then(|| endpoint_rows::reason_column(DisabledReason::Manual));
    let paused = (new.paused).then(|| endpoint_rows::paused_column(PausedReason::Manual));
    let mut values: Vec<Value> = vec![
        new_id(context.now).into(),
        workspace.into(),
        context.now.micros().into(),
        0.into(),
        disabled.into(),
        paused.into(),
    ];
    values.extend(endpoint_rows::settings_values(&new.settings));
    let sql = format!(
        "INSERT INTO endpoint (id, workspace, created_at, skip_through, disabled, paused, {})
         VALUES (?, ?, ?, ?, ?, ?, {}) RETURNING n",
        endpoint_rows::settings_list(),
        endpoint_rows::settings_marks("?1")
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

/// Makes the endpoint with the key of `put`, unless the workspace has `limit` endpoints, or changes the one that has it.
pub(crate) fn put(
    context: &mut WriteContext<'_>,
    put: &PutEndpoint,
    limit: u64,
) -> Result<PutResult, OperationError> {
    let workspace = context
        .cache
        .workspace_cache(context.connection, put.workspace_id)?
        .ok_or(StoreError::UnknownWorkspace(put.workspace_id))?
        .number;
    let fields = &put.fields;
    let key = fields.key.clone().unwrap_or_default();
    let (enabled, paused) = (
        fields.enabled.unwrap_or(true),
        fields.paused.unwrap_or(false),
    );
    let Some(number) = find_key(context, workspace, &key)? else {
        let kept = fields.headers.as_ref().and_then(GivenHeaders::first_kept);
        if let Some(name) = kept {
            return Err(StoreError::NoSuchHeader(name.to_owned()).into());
        }
        // Only the secret may be unfit now: a public key without an endpoint that has it.
        let settings = fields.clone().into_settings();
        let new = NewEndpoint {
            workspace_id: put.workspace_id,
            settings: settings.ok_or(StoreError::OtherPublicKey)?,
            enabled,
            paused,
        };
        let endpoint = create(context, &new, limit)?;
        return Ok(PutResult {
            endpoint,
            is_new: true,
        });
    };
    let before = find(context, number)?;
    let settings = fields.clone().put_over(&before.settings);
    let settings = settings.map_err(StoreError::from)?;
    let switches = Switches {
        enabled: (enabled != before.disabled_reason.is_none()).then_some(enabled),
        paused: (paused != before.paused_reason.is_some()).then_some(paused),
    };
    let endpoint = if settings == before.settings && switches == Switches::default() {
        before
    } else {
        change(
            context,
            number,
            put.workspace_id,
            &before,
            &settings,
            switches,
        )?
    };
    Ok(PutResult {
        endpoint,
        is_new: false,
    })
}
