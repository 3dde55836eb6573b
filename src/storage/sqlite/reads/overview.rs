//! The overview of a workspace, or of all: the queue, and the endpoints in trouble.
//!
//! Endpoints are found by one scan of their table, or of those of the workspace, which reads no texts of them; those
//! that wait for retries by steps through the queue, from one endpoint to the next.

use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use uuid::Uuid;

use super::lists::{count_events, waiting_endpoints};
use super::summaries::{created_at, last_delivery, oldest_pending, summarize};
use super::visible::{VisibleEndpoint, visible_workspace};
use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::DisabledReason;
use crate::domain::event::EventStatus;
use crate::domain::overview::{EndpointCounts, Overview, TROUBLED_MAX, TroubledEndpoint};
use crate::storage::sqlite::endpoint_rows;
use crate::storage::sqlite::writer::recent_attempts::RecentAttempts;

/// The endpoints with waiting retries whose last delivery is looked at.
const RETRYING_SEARCHED: usize = 1_000;

/// The statement that reads what the overview needs of all endpoints.
const ALL: &str = concat!(
    "SELECT n, id, workspace, disabled, failures, skip_through, modified_at FROM endpoint",
    " WHERE deleted_at IS NULL"
);

/// The same for the endpoints of a workspace.
const OF_WORKSPACE: &str = concat!(
    "SELECT n, id, workspace, disabled, failures, skip_through, modified_at
     FROM endpoint INDEXED BY endpoint_workspace",
    " WHERE deleted_at IS NULL AND workspace = ?1"
);

/// An endpoint in use.
#[derive(Clone, Copy, Debug)]
struct EndpointRow {
    id: Uuid,
    endpoint: VisibleEndpoint,
    disabled: Option<DisabledReason>,
    modified_at: Option<i64>,
}

impl EndpointRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(1)?,
            endpoint: VisibleEndpoint {
                number: row.get(0)?,
                workspace: row.get(2)?,
                failures: row.get(4)?,
                skip_through: row.get(5)?,
            },
            disabled: row.get::<_, Option<i64>>(3)?.map(endpoint_rows::reason),
            modified_at: row.get(6)?,
        })
    }

    /// Returns the order in which endpoints are in trouble, the lowest first; `None` if it is not known to be.
    fn rank(&self) -> Option<(u8, i64)> {
        match self.disabled {
            Some(DisabledReason::Manual) => None,
            Some(_) => Some((0, -self.modified_at.unwrap_or(0))),
            None if self.endpoint.failures > 0 => Some((1, -i64::from(self.endpoint.failures))),
            None => None,
        }
    }
}

/// The result of a scan of the endpoints.
#[derive(Debug, Default)]
struct Scanned {
    counts: EndpointCounts,
    /// The endpoints in trouble, worst first, at most [`TROUBLED_MAX`].
    troubled: Vec<EndpointRow>,
    /// The enabled ones without a failed event that have waiting retries.
    retrying: Vec<EndpointRow>,
    /// The oldest pending event.
    oldest_pending: Option<i64>,
}

/// Counts all endpoints.
pub(crate) fn count_endpoints(connection: &Connection) -> rusqlite::Result<EndpointCounts> {
    let mut counts = EndpointCounts::default();
    let mut statement =
        connection.prepare_cached("SELECT disabled FROM endpoint WHERE deleted_at IS NULL")?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        counts.count(row.get::<_, Option<i64>>(0)?.map(endpoint_rows::reason));
    }
    Ok(counts)
}

/// Returns the overview; `None` if the workspace is absent.
pub(crate) fn overview(
    connection: &Connection,
    recent: &RecentAttempts,
    visibility: Visibility,
    workspace: Option<Uuid>,
    now: Timestamp,
) -> rusqlite::Result<Option<Overview>> {
    let snapshot = connection.unchecked_transaction()?;
    let workspace = workspace.or(visibility.workspace());
    let number = match workspace {
        None => None,
        Some(id) => match visible_workspace(&snapshot, visibility, id)? {
            None => return Ok(None),
            found => found,
        },
    };
    let mut scanned = scan(&snapshot, number)?;
    add_failing(&snapshot, recent, &mut scanned)?;
    let pending = [EventStatus::Pending];
    Ok(Some(Overview {
        pending: count_events(&snapshot, visibility, workspace, &pending)?,
        oldest_pending: created_at(&snapshot, scanned.oldest_pending)?,
        endpoints: scanned.counts,
        troubled: troubled(&snapshot, recent, &scanned.troubled, now)?,
    }))
}

fn scan(connection: &Connection, workspace: Option<i64>) -> rusqlite::Result<Scanned> {
    let waiting = waiting_endpoints(connection)?;
    let sql = if workspace.is_some() {
        OF_WORKSPACE
    } else {
        ALL
    };
    let mut scanned = Scanned::default();
    let mut statement = connection.prepare_cached(sql)?;
    let mut found = statement.query(params_from_iter(workspace))?;
    while let Some(row) = found.next()? {
        let row = EndpointRow::read(row)?;
        scanned.counts.count(row.disabled);
        if row.rank().is_some() {
            scanned.add_troubled(row);
        }
        let waits = waiting.binary_search_by_key(&row.endpoint.number, |found| found.endpoint);
        if let Ok(at) = waits {
            let oldest = oldest_pending(connection, row.endpoint)?;
            scanned.oldest_pending = scanned.oldest_pending.into_iter().chain(oldest).min();
            if row.disabled.is_none() && row.endpoint.failures == 0 && waiting[at].has_retries {
                scanned.retrying.push(row);
            }
        }
    }
    Ok(scanned)
}

impl Scanned {
    fn add_troubled(&mut self, row: EndpointRow) {
        let at = self
            .troubled
            .partition_point(|other| other.rank() <= row.rank());
        if at < TROUBLED_MAX {
            self.troubled.insert(at, row);
            self.troubled.truncate(TROUBLED_MAX);
        }
    }
}

/// Adds the endpoints whose last attempt failed and that have events which wait for another, as far as there is room.
fn add_failing(
    connection: &Connection,
    recent: &RecentAttempts,
    scanned: &mut Scanned,
) -> rusqlite::Result<()> {
    scanned.retrying.truncate(RETRYING_SEARCHED);
    let numbers: Vec<i64> = scanned
        .retrying
        .iter()
        .map(|row| row.endpoint.number)
        .collect();
    let unindexed = recent.unindexed_last(connection, &numbers)?;
    for row in &scanned.retrying {
        if scanned.troubled.len() >= TROUBLED_MAX {
            break;
        }
        let number = row.endpoint.number;
        let last = last_delivery(connection, number, unindexed.get(&number).copied())?;
        if last.is_some_and(|last| !last.succeeded) {
            scanned.troubled.push(*row);
        }
    }
    Ok(())
}

fn troubled(
    connection: &Connection,
    recent: &RecentAttempts,
    found: &[EndpointRow],
    now: Timestamp,
) -> rusqlite::Result<Vec<TroubledEndpoint>> {
    let endpoints: Vec<_> = found.iter().map(|row| (row.id, row.endpoint)).collect();
    let summaries = summarize(connection, recent, &endpoints, now)?;
    let later = recent.last_results(connection, found.iter().map(|row| row.endpoint.number))?;
    let mut troubled = Vec::with_capacity(found.len());
    let sql = format!(
        "SELECT {} FROM endpoint e JOIN workspace w ON w.n = e.workspace WHERE e.n = ?1",
        endpoint_rows::ENDPOINT
    );
    let mut statement = connection.prepare_cached(&sql)?;
    for (row, summary) in found.iter().zip(summaries) {
        let number = row.endpoint.number;
        let later = later.get(&number).copied().unwrap_or_default();
        let found = statement.query_row([number], |row| endpoint_rows::endpoint(row, later, now));
        if let Some(endpoint) = found.optional()? {
            troubled.push(TroubledEndpoint { endpoint, summary });
        }
    }
    Ok(troubled)
}
