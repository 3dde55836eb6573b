//! The rows of endpoints: their columns, read and written.

use rusqlite::Row;
use rusqlite::types::{FromSqlError, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::rows::{Columns, format, format_column, position, time};
use super::sealing::{is_sealed, opened, sealed};
use crate::domain::clock::Timestamp;
use crate::domain::custom_headers::CustomHeaders;
use crate::domain::endpoint::{
    DisabledReason, Endpoint, EndpointSettings, PausedReason, TargetSettings,
};
use crate::domain::endpoint_health::{EndpointHealth, LastResults};
use crate::domain::endpoint_key::EndpointKey;
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::event_pattern::EventPattern;
use crate::domain::event_type::Subscription;
use crate::domain::secret::Secret;
use crate::domain::signing_secrets::{OldSecret, SigningSecrets};
use crate::storage::{EndpointNumber, EndpointRest, HealthEpoch, Run, Target, WorkspaceNumber};

/// Returns the stored form of a reason.
pub(super) fn reason_column(reason: DisabledReason) -> i64 {
    match reason {
        DisabledReason::Manual => 0,
        DisabledReason::Gone => 1,
        DisabledReason::Failing => 2,
    }
}

/// Reads a reason column.
pub(super) fn reason(stored: i64) -> DisabledReason {
    position(&DisabledReason::ALL, stored).unwrap_or(DisabledReason::Manual)
}

/// Returns the stored form of the reason of a pause.
pub(super) fn paused_column(reason: PausedReason) -> i64 {
    match reason {
        PausedReason::Manual => 0,
    }
}

/// Reads a column with the reason of a pause.
fn paused_reason(stored: i64) -> PausedReason {
    position(&PausedReason::ALL, stored).unwrap_or(PausedReason::Manual)
}

/// Reads subscriptions, which are joined by spaces: no subscription contains a space.
pub(super) fn subscriptions(stored: &str) -> Vec<Subscription> {
    stored
        .split_ascii_whitespace()
        .map(|text| Subscription::from_stored(text.to_owned()))
        .collect()
}

/// Returns the stored form of subscriptions.
fn subscriptions_column(subscriptions: &[Subscription]) -> String {
    let texts: Vec<&str> = subscriptions.iter().map(Subscription::as_str).collect();
    texts.join(" ")
}

/// The columns of [`TargetSettings`] for a SELECT, each after `$prefix`.
macro_rules! delivery_columns {
    ($prefix:literal) => {
        concat!(
            $prefix,
            "url, ",
            opened!($prefix, "endpoint", "secret", concat!($prefix, "id")),
            ", ",
            $prefix,
            "format, ",
            opened!($prefix, "endpoint", "headers", concat!($prefix, "id")),
            ", ",
            $prefix,
            "policy"
        )
    };
}

/// The columns of [`EndpointRest`], each after `$prefix`.
macro_rules! rest_columns {
    ($prefix:literal) => {
        concat!(
            $prefix,
            "rests, ",
            $prefix,
            "resting_until, ",
            $prefix,
            "held_until"
        )
    };
}
pub(super) use rest_columns;

/// The columns of [`EndpointSettings`] for a SELECT, each after `$prefix`, in the order of [`settings`].
macro_rules! settings_columns {
    ($prefix:literal) => {
        concat!(
            delivery_columns!($prefix),
            ", ",
            $prefix,
            "events, ",
            $prefix,
            "name, ",
            $prefix,
            "description, ",
            $prefix,
            "key, ",
            $prefix,
            "metadata, ",
            $prefix,
            "filter"
        )
    };
}

/// The columns of [`EndpointSettings`] for INSERT and UPDATE, in the order of [`settings_values`]: those of
/// `settings_columns!`.
const SETTINGS: [&str; 11] = [
    "url",
    "secret",
    "format",
    "headers",
    "policy",
    "events",
    "name",
    "description",
    "key",
    "metadata",
    "filter",
];

/// Returns the columns of [`settings_values`], as INSERT and UPDATE list them.
pub(super) fn settings_list() -> String {
    SETTINGS.join(", ")
}

/// Returns an expression for each of [`settings_values`]: a mark, within a seal if the column is sealed. `id` is an
/// expression for the id of the endpoint.
pub(super) fn settings_marks(id: &str) -> String {
    let mark = |column: &&str| {
        if is_sealed("endpoint", column) {
            sealed("?", id, "endpoint", column)
        } else {
            "?".to_owned()
        }
    };
    SETTINGS.iter().map(mark).collect::<Vec<_>>().join(", ")
}

/// The old secrets of the endpoint with the number `$endpoint` and the id `$id`, as JSON: of each its number, the
/// secret, and its end.
macro_rules! old_secrets_column {
    ($endpoint:literal, $id:literal) => {
        concat!(
            "(SELECT json_group_array(json_array(o.n, ",
            opened!("o.", "old_secret", "secret", $id),
            ", o.ends_at)) FROM old_secret o WHERE o.endpoint = ",
            $endpoint,
            ")"
        )
    };
}

/// Reads the column of `old_secrets_column!`. The newest secret, which has the highest number, comes first.
fn old_secrets(stored: &str) -> rusqlite::Result<Vec<OldSecret>> {
    // Not the parser's error, which could quote a secret.
    let mut rows: Vec<(i64, String, i64)> =
        serde_json::from_str(stored).map_err(|_| FromSqlError::InvalidType)?;
    rows.sort_unstable_by_key(|(n, ..)| std::cmp::Reverse(*n));
    let old = rows.into_iter().map(|(_, secret, ends_at)| OldSecret {
        secret: Secret::from_stored(secret),
        ends_at: time(ends_at),
    });
    Ok(old.collect())
}

/// Reads all but the old secrets, which are not among the columns of settings.
fn target_settings(columns: &mut Columns<'_, '_>) -> rusqlite::Result<TargetSettings> {
    Ok(TargetSettings {
        url: EndpointUrl::from_stored(columns.get()?),
        secrets: SigningSecrets::new(Secret::from_stored(columns.get()?)),
        format: format(columns.get()?),
        headers: CustomHeaders::from_stored(json_or_default(columns)?),
        policy: json_or_default(columns)?,
    })
}

/// Reads a column of JSON; an empty text stands for the default.
fn json_or_default<T: Default + DeserializeOwned>(
    columns: &mut Columns<'_, '_>,
) -> rusqlite::Result<T> {
    match columns.get_ref()?.as_str()? {
        "" => Ok(T::default()),
        // Not the parser's error, which could quote a value of a header.
        text => serde_json::from_str(text).map_err(|_| FromSqlError::InvalidType.into()),
    }
}

/// Returns the value of a column of JSON.
fn json_column(value: &impl Serialize, is_default: bool) -> Value {
    let text = (!is_default).then(|| serde_json::to_string(value));
    let text = text.transpose().expect("texts and numbers are JSON");
    text.unwrap_or_default().into()
}

fn settings(columns: &mut Columns<'_, '_>) -> rusqlite::Result<EndpointSettings> {
    Ok(EndpointSettings {
        target: target_settings(columns)?,
        events: subscriptions(&columns.get::<String>()?),
        name: columns.get()?,
        description: columns.get()?,
        key: EndpointKey::from_stored(columns.get()?),
        metadata: json_or_default(columns)?,
        filter: EventPattern::from_stored(columns.get_ref()?.as_str()?),
    })
}

/// Adds the old secrets, which are in the next column.
fn with_old_secrets(
    target: &mut TargetSettings,
    columns: &mut Columns<'_, '_>,
) -> rusqlite::Result<()> {
    let old = old_secrets(&columns.get::<String>()?)?;
    let present = target.secrets.present().clone();
    target.secrets = SigningSecrets::from_stored(present, old);
    Ok(())
}

/// Returns the values of [`settings_list`]; old secrets have a table of their own.
pub(super) fn settings_values(settings: &EndpointSettings) -> [Value; SETTINGS.len()] {
    let target = &settings.target;
    [
        target.url.as_str().to_owned().into(),
        target.secrets.present().reveal().to_owned().into(),
        format_column(target.format).into(),
        json_column(&target.headers.reveal(), target.headers.is_empty()),
        json_column(&target.policy, target.policy.is_default()),
        subscriptions_column(&settings.events).into(),
        settings.name.clone().into(),
        settings.description.clone().into(),
        settings.key.as_str().to_owned().into(),
        json_column(&settings.metadata, settings.metadata.is_empty()),
        settings.filter.to_stored().to_owned().into(),
    ]
}

/// The columns of [`endpoint`], from `endpoint e JOIN workspace w`.
pub(super) const ENDPOINT: &str = concat!(
    "e.id, w.id, e.disabled, e.paused, e.created_at, e.modified_at, ",
    rest_columns!("e."),
    ", e.failures, e.last_success_at, e.last_failure_at, ",
    settings_columns!("e."),
    ", ",
    old_secrets_column!("e.n", "e.id")
);

/// Reads an endpoint from the columns [`ENDPOINT`], as it is at `now`. `later`: its last attempts that its row does not
/// have yet. Old secrets whose time is over are left out: the janitor deletes these about once a minute, which is too
/// late for an answer.
pub(super) fn endpoint(
    row: &Row<'_>,
    later: LastResults,
    now: Timestamp,
) -> rusqlite::Result<Endpoint> {
    let mut columns = Columns::of(row);
    let (id, workspace_id) = (columns.get()?, columns.get()?);
    let disabled_reason = columns.get::<Option<i64>>()?.map(reason);
    let paused_reason = columns.get::<Option<i64>>()?.map(paused_reason);
    let (created_at, modified_at) = (columns.time()?, columns.time_or_null()?);
    let (rest, failures) = (rest(&mut columns)?, columns.get()?);
    let last = LastResults {
        success_at: columns.time_or_null()?,
        failure_at: columns.time_or_null()?,
    };
    let last = last.followed_by(later);
    let mut settings = settings(&mut columns)?;
    with_old_secrets(&mut settings.target, &mut columns)?;
    settings.target.secrets.forget_ended(now);
    Ok(Endpoint {
        id,
        workspace_id,
        settings,
        disabled_reason,
        paused_reason,
        health: EndpointHealth::of(
            disabled_reason.is_some(),
            paused_reason.is_some(),
            rest,
            failures,
            last,
            now,
        ),
        created_at,
        modified_at,
    })
}

/// Reads a rest from the columns of `rest_columns!`.
pub(super) fn rest(columns: &mut Columns<'_, '_>) -> rusqlite::Result<EndpointRest> {
    Ok(EndpointRest {
        rests: columns.get()?,
        resting_until: columns.time_or_null()?,
        held_until: columns.time_or_null()?,
    })
}

/// The columns of [`target`], from `endpoint`.
pub(super) const TARGET: &str = concat!(
    "n, id, disabled IS NULL AND deleted_at IS NULL, skip_through, workspace,
     (SELECT w.id FROM workspace w WHERE w.n = endpoint.workspace), health_epoch,
     paused IS NOT NULL, resumed_at, ",
    delivery_columns!(""),
    ", ",
    old_secrets_column!("endpoint.n", "endpoint.id")
);

/// Reads the engine's view of an endpoint from the columns [`TARGET`]. Each attempt judges by itself which old
/// secrets still sign.
pub(super) fn target(columns: &mut Columns<'_, '_>) -> rusqlite::Result<Target> {
    let mut target = Target {
        number: EndpointNumber(columns.get()?),
        id: columns.get()?,
        enabled: columns.get()?,
        skip_through: Run(columns.get()?),
        workspace: WorkspaceNumber(columns.get()?),
        workspace_id: columns.get()?,
        health_epoch: HealthEpoch(columns.get()?),
        paused: columns.get()?,
        resumed_at: columns.time_or_null()?,
        settings: target_settings(columns)?,
    };
    with_old_secrets(&mut target.settings, columns)?;
    Ok(target)
}
