//! The endpoints at a start, with what each has in the queue.
//!
//! Of a hundred thousand endpoints, few have queued events, and a look-up for each would delay the first
//! delivery by seconds. So the reads step through the indexes of the queue, from one endpoint to the next.
//! The cost grows with the number of endpoints that have queued events, not with all endpoints or events. The
//! reads are done in parts, since no read may take long.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::connections::Readers;
use crate::domain::clock::Timestamp;
use crate::storage::sqlite::endpoint_rows;
use crate::storage::sqlite::event_state::state_is;
use crate::storage::sqlite::rows::Columns;
use crate::storage::{Backlog, EndpointNumber, EndpointRest, StoreError, StoredTarget, Target};

/// The endpoints of one read: some milliseconds.
const PART: usize = 2000;

/// The statement that finds the first fresh event of the next endpoint that has any. The next two do the same
/// for retries and for redeliveries.
const FIRST_FRESH: &str = concat!(
    "SELECT endpoint, due FROM event INDEXED BY event_fresh WHERE ",
    state_is!(fresh),
    " AND endpoint > ?1 ORDER BY endpoint, seq LIMIT 1"
);
const FIRST_RETRY: &str = concat!(
    "SELECT endpoint, due FROM event INDEXED BY event_retry WHERE ",
    state_is!(retry),
    " AND endpoint > ?1 ORDER BY endpoint, due LIMIT 1"
);
const FIRST_REDELIVERY: &str = concat!(
    "SELECT endpoint, due FROM event INDEXED BY event_redelivery WHERE ",
    state_is!(redelivery),
    " AND endpoint > ?1 ORDER BY endpoint, seq LIMIT 1"
);

/// Returns the endpoints that are enabled, what each has in the queue, and the rest of each.
pub(crate) fn targets(readers: &Readers) -> Result<Vec<StoredTarget>, StoreError> {
    // Read before the queue: an event that is in the queue then has its endpoint here, or its notice comes
    // later.
    let targets = in_parts(
        |after| readers.read(|connection| Ok(enabled(connection, after)?)),
        |(target, _)| target.number.0,
    )?;
    let mut backlogs: HashMap<i64, Backlog> = HashMap::new();
    let found = |sql| {
        in_parts(
            |after| readers.read(|connection| Ok(first_of_each(connection, sql, after)?)),
            |(endpoint, _)| *endpoint,
        )
    };
    for (endpoint, _) in found(FIRST_FRESH)? {
        backlogs.entry(endpoint).or_default().fresh = true;
    }
    for (endpoint, due) in found(FIRST_RETRY)? {
        backlogs.entry(endpoint).or_default().next_due = due.map(Timestamp::from_micros);
    }
    for (endpoint, _) in found(FIRST_REDELIVERY)? {
        backlogs.entry(endpoint).or_default().redeliveries = true;
    }
    let stored = |(target, rest): (Target, EndpointRest)| StoredTarget {
        backlog: backlogs.remove(&target.number.0).unwrap_or_default(),
        target,
        rest,
    };
    Ok(targets.into_iter().map(stored).collect())
}

/// The statement that finds the oldest fresh event of the next endpoint that has any, and its time.
const OLDEST_FRESH: &str = concat!(
    "SELECT endpoint, created_at FROM event INDEXED BY event_fresh WHERE ",
    state_is!(fresh),
    " AND endpoint > ?1 ORDER BY endpoint, seq LIMIT 1"
);

/// Returns the earliest time at which an event became due that is pending at one of the endpoints that `counts`
/// accepts. It may lie in the future. Makes a search for each endpoint with pending events, and no scan.
pub(crate) fn oldest_due(
    connection: &Connection,
    counts: impl Fn(EndpointNumber) -> bool,
) -> rusqlite::Result<Option<Timestamp>> {
    let resumed = resumed(connection)?;
    let mut oldest: Option<i64> = None;
    for sql in [OLDEST_FRESH, FIRST_RETRY] {
        let mut after = 0;
        loop {
            let part = first_of_each(connection, sql, after)?;
            let counted = part
                .iter()
                .filter(|(endpoint, _)| counts(EndpointNumber(*endpoint)));
            oldest = oldest
                .into_iter()
                .chain(counted.filter_map(|(endpoint, at)| {
                    let resumed_at = resumed.get(endpoint).copied();
                    at.map(|at| at.max(resumed_at.unwrap_or(at)))
                }))
                .min();
            match part.last() {
                Some((endpoint, _)) if part.len() == PART => after = *endpoint,
                _ => break,
            }
        }
    }
    Ok(oldest.map(Timestamp::from_micros))
}

/// Returns the ends of the last pauses, by endpoint: what waited is due since then.
fn resumed(connection: &Connection) -> rusqlite::Result<HashMap<i64, i64>> {
    connection
        .prepare_cached(
            "SELECT n, resumed_at FROM endpoint WHERE resumed_at IS NOT NULL AND deleted_at IS NULL",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Returns all that `read` finds, reading [`PART`] rows at a time.
fn in_parts<T>(
    read: impl Fn(i64) -> Result<Vec<T>, StoreError>,
    number: impl Fn(&T) -> i64,
) -> Result<Vec<T>, StoreError> {
    let mut all: Vec<T> = Vec::new();
    loop {
        let part = read(all.last().map_or(0, &number))?;
        let is_last = part.len() < PART;
        all.extend(part);
        if is_last {
            return Ok(all);
        }
    }
}

fn enabled(connection: &Connection, after: i64) -> rusqlite::Result<Vec<(Target, EndpointRest)>> {
    let sql = format!(
        "SELECT {}, {} FROM endpoint WHERE n > ?1 AND disabled IS NULL AND deleted_at IS NULL
         ORDER BY n LIMIT {PART}",
        endpoint_rows::TARGET,
        endpoint_rows::rest_columns!("")
    );
    connection
        .prepare_cached(&sql)?
        .query_map([after], |row| {
            let mut columns = Columns::of(row);
            Ok((
                endpoint_rows::target(&mut columns)?,
                endpoint_rows::rest(&mut columns)?,
            ))
        })?
        .collect()
}

fn first_of_each(
    connection: &Connection,
    sql: &str,
    after: i64,
) -> rusqlite::Result<Vec<(i64, Option<i64>)>> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut found: Vec<(i64, Option<i64>)> = Vec::new();
    while found.len() < PART {
        let last = found.last().map_or(after, |(endpoint, _)| *endpoint);
        let next = statement.query_row([last], |row| Ok((row.get(0)?, row.get(1)?)));
        match next.optional()? {
            Some(next) => found.push(next),
            None => break,
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No step may sort or scan: it would read the whole queue.
    #[test]
    fn each_step_is_one_search_in_its_index() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(include_str!("../../../../schema.sql"))
            .unwrap();
        let cases = [
            (FIRST_FRESH, "event_fresh"),
            (FIRST_RETRY, "event_retry"),
            (FIRST_REDELIVERY, "event_redelivery"),
            (OLDEST_FRESH, "event_fresh"),
        ];
        for (sql, index) in cases {
            let plan: Vec<String> = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .unwrap()
                .query_map([0], |row| row.get(3))
                .unwrap()
                .collect::<Result<_, _>>()
                .unwrap();
            let [step] = &plan[..] else {
                panic!("{plan:?}");
            };
            assert!(step.starts_with("SEARCH event USING "), "{step}");
            assert!(
                step.ends_with(&format!("INDEX {index} (endpoint>?)")),
                "{step}"
            );
        }
    }
}
