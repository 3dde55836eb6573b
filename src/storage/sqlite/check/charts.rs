//! The rows of charts. They count attempts that may be deleted, so nothing tells what they must be; but a row can be
//! one that the writer never makes.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::batches::{Corrected, transaction};
use super::examination::Examination;
use super::problem::Kind;
use crate::storage::sqlite::latency_column;
use crate::storage::sqlite::writer::charts::PERIODS;

/// The rows that are deleted in one transaction.
const BATCH: usize = 1000;

/// The statement that reads all rows.
const ROWS: &str =
    "SELECT period, start, scope, succeeded, failed, retried, latency FROM delivery_chart";

/// The key of a row.
type RowKey = (i64, i64, i64);

/// Checks the rows.
pub(super) fn check(connection: &Connection, out: &mut Examination) -> rusqlite::Result<()> {
    let mut select = connection.prepare(ROWS)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        if !is_possible(row)? {
            let (period, start, scope) = key(row)?;
            let name = || format!("period {period}, start {start}, scope {scope}");
            out.found.note(Kind::WrongChart, name);
        }
    }
    Ok(())
}

/// Deletes the rows that the writer never makes: a chart without them shows less.
pub(super) fn correct(connection: &Connection, done: &mut Corrected) -> rusqlite::Result<()> {
    loop {
        let keys = impossible(connection)?;
        transaction(connection, || {
            let mut delete = connection.prepare_cached(
                "DELETE FROM delivery_chart WHERE period = ?1 AND start = ?2 AND scope = ?3",
            )?;
            for key in &keys {
                delete.execute(*key)?;
            }
            Ok(())
        })?;
        done.add(Kind::WrongChart, keys.len() as u64);
        if keys.len() < BATCH {
            return Ok(());
        }
    }
}

/// Returns the keys of some rows that the writer never makes.
fn impossible(connection: &Connection) -> rusqlite::Result<Vec<RowKey>> {
    let mut keys = Vec::new();
    let mut select = connection.prepare(ROWS)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()?
        && keys.len() < BATCH
    {
        if !is_possible(row)? {
            keys.push(key(row)?);
        }
    }
    Ok(keys)
}

fn key(row: &Row<'_>) -> rusqlite::Result<RowKey> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

/// Reports whether the writer could have made a row.
fn is_possible(row: &Row<'_>) -> rusqlite::Result<bool> {
    let (period, start, _) = key(row)?;
    let count = |at| -> rusqlite::Result<Option<u64>> {
        Ok(match row.get_ref(at)? {
            ValueRef::Integer(count) => u64::try_from(count).ok(),
            _ => None,
        })
    };
    let (Some(succeeded), Some(failed), Some(retried)) = (count(3)?, count(4)?, count(5)?) else {
        return Ok(false);
    };
    let attempts = succeeded.saturating_add(failed);
    let latency = match row.get_ref(6)? {
        ValueRef::Blob(bytes) => latency_column::decode(bytes),
        _ => None,
    };
    Ok(PERIODS.contains(&period)
        && start.rem_euclid(period) == 0
        && retried <= attempts
        && latency.is_some_and(|latency| latency.count() <= attempts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_the_writer_never_makes_are_found_and_deleted() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(include_str!("../../../../schema.sql"))
            .unwrap();
        let rows = [
            // Sound ones.
            "1, 7, 0, 3, 1, 1, x'0503'",
            "15, 30, -1, 0, 1, 0, x''",
            "120, -120, 4, 1, 0, 0, x'3F01'",
            // Period, start, counts, histogram.
            "2, 8, 0, 3, 1, 1, x'0503'",
            "15, 7, 0, 3, 1, 1, x'0503'",
            "1, 8, 0, -3, 4, 1, x''",
            "1, 9, 0, 3, 4, 8, x''",
            "1, 10, 0, 'three', 4, 0, x''",
            "1, 11, 0, 3, 4, 0, x'05'",
            "1, 12, 0, 3, 4, 0, x'0508'",
            "1, 13, 0, 3, 4, 0, ''",
        ];
        for row in rows {
            let insert = format!("INSERT INTO delivery_chart VALUES ({row})");
            connection.execute_batch(&insert).unwrap();
        }
        let found = || {
            let mut out = Examination::default();
            check(&connection, &mut out).unwrap();
            out.found
        };
        assert_eq!(found().count(Kind::WrongChart), 8);
        correct(&connection, &mut Corrected::default()).unwrap();
        assert!(!found().has(Kind::WrongChart));
        let left = "SELECT count(*) FROM delivery_chart";
        let left: i64 = connection.query_row(left, [], |row| row.get(0)).unwrap();
        assert_eq!(left, 3);
    }
}
