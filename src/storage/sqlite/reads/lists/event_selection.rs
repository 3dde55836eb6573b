//! A filter of events, with its ids resolved, and the plan that finds the events.

use rusqlite::Connection;
use uuid::Uuid;

use super::codes::Codes;
use super::helpers::Helpers;
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
use crate::domain::delivery::CodeClass;
use crate::domain::event::EventStatus;
use crate::domain::event_state::EventState;
use crate::storage::filter::{Page, QUERY_SCAN_MAX};
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
pub(super) const CANDIDATE: &str =
    "SELECT e.seq, e.workspace, e.endpoint, e.type, e.state, e.run, p.skip_through,
        e.created_at, e.id, e.code
    FROM event e CROSS JOIN endpoint p ON p.n = e.endpoint WHERE e.id = ?";

/// The same for all events of a message, by its number, in no order.
const CANDIDATES_OF_MESSAGE: &str = each_event!(
    "e.seq, e.workspace, e.endpoint, e.type, e.state, e.run, p.skip_through,
        e.created_at, e.id, e.code",
    " CROSS JOIN endpoint p ON p.n = e.endpoint"
);

/// A filter without its query, with ids resolved to the numbers of the database.
pub(super) struct Selection {
    pub(super) scope: Scope,
    pub(super) statuses: Statuses,
    pub(super) interval: Interval,
    /// The class of the last answer; `None`: any, also no answer.
    pub(super) code_class: Option<CodeClass>,
}

impl Selection {
    pub(super) fn page(&self, connection: &Connection, page: Page) -> rusqlite::Result<Found> {
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

    pub(super) fn total(&self, connection: &Connection, plan: &ScanPlan) -> rusqlite::Result<u64> {
        totals::total(connection, Table::Event, plan, self.interval, |blocks| {
            self.counted(connection, plan, blocks)
        })
    }

    /// Returns the total of whole blocks. The counters go by state, so they count events that are skipped but
    /// not yet swept as pending. There are none by code: then all events are counted on the indexes, except for
    /// the succeeded ones.
    fn counted(
        &self,
        connection: &Connection,
        plan: &ScanPlan,
        blocks: &[Blocks],
    ) -> rusqlite::Result<u64> {
        let ranges: Vec<SeqRange> = blocks.iter().map(|blocks| blocks.range()).collect();
        if self.code_class.is_some() {
            return if self.lists_succeeded() {
                let all = totals::counters(connection, Table::Event, &self.scope, blocks, &[])?;
                let others = ScanPlan::of(plan.minus.clone()).count(connection, &ranges)?;
                Ok(all.saturating_sub(others))
            } else {
                plan.count(connection, &ranges)
            };
        }
        let kinds = self.statuses.kinds();
        let counted = totals::counters(connection, Table::Event, &self.scope, blocks, &kinds)?;
        let pending = self.statuses.include(EventStatus::Pending);
        let skipped = self.statuses.include(EventStatus::Skipped);
        if pending == skipped {
            return Ok(counted);
        }
        let unswept = ScanPlan::of(self.unswept(&backlogs(connection, &self.scope)?, Codes::Any));
        if unswept.plus.is_empty() {
            return Ok(counted);
        }
        let unswept = unswept.count(connection, &ranges)?;
        Ok(if skipped {
            counted + unswept
        } else {
            counted.saturating_sub(unswept)
        })
    }

    /// Reports whether succeeded events are listed. The last answer to each of them was a 2xx.
    fn lists_succeeded(&self) -> bool {
        let may_have_succeeded = matches!(self.code_class, None | Some(CodeClass::Success));
        may_have_succeeded && self.statuses.include(EventStatus::Succeeded)
    }

    /// Returns the codes of the events with `status` to list, or, if succeeded events are listed, to leave out;
    /// `None` if there are none.
    fn codes(&self, status: EventStatus) -> Option<Codes> {
        let is_included = self.statuses.include(status);
        match (self.lists_succeeded(), self.code_class) {
            (false, class) => is_included.then_some(Codes::of(class)),
            (true, Some(class)) if is_included => Some(Codes::NotIn(class)),
            (true, _) => (!is_included).then_some(Codes::Any),
        }
    }

    pub(super) fn plan(&self, connection: &Connection) -> rusqlite::Result<ScanPlan> {
        let mut scans = Vec::new();
        if let Some(codes) = self.codes(EventStatus::Failed) {
            scans.extend(self.ended_in(connection, EventState::Failed, codes)?);
        }
        if let Some(codes) = self.codes(EventStatus::Skipped) {
            scans.extend(self.ended_in(connection, EventState::Skipped, codes)?);
        }
        let (skipped, pending) = (
            self.codes(EventStatus::Skipped),
            self.codes(EventStatus::Pending),
        );
        if skipped.is_some() || pending.is_some() {
            let backlogs = backlogs(connection, &self.scope)?;
            if let Some(codes) = skipped {
                scans.extend(self.unswept(&backlogs, codes));
            }
            if let Some(codes) = pending {
                scans.extend(self.pending(&backlogs, codes));
            }
        }
        // Most events succeeded, so the list of those is all events without the others.
        Ok(if self.lists_succeeded() {
            ScanPlan {
                plus: self.scope.all_scans(connection, &INDEXES)?,
                minus: scans,
            }
        } else {
            ScanPlan::of(scans)
        })
    }

    fn plan_in_table(&self, connection: &Connection) -> rusqlite::Result<ScanPlan> {
        let codes = Codes::of(self.code_class);
        let scan = codes.limit(self.scope.in_table(&INDEXES));
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
            plan.plus.extend(self.pending(&backlogs, codes));
        }
        if self.statuses.include(EventStatus::Skipped) {
            plan.plus.extend(self.unswept(&backlogs, codes));
        }
        Ok(plan)
    }

    /// Returns the scans of events that ended in `state`.
    fn ended_in(
        &self,
        connection: &Connection,
        state: EventState,
        codes: Codes,
    ) -> rusqlite::Result<Vec<Scan>> {
        let scans = self
            .scope
            .scans_on(connection, UNSUCCESSFUL, UNSUCCESSFUL_OF_ENDPOINT)?;
        let in_state = |scan: Scan| codes.limit(scan.and("state = ?", number(state)));
        Ok(scans.into_iter().map(in_state).collect())
    }

    /// Returns the scans of events that wait and are not skipped.
    fn pending(&self, backlogs: &[WaitingEndpoint], codes: Codes) -> Vec<Scan> {
        self.waiting(backlogs.iter(), codes, |skip_through| {
            let above = SeqRange {
                above: skip_through,
                ..SeqRange::ALL
            };
            (above, "run > ?")
        })
    }

    /// Returns the scans of events that are skipped but not swept yet.
    fn unswept(&self, backlogs: &[WaitingEndpoint], codes: Codes) -> Vec<Scan> {
        let unswept = backlogs.iter().filter(|backlog| backlog.unswept);
        self.waiting(unswept, codes, |skip_through| {
            let below = SeqRange {
                below: skip_through.saturating_add(1),
                ..SeqRange::ALL
            };
            (below, "run <= ?")
        })
    }

    /// Returns the scans of waiting events in the runs that `runs` selects, given `skip_through` of their
    /// endpoint. The first run of an event has the event's number, so for events never attempted a range of
    /// numbers selects the same; they have no code.
    fn waiting<'b>(
        &self,
        backlogs: impl Iterator<Item = &'b WaitingEndpoint>,
        codes: Codes,
        runs: impl Fn(i64) -> (SeqRange, &'static str),
    ) -> Vec<Scan> {
        let types = self.scope.each_type();
        let mut scans = Vec::new();
        for backlog in backlogs {
            let (fresh, attempted) = runs(backlog.skip_through);
            for event_type in &types {
                if codes.include(None) {
                    let scan = Scan::of(FRESH)
                        .and("endpoint = ?", backlog.endpoint)
                        .and_if("type = ?", *event_type);
                    scans.push(scan.within(fresh));
                }
                let scan = Scan::of(WAITING)
                    .and("endpoint = ?", backlog.endpoint)
                    .and(attempted, backlog.skip_through)
                    .and_if("type = ?", *event_type);
                scans.push(codes.limit(scan));
            }
        }
        scans
    }

    /// Finds the event with this id, or the events of the message with this id.
    pub(super) fn with_id(
        &self,
        connection: &Connection,
        id: Uuid,
        page: Page,
    ) -> rusqlite::Result<Found> {
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
    pub(super) fn of_messages(
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
    pub(super) fn includes(&self, row: &rusqlite::Row<'_>) -> rusqlite::Result<bool> {
        let status = rows::status(row.get(4)?, row.get(5)?, row.get(6)?);
        Ok(self.scope.includes(row.get(1)?, row.get(2)?, row.get(3)?)
            && self.statuses.include(status)
            && self.interval.contains(row.get(7)?)
            && Codes::of(self.code_class).include(row.get(9)?))
    }

    /// Finds events by text. Ids of messages are not searched: they would double the cost.
    pub(super) fn with_text(
        &self,
        connection: &Connection,
        helpers: &Helpers,
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
            helpers,
        };
        text_search.search(connection, pattern, page)
    }
}
