//! Look-ups of messages, and of the types that were published.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::visible::visible_workspace;
use crate::domain::access::Visibility;
use crate::domain::event_state::{EventState, Run};
use crate::domain::event_type::EventType;
use crate::domain::message::{StoredMessage, server_timestamp};
use crate::domain::overview::{EventCounts, MessageSummary};
use crate::domain::tags::Tags;
use crate::storage::part::{LongPayload, PayloadRow, Row};
use crate::storage::sqlite::message_events::{each_event, event_count};
use crate::storage::sqlite::message_tags::tags_column;
use crate::storage::sqlite::rows::Columns;

/// The statement that reads a message; its body only if it has at most as many bytes as parameter 2.
const MESSAGE: &str = concat!(
    "SELECT m.seq, m.id, w.id, t.name, m.timestamp, m.created_at, ",
    event_count!(),
    ", ",
    tags_column!(),
    ", octet_length(m.body), CASE WHEN octet_length(m.body) <= ?2 THEN m.body END
    FROM message m JOIN workspace w ON w.n = m.workspace JOIN event_type t ON t.n = m.type
    WHERE m.id = ?1"
);

/// The statement that reads the states of a message's events.
const STATES: &str = each_event!(
    "e.state, e.run, p.skip_through",
    " CROSS JOIN endpoint p ON p.n = e.endpoint"
);

/// The statement that finds the next type of a workspace's events in the list index.
const NEXT_TYPE: &str = "SELECT min(type) FROM event_of_type WHERE workspace = ?1 AND type > ?2";

/// The statement that finds the types of the events that are not in the list index yet.
const NEWEST_TYPES: &str = "SELECT DISTINCT type FROM event NOT INDEXED
    WHERE seq > (SELECT value FROM meta WHERE key = 'event_indexed') AND workspace = ?1";

/// The statement that finds the types of the newest messages that no endpoint wanted.
const UNROUTED_TYPES: &str = "SELECT DISTINCT type FROM (
      SELECT seq, type FROM message INDEXED BY message_unrouted
      WHERE workspace = ?1 AND events = 0 ORDER BY seq DESC LIMIT ?2)";

/// The messages that no endpoint wanted whose types are read.
const UNROUTED_SEARCHED: usize = 1_000;

/// Returns a message that the caller may see.
pub(crate) fn find(
    connection: &Connection,
    visibility: Visibility,
    id: Uuid,
    bytes: usize,
) -> rusqlite::Result<Option<Row<MessageSummary>>> {
    let most = i64::try_from(bytes).unwrap_or(i64::MAX);
    let snapshot = connection.unchecked_transaction()?;
    let found = snapshot
        .prepare_cached(MESSAGE)?
        .query_row(params![id, most], message)
        .optional()?;
    let is_visible =
        |(_, row): &(i64, Row<MessageSummary>)| visibility.includes(row.item.message.workspace_id);
    let Some((number, mut row)) = found.filter(is_visible) else {
        return Ok(None);
    };
    row.item.counts = counts(&snapshot, number)?;
    Ok(Some(row))
}

/// Reads a message with its number, without the counts of its events.
fn message(row: &rusqlite::Row<'_>) -> rusqlite::Result<(i64, Row<MessageSummary>)> {
    let mut columns = Columns::of(row);
    let number = columns.get()?;
    let (id, workspace_id) = (columns.get()?, columns.get()?);
    let event_type = EventType::from_stored(columns.get()?);
    let (timestamp, created_at) = (columns.get::<Option<String>>()?, columns.time()?);
    let events = columns.get()?;
    let tags = Tags::from_stored(columns.get_ref()?.as_str_or_null()?);
    let length = columns.get::<Option<u64>>()?;
    let body = columns.get_ref()?.as_bytes_or_null()?;
    let body = body.map(|body| String::from_utf8_lossy(body).into_owned());
    let left_out = length.filter(|_| body.is_none()).map(|bytes| LongPayload {
        row: PayloadRow::Message(number),
        bytes,
    });
    let item = MessageSummary {
        message: StoredMessage {
            id,
            workspace_id,
            event_type,
            timestamp: timestamp.unwrap_or_else(|| server_timestamp(created_at)),
            created_at,
            tags,
            is_archived: length.is_none(),
            events,
        },
        payload: body.or(left_out.map(|_| String::new())),
        counts: EventCounts::default(),
    };
    let payload = left_out;
    Ok((number, Row { item, payload }))
}

/// Counts the events of a message by status: at most some for each endpoint that its workspace had.
fn counts(connection: &Connection, message: i64) -> rusqlite::Result<EventCounts> {
    let mut statement = connection.prepare_cached(STATES)?;
    let mut rows = statement.query([message])?;
    let mut counts = EventCounts::default();
    while let Some(row) = rows.next()? {
        let state: EventState = row.get(0)?;
        let run = Run(row.get(1)?);
        counts.count(state.status(run.is_skipped(Run(row.get(2)?))));
    }
    Ok(counts)
}

/// Returns names of types that were published in a workspace; `None` if it is absent.
pub(crate) fn event_types(
    connection: &Connection,
    visibility: Visibility,
    workspace: Uuid,
    limit: usize,
) -> rusqlite::Result<Option<Vec<String>>> {
    let snapshot = connection.unchecked_transaction()?;
    let Some(workspace) = visible_workspace(&snapshot, visibility, workspace)? else {
        return Ok(None);
    };
    let mut types: BTreeSet<i64> = BTreeSet::new();
    let mut next = snapshot.prepare_cached(NEXT_TYPE)?;
    let mut last = 0;
    while types.len() < limit
        && let Some(found) = next.query_row([workspace, last], |row| row.get(0))?
    {
        types.insert(found);
        last = found;
    }
    let mut newest = snapshot.prepare_cached(NEWEST_TYPES)?;
    let mut unrouted = snapshot.prepare_cached(UNROUTED_TYPES)?;
    for found in newest.query_map([workspace], |row| row.get(0))? {
        types.insert(found?);
    }
    for found in unrouted.query_map(params![workspace, UNROUTED_SEARCHED], |row| row.get(0))? {
        types.insert(found?);
    }
    let mut name = snapshot.prepare_cached("SELECT name FROM event_type WHERE n = ?1")?;
    let mut names: Vec<String> = Vec::with_capacity(types.len());
    for event_type in types {
        let found: Option<String> = name.query_row([event_type], |row| row.get(0)).optional()?;
        names.extend(found);
    }
    names.sort_unstable();
    names.truncate(limit);
    Ok(Some(names))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sqlite::reads::visible::tests::plan;

    #[test]
    fn types_are_found_without_a_scan_of_all_events() {
        let first = |sql| plan(sql).into_iter().find(|step| step.contains("SEARCH"));
        assert_eq!(
            first(NEXT_TYPE).as_deref(),
            Some("SEARCH event_of_type USING PRIMARY KEY (workspace=? AND type>?)")
        );
        assert_eq!(
            first(NEWEST_TYPES).as_deref(),
            Some("SEARCH event USING INTEGER PRIMARY KEY (rowid>?)")
        );
        assert_eq!(
            first(UNROUTED_TYPES).as_deref(),
            Some("SEARCH message USING COVERING INDEX message_unrouted (workspace=?)")
        );
    }
}
