//! Dropping the bodies of messages and of their events.
//!
//! A row that becomes shorter leaves room on its page that nothing uses: `SQLite` merges pages only where rows are
//! deleted. So a row whose body is dropped is deleted and stored again without it. Rows of neighbours are deleted
//! together and then stored together, so that they share pages. (A table of which three quarters of the rows lost a
//! body of 300 bytes: 105 % of the pages of a compact one; with an update of the rows, 263 %.)

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::fail_point::{FailPoint, hit};
use crate::storage::sqlite::message_events::each_event;

/// A table whose rows have bodies, and the columns that are dropped.
struct BodyTable {
    name: &'static str,
    dropped: &'static str,
}

const MESSAGE: BodyTable = BodyTable {
    name: "message",
    dropped: "('body', 'trace')",
};
const EVENT: BodyTable = BodyTable {
    name: "event",
    dropped: "('body')",
};

/// Drops the bodies of these messages and of their events.
pub(crate) fn drop_bodies(connection: &Connection, messages: &[i64]) -> rusqlite::Result<()> {
    let mut events = Vec::new();
    let mut all = connection.prepare_cached(each_event!("e.seq, e.body IS NOT NULL", ""))?;
    for message in messages {
        let mut rows = all.query([message])?;
        while let Some(row) = rows.next()? {
            if row.get(1)? {
                events.push(row.get(0)?);
            }
        }
    }
    // Later events are far from the others.
    events.sort_unstable();
    store_again(connection, &EVENT, &events)?;
    hit(FailPoint::Archiving);
    store_again(connection, &MESSAGE, messages)
}

/// Stores rows again without their dropped columns.
fn store_again(connection: &Connection, table: &BodyTable, rows: &[i64]) -> rusqlite::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let BodyTable { name, dropped } = table;
    // The table's own list, so that a column that is new in some version is not lost.
    let columns: String = connection
        .prepare_cached(&format!(
            "SELECT group_concat(name, ', ') FROM pragma_table_info('{name}') WHERE name NOT IN {dropped}"
        ))?
        .query_row([], |row| row.get(0))?;
    let count = columns.split(',').count();
    let mut read =
        connection.prepare_cached(&format!("SELECT {columns} FROM {name} WHERE seq = ?1"))?;
    let mut delete = connection.prepare_cached(&format!("DELETE FROM {name} WHERE seq = ?1"))?;
    let mut kept: Vec<Vec<Value>> = Vec::with_capacity(rows.len());
    for seq in rows {
        let mut found = read.query([seq])?;
        if let Some(row) = found.next()? {
            kept.push((0..count).map(|at| row.get(at)).collect::<Result<_, _>>()?);
        }
    }
    for seq in rows {
        delete.execute([seq])?;
    }
    let marks = vec!["?"; count].join(", ");
    let mut insert =
        connection.prepare_cached(&format!("INSERT INTO {name} ({columns}) VALUES ({marks})"))?;
    for row in kept {
        insert.execute(params_from_iter(row))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::params;

    use super::*;

    fn all(connection: &Connection, sql: &str) -> Vec<Vec<Value>> {
        let mut statement = connection.prepare(sql).unwrap();
        let count = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..count).map(|at| row.get(at)).collect();
        let rows = statement.query_map([], row).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn only_bodies_are_dropped_and_the_pages_become_free() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(include_str!("../../../../schema.sql"))
            .unwrap();
        connection
            .execute_batch("PRAGMA foreign_keys = OFF")
            .unwrap();
        let body = vec![b'x'; 300];
        let numbers: Vec<i64> = (1..=2000).collect();
        for seq in &numbers {
            let id = seq.to_be_bytes();
            let message =
                "INSERT INTO message VALUES (?1, ?2, 1, 1, ?1, ?1, 1, 't', ?3, 'trace', ?1 % 2)";
            connection.execute(message, params![seq, id, body]).unwrap();
            let event = "INSERT INTO event VALUES (?1, ?2, ?1, 1, 1, 1, 1, 2, ?1, 1, 5, 1, 200, NULL, ?1, 7, ?3, NULL)";
            connection.execute(event, params![seq, id, body]).unwrap();
        }
        let without = "SELECT m.seq, m.id, m.workspace, m.type, m.created_at, first_event, events, timestamp, direct,
                e.seq, e.id, message, endpoint, e.workspace, e.type, format, state, run, run_attempt,
                run_started, attempts, code, due, e.created_at, modified_at
             FROM message m JOIN event e ON e.message = m.seq ORDER BY m.seq";
        let before = all(&connection, without);
        assert_eq!(before.len(), 2000);
        for some in numbers[..1500].chunks(100) {
            drop_bodies(&connection, some).unwrap();
        }
        assert_eq!(all(&connection, without), before);
        let left = "SELECT count(m.body), count(e.body), count(m.trace), min(m.seq)
             FROM message m JOIN event e ON e.message = m.seq WHERE m.body IS NOT NULL";
        let numbers = [500, 500, 500, 1501].map(Value::Integer);
        assert_eq!(all(&connection, left), [numbers.to_vec()]);
        let pages = |pragma: &str| -> i64 {
            connection
                .pragma_query_value(None, pragma, |row| row.get(0))
                .unwrap()
        };
        let used = pages("page_count") - pages("freelist_count");
        connection.execute_batch("VACUUM").unwrap();
        let compact = pages("page_count");
        assert!(used * 10 < compact * 12, "{used} of {compact}");
    }
}
