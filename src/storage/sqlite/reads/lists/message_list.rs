//! The list of messages, and of those that an endpoint missed.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::helpers::Helpers;
use super::message_selection::Selection;
use super::query::{Found, Query};
use super::scope::Scope;
use super::statement::{Table, prepare};
use super::tagged::with_tags;
use super::time_range::Interval;
use crate::domain::clock::Timestamp;
use crate::domain::event_type::EventType;
use crate::domain::message::{StoredMessage, server_timestamp};
use crate::domain::tags::{Tag, Tags};
use crate::storage::filter::{Listed, ListedMessages, MessageFilter, Page};
use crate::storage::sqlite::message_events::event_count;
use crate::storage::sqlite::message_tags::tags_column;
use crate::storage::sqlite::reads::missing::{Direction, MissingSearch, SliceLimits};
use crate::storage::sqlite::rows::Columns;

/// The time that a list takes to examine messages for `missing_for`: half of what a read may take.
const MISSING_TIME: Duration = Duration::from_millis(250);

/// The cost of a slice of that search, after which the list looks at its time: some milliseconds.
const MISSING_SLICE: SliceLimits = SliceLimits {
    found: usize::MAX,
    cost: 20_000,
};

const ROW: &str = concat!(
    "SELECT m.id, w.id, t.name, m.timestamp, m.created_at, m.body IS NULL, ",
    event_count!(),
    ", ",
    tags_column!(),
    " FROM message m JOIN workspace w ON w.n = m.workspace JOIN event_type t ON t.n = m.type
     WHERE m.seq = ?"
);

/// Returns messages, newest first. `helpers` help to search for a text.
pub(crate) fn list_messages(
    connection: &Connection,
    helpers: &Helpers,
    filter: &MessageFilter,
    page: Page,
) -> rusqlite::Result<ListedMessages> {
    let snapshot = connection.unchecked_transaction()?;
    let (found, searched_back_to) = find(&snapshot, helpers, filter, page)?;
    let mut items = Vec::with_capacity(found.seqs.len());
    let mut statement = prepare(&snapshot, ROW)?;
    for seq in &found.seqs {
        items.extend(statement.query_row([seq], stored_message).optional()?);
    }
    Ok(ListedMessages {
        listed: Listed {
            items,
            total: found.total,
            searched: found.searched,
        },
        searched_back_to,
    })
}

fn stored_message(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredMessage> {
    let mut columns = Columns::of(row);
    let (id, workspace_id) = (columns.get()?, columns.get()?);
    let event_type = EventType::from_stored(columns.get()?);
    let (timestamp, created_at) = (columns.get::<Option<String>>()?, columns.time()?);
    Ok(StoredMessage {
        id,
        workspace_id,
        event_type,
        timestamp: timestamp.unwrap_or_else(|| server_timestamp(created_at)),
        created_at,
        is_archived: columns.get()?,
        events: columns.get()?,
        tags: Tags::from_stored(columns.get_ref()?.as_str_or_null()?),
    })
}

/// The result of a list, and how far a search for missing messages came if it did not come to its end.
type FoundMessages = (Found, Option<Timestamp>);

fn find(
    connection: &Connection,
    helpers: &Helpers,
    filter: &MessageFilter,
    page: Page,
) -> rusqlite::Result<FoundMessages> {
    let query = filter.query.as_deref().and_then(Query::parse);
    let is_searched = match &query {
        Some(Query::Text(_)) => true,
        Some(Query::Id(_)) => false,
        None => !filter.tags.is_empty(),
    };
    let nothing = Found {
        searched: (is_searched || filter.missing_for.is_some()).then_some(0),
        ..Found::default()
    };
    let Some(scope) = Scope::resolve(
        connection,
        filter.visibility,
        &filter.workspaces,
        &[],
        &filter.event_types,
    )?
    else {
        return Ok((nothing, None));
    };
    let selection = Selection {
        scope,
        unrouted: filter.unrouted,
        interval: Interval::new(filter.after, filter.before),
    };
    if let Some(endpoint) = filter.missing_for {
        let search = missing_search(connection, &selection.scope, endpoint)?;
        return match search.map(|it| it.of_types(&filter.event_types)) {
            Some(search) => {
                let wanted = Wanted {
                    selection: &selection,
                    query: query.as_ref(),
                    tags: &filter.tags,
                };
                missing(&wanted, connection, search, page)
            }
            None => Ok((nothing, None)),
        };
    }
    let found = match query {
        Some(Query::Id(id)) => {
            let candidate = selection.candidate(connection, id)?;
            let mut numbers = Vec::new();
            if let Some(candidate) = candidate
                && has_tags(connection, candidate.seq, &filter.tags)?
            {
                numbers.push(candidate.seq);
            }
            Found::of(numbers, page)
        }
        Some(Query::Text(pattern)) if !filter.tags.is_empty() => {
            with_tags(&selection, connection, &filter.tags, Some(&pattern), page)?
        }
        None if !filter.tags.is_empty() => {
            with_tags(&selection, connection, &filter.tags, None, page)?
        }
        Some(Query::Text(pattern)) => selection.with_text(connection, helpers, &pattern, page)?,
        None => selection.page(connection, page)?,
    };
    Ok((found, None))
}

/// Begins a search for what an endpoint of a workspace in scope missed. No more is read of an endpoint of another
/// workspace than of one that does not exist: a caller could tell that from the time that it takes.
fn missing_search(
    connection: &Connection,
    scope: &Scope,
    endpoint: Uuid,
) -> rusqlite::Result<Option<MissingSearch>> {
    let found: Option<(i64, i64)> =
        prepare(connection, "SELECT n, workspace FROM endpoint WHERE id = ?")?
            .query_row([endpoint], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
    match found {
        Some((number, workspace)) if scope.includes_workspace(workspace) => {
            MissingSearch::new(connection, number)
        }
        _ => Ok(None),
    }
}

/// The other conditions of a search for missing messages.
struct Wanted<'a> {
    selection: &'a Selection,
    query: Option<&'a Query>,
    tags: &'a [Tag],
}

/// Finds messages that an endpoint missed, newest first, until there is no more or the time is up.
fn missing(
    wanted: &Wanted<'_>,
    connection: &Connection,
    mut search: MissingSearch,
    page: Page,
) -> rusqlite::Result<FoundMessages> {
    let Wanted {
        selection,
        query,
        tags,
    } = wanted;
    if let Some(Query::Id(id)) = query {
        let mut hits = Vec::new();
        let mut searched = 0;
        if let Some(candidate) = selection.candidate(connection, *id)?
            && candidate.workspace == search.workspace()
        {
            searched = 1;
            if search.is_missing(connection, candidate.seq, candidate.event_type)?
                && has_tags(connection, candidate.seq, tags)?
            {
                hits.push(candidate.seq);
            }
        }
        let mut found = Found::of(hits, page);
        found.searched = Some(searched);
        return Ok((found, None));
    }
    let began = Instant::now();
    let mut found = Found::default();
    let mut searched = 0;
    let mut last = None;
    for range in selection.interval.ranges(connection, Table::Message)? {
        let mut next = Some(range.below.saturating_sub(1));
        while let Some(through) = next {
            let numbers = (range.above.saturating_add(1), through);
            let slice = search.slice(connection, numbers, Direction::NewestFirst, MISSING_SLICE)?;
            searched += slice.examined;
            last = slice.last.or(last);
            for message in &slice.messages {
                let is_hit = match query {
                    Some(Query::Text(pattern)) => pattern.in_id(message.id),
                    _ => true,
                };
                let is_unrouted = message.events == 0;
                if is_hit
                    && selection
                        .unrouted
                        .is_none_or(|wanted| wanted == is_unrouted)
                    && has_tags(connection, message.seq, tags)?
                {
                    found.add(message.seq, page);
                }
            }
            next = slice.next;
            // The answer names a message of the workspace, so there must have been one.
            if next.is_some()
                && began.elapsed() >= MISSING_TIME
                && let Some(last) = last
            {
                found.searched = Some(searched);
                return Ok((found, time_of(connection, last)?));
            }
        }
    }
    found.searched = Some(searched);
    Ok((found, None))
}

/// Reports whether a message has the tags of a filter.
fn has_tags(connection: &Connection, message: i64, wanted: &[Tag]) -> rusqlite::Result<bool> {
    if wanted.is_empty() {
        return Ok(true);
    }
    let sql = concat!("SELECT ", tags_column!(), " FROM message m WHERE m.seq = ?");
    let stored: Option<Option<String>> = prepare(connection, sql)?
        .query_row([message], |row| row.get(0))
        .optional()?;
    Ok(Tags::from_stored(stored.flatten().as_deref()).has(wanted))
}

fn time_of(connection: &Connection, message: i64) -> rusqlite::Result<Option<Timestamp>> {
    prepare(connection, "SELECT created_at FROM message WHERE seq = ?")?
        .query_row([message], |row| row.get(0).map(Timestamp::from_micros))
        .optional()
}
