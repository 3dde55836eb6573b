//! Charts of attempts: rows of the table of charts, and the attempts that are not in it yet.
//!
//! A chart takes a search for each of its periods, at most 360, and no scan.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::visible::{visible_endpoint, visible_workspace};
use crate::domain::access::Visibility;
use crate::domain::chart::{Chart, ChartRange, ChartScope, ChartSum};
use crate::domain::clock::Timestamp;
use crate::storage::sqlite::writer::charts::attempt_counts;
use crate::storage::sqlite::writer::counters::CountScope;
use crate::storage::sqlite::writer::recent_attempts::{MinuteCounts, MinuteKey, RecentAttempts};

/// The statement that reads a row.
const ROW: &str = "SELECT succeeded, failed, retried, latency FROM delivery_chart
    WHERE period = ?1 AND start = ?2 AND scope = ?3";

/// The attempts that a chart counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    /// All of the server.
    Server,
    /// Those of a workspace, by its number.
    Workspace(i64),
    /// Those to an endpoint, by the numbers of its workspace and of itself.
    Endpoint(i64, i64),
}

impl Counted {
    /// Resolves a scope; `None` if its object is absent.
    fn resolve(
        connection: &Connection,
        visibility: Visibility,
        scope: ChartScope,
    ) -> rusqlite::Result<Option<Self>> {
        let workspace =
            |id: Uuid| Ok(visible_workspace(connection, visibility, id)?.map(Self::Workspace));
        match (scope, visibility) {
            (ChartScope::All, Visibility::All) => Ok(Some(Self::Server)),
            (ChartScope::All, Visibility::Workspace(id)) | (ChartScope::Workspace(id), _) => {
                workspace(id)
            }
            (ChartScope::Endpoint(id), _) => {
                let found = visible_endpoint(connection, visibility, id)?;
                Ok(found.map(|found| Self::Endpoint(found.workspace, found.number)))
            }
        }
    }

    const fn scope(self) -> CountScope {
        match self {
            Self::Server => CountScope::SERVER,
            Self::Workspace(workspace) => CountScope::workspace(workspace),
            Self::Endpoint(_, endpoint) => CountScope::endpoint(endpoint),
        }
    }

    /// Adds the counts that it includes to a chart.
    fn add(self, minutes: &MinuteCounts, sum: &mut ChartSum) {
        let key = |workspace, endpoint, minute| MinuteKey {
            workspace,
            endpoint,
            minute,
        };
        let all = key(i64::MIN, i64::MIN, i64::MIN)..=key(i64::MAX, i64::MAX, i64::MAX);
        let range = match self {
            Self::Server => all,
            Self::Workspace(n) => key(n, i64::MIN, i64::MIN)..=key(n, i64::MAX, i64::MAX),
            Self::Endpoint(n, endpoint) => key(n, endpoint, i64::MIN)..=key(n, endpoint, i64::MAX),
        };
        for (key, counts) in minutes.range(range) {
            sum.add(key.start(), counts);
        }
    }
}

/// Returns the length of the rows that a chart is made of, in minutes.
const fn period_of(range: ChartRange) -> i64 {
    match range {
        ChartRange::Hour => 1,
        ChartRange::Day => 15,
        ChartRange::Week | ChartRange::Month => 120,
    }
}

/// Returns a chart; `None` if the object of its scope is absent.
pub(crate) fn chart(
    connection: &Connection,
    recent: &RecentAttempts,
    visibility: Visibility,
    scope: ChartScope,
    range: ChartRange,
    now: Timestamp,
) -> rusqlite::Result<Option<Chart>> {
    // In one transaction, so that no attempt is missing or counted twice.
    let snapshot = connection.unchecked_transaction()?;
    let Some(counted) = Counted::resolve(&snapshot, visibility, scope)? else {
        return Ok(None);
    };
    let mut sum = ChartSum::new(range, now);
    let period = period_of(range);
    let first = MinuteKey::new(0, 0, sum.start()).minute;
    let minutes = range.bucket().as_secs() / 60 * u64::from(range.buckets());
    let end = first.saturating_add_unsigned(minutes);
    let mut row = snapshot.prepare_cached(ROW)?;
    let mut start = first;
    while start < end {
        let parameters = params![period, start, counted.scope().stored()];
        if let Some(counts) = row.query_row(parameters, attempt_counts).optional()? {
            let key = MinuteKey {
                workspace: 0,
                endpoint: 0,
                minute: start,
            };
            sum.add(key.start(), &counts);
        }
        start += period;
    }
    recent.uncharted(&snapshot, |it| counted.add(&it.minutes, &mut sum))?;
    Ok(Some(sum.finish()))
}

#[cfg(test)]
mod tests;
