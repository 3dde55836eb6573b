//! The messages that a filter selects: their plan, their total, and the look-up of one.
//!
//! The list index by workspace has the type as well, so one index serves both filters. A type that is rare would
//! make a scan step over all messages of its workspace, so the blocks whose counters say that they have no message of
//! the filter are left out of the scan.

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::helpers::Helpers;
use super::plan::ScanPlan;
use super::query::{Found, Pattern};
use super::scan::{Index, Scan, Source};
use super::scope::{Scope, has_tombstones, indexed_through};
use super::search::TextSearch;
use super::statement::{Table, prepare};
use super::time_range::{Interval, SeqRange};
use super::totals;
use super::totals::Kind;
use crate::storage::filter::{Page, QUERY_SCAN_MAX};

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

/// A filter without its query, with ids resolved to the numbers of the database.
pub(super) struct Selection {
    /// Without endpoints.
    pub(super) scope: Scope,
    pub(super) unrouted: Option<bool>,
    pub(super) interval: Interval,
}

impl Selection {
    pub(super) fn page(&self, connection: &Connection, page: Page) -> rusqlite::Result<Found> {
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

    pub(super) fn total(&self, connection: &Connection, plan: &ScanPlan) -> rusqlite::Result<u64> {
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

    pub(super) fn plan(&self, connection: &Connection) -> rusqlite::Result<ScanPlan> {
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

    /// Returns the message with this id, or of the event with this id, if it matches.
    pub(super) fn candidate(
        &self,
        connection: &Connection,
        id: Uuid,
    ) -> rusqlite::Result<Option<Candidate>> {
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

    pub(super) fn includes(&self, message: &Candidate) -> bool {
        let types = self.scope.types.as_ref();
        self.scope.includes_workspace(message.workspace)
            && types.is_none_or(|types| types.contains(&message.event_type))
            && self.unrouted.is_none_or(|it| it != message.is_routed)
            && self.interval.contains(message.created_at)
    }

    pub(super) fn with_text(
        &self,
        connection: &Connection,
        helpers: &Helpers,
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
            helpers,
        };
        text_search.search(connection, pattern, page)
    }
}

/// The columns of a message that a filter checks.
pub(super) struct Candidate {
    pub(super) seq: i64,
    pub(super) workspace: i64,
    pub(super) event_type: i64,
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
