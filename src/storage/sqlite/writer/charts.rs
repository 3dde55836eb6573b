//! The counts of attempts over time, for charts.
//!
//! Each attempt is counted in a period of a minute, of a quarter of an hour and of two hours; for its endpoint, its
//! workspace and the server. A row for each of these nine in each transaction would be more to write than the
//! delivery itself. So attempts are counted in memory ([`RecentAttempts`]), and added to the table when there are
//! [`BLOCK`] of them, or when an hour has begun: with a thousand endpoints, a row of the table is then written
//! for ten attempts. The periods come first in the key of the table, so that the rows of all endpoints are together.
//!
//! `delivery_charted` in `meta` is the number of the last delivery that is in the table. It rises in the
//! transaction that adds to the table, so a start counts the later deliveries again, and none twice. Before a
//! delivery that is not in the table is deleted, all are added. In the same transaction, the rows of endpoints get
//! the times of their last attempts: a write for each attempt would cost as much as the delivery.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::counters::{BLOCK, CountScope};
use super::recent_attempts::{
    MinuteCounts, MinuteKey, Recent, RecentAttempts, ResultTimes, Uncharted, charted_through,
    count_rows, last_deliveries,
};
use crate::domain::chart::{AttemptCounts, ChartedAttempt};
use crate::domain::clock::Timestamp;
use crate::domain::endpoint_health::LastResults;

/// The lengths of the periods of the table, in minutes.
pub(crate) const PERIODS: [i64; 3] = [1, 15, 120];

/// The minutes after which what is counted is added to the table, however little it is.
const HOUR: i64 = 60;

/// An attempt that was recorded in the running transaction.
#[derive(Debug)]
struct Change {
    seq: i64,
    key: MinuteKey,
    at: Timestamp,
    attempt: ChartedAttempt,
}

/// The key of a row of the table: the period's length and its start in minutes, and the scope.
type RowKey = (i64, i64, CountScope);

/// The changes of the counts during a group commit, and what the table has.
#[derive(Debug, Default)]
pub(crate) struct Charts {
    changes: Vec<Change>,
    /// The last delivery that is in the table.
    charted: i64,
    /// The last delivery that was counted.
    counted: i64,
    /// The minute of the first delivery that is not in the table.
    first_minute: Option<i64>,
    /// Set if the running transaction deletes a delivery that is not in the table.
    deletes_uncharted: bool,
    /// Set if the running transaction has added all to the table.
    has_written: bool,
}

impl Charts {
    /// Counts the deliveries of the file that are not in the table: some ten milliseconds.
    pub(crate) fn load(connection: &Connection, recent: &RecentAttempts) -> rusqlite::Result<Self> {
        let charted = charted_through(connection)?;
        let counted = "SELECT coalesce(max(seq), 0) FROM delivery";
        let counted: i64 = connection.query_row(counted, [], |row| row.get(0))?;
        let uncharted = count_rows(connection, charted)?;
        let charts = Self {
            charted,
            counted: counted.max(charted),
            first_minute: uncharted.minutes.keys().map(|key| key.minute).min(),
            ..Self::default()
        };
        recent.set(Recent {
            charted,
            uncharted,
            last: last_deliveries(connection)?,
        });
        Ok(charts)
    }

    /// Counts delivery `seq`, which was recorded at `at`.
    pub(crate) fn delivery(
        &mut self,
        seq: i64,
        key: MinuteKey,
        at: Timestamp,
        attempt: ChartedAttempt,
    ) {
        self.changes.push(Change {
            seq,
            key,
            at,
            attempt,
        });
    }

    /// Returns the last attempts to an endpoint that its row does not have yet, as the running transaction sees them.
    pub(crate) fn last_results(&self, recent: &RecentAttempts, endpoint: i64) -> LastResults {
        let committed = recent.with(|recent| recent.uncharted.results.get(&endpoint).copied());
        let mut changed = Uncharted::default();
        let own = (self.changes.iter()).filter(|change| change.key.endpoint == endpoint);
        count_changes(own, &mut changed);
        let changed = changed.results.remove(&endpoint);
        let committed = committed.flatten().unwrap_or_default();
        committed.followed_by(changed.unwrap_or_default())
    }

    /// Notes that delivery `seq` is deleted. It stays counted.
    pub(crate) fn delivery_deleted(&mut self, seq: i64) {
        self.deletes_uncharted |= seq > self.charted;
    }

    /// Reports whether it is time to add to the table.
    fn is_due(&self) -> bool {
        let Some(last) = self.changes.last() else {
            return self.deletes_uncharted;
        };
        let hour = |minute: i64| minute.div_euclid(HOUR);
        let has_begun_an_hour = self
            .first_minute
            .is_some_and(|first| hour(first) != hour(last.key.minute));
        self.deletes_uncharted || has_begun_an_hour || last.seq - self.charted >= BLOCK
    }

    /// Adds all to the table if it is time, within the caller's transaction. The caller then reports how that
    /// transaction ended: [`Charts::committed`] or [`Charts::rolled_back`].
    pub(crate) fn write(
        &mut self,
        connection: &Connection,
        recent: &RecentAttempts,
    ) -> rusqlite::Result<()> {
        if !self.is_due() {
            return Ok(());
        }
        let copied = recent.with(|recent| {
            let Uncharted { minutes, results } = &recent.uncharted;
            (table_rows(minutes), results.clone())
        });
        let Some((mut rows, mut results)) = copied else {
            return Ok(());
        };
        let mut changes = Uncharted::default();
        count_changes(self.changes.iter(), &mut changes);
        for (key, counts) in table_rows(&changes.minutes) {
            rows.entry(key).or_default().merge(&counts);
        }
        for (key, counts) in rows {
            add_to_row(connection, key, counts)?;
        }
        for (endpoint, later) in changes.results {
            let last = results.entry(endpoint).or_default();
            *last = last.followed_by(later);
        }
        store_results(connection, &results)?;
        let through = self.counted_then();
        connection
            .prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'delivery_charted'")?
            .execute([through])?;
        self.has_written = true;
        Ok(())
    }

    /// Returns the last delivery that will have been counted once the transaction is committed.
    fn counted_then(&self) -> i64 {
        self.changes.last().map_or(self.counted, |last| last.seq)
    }

    /// Notes that the transaction was committed: the rows that were counted are in the file. `indexed` is the number
    /// up to which deliveries are in the list indexes.
    pub(crate) fn committed(&mut self, recent: &RecentAttempts, indexed: i64) {
        self.deletes_uncharted = false;
        if self.changes.is_empty() && !self.has_written {
            return;
        }
        self.counted = self.counted_then();
        recent.with(|recent| {
            for change in &self.changes {
                recent.last.insert(change.key.endpoint, change.seq);
            }
            if self.has_written {
                recent.charted = self.counted;
                recent.uncharted = Uncharted::default();
                recent.last.retain(|_, seq| *seq > indexed);
            } else {
                count_changes(self.changes.iter(), &mut recent.uncharted);
            }
        });
        if self.has_written {
            self.charted = self.counted;
            self.first_minute = None;
        } else if self.first_minute.is_none() {
            self.first_minute = self.changes.first().map(|first| first.key.minute);
        }
        self.has_written = false;
        self.changes.clear();
    }

    /// Notes that the transaction was rolled back: the changes are void.
    pub(crate) fn rolled_back(&mut self) {
        self.changes.clear();
        self.deletes_uncharted = false;
        self.has_written = false;
    }
}

fn count_changes<'a>(changes: impl Iterator<Item = &'a Change>, uncharted: &mut Uncharted) {
    for change in changes {
        uncharted.add(change.key, change.at, change.attempt);
    }
}

/// Stores the last attempts in the rows of their endpoints, in the order of the rows. Deleted ones get nothing.
fn store_results(connection: &Connection, results: &ResultTimes) -> rusqlite::Result<()> {
    let mut store = connection.prepare_cached(
        "UPDATE endpoint SET last_success_at = coalesce(?2, last_success_at),
                last_failure_at = coalesce(?3, last_failure_at)
         WHERE n = ?1 AND deleted_at IS NULL",
    )?;
    let in_order: BTreeMap<i64, LastResults> = results.iter().map(|(n, it)| (*n, *it)).collect();
    for (endpoint, last) in in_order {
        let micros = |at: Option<Timestamp>| at.map(Timestamp::micros);
        let (success, failure) = (micros(last.success_at), micros(last.failure_at));
        store.execute(params![endpoint, success, failure])?;
    }
    Ok(())
}

/// Returns what is to be added to the rows of the table, in the order of its key.
fn table_rows(minutes: &MinuteCounts) -> BTreeMap<RowKey, AttemptCounts> {
    let mut rows: BTreeMap<RowKey, AttemptCounts> = BTreeMap::new();
    for (key, counts) in minutes {
        for period in PERIODS {
            let start = key.minute - key.minute.rem_euclid(period);
            for scope in [
                CountScope::endpoint(key.endpoint),
                CountScope::workspace(key.workspace),
                CountScope::SERVER,
            ] {
                rows.entry((period, start, scope))
                    .or_default()
                    .merge(counts);
            }
        }
    }
    rows
}

/// Adds to a row of the table.
fn add_to_row(
    connection: &Connection,
    (period, start, scope): RowKey,
    mut counts: AttemptCounts,
) -> rusqlite::Result<()> {
    let stored = connection
        .prepare_cached(
            "SELECT succeeded, failed, retried, latency FROM delivery_chart
             WHERE period = ?1 AND start = ?2 AND scope = ?3",
        )?
        .query_row([period, start, scope.stored()], attempt_counts)
        .optional()?;
    if let Some(stored) = stored {
        counts.merge(&stored);
    }
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO delivery_chart
             (period, start, scope, succeeded, failed, retried, latency)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            period,
            start,
            scope.stored(),
            counts.succeeded,
            counts.failed,
            counts.retried,
            counts.latency,
        ])?;
    Ok(())
}

/// Reads the columns `succeeded, failed, retried, latency`.
pub(crate) fn attempt_counts(row: &rusqlite::Row<'_>) -> rusqlite::Result<AttemptCounts> {
    Ok(AttemptCounts {
        succeeded: row.get(0)?,
        failed: row.get(1)?,
        retried: row.get(2)?,
        latency: row.get(3)?,
    })
}
