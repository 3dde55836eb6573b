//! The list of deliveries.

use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use super::helpers::Helpers;
use super::messages;
use super::plan::ScanPlan;
use super::query::{Found, Pattern, Query};
use super::rows;
use super::scan::{Index, Scan, Source};
use super::scope::{Indexes, Scope};
use super::search::TextSearch;
use super::statement::{Table, prepare};
use super::time_range::Interval;
use super::totals;
use super::totals::Kind;
use crate::domain::clock::Timestamp;
use crate::domain::delivery::{CodeClass, Delivery};
use crate::storage::filter::{DeliveryFilter, Page, QUERY_SCAN_MAX};
use crate::storage::part::Paged;
use crate::storage::sqlite::message_events::each_event;

const INDEXES: Indexes = Indexes {
    all: index(Source::Rows),
    of_workspace: index(Source::ListIndex("delivery_of_workspace")),
    of_type: index(Source::ListIndex("delivery_of_type")),
    of_endpoint: index(Source::ListIndex("delivery_of_endpoint")),
};
const UNSUCCESSFUL: Index = partial("delivery_unhappy", "succeeded = 0");
const UNSUCCESSFUL_OF_ENDPOINT: Index = partial("delivery_unhappy_endpoint", "succeeded = 0");

const fn index(source: Source) -> Index {
    Index {
        table: Table::Delivery,
        source,
    }
}

const fn partial(name: &'static str, only: &'static str) -> Index {
    index(Source::Partial { name, only })
}

/// Returns deliveries, newest first. `helpers` help to search for a text.
pub(crate) fn list_deliveries(
    connection: &Connection,
    helpers: &Helpers,
    filter: &DeliveryFilter,
    page: Page,
    bytes: usize,
    now: Timestamp,
) -> rusqlite::Result<Paged<Delivery>> {
    let snapshot = connection.unchecked_transaction()?;
    let found = find(&snapshot, helpers, filter, page)?;
    found.read(|numbers| rows::deliveries(&snapshot, numbers, bytes, now))
}

fn find(
    connection: &Connection,
    helpers: &Helpers,
    filter: &DeliveryFilter,
    page: Page,
) -> rusqlite::Result<Found> {
    let query = filter.query.as_deref().and_then(Query::parse);
    let nothing = Found {
        searched: matches!(query, Some(Query::Text(_))).then_some(0),
        ..Found::default()
    };
    let Some(result) = ResultFilter::of(filter.succeeded, filter.code_class) else {
        return Ok(nothing);
    };
    let Some(scope) = Scope::resolve(
        connection,
        filter.visibility,
        &filter.workspaces,
        &filter.endpoints,
        &filter.event_types,
    )?
    else {
        return Ok(nothing);
    };
    let selection = Selection {
        scope,
        result,
        interval: Interval::new(filter.after, filter.before),
    };
    if !filter.messages.is_empty() {
        let (ids, event) = (&filter.messages, filter.event);
        return selection.of_messages(connection, ids, event, query.as_ref(), page);
    }
    match (filter.event, query) {
        (Some(event), query) => selection.of_event(connection, event, query.as_ref(), page),
        (None, Some(Query::Id(id))) => selection.with_id(connection, id, page),
        (None, Some(Query::Text(pattern))) => {
            selection.with_text(connection, helpers, &pattern, page)
        }
        (None, None) => selection.page(connection, page),
    }
}

/// The results that a filter asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResultFilter {
    Any,
    Succeeded,
    /// Answered with another code, or not answered.
    Unsuccessful,
    /// Answered with a code of this class, which is not that of success.
    Class(CodeClass),
}

impl ResultFilter {
    /// Combines two filters; `None`: no row can match both. Success means a 2xx.
    const fn of(succeeded: Option<bool>, class: Option<CodeClass>) -> Option<Self> {
        match (succeeded, class) {
            (None, None) => Some(Self::Any),
            (Some(true), None) | (None | Some(true), Some(CodeClass::Success)) => {
                Some(Self::Succeeded)
            }
            (Some(false), None) => Some(Self::Unsuccessful),
            (Some(false), Some(CodeClass::Success)) | (Some(true), Some(_)) => None,
            (None | Some(false), Some(class)) => Some(Self::Class(class)),
        }
    }

    fn includes(self, succeeded: bool, code: Option<u16>) -> bool {
        match self {
            Self::Any => true,
            Self::Succeeded => succeeded,
            Self::Unsuccessful => !succeeded,
            Self::Class(class) => code.is_some_and(|code| code / 100 == class.hundreds()),
        }
    }

    fn kinds(self) -> Vec<Kind> {
        let success = i64::from(CodeClass::Success.hundreds());
        match self {
            Self::Any => Vec::new(),
            Self::Succeeded => vec![("class = ?", success)],
            Self::Unsuccessful => vec![("class <> ?", success)],
            Self::Class(class) => vec![("class = ?", i64::from(class.hundreds()))],
        }
    }
}

/// A filter without its event and query, with ids resolved to the numbers of the database.
struct Selection {
    scope: Scope,
    result: ResultFilter,
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
            let ranges = self.interval.ranges(connection, Table::Delivery)?;
            found.seqs = plan.page(connection, &ranges, page.offset(), page.limit)?;
        }
        Ok(found)
    }

    fn total(&self, connection: &Connection, plan: &ScanPlan) -> rusqlite::Result<u64> {
        totals::total(connection, Table::Delivery, plan, self.interval, |blocks| {
            let kinds = self.result.kinds();
            totals::counters(connection, Table::Delivery, &self.scope, blocks, &kinds)
        })
    }

    fn plan(&self, connection: &Connection) -> rusqlite::Result<ScanPlan> {
        let (plus, minus) = match self.result {
            ResultFilter::Any => (self.scope.all_scans(connection, &INDEXES)?, Vec::new()),
            ResultFilter::Succeeded => (
                self.scope.all_scans(connection, &INDEXES)?,
                self.unsuccessful(connection, None)?,
            ),
            ResultFilter::Unsuccessful => (self.unsuccessful(connection, None)?, Vec::new()),
            ResultFilter::Class(class) => (self.unsuccessful(connection, Some(class))?, Vec::new()),
        };
        Ok(ScanPlan { plus, minus })
    }

    fn plan_in_table(&self) -> ScanPlan {
        let scan = self.scope.in_table(&INDEXES);
        ScanPlan::of(vec![match self.result {
            ResultFilter::Any => scan,
            ResultFilter::Succeeded => scan.and("succeeded = ?", 1),
            ResultFilter::Unsuccessful => scan.and("succeeded = ?", 0),
            ResultFilter::Class(class) => of_class(scan, class),
        }])
    }

    /// Returns the scans of failed deliveries, of one class if it is given.
    fn unsuccessful(
        &self,
        connection: &Connection,
        class: Option<CodeClass>,
    ) -> rusqlite::Result<Vec<Scan>> {
        let scans = self
            .scope
            .scans_on(connection, UNSUCCESSFUL, UNSUCCESSFUL_OF_ENDPOINT)?;
        Ok(match class {
            None => scans,
            Some(class) => scans
                .into_iter()
                .map(|scan| of_class(scan, class))
                .collect(),
        })
    }

    /// Finds the deliveries of one event: they are few, so each is checked.
    fn of_event(
        &self,
        connection: &Connection,
        event: Uuid,
        query: Option<&Query>,
        page: Page,
    ) -> rusqlite::Result<Found> {
        let mut found = Found::default();
        let mut searched = 0;
        for row in deliveries_of(connection, event)? {
            if !self.includes(&row) {
                continue;
            }
            searched += 1;
            if row.is_hit(event, query) {
                found.add(row.seq, page);
            }
        }
        found.searched = matches!(query, Some(Query::Text(_))).then_some(searched);
        Ok(found)
    }

    /// Finds the deliveries of these messages, of one event if it is given.
    fn of_messages(
        &self,
        connection: &Connection,
        ids: &[Uuid],
        event: Option<Uuid>,
        query: Option<&Query>,
        page: Page,
    ) -> rusqlite::Result<Found> {
        let sql = each_event!(
            "d.seq, d.id, d.workspace, d.endpoint, d.type, d.succeeded, d.code, d.created_at, e.id",
            " CROSS JOIN delivery d INDEXED BY delivery_by_event ON d.event = e.seq"
        );
        let mut hits = Vec::new();
        let mut searched = 0;
        let mut statement = prepare(connection, sql)?;
        for message in messages::named(connection, &self.scope, ids)? {
            let mut rows = statement.query([message.seq])?;
            while let Some(row) = rows.next()? {
                let (delivery, of_event) = (Candidate::read(row)?, row.get(8)?);
                if event.is_some_and(|event| event != of_event) || !self.includes(&delivery) {
                    continue;
                }
                searched += 1;
                if delivery.is_hit(of_event, query) {
                    hits.push(delivery.seq);
                }
            }
        }
        let mut found = Found::of(hits, page);
        found.searched = matches!(query, Some(Query::Text(_))).then_some(searched);
        Ok(found)
    }

    /// Finds the delivery with this id, or the deliveries of the event with this id.
    fn with_id(&self, connection: &Connection, id: Uuid, page: Page) -> rusqlite::Result<Found> {
        let sql = "SELECT seq, id, workspace, endpoint, type, succeeded, code, created_at
             FROM delivery WHERE id = ?";
        let delivery = prepare(connection, sql)?
            .query_row([id], Candidate::read)
            .optional()?;
        // A delivery that the caller may not see is treated as absent: the next statement runs for it, too,
        // because the caller could tell from the time that it takes.
        let candidates = match delivery.filter(|delivery| self.includes(delivery)) {
            Some(delivery) => vec![delivery],
            None => deliveries_of(connection, id)?,
        };
        let mut found = Found::default();
        for row in candidates.iter().filter(|row| self.includes(row)) {
            found.add(row.seq, page);
        }
        Ok(found)
    }

    fn includes(&self, row: &Candidate) -> bool {
        self.scope
            .includes(row.workspace, row.endpoint, row.event_type)
            && self.result.includes(row.succeeded, row.code)
            && self.interval.contains(row.created_at)
    }

    fn with_text(
        &self,
        connection: &Connection,
        helpers: &Helpers,
        pattern: &Pattern,
        page: Page,
    ) -> rusqlite::Result<Found> {
        let plan = self.plan(connection)?;
        let text_search = TextSearch {
            table: Table::Delivery,
            in_table: self.plan_in_table(),
            ranges: self.interval.ranges(connection, Table::Delivery)?,
            total: self.total(connection, &plan)?,
            plan: &plan,
            most: QUERY_SCAN_MAX,
            helpers,
        };
        text_search.search(connection, pattern, page)
    }
}

fn of_class(scan: Scan, class: CodeClass) -> Scan {
    let from = i64::from(class.hundreds()) * 100;
    scan.and("code >= ?", from).and("code < ?", from + 100)
}

/// The columns of a delivery that a filter checks.
struct Candidate {
    seq: i64,
    id: Uuid,
    workspace: i64,
    endpoint: i64,
    event_type: i64,
    succeeded: bool,
    code: Option<u16>,
    created_at: i64,
}

impl Candidate {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            id: row.get(1)?,
            workspace: row.get(2)?,
            endpoint: row.get(3)?,
            event_type: row.get(4)?,
            succeeded: row.get(5)?,
            code: row.get(6)?,
            created_at: row.get(7)?,
        })
    }

    /// Reports whether a delivery of `event` is what a query asks for.
    fn is_hit(&self, event: Uuid, query: Option<&Query>) -> bool {
        match query {
            None => true,
            Some(Query::Id(id)) => self.id == *id || event == *id,
            Some(Query::Text(pattern)) => {
                pattern.in_id(self.id) || pattern.in_id(event) || pattern.in_code(self.code)
            }
        }
    }
}

/// Returns the deliveries of an event, newest first.
fn deliveries_of(connection: &Connection, event: Uuid) -> rusqlite::Result<Vec<Candidate>> {
    let sql =
        "SELECT d.seq, d.id, d.workspace, d.endpoint, d.type, d.succeeded, d.code, d.created_at
         FROM event e JOIN delivery d INDEXED BY delivery_by_event ON d.event = e.seq
         WHERE e.id = ? ORDER BY d.seq DESC";
    prepare(connection, sql)?
        .query_map([event], Candidate::read)?
        .collect()
}
