//! The list of events.

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::messages;
use super::plan::ScanPlan;
use super::query::{Found, Pattern, Query};
use super::rows;
use super::scan::{Index, Scan, Source};
use super::scope::{Indexes, Scope};
use super::search::TextSearch;
use super::statement::{Table, prepare};
use super::statuses::Statuses;
use super::time_range::{Interval, SeqRange};
use super::totals;
use super::totals::Blocks;
use super::waiting::{WaitingEndpoint, backlogs};
use crate::domain::access::Visibility;
use crate::domain::event::{Event, EventStatus};
use crate::domain::event_state::EventState;
use crate::storage::filter::{EventFilter, Page, QUERY_SCAN_MAX, RowNumber};
use crate::storage::part::{Paged, Row};
use crate::storage::sqlite::event_state::{number, state_is};
use crate::storage::sqlite::message_events::each_event;

const INDEXES: Indexes = Indexes {
    all: index(Source::Rows),
    of_workspace: index(Source::ListIndex("event_of_workspace")),
    of_type: index(Source::ListIndex("event_of_type")),
    of_endpoint: index(Source::ListIndex("event_of_endpoint")),
};
const UNSUCCESSFUL: Index = partial("event_unhappy", state_is!(unsuccessful));
const UNSUCCESSFUL_OF_ENDPOINT: Index = partial("event_unhappy_endpoint", state_is!(unsuccessful));
const FRESH: Index = partial("event_fresh", state_is!(fresh));
const WAITING: Index = partial("event_waiting", state_is!(retry));

const fn index(source: Source) -> Index {
    Index {
        table: Table::Event,
        source,
    }
}

const fn partial(name: &'static str, only: &'static str) -> Index {
    index(Source::Partial { name, only })
}

/// The statement for the columns of an event that a filter checks, by its id.
const CANDIDATE: &str =
    "SELECT e.seq, e.workspace, e.endpoint, e.type, e.state, e.run, p.skip_through,
        e.created_at, e.id, e.code
    FROM event e CROSS JOIN endpoint p ON p.n = e.endpoint WHERE e.id = ?";

/// The same for all events of a message, by its number, in no order.
const CANDIDATES_OF_MESSAGE: &str = each_event!(
    "e.seq, e.workspace, e.endpoint, e.type, e.state, e.run, p.skip_through,
        e.created_at, e.id, e.code",
    " CROSS JOIN endpoint p ON p.n = e.endpoint"
);

/// Returns events, newest first.
pub(crate) fn list_events(
    connection: &Connection,
    filter: &EventFilter,
    page: Page,
    bytes: usize,
) -> rusqlite::Result<Paged<Event>> {
    let snapshot = connection.unchecked_transaction()?;
    let found = find(&snapshot, filter, page)?;
    found.read(|numbers| rows::events(&snapshot, numbers, bytes))
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
    };
    selection.total(connection, &selection.plan(connection)?)
}

/// Returns an event, if the caller may see it. May be called within a transaction.
pub(crate) fn find_event(
    connection: &Connection,
    visibility: Visibility,
    id: Uuid,
    bytes: usize,
) -> rusqlite::Result<Option<Row<Event>>> {
    let sql =
        "SELECT e.seq, w.id FROM event e JOIN workspace w ON w.n = e.workspace WHERE e.id = ?";
    let found: Option<(i64, Uuid)> = prepare(connection, sql)?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match found {
        Some((seq, workspace)) if visibility.includes(workspace) => {
            Ok(rows::events(connection, &[RowNumber(seq)], bytes)?
                .rows
                .pop())
        }
        _ => Ok(None),
    }
}

fn find(connection: &Connection, filter: &EventFilter, page: Page) -> rusqlite::Result<Found> {
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
    };
    if !filter.messages.is_empty() {
        return selection.of_messages(connection, &filter.messages, query.as_ref(), page);
    }
    match query {
        Some(Query::Id(id)) => selection.with_id(connection, id, page),
        Some(Query::Text(pattern)) => selection.with_text(connection, &pattern, page),
        None => selection.page(connection, page),
    }
}

/// A filter without its query, with ids resolved to the numbers of the database.
struct Selection {
    scope: Scope,
    statuses: Statuses,
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
            let ranges = self.interval.ranges(connection, Table::Event)?;
            found.seqs = plan.page(connection, &ranges, page.offset(), page.limit)?;
        }
        Ok(found)
    }

    fn total(&self, connection: &Connection, plan: &ScanPlan) -> rusqlite::Result<u64> {
        totals::total(connection, Table::Event, plan, self.interval, |blocks| {
            self.counted(connection, blocks)
        })
    }

    /// Returns the total of whole blocks. The counters go by state, so they count events that are skipped but
    /// not yet swept as pending.
    fn counted(&self, connection: &Connection, blocks: &[Blocks]) -> rusqlite::Result<u64> {
        let kinds = self.statuses.kinds();
        let counted = totals::counters(connection, Table::Event, &self.scope, blocks, &kinds)?;
        let pending = self.statuses.include(EventStatus::Pending);
        let skipped = self.statuses.include(EventStatus::Skipped);
        if pending == skipped {
            return Ok(counted);
        }
        let unswept = ScanPlan::of(self.unswept(&backlogs(connection, &self.scope)?));
        if unswept.plus.is_empty() {
            return Ok(counted);
        }
        let ranges: Vec<SeqRange> = blocks.iter().map(|blocks| blocks.range()).collect();
        let unswept = unswept.count(connection, &ranges)?;
        Ok(if skipped {
            counted + unswept
        } else {
            counted.saturating_sub(unswept)
        })
    }

    fn plan(&self, connection: &Connection) -> rusqlite::Result<ScanPlan> {
        let mut plan = ScanPlan::default();
        // Most events succeeded, so the list of those is all events without the others.
        let listed = self.statuses.include(EventStatus::Succeeded);
        if listed {
            plan.plus = self.scope.all_scans(connection, &INDEXES)?;
        }
        let scans = if listed {
            &mut plan.minus
        } else {
            &mut plan.plus
        };
        let taken = |status| self.statuses.include(status) != listed;
        if taken(EventStatus::Failed) {
            scans.extend(self.ended_in(connection, EventState::Failed)?);
        }
        if taken(EventStatus::Skipped) {
            scans.extend(self.ended_in(connection, EventState::Skipped)?);
        }
        if taken(EventStatus::Skipped) || taken(EventStatus::Pending) {
            let backlogs = backlogs(connection, &self.scope)?;
            if taken(EventStatus::Skipped) {
                scans.extend(self.unswept(&backlogs));
            }
            if taken(EventStatus::Pending) {
                scans.extend(self.pending(&backlogs));
            }
        }
        Ok(plan)
    }

    fn plan_in_table(&self, connection: &Connection) -> rusqlite::Result<ScanPlan> {
        let scan = self.scope.in_table(&INDEXES);
        if self.statuses.kinds().is_empty() {
            return Ok(ScanPlan::of(vec![scan]));
        }
        // Whether an event is pending depends on its endpoint's row, so pending events keep using the partial
        // indexes.
        let ended: Vec<i64> = self.statuses.final_states();
        let mut plan = ScanPlan::default();
        if !ended.is_empty() {
            plan.plus.push(scan.among("state", &ended));
        }
        let backlogs = backlogs(connection, &self.scope)?;
        if self.statuses.include(EventStatus::Pending) {
            plan.plus.extend(self.pending(&backlogs));
        }
        if self.statuses.include(EventStatus::Skipped) {
            plan.plus.extend(self.unswept(&backlogs));
        }
        Ok(plan)
    }

    /// Returns the scans of events that ended in `state`.
    fn ended_in(&self, connection: &Connection, state: EventState) -> rusqlite::Result<Vec<Scan>> {
        let scans = self
            .scope
            .scans_on(connection, UNSUCCESSFUL, UNSUCCESSFUL_OF_ENDPOINT)?;
        let in_state = |scan: Scan| scan.and("state = ?", number(state));
        Ok(scans.into_iter().map(in_state).collect())
    }

    /// Returns the scans of events that wait and are not skipped.
    fn pending(&self, backlogs: &[WaitingEndpoint]) -> Vec<Scan> {
        self.waiting(backlogs.iter(), |skip_through| {
            let above = SeqRange {
                above: skip_through,
                ..SeqRange::ALL
            };
            (above, "run > ?")
        })
    }

    /// Returns the scans of events that are skipped but not swept yet.
    fn unswept(&self, backlogs: &[WaitingEndpoint]) -> Vec<Scan> {
        let unswept = backlogs.iter().filter(|backlog| backlog.unswept);
        self.waiting(unswept, |skip_through| {
            let below = SeqRange {
                below: skip_through.saturating_add(1),
                ..SeqRange::ALL
            };
            (below, "run <= ?")
        })
    }

    /// Returns the scans of waiting events in the runs that `runs` selects, given `skip_through` of their
    /// endpoint. The first run of an event has the event's number, so for events never attempted a range of
    /// numbers selects the same.
    fn waiting<'b>(
        &self,
        backlogs: impl Iterator<Item = &'b WaitingEndpoint>,
        runs: impl Fn(i64) -> (SeqRange, &'static str),
    ) -> Vec<Scan> {
        let types = self.scope.each_type();
        let mut scans = Vec::new();
        for backlog in backlogs {
            let (fresh, attempted) = runs(backlog.skip_through);
            for event_type in &types {
                scans.push(
                    Scan::of(FRESH)
                        .and("endpoint = ?", backlog.endpoint)
                        .and_if("type = ?", *event_type)
                        .within(fresh),
                );
                scans.push(
                    Scan::of(WAITING)
                        .and("endpoint = ?", backlog.endpoint)
                        .and(attempted, backlog.skip_through)
                        .and_if("type = ?", *event_type),
                );
            }
        }
        scans
    }

    /// Finds the event with this id, or the events of the message with this id.
    fn with_id(&self, connection: &Connection, id: Uuid, page: Page) -> rusqlite::Result<Found> {
        let mut hits = Vec::new();
        let mut statement = prepare(connection, CANDIDATE)?;
        let mut rows = statement.query([id])?;
        while let Some(row) = rows.next()? {
            if self.includes(row)? {
                hits.push(row.get(0)?);
            }
        }
        let mut statement = prepare(connection, CANDIDATES_OF_MESSAGE)?;
        for message in messages::named(connection, &self.scope, &[id])? {
            let mut rows = statement.query([message.seq])?;
            while let Some(row) = rows.next()? {
                if self.includes(row)? {
                    hits.push(row.get(0)?);
                }
            }
        }
        Ok(Found::of(hits, page))
    }

    /// Finds the events of these messages.
    fn of_messages(
        &self,
        connection: &Connection,
        ids: &[Uuid],
        query: Option<&Query>,
        page: Page,
    ) -> rusqlite::Result<Found> {
        let mut hits = Vec::new();
        let mut searched = 0;
        let mut statement = prepare(connection, CANDIDATES_OF_MESSAGE)?;
        for message in messages::named(connection, &self.scope, ids)? {
            let mut rows = statement.query([message.seq])?;
            while let Some(row) = rows.next()? {
                if !self.includes(row)? {
                    continue;
                }
                searched += 1;
                let id: Uuid = row.get(8)?;
                let hit = match query {
                    None => true,
                    Some(Query::Id(sought)) => [id, message.id].contains(sought),
                    Some(Query::Text(pattern)) => pattern.in_id(id) || pattern.in_code(row.get(9)?),
                };
                if hit {
                    hits.push(row.get(0)?);
                }
            }
        }
        let mut found = Found::of(hits, page);
        found.searched = matches!(query, Some(Query::Text(_))).then_some(searched);
        Ok(found)
    }

    /// Reports whether a row of [`CANDIDATE`] or [`CANDIDATES_OF_MESSAGE`] matches.
    fn includes(&self, row: &rusqlite::Row<'_>) -> rusqlite::Result<bool> {
        let status = rows::status(row.get(4)?, row.get(5)?, row.get(6)?);
        Ok(self.scope.includes(row.get(1)?, row.get(2)?, row.get(3)?)
            && self.statuses.include(status)
            && self.interval.contains(row.get(7)?))
    }

    /// Finds events by text. Ids of messages are not searched: they would double the cost.
    fn with_text(
        &self,
        connection: &Connection,
        pattern: &Pattern,
        page: Page,
    ) -> rusqlite::Result<Found> {
        let plan = self.plan(connection)?;
        let text_search = TextSearch {
            table: Table::Event,
            in_table: self.plan_in_table(connection)?,
            ranges: self.interval.ranges(connection, Table::Event)?,
            total: self.total(connection, &plan)?,
            plan: &plan,
            most: QUERY_SCAN_MAX,
        };
        text_search.search(connection, pattern, page)
    }
}
