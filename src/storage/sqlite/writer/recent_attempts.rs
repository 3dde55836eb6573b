//! The attempts that are not in the table of charts yet, counted by endpoint and minute.
//!
//! The writer counts them when their deliveries are committed. Threads that read a chart add them to the rows that
//! they find. They hold the lock while they add up at most [`BLOCK`] counts, most often some hundred, and the
//! writer takes it once for each group; so neither waits long.
//!
//! The counts fit only rows of the same moment: the writer may just have moved counts to the table. So the counts
//! have the number of the last delivery that is in the table. If it is not the number that a reader's snapshot has,
//! the reader counts the deliveries of its snapshot itself: they are the newest [`BLOCK`] at most, and some that
//! came in the last group.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use rusqlite::Connection;

use super::counters::BLOCK;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::chart::{AttemptCounts, ChartedAttempt};
use crate::domain::clock::Timestamp;
use crate::domain::endpoint_health::LastResults;
use crate::vital;

/// The most deliveries that are counted again: those of two blocks. More are missing only in a file that was
/// damaged; these are then in no chart.
const COUNTED_AGAIN_MAX: i64 = 2 * BLOCK;

/// The microseconds of a minute.
const MINUTE_US: i64 = 60_000_000;

/// The attempts that are counted together. The order has those of a workspace in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MinuteKey {
    /// The number of the workspace.
    pub(crate) workspace: i64,
    /// The number of the endpoint.
    pub(crate) endpoint: i64,
    /// Minutes since the Unix epoch.
    pub(crate) minute: i64,
}

impl MinuteKey {
    /// Makes the key of an attempt that was recorded at `at`.
    pub(crate) const fn new(workspace: i64, endpoint: i64, at: Timestamp) -> Self {
        Self {
            workspace,
            endpoint,
            minute: at.micros().div_euclid(MINUTE_US),
        }
    }

    /// Returns the start of the minute.
    pub(crate) const fn start(self) -> Timestamp {
        Timestamp::from_micros(self.minute.saturating_mul(MINUTE_US))
    }
}

/// The counts of attempts, by endpoint and minute.
pub(crate) type MinuteCounts = BTreeMap<MinuteKey, AttemptCounts>;

/// The numbers of the last deliveries of endpoints, by the number of the endpoint.
pub(crate) type LastDeliveries = BTreeMap<i64, i64>;

/// The last attempts to endpoints, by the number of the endpoint.
pub(crate) type ResultTimes = HashMap<i64, LastResults>;

/// The attempts that are not in the table yet.
#[derive(Debug, Default)]
pub(crate) struct Uncharted {
    /// Their counts.
    pub(crate) minutes: MinuteCounts,
    /// The last ones of each endpoint, which its row does not have yet: it gets them when the table gets the counts.
    pub(crate) results: ResultTimes,
}

impl Uncharted {
    /// Adds an attempt, which was recorded at `at`. A run that ended without an attempt says nothing of the
    /// endpoint.
    pub(super) fn add(&mut self, key: MinuteKey, at: Timestamp, attempt: ChartedAttempt) {
        self.minutes.entry(key).or_default().record(attempt);
        if attempt.duration_ms.is_some() {
            let results = self.results.entry(key.endpoint).or_default();
            results.record(attempt.succeeded, at);
        }
    }
}

/// The counts, as of the last commit.
#[derive(Debug)]
pub(super) struct Recent {
    /// The number of the last delivery that is in the table.
    pub(super) charted: i64,
    /// The deliveries after that.
    pub(super) uncharted: Uncharted,
    /// The last delivery of each endpoint that is not in the list index of its endpoint yet, and of some others.
    pub(super) last: LastDeliveries,
}

/// The counts that the writer shares with readers; `None` inside if this process does not record attempts.
#[derive(Debug, Default)]
pub(crate) struct RecentAttempts(Mutex<Option<Recent>>);

impl RecentAttempts {
    /// Sets the counts.
    pub(super) fn set(&self, recent: Recent) {
        *vital::lock(&self.0) = Some(recent);
    }

    /// Calls `work` with the counts, if this process has any.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Recent) -> T) -> Option<T> {
        vital::lock(&self.0).as_mut().map(work)
    }

    /// Calls `work` with the attempts that are not in the table as the connection's transaction sees it.
    pub(crate) fn uncharted<T>(
        &self,
        connection: &Connection,
        work: impl FnOnce(&Uncharted) -> T,
    ) -> rusqlite::Result<T> {
        let charted = charted_through(connection)?;
        let recent = vital::lock(&self.0);
        if let Some(recent) = &*recent
            && recent.charted == charted
        {
            return Ok(work(&recent.uncharted));
        }
        drop(recent);
        Ok(work(&count_rows(connection, charted)?))
    }

    /// Returns the last attempts to these endpoints that their rows do not have yet, as the connection's transaction
    /// sees them.
    pub(crate) fn last_results(
        &self,
        connection: &Connection,
        endpoints: impl Iterator<Item = i64>,
    ) -> rusqlite::Result<ResultTimes> {
        self.uncharted(connection, |uncharted| {
            let found = |endpoint| Some((endpoint, *uncharted.results.get(&endpoint)?));
            endpoints.filter_map(found).collect()
        })
    }

    /// Returns the number of the last delivery of each of these endpoints, as far as it is not in the list index of
    /// its endpoint yet.
    pub(crate) fn unindexed_last(
        &self,
        connection: &Connection,
        endpoints: &[i64],
    ) -> rusqlite::Result<LastDeliveries> {
        let pick = |last: &LastDeliveries| {
            let found = |endpoint: &i64| Some((*endpoint, *last.get(endpoint)?));
            endpoints.iter().filter_map(found).collect()
        };
        let recent = self.with(|recent| pick(&recent.last));
        match recent {
            Some(recent) => Ok(recent),
            None => Ok(pick(&last_deliveries(connection)?)),
        }
    }
}

/// Returns the number of the last delivery that is in the table.
pub(super) fn charted_through(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE key = 'delivery_charted'")?
        .query_row([], |row| row.get(0))
}

/// The statement that reads the deliveries after a number.
const ROWS: &str = "SELECT workspace, endpoint, created_at, succeeded, attempt, error, duration_ms
    FROM delivery NOT INDEXED
    WHERE seq > max(?1, (SELECT coalesce(max(seq), 0) FROM delivery) - ?2)";

/// Counts the deliveries after a number.
pub(super) fn count_rows(connection: &Connection, after: i64) -> rusqlite::Result<Uncharted> {
    let mut uncharted = Uncharted::default();
    let mut statement = connection.prepare_cached(ROWS)?;
    let mut rows = statement.query([after, COUNTED_AGAIN_MAX])?;
    while let Some(row) = rows.next()? {
        let at = Timestamp::from_micros(row.get(2)?);
        let error: Option<u8> = row.get(5)?;
        let attempt = ChartedAttempt::new(
            row.get(3)?,
            row.get(4)?,
            error.and_then(AttemptFailure::from_code),
            row.get(6)?,
        );
        let key = MinuteKey::new(row.get(0)?, row.get(1)?, at);
        uncharted.add(key, at, attempt);
    }
    Ok(uncharted)
}

/// The statement that finds the last delivery of each endpoint that is not in the list indexes yet.
const LAST: &str = "SELECT endpoint, max(seq) FROM delivery NOT INDEXED
    WHERE seq > (SELECT value FROM meta WHERE key = 'delivery_indexed') GROUP BY endpoint";

/// Finds the last delivery of each endpoint among those that are not in the list indexes yet.
pub(super) fn last_deliveries(connection: &Connection) -> rusqlite::Result<LastDeliveries> {
    connection
        .prepare_cached(LAST)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_rows_are_found_by_their_numbers() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(include_str!("../../../../schema.sql"))
            .unwrap();
        let plan = |sql: &str| -> Vec<String> {
            let mut explain = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .unwrap();
            let parameters = vec![0; explain.parameter_count()];
            explain
                .query_map(rusqlite::params_from_iter(parameters), |row| row.get(3))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap()
        };
        for sql in [ROWS, LAST] {
            let first = &plan(sql)[0];
            assert_eq!(first, "SEARCH delivery USING INTEGER PRIMARY KEY (rowid>?)");
        }
    }
}
