//! The list of events.

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::event_selection::Selection;
use super::helpers::Helpers;
use super::query::{Found, Query};
use super::rows;
use super::scope::Scope;
use super::statement::prepare;
use super::statuses::Statuses;
use super::time_range::Interval;
use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::event::{Event, EventStatus};
use crate::storage::filter::{EventFilter, Page, RowNumber};
use crate::storage::part::{Paged, Row};

/// Returns events, newest first. `helpers` help to search for a text.
pub(crate) fn list_events(
    connection: &Connection,
    helpers: &Helpers,
    filter: &EventFilter,
    page: Page,
    bytes: usize,
    now: Timestamp,
) -> rusqlite::Result<Paged<Event>> {
    let snapshot = connection.unchecked_transaction()?;
    let found = find(&snapshot, helpers, filter, page)?;
    found.read(|numbers| rows::events(&snapshot, numbers, bytes, now))
}

/// Returns the number of events in some states (any, if none are named), of a workspace or of all that the caller
/// may see, within the caller's transaction.
pub(crate) fn count_events(
    connection: &Connection,
    visibility: Visibility,
    workspace: Option<Uuid>,
    statuses: &[EventStatus],
) -> rusqlite::Result<u64> {
    let workspaces: Vec<Uuid> = workspace.into_iter().collect();
    let Some(scope) = Scope::resolve(connection, visibility, &workspaces, &[], &[])? else {
        return Ok(0);
    };
    let selection = Selection {
        scope,
        statuses: Statuses::of(statuses),
        interval: Interval::new(None, None),
        code_class: None,
    };
    selection.total(connection, &selection.plan(connection)?)
}

/// Returns an event, if the caller may see it. May be called within a transaction.
pub(crate) fn find_event(
    connection: &Connection,
    visibility: Visibility,
    id: Uuid,
    bytes: usize,
    now: Timestamp,
) -> rusqlite::Result<Option<Row<Event>>> {
    let sql =
        "SELECT e.seq, w.id FROM event e JOIN workspace w ON w.n = e.workspace WHERE e.id = ?";
    let found: Option<(i64, Uuid)> = prepare(connection, sql)?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        Some((seq, workspace)) if visibility.includes(workspace) => {
            Ok(rows::events(connection, &[RowNumber(seq)], bytes, now)?
                .rows
                .pop())
        }
        _ => Ok(None),
    }
}

fn find(
    connection: &Connection,
    helpers: &Helpers,
    filter: &EventFilter,
    page: Page,
) -> rusqlite::Result<Found> {
    let query = filter.query.as_deref().and_then(Query::parse);
    let Some(scope) = Scope::resolve(
        connection,
        filter.visibility,
        &filter.workspaces,
        &filter.endpoints,
        &filter.event_types,
    )?
    else {
        return Ok(Found {
            searched: matches!(query, Some(Query::Text(_))).then_some(0),
            ..Found::default()
        });
    };
    let selection = Selection {
        scope,
        statuses: Statuses::of(&filter.statuses),
        interval: Interval::new(filter.after, filter.before),
        code_class: filter.code_class,
    };
    if !filter.messages.is_empty() {
        return selection.of_messages(connection, &filter.messages, query.as_ref(), page);
    }
    match query {
        Some(Query::Id(id)) => selection.with_id(connection, id, page),
        Some(Query::Text(pattern)) => selection.with_text(connection, helpers, &pattern, page),
        None => selection.page(connection, page),
    }
}
