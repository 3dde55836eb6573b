//! Columns to domain types, and back.

use rusqlite::Row;

use crate::domain::access::{AccessToken, Scopes};
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::{DisabledReason, Endpoint, Format};
use crate::domain::endpoint_url::EndpointUrl;
use crate::domain::event_type::Subscription;
use crate::domain::secret::Secret;
use crate::domain::workspace::{Workspace, WorkspaceName};
use crate::storage::{EndpointNumber, Page, Run, Target, WorkspaceNumber};

/// A time column.
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// A format column; what an older program cannot know does not occur, since it refuses newer files.
pub(super) fn format(stored: i64) -> Format {
    position(&Format::ALL, stored).unwrap_or(Format::Raw)
}

/// What a format is stored as.
pub(super) fn format_column(format: Format) -> i64 {
    match format {
        Format::Raw => 0,
        Format::Discord => 1,
        Format::Slack => 2,
    }
}

/// What a reason is stored as.
pub(super) fn reason_column(reason: DisabledReason) -> i64 {
    match reason {
        DisabledReason::Manual => 0,
        DisabledReason::Gone => 1,
        DisabledReason::Failing => 2,
    }
}

fn reason(stored: i64) -> DisabledReason {
    position(&DisabledReason::ALL, stored).unwrap_or(DisabledReason::Manual)
}

fn position<T: Copy>(all: &[T], stored: i64) -> Option<T> {
    all.get(usize::try_from(stored).ok()?).copied()
}

/// Subscriptions, joined by spaces, which none contains.
pub(super) fn subscriptions(stored: &str) -> Vec<Subscription> {
    stored
        .split_ascii_whitespace()
        .map(|text| Subscription::from_stored(text.to_owned()))
        .collect()
}

/// Formats whose bodies are rendered: all but raw.
pub(super) const RENDERED_FORMATS: usize = Format::ALL.len() - 1;
const _: () = assert!(RENDERED_FORMATS == 2, "body! looks at so many events");

/// The body of an event, from `event e JOIN message m`; NULL once archived. A rendered body is stored once
/// for each format, with the first event that has the format; those are the first events of the message.
/// Files of earlier versions have it with each event.
macro_rules! body {
    () => {
        "coalesce(e.body, CASE e.format WHEN 0 THEN m.body ELSE (
             SELECT f.body FROM event f
             WHERE f.seq >= m.first_event AND f.seq < m.first_event + min(m.events, 2)
               AND f.format = e.format AND f.body IS NOT NULL) END)"
    };
}
pub(super) use body;

/// What subscriptions are stored as.
pub(super) fn subscriptions_column(subscriptions: &[Subscription]) -> String {
    let texts: Vec<&str> = subscriptions.iter().map(Subscription::as_str).collect();
    texts.join(" ")
}

/// The columns of [`endpoint`], from `endpoint e JOIN workspace w`.
pub(super) const ENDPOINT: &str =
    "e.id, w.id, e.url, e.format, e.secret, e.events, e.disabled, e.created_at, e.modified_at";

/// An endpoint from the columns [`ENDPOINT`].
pub(super) fn endpoint(row: &Row<'_>) -> rusqlite::Result<Endpoint> {
    Ok(Endpoint {
        id: row.get(0)?,
        workspace_id: row.get(1)?,
        url: EndpointUrl::from_stored(row.get(2)?),
        format: format(row.get(3)?),
        secret: Secret::from_stored(row.get(4)?),
        events: subscriptions(&row.get::<_, String>(5)?),
        disabled_reason: row.get::<_, Option<i64>>(6)?.map(reason),
        created_at: time(row.get(7)?),
        modified_at: row.get::<_, Option<i64>>(8)?.map(time),
    })
}

/// The columns of [`target`], from `endpoint`.
pub(super) const TARGET: &str =
    "n, id, url, secret, disabled IS NULL AND deleted_at IS NULL, skip_through, workspace";

/// What the engine knows of an endpoint, from the columns [`TARGET`].
pub(super) fn target(row: &Row<'_>) -> rusqlite::Result<Target> {
    Ok(Target {
        number: EndpointNumber(row.get(0)?),
        id: row.get(1)?,
        url: EndpointUrl::from_stored(row.get(2)?),
        secret: Secret::from_stored(row.get(3)?),
        enabled: row.get(4)?,
        skip_through: Run(row.get(5)?),
        workspace: WorkspaceNumber(row.get(6)?),
    })
}

/// The columns of [`workspace`].
pub(super) const WORKSPACE: &str = "id, name, created_at, modified_at";

/// A workspace from the columns [`WORKSPACE`].
pub(super) fn workspace(row: &Row<'_>) -> rusqlite::Result<Workspace> {
    Ok(Workspace {
        id: row.get(0)?,
        name: WorkspaceName::from_stored(row.get(1)?),
        created_at: time(row.get(2)?),
        modified_at: row.get::<_, Option<i64>>(3)?.map(time),
    })
}

/// A query for the columns of [`token`]. `?2` is true for readers who may see admin tokens: a workspace is
/// not shown which of them is the parent of its tokens.
pub(super) const TOKEN: &str = "
    SELECT t.id, w.id, t.comment, t.scopes, t.expires_at, t.last_used_at, t.created_at, t.modified_at,
           CASE WHEN ?2 OR p.workspace = t.workspace THEN p.id END
    FROM token t LEFT JOIN workspace w ON w.n = t.workspace LEFT JOIN token p ON p.n = t.parent";

/// An access token from the columns [`TOKEN`].
pub(super) fn token(row: &Row<'_>) -> rusqlite::Result<AccessToken> {
    Ok(AccessToken {
        id: row.get(0)?,
        workspace_id: row.get(1)?,
        comment: row.get(2)?,
        scopes: Scopes::from_bits(row.get(3)?),
        expires_at: row.get::<_, Option<i64>>(4)?.map(time),
        last_used_at: row.get::<_, Option<i64>>(5)?.map(time),
        created_at: time(row.get(6)?),
        modified_at: row.get::<_, Option<i64>>(7)?.map(time),
        parent_id: row.get(8)?,
    })
}

/// A page's offset, as `SQLite` takes it.
pub(crate) fn offset(page: Page) -> i64 {
    i64::try_from(page.offset()).unwrap_or(i64::MAX)
}
