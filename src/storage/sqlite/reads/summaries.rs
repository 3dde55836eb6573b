//! Summaries of endpoints: their attempts of a day, their last delivery, and their pending events.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::visible::{VisibleEndpoint, visible_endpoint};
use crate::domain::access::Visibility;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::Timestamp;
use crate::domain::overview::{
    CappedCount, EndpointSummary, HourCounts, LastDelivery, SUMMARIES_MAX, SUMMARY_HOURS,
};
use crate::storage::sqlite::event_state::state_is;
use crate::storage::sqlite::rows;
use crate::storage::sqlite::writer::counters::CountScope;
use crate::storage::sqlite::writer::recent_attempts::{MinuteKey, RecentAttempts, Uncharted};

/// The pending events that are counted for all endpoints of a read together: some milliseconds.
const PENDING_COUNTED: usize = 100_000;

/// The most pending events of one endpoint that are counted.
const PENDING_MAX: usize = 10_000;

/// The waiting events that are looked at to find the oldest one whose run is not skipped. Those of skipped runs are
/// swept within seconds, unless there are very many.
const OLDEST_SEARCHED: usize = 1_000;

/// The entries of a list index that are looked at to find the last delivery. Only the entries of deliveries that
/// were just deleted lead nowhere.
const LAST_SEARCHED: usize = 100;

/// The length of the periods that hours are made of, in minutes.
const QUARTER: i64 = 15;

/// The minutes of an hour.
const HOUR: i64 = 60;

/// The statement that reads the counts of a quarter of an hour.
const QUARTER_ROW: &str = "SELECT succeeded, failed FROM delivery_chart
    WHERE period = ?1 AND start = ?2 AND scope = ?3";

/// The statement that counts the fresh events of an endpoint that are not skipped: the first run of an event has
/// the number of the event.
const FRESH: &str = concat!(
    "SELECT count(*), NULL FROM (
       SELECT 1 FROM event INDEXED BY event_fresh WHERE ",
    state_is!(fresh),
    " AND endpoint = ?1 AND seq > ?2 LIMIT ?3)"
);

/// The statement that counts the events of an endpoint that wait for another attempt: those that it looked at, and
/// those of them that are not skipped.
const WAITING: &str = concat!(
    "SELECT count(*), coalesce(sum(run > ?2), 0) FROM (
       SELECT run FROM event INDEXED BY event_waiting WHERE ",
    state_is!(retry),
    " AND endpoint = ?1 LIMIT ?3)"
);

/// The statement that finds the oldest fresh event of an endpoint that is not skipped.
const OLDEST_FRESH: &str = concat!(
    "SELECT seq FROM event INDEXED BY event_fresh WHERE ",
    state_is!(fresh),
    " AND endpoint = ?1 AND seq > ?2 ORDER BY seq LIMIT min(1, ?3)"
);

/// The statement that finds the oldest event of an endpoint that waits for another attempt and is not skipped.
const OLDEST_WAITING: &str = concat!(
    "SELECT seq FROM (
       SELECT seq, run FROM event INDEXED BY event_waiting WHERE ",
    state_is!(retry),
    " AND endpoint = ?1 ORDER BY seq LIMIT ?3)
     WHERE run > ?2 ORDER BY seq LIMIT 1"
);

/// The columns of [`last_delivery`].
macro_rules! last_columns {
    () => {
        "d.id, d.created_at, d.succeeded, d.code, d.error, d.duration_ms"
    };
}

/// The statement that reads a delivery.
const BY_NUMBER: &str = concat!(
    "SELECT ",
    last_columns!(),
    " FROM delivery d WHERE d.seq = ?1"
);

/// The statement that finds the last delivery of an endpoint among those that are in the list index.
const LAST_INDEXED: &str = concat!(
    "SELECT ",
    last_columns!(),
    " FROM (
       SELECT seq FROM delivery_of_endpoint
       WHERE endpoint = ?1 AND seq <= (SELECT value FROM meta WHERE key = 'delivery_indexed')
       ORDER BY seq DESC LIMIT ?2) AS i
     CROSS JOIN delivery d ON d.seq = i.seq
     ORDER BY i.seq DESC LIMIT 1"
);

/// Returns the summaries of endpoints that the caller may see, in the order of the ids.
pub(crate) fn summaries(
    connection: &Connection,
    recent: &RecentAttempts,
    visibility: Visibility,
    ids: &[Uuid],
    now: Timestamp,
) -> rusqlite::Result<Vec<EndpointSummary>> {
    let snapshot = connection.unchecked_transaction()?;
    let mut endpoints = Vec::new();
    for id in ids.iter().take(SUMMARIES_MAX) {
        if let Some(endpoint) = visible_endpoint(&snapshot, visibility, *id)? {
            endpoints.push((*id, endpoint));
        }
    }
    summarize(&snapshot, recent, &endpoints, now)
}

/// Returns the summaries of these endpoints, within the caller's transaction.
pub(super) fn summarize(
    connection: &Connection,
    recent: &RecentAttempts,
    endpoints: &[(Uuid, VisibleEndpoint)],
    now: Timestamp,
) -> rusqlite::Result<Vec<EndpointSummary>> {
    let numbers: Vec<i64> = endpoints
        .iter()
        .map(|(_, endpoint)| endpoint.number)
        .collect();
    let first = first_minute(now);
    let mut hours = Vec::with_capacity(endpoints.len());
    for number in &numbers {
        hours.push(stored_hours(connection, *number, first)?);
    }
    recent.uncharted(connection, |Uncharted { minutes, .. }| {
        for ((_, endpoint), hours) in endpoints.iter().zip(&mut hours) {
            let key = |minute| MinuteKey {
                workspace: endpoint.workspace,
                endpoint: endpoint.number,
                minute,
            };
            for (key, counts) in minutes.range(key(first)..=key(i64::MAX)) {
                add(hours, key.minute - first, counts.succeeded, counts.failed);
            }
        }
    })?;
    let unindexed = recent.unindexed_last(connection, &numbers)?;
    let counted_max = (PENDING_COUNTED / endpoints.len().max(1)).min(PENDING_MAX);
    let mut summaries = Vec::with_capacity(endpoints.len());
    for ((id, endpoint), hours) in endpoints.iter().zip(hours) {
        let unindexed = unindexed.get(&endpoint.number).copied();
        summaries.push(EndpointSummary {
            id: *id,
            hours,
            last_delivery: last_delivery(connection, endpoint.number, unindexed)?,
            pending: count_pending(
                connection,
                endpoint.number,
                endpoint.skip_through,
                counted_max,
            )?,
            oldest_pending: created_at(connection, oldest_pending(connection, *endpoint)?)?,
            failures: endpoint.failures,
        });
    }
    Ok(summaries)
}

/// Returns the first minute of a day that ends with the present quarter of an hour.
fn first_minute(now: Timestamp) -> i64 {
    let minute = MinuteKey::new(0, 0, now).minute;
    let day = HOUR.saturating_mul(i64::try_from(SUMMARY_HOURS).unwrap_or(0));
    minute - minute.rem_euclid(QUARTER) + QUARTER - day
}

fn add(hours: &mut [HourCounts; SUMMARY_HOURS], past: i64, succeeded: u64, failed: u64) {
    if let Ok(at) = usize::try_from(past.div_euclid(HOUR))
        && let Some(hour) = hours.get_mut(at)
    {
        hour.succeeded = hour.succeeded.saturating_add(succeeded);
        hour.failed = hour.failed.saturating_add(failed);
    }
}

/// Adds up the quarters of an hour that are in the table.
fn stored_hours(
    connection: &Connection,
    endpoint: i64,
    first: i64,
) -> rusqlite::Result<[HourCounts; SUMMARY_HOURS]> {
    let mut hours = [HourCounts::default(); SUMMARY_HOURS];
    let mut row = connection.prepare_cached(QUARTER_ROW)?;
    let scope = CountScope::endpoint(endpoint).stored();
    for hour in 0..SUMMARY_HOURS {
        for quarter in 0..HOUR / QUARTER {
            let past = i64::try_from(hour).unwrap_or(0) * HOUR + quarter * QUARTER;
            let found = row
                .query_row(params![QUARTER, first + past, scope], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            if let Some((succeeded, failed)) = found {
                add(&mut hours, past, succeeded, failed);
            }
        }
    }
    Ok(hours)
}

/// Counts the pending events of an endpoint whose runs up to `skip_through` are skipped, at most `most`.
pub(crate) fn count_pending(
    connection: &Connection,
    endpoint: i64,
    skip_through: i64,
    most: usize,
) -> rusqlite::Result<CappedCount> {
    let count = |sql: &str| -> rusqlite::Result<(u64, Option<u64>)> {
        let parameters = params![endpoint, skip_through, most + 1];
        connection
            .prepare_cached(sql)?
            .query_row(parameters, |row| Ok((row.get(0)?, row.get(1)?)))
    };
    let (fresh, _) = count(FRESH)?;
    let (searched, waiting) = count(WAITING)?;
    let (all, most) = (fresh + waiting.unwrap_or(0), most as u64);
    Ok(CappedCount {
        count: all.min(most),
        is_more: all > most || searched > most,
    })
}

/// Returns the number of the oldest pending event of an endpoint.
pub(super) fn oldest_pending(
    connection: &Connection,
    endpoint: VisibleEndpoint,
) -> rusqlite::Result<Option<i64>> {
    let mut oldest: Option<i64> = None;
    for sql in [OLDEST_FRESH, OLDEST_WAITING] {
        let parameters = params![endpoint.number, endpoint.skip_through, OLDEST_SEARCHED];
        let found = connection
            .prepare_cached(sql)?
            .query_row(parameters, |row| row.get(0))
            .optional()?;
        oldest = oldest.into_iter().chain(found).min();
    }
    Ok(oldest)
}

/// Returns the time at which an event was published.
pub(super) fn created_at(
    connection: &Connection,
    event: Option<i64>,
) -> rusqlite::Result<Option<Timestamp>> {
    let at = connection
        .prepare_cached("SELECT created_at FROM event WHERE seq = ?1")?
        .query_row([event], |row| row.get(0))
        .optional()?;
    Ok(at.map(rows::time))
}

/// Returns the last delivery of an endpoint. `unindexed` is its number if it is not in the list index yet.
pub(super) fn last_delivery(
    connection: &Connection,
    endpoint: i64,
    unindexed: Option<i64>,
) -> rusqlite::Result<Option<LastDelivery>> {
    if let Some(number) = unindexed {
        let mut by_number = connection.prepare_cached(BY_NUMBER)?;
        let found = by_number.query_row([number], read_last).optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    connection
        .prepare_cached(LAST_INDEXED)?
        .query_row(params![endpoint, LAST_SEARCHED], read_last)
        .optional()
}

fn read_last(row: &rusqlite::Row<'_>) -> rusqlite::Result<LastDelivery> {
    let mut columns = rows::Columns::of(row);
    Ok(LastDelivery {
        id: columns.get()?,
        created_at: columns.time()?,
        succeeded: columns.get()?,
        http_code: columns.get()?,
        error: columns
            .get::<Option<u8>>()?
            .and_then(AttemptFailure::from_code),
        duration_ms: columns.get()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sqlite::reads::visible::tests::plan;

    #[test]
    fn each_statement_searches_an_index_and_sorts_nothing() {
        let statements = [
            (
                QUARTER_ROW,
                "delivery_chart USING PRIMARY KEY (period=? AND start=? AND scope=?)",
            ),
            (FRESH, "INDEX event_fresh (endpoint=? AND seq>?)"),
            (WAITING, "INDEX event_waiting (endpoint=?)"),
            (OLDEST_FRESH, "INDEX event_fresh (endpoint=? AND seq>?)"),
            (OLDEST_WAITING, "INDEX event_waiting (endpoint=?)"),
            (BY_NUMBER, "d USING INTEGER PRIMARY KEY (rowid=?)"),
            (
                LAST_INDEXED,
                "delivery_of_endpoint USING PRIMARY KEY (endpoint=? AND seq<?)",
            ),
        ];
        for (sql, search) in statements {
            let plan = plan(sql);
            let searches = plan.iter().any(|step| step.ends_with(search));
            assert!(searches, "{sql}: {plan:?}");
            for step in plan {
                let scans_table = step.starts_with("SCAN event") || step.starts_with("SCAN d");
                assert!(
                    !scans_table && !step.contains("TEMP B-TREE"),
                    "{sql}: {step}"
                );
            }
        }
    }
}
