//! The conversion of database rows to domain objects, and back.

use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, Value, ValueRef};

use crate::domain::access::{AccessToken, Scopes};
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::{DisabledReason, Endpoint, EndpointSettings, Format, TargetSettings};
use crate::domain::endpoint_health::{EndpointHealth, LastResults};
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::event_type::Subscription;
use crate::domain::retention::{ArchiveAfter, DeleteAfter, WorkspaceRetention};
use crate::domain::secret::Secret;
use crate::domain::signing_secrets::{OldSecret, SigningSecrets};
use crate::domain::workspace::{Workspace, WorkspaceName};
use crate::storage::{
    EndpointNumber, EndpointRest, HealthEpoch, Page, Run, Target, WorkspaceNumber,
};

/// Reads a time column.
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// Reads a format column. Unknown values do not occur, since an older program refuses newer files.
pub(super) fn format(stored: i64) -> Format {
    position(&Format::ALL, stored).unwrap_or(Format::Raw)
}

/// Returns the stored form of a format.
pub(super) fn format_column(format: Format) -> i64 {
    match format {
        Format::Raw => 0,
        Format::Discord => 1,
        Format::Slack => 2,
    }
}

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

fn position<T: Copy>(all: &[T], stored: i64) -> Option<T> {
    all.get(usize::try_from(stored).ok()?).copied()
}

/// Reads subscriptions, which are joined by spaces: no subscription contains a space.
pub(super) fn subscriptions(stored: &str) -> Vec<Subscription> {
    stored
        .split_ascii_whitespace()
        .map(|text| Subscription::from_stored(text.to_owned()))
        .collect()
}

/// The number of formats whose bodies are rendered: all but raw.
pub(super) const RENDERED_FORMATS: usize = Format::ALL.len() - 1;
const _: () = assert!(RENDERED_FORMATS == 2, "body! looks at so many events");

/// The body of an event, from `event e JOIN message m`; NULL once archived. A rendered body is stored once
/// for each format, with the first event that has the format, and these events are the first ones of the
/// message. In files of earlier versions each event has it.
macro_rules! body {
    () => {
        "coalesce(e.body, CASE e.format WHEN 0 THEN m.body ELSE (
             SELECT f.body FROM event f
             WHERE f.seq >= m.first_event AND f.seq < m.first_event + min(m.events, 2)
               AND f.format = e.format AND f.body IS NOT NULL) END)"
    };
}
pub(super) use body;

/// Returns the stored form of subscriptions.
fn subscriptions_column(subscriptions: &[Subscription]) -> String {
    let texts: Vec<&str> = subscriptions.iter().map(Subscription::as_str).collect();
    texts.join(" ")
}

/// The columns of a row, read from left to right.
pub(super) struct Columns<'row, 'statement> {
    row: &'row Row<'statement>,
    next: usize,
}

impl<'row, 'statement> Columns<'row, 'statement> {
    /// Begins at the first column.
    pub(super) const fn of(row: &'row Row<'statement>) -> Self {
        Self { row, next: 0 }
    }

    /// Reads the next column.
    pub(super) fn get<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let value = self.row.get(self.next);
        self.next += 1;
        value
    }

    /// Reads the next column, of a text or a BLOB that need not be copied.
    pub(super) fn get_ref(&mut self) -> rusqlite::Result<ValueRef<'row>> {
        let value = self.row.get_ref(self.next);
        self.next += 1;
        value
    }

    /// Reads the next column, a time.
    pub(super) fn time(&mut self) -> rusqlite::Result<Timestamp> {
        self.get().map(time)
    }

    /// Reads the next column, a time that may be NULL.
    pub(super) fn time_or_null(&mut self) -> rusqlite::Result<Option<Timestamp>> {
        Ok(self.get::<Option<i64>>()?.map(time))
    }
}

/// The columns of [`TargetSettings`], each after `$prefix`.
macro_rules! delivery_columns {
    ($prefix:literal) => {
        concat!($prefix, "url, ", $prefix, "secret, ", $prefix, "format")
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

/// The columns of [`EndpointSettings`], each after `$prefix`: for INSERT, UPDATE and SELECT alike, in the
/// order of [`settings`] and [`settings_values`].
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
            "description"
        )
    };
}

/// The columns of [`settings_values`].
pub(super) const SETTINGS: &str = settings_columns!("");

/// The old secrets of the endpoint with the number `$endpoint`, as JSON: of each its number, the secret, and its end.
macro_rules! old_secrets_column {
    ($endpoint:literal) => {
        concat!(
            "(SELECT json_group_array(json_array(o.n, o.secret, o.ends_at))
              FROM old_secret o WHERE o.endpoint = ",
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
    })
}

fn settings(columns: &mut Columns<'_, '_>) -> rusqlite::Result<EndpointSettings> {
    Ok(EndpointSettings {
        target: target_settings(columns)?,
        events: subscriptions(&columns.get::<String>()?),
        name: columns.get()?,
        description: columns.get()?,
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

/// Returns the values of the columns [`SETTINGS`]; old secrets have a table of their own.
pub(super) fn settings_values(settings: &EndpointSettings) -> Vec<Value> {
    let target = &settings.target;
    vec![
        target.url.as_str().to_owned().into(),
        target.secrets.present().reveal().to_owned().into(),
        format_column(target.format).into(),
        subscriptions_column(&settings.events).into(),
        settings.name.clone().into(),
        settings.description.clone().into(),
    ]
}

/// Returns `count` marks for parameters, such as `?, ?, ?`.
pub(super) fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

/// The columns of [`endpoint`], from `endpoint e JOIN workspace w`.
pub(super) const ENDPOINT: &str = concat!(
    "e.id, w.id, e.disabled, e.created_at, e.modified_at, ",
    rest_columns!("e."),
    ", e.failures, e.last_success_at, e.last_failure_at, ",
    settings_columns!("e."),
    ", ",
    old_secrets_column!("e.n")
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
        health: EndpointHealth::of(disabled_reason.is_some(), rest, failures, last, now),
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
     (SELECT w.id FROM workspace w WHERE w.n = endpoint.workspace), health_epoch, ",
    delivery_columns!(""),
    ", ",
    old_secrets_column!("endpoint.n")
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
        settings: target_settings(columns)?,
    };
    with_old_secrets(&mut target.settings, columns)?;
    Ok(target)
}

/// The columns of [`workspace`].
pub(super) const WORKSPACE: &str =
    "id, name, created_at, modified_at, archive_after, delete_after, operational_events";

/// Reads a workspace from the columns [`WORKSPACE`].
pub(super) fn workspace(row: &Row<'_>) -> rusqlite::Result<Workspace> {
    let mut columns = Columns::of(row);
    Ok(Workspace {
        id: columns.get()?,
        name: WorkspaceName::from_stored(columns.get()?),
        created_at: columns.time()?,
        modified_at: columns.time_or_null()?,
        retention: WorkspaceRetention {
            archive_after: ArchiveAfter::from_stored(columns.get()?),
            delete_after: DeleteAfter::from_stored(columns.get()?),
        },
        operational_events: columns.get()?,
    })
}

/// A query for the columns of [`token`]. `?2` is true for readers who may see admin tokens: a workspace is
/// not shown which of them is the parent of its tokens.
pub(super) const TOKEN: &str = "
    SELECT t.id, w.id, t.comment, t.scopes, t.expires_at, t.last_used_at, t.created_at, t.modified_at,
           CASE WHEN ?2 OR p.workspace = t.workspace THEN p.id END
    FROM token t LEFT JOIN workspace w ON w.n = t.workspace LEFT JOIN token p ON p.n = t.parent";

/// Reads an access token from the columns [`TOKEN`].
pub(super) fn token(row: &Row<'_>) -> rusqlite::Result<AccessToken> {
    let mut columns = Columns::of(row);
    Ok(AccessToken {
        id: columns.get()?,
        workspace_id: columns.get()?,
        comment: columns.get()?,
        scopes: Scopes::from_bits(columns.get()?),
        expires_at: columns.time_or_null()?,
        last_used_at: columns.time_or_null()?,
        created_at: columns.time()?,
        modified_at: columns.time_or_null()?,
        parent_id: columns.get()?,
    })
}

/// Returns the offset of a page, as `SQLite` takes it.
pub(crate) fn offset(page: Page) -> i64 {
    i64::try_from(page.offset()).unwrap_or(i64::MAX)
}
