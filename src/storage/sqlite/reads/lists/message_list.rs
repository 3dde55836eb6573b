//! The list of messages.
//!
//! The list index by workspace has the type as well, so one index serves both filters. A type that is rare would
//! make a scan step over all messages of its workspace, so the blocks whose counters say that they have no message of
//! the filter are left out of the scan.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::plan::ScanPlan;
use super::query::{Found, Pattern, Query};
use super::scan::{Index, Scan, Source};
use super::scope::{Scope, has_tombstones, indexed_through};
use super::search::TextSearch;
use super::statement::{Table, prepare};
use super::time_range::{Interval, SeqRange};
use super::totals;
use super::totals::Kind;
use crate::domain::clock::Timestamp;
use crate::domain::event_type::EventType;
use crate::domain::message::{StoredMessage, server_timestamp};
use crate::storage::filter::{Listed, ListedMessages, MessageFilter, Page, QUERY_SCAN_MAX};
use crate::storage::sqlite::message_events::event_count;
use crate::storage::sqlite::reads::missing::{Direction, MissingSearch, SliceLimits};
use crate::storage::sqlite::rows::Columns;

/// The time that a list takes to examine messages for `missing_for`: half of what a read may take.
const MISSING_TIME: Duration = Duration::from_millis(250);

/// The cost of a slice of that search, after which the list looks at its time: some milliseconds.
const MISSING_SLICE: SliceLimits = SliceLimits {
    found: usize::MAX,
    cost: 20_000,
};

const ALL: Index = index(Source::Rows);
const OF_WORKSPACE: Index = index(Source::ListIndex("message_of_workspace"));
const UNROUTED: Index = index(Source::Partial {
    name: "message_unrouted",
    only: "events = 0",
});

const fn index(source: Source) -> Index {
    Index {
        table: Table::Message,
        source,
    }
}

/// The columns of a message that a filter checks.
const CANDIDATE: &str =
    "SELECT seq, workspace, type, events > 0, created_at FROM message WHERE id = ?";

/// The same for the message of an event.
const CANDIDATE_OF_EVENT: &str = "SELECT m.seq, m.workspace, m.type, m.events > 0, m.created_at
    FROM event e CROSS JOIN message m ON m.seq = e.message WHERE e.id = ?";

const ROW: &str = concat!(
    "SELECT m.id, w.id, t.name, m.timestamp, m.created_at, m.body IS NULL, ",
    event_count!(),
    " FROM message m JOIN workspace w ON w.n = m.workspace JOIN event_type t ON t.n = m.type
     WHERE m.seq = ?"
);

/// Returns messages, newest first.
pub(crate) fn list_messages(
    connection: &Connection,
    filter: &MessageFilter,
    page: Page,
) -> rusqlite::Result<ListedMessages> {
    let snapshot = connection.unchecked_transaction()?;
    let (found, searched_back_to) = find(&snapshot, filter, page)?;
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
    })
}

/// The result of a list, and how far a search for missing messages came if it did not come to its end.
type FoundMessages = (Found, Option<Timestamp>);

fn find(
    connection: &Connection,
    filter: &MessageFilter,
    page: Page,
) -> rusqlite::Result<FoundMessages> {
    let query = filter.query.as_deref().and_then(Query::parse);
    let nothing = Found {
        searched: (filter.missing_for.is_some() || matches!(query, Some(Query::Text(_))))
            .then_some(0),
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
        return match missing_search(connection, &selection.scope, endpoint)? {
            Some(search) => selection.missing(connection, search, query.as_ref(), page),
            None => Ok((nothing, None)),
        };
    }
    let found = match query {
        Some(Query::Id(id)) => selection.with_id(connection, id, page)?,
        Some(Query::Text(pattern)) => selection.with_text(connection, &pattern, page)?,
        None => selection.page(connection, page)?,
    };
    Ok((found, None))
}

/// Begins a search for what an endpoint of a workspace in scope missed.
fn missing_search(
    connection: &Connection,
    scope: &Scope,
    endpoint: Uuid,
) -> rusqlite::Result<Option<MissingSearch>> {
    let number: Option<i64> = prepare(connection, "SELECT n FROM endpoint WHERE id = ?")?
        .query_row([endpoint], |row| row.get(0))
        .optional()?;
    let Some(number) = number else {
        return Ok(None);
    };
    let search = MissingSearch::new(connection, number)?;
    Ok(search.filter(|search| scope.includes_workspace(search.workspace())))
}

/// A filter without its query, with ids resolved to the numbers of the database.
struct Selection {
    /// Without endpoints.
    scope: Scope,
    unrouted: Option<bool>,
    interval: Interval,
}

impl Selection {
    fn page(&self, connection: &Connection, page: Page) -> rusqlite::Result<Found> {
        let plan = self.plan(connection)?;
        let mut found = Found {
            total: self.total(connection, &plan)?,
            ..Found::default()
        };
        if page.offset() < found.total {
            let ranges = self.interval.ranges(connection, Table::Message)?;
            let ranges = self.without_empty_blocks(connection, ranges)?;
            found.seqs = plan.page(connection, &ranges, page.offset(), page.limit)?;
        }
        Ok(found)
    }

    fn total(&self, connection: &Connection, plan: &ScanPlan) -> rusqlite::Result<u64> {
        totals::total(connection, Table::Message, plan, self.interval, |blocks| {
            totals::counters(
                connection,
                Table::Message,
                &self.scope,
                blocks,
                &self.kinds(),
            )
        })
    }

    fn kinds(&self) -> Vec<Kind> {
        let kind = |unrouted: bool| ("routed = ?", i64::from(!unrouted));
        self.unrouted.map(kind).into_iter().collect()
    }

    fn without_empty_blocks(
        &self,
        connection: &Connection,
        ranges: Vec<SeqRange>,
    ) -> rusqlite::Result<Vec<SeqRange>> {
        if self.scope.types.is_none() {
            return Ok(ranges);
        }
        let (scope, kinds) = (&self.scope, self.kinds());
        totals::without_empty_blocks(connection, Table::Message, scope, &kinds, &ranges)
    }

    fn plan(&self, connection: &Connection) -> rusqlite::Result<ScanPlan> {
        Ok(match self.unrouted {
            None => ScanPlan::of(self.all(connection)?),
            Some(true) => ScanPlan::of(self.by_workspace(connection, UNROUTED)?),
            Some(false) => ScanPlan {
                plus: self.all(connection)?,
                minus: self.by_workspace(connection, UNROUTED)?,
            },
        })
    }

    /// Returns one scan of `index` for each workspace.
    fn by_workspace(&self, connection: &Connection, index: Index) -> rusqlite::Result<Vec<Scan>> {
        let workspaces = self.scope.each_workspace(connection)?;
        let scan = |n: i64| self.of_types(Scan::of(index).and("workspace = ?", n));
        Ok(workspaces.into_iter().map(scan).collect())
    }

    fn of_types(&self, scan: Scan) -> Scan {
        match &self.scope.types {
            None => scan,
            Some(types) => scan.among("type", types),
        }
    }

    /// Returns the scans of all messages in scope, with and without events.
    fn all(&self, connection: &Connection) -> rusqlite::Result<Vec<Scan>> {
        if self.scope.workspaces.is_none() && self.scope.types.is_none() {
            return Ok(vec![Scan::of(ALL)]);
        }
        let indexed = indexed_through(connection, Table::Message)?;
        let has_tombstones = has_tombstones(connection, Table::Message)?;
        let older = SeqRange {
            below: indexed.saturating_add(1),
            ..SeqRange::ALL
        };
        let newer = SeqRange {
            above: indexed,
            ..SeqRange::ALL
        };
        let older_only = |scan: Scan| {
            let scan = scan.within(older);
            if has_tombstones {
                scan.without_tombstones()
            } else {
                scan
            }
        };
        let scans = self.by_workspace(connection, OF_WORKSPACE)?;
        let mut scans: Vec<Scan> = scans.into_iter().map(older_only).collect();
        scans.push(self.in_table().within(newer));
        Ok(scans)
    }

    /// Returns one scan of the whole table for all messages in scope.
    fn in_table(&self) -> Scan {
        let scan = Scan::of(ALL);
        let scan = match &self.scope.workspaces {
            None => scan,
            Some(workspaces) => scan.among("workspace", workspaces),
        };
        self.of_types(scan)
    }

    /// Finds the message with this id, or the message of the event with this id.
    fn with_id(&self, connection: &Connection, id: Uuid, page: Page) -> rusqlite::Result<Found> {
        let found = self.candidate(connection, id)?;
        let numbers = found.map(|candidate| candidate.seq).into_iter().collect();
        Ok(Found::of(numbers, page))
    }

    /// Returns the message with this id, or of the event with this id, if it matches.
    fn candidate(&self, connection: &Connection, id: Uuid) -> rusqlite::Result<Option<Candidate>> {
        // Both statements run in any case: the caller could tell from the time that it takes.
        let mut matching = None;
        for sql in [CANDIDATE, CANDIDATE_OF_EVENT] {
            let found = prepare(connection, sql)?
                .query_row([id], Candidate::read)
                .optional()?;
            matching = matching.or(found.filter(|candidate| self.includes(candidate)));
        }
        Ok(matching)
    }

    fn includes(&self, message: &Candidate) -> bool {
        let types = self.scope.types.as_ref();
        self.scope.includes_workspace(message.workspace)
            && types.is_none_or(|types| types.contains(&message.event_type))
            && self.unrouted.is_none_or(|it| it != message.is_routed)
            && self.interval.contains(message.created_at)
    }

    fn with_text(
        &self,
        connection: &Connection,
        pattern: &Pattern,
        page: Page,
    ) -> rusqlite::Result<Found> {
        let plan = self.plan(connection)?;
        let minus = plan.minus.clone();
        let in_table = match self.unrouted {
            Some(true) => plan.clone(),
            _ => ScanPlan {
                plus: vec![self.in_table()],
                minus,
            },
        };
        let text_search = TextSearch {
            table: Table::Message,
            in_table,
            ranges: self.interval.ranges(connection, Table::Message)?,
            total: self.total(connection, &plan)?,
            plan: &plan,
            most: QUERY_SCAN_MAX,
        };
        text_search.search(connection, pattern, page)
    }

    /// Finds messages that an endpoint missed, newest first, until there is no more or the time is up.
    fn missing(
        &self,
        connection: &Connection,
        mut search: MissingSearch,
        query: Option<&Query>,
        page: Page,
    ) -> rusqlite::Result<FoundMessages> {
        if let Some(Query::Id(id)) = query {
            let mut hits = Vec::new();
            let mut searched = 0;
            if let Some(candidate) = self.candidate(connection, *id)?
                && candidate.workspace == search.workspace()
            {
                searched = 1;
                if search.is_missing(connection, candidate.seq, candidate.event_type)? {
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
        for range in self.interval.ranges(connection, Table::Message)? {
            let mut next = Some(range.below.saturating_sub(1));
            while let Some(through) = next {
                let numbers = (range.above.saturating_add(1), through);
                let slice =
                    search.slice(connection, numbers, Direction::NewestFirst, MISSING_SLICE)?;
                searched += slice.examined;
                last = slice.last.or(last);
                for message in &slice.messages {
                    let is_hit = match query {
                        Some(Query::Text(pattern)) => pattern.in_id(message.id),
                        _ => true,
                    };
                    if is_hit && self.includes_missing(connection, message.seq)? {
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

    /// Reports whether a missing message, which is in the range of times, matches the rest of the filter.
    fn includes_missing(&self, connection: &Connection, seq: i64) -> rusqlite::Result<bool> {
        if self.scope.types.is_none() && self.unrouted.is_none() {
            return Ok(true);
        }
        let sql = "SELECT seq, workspace, type, events > 0, created_at FROM message WHERE seq = ?";
        let found = prepare(connection, sql)?
            .query_row([seq], Candidate::read)
            .optional()?;
        Ok(found.is_some_and(|candidate| self.includes(&candidate)))
    }
}

fn time_of(connection: &Connection, message: i64) -> rusqlite::Result<Option<Timestamp>> {
    prepare(connection, "SELECT created_at FROM message WHERE seq = ?")?
        .query_row([message], |row| row.get(0).map(Timestamp::from_micros))
        .optional()
}

/// The columns of a message that a filter checks.
struct Candidate {
    seq: i64,
    workspace: i64,
    event_type: i64,
    is_routed: bool,
    created_at: i64,
}

impl Candidate {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            workspace: row.get(1)?,
            event_type: row.get(2)?,
            is_routed: row.get(3)?,
            created_at: row.get(4)?,
        })
    }
}
