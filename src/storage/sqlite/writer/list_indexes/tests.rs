use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::{Connection, params};

use super::*;
use crate::domain::clock::{Clock, SystemClock};
use crate::storage::sqlite::{SqliteSettings, SqliteStore};

const THROUGH: &str = "SELECT value FROM meta WHERE key = 'delivery_indexed'";

/// A group of the writer, or a restart.
#[derive(Clone, Debug)]
enum Step {
    /// A group with rows at these distances from each other.
    Commit(Vec<i64>),
    /// The same, and the transaction is rolled back.
    RollBack(Vec<i64>),
    /// The server is stopped, however that comes, and started.
    Restart,
}

fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch(include_str!("../../../../../schema.sql"))
        .unwrap();
    connection
        .pragma_update(None, "foreign_keys", false)
        .unwrap();
    connection
}

/// Inserts a delivery of one of 40 endpoints in seven workspaces.
fn insert(connection: &Connection, seq: i64) {
    connection
        .prepare_cached(
            "INSERT INTO delivery VALUES (?1, zeroblob(?1), 1, ?2, ?3, ?4, 1, 1, 200, NULL, 5, 0, NULL)",
        )
        .unwrap()
        .execute(params![seq, seq * 7 % 40, seq * 7 % 40 % 7, seq % 3])
        .unwrap();
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Returns the number of rows that differ between the table and each index, up to the mark.
fn differences(connection: &Connection) -> [i64; 3] {
    [
        ("delivery_of_workspace", "workspace, seq"),
        ("delivery_of_endpoint", "endpoint, seq, type"),
        ("delivery_of_type", "workspace, type, seq"),
    ]
    .map(|(index, columns)| {
        let through = "seq <= (SELECT value FROM meta WHERE key = 'delivery_indexed')";
        let rows = format!("SELECT {columns} FROM delivery WHERE {through}");
        let entries = format!("SELECT {columns} FROM {index} WHERE {through}");
        let except = |a, b| {
            number(
                connection,
                &format!("SELECT count(*) FROM ({a} EXCEPT {b})"),
            )
        };
        except(&rows, &entries) + except(&entries, &rows)
    })
}

fn distances() -> impl Strategy<Value = Vec<i64>> {
    let distance = prop_oneof![8 => 1..4_i64, 1 => 1..BATCH_ROWS / 4];
    prop::collection::vec(distance, 0..40)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => distances().prop_map(Step::Commit),
        3 => distances().prop_map(Step::RollBack),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_rows_up_to_the_number_are_in_and_few_are_beyond(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let mut connection = database();
        let mut indexes = ListIndexes::load(&connection).unwrap();
        let mut newest = 0;
        for step in steps {
            let (distances, kept) = match step {
                Step::Commit(distances) => (distances, true),
                Step::RollBack(distances) => (distances, false),
                Step::Restart => {
                    indexes = ListIndexes::load(&connection).unwrap();
                    continue;
                }
            };
            let transaction = connection.transaction().unwrap();
            let mut last = newest;
            for distance in &distances {
                last += distance;
                insert(&transaction, last);
            }
            indexes.advance(&transaction).unwrap();
            if kept {
                transaction.commit().unwrap();
                let group = last - newest;
                newest = last;
                let through = number(&connection, THROUGH);
                prop_assert!(through <= newest);
                // A batch, what comes while it is added, and what came since it was cut short.
                prop_assert!(newest - through < 4 * BATCH_ROWS + group, "{} {}", through, newest);
            } else {
                transaction.rollback().unwrap();
                indexes = ListIndexes::load(&connection).unwrap();
            }
            prop_assert_eq!(differences(&connection), [0; 3]);
        }
    }
}

#[test]
fn a_batch_is_added_piece_by_piece_behind_the_rows() {
    let mut connection = database();
    let mut indexes = ListIndexes::load(&connection).unwrap();
    let through = |connection: &Connection| number(connection, THROUGH);
    let entries =
        |connection: &Connection| number(connection, "SELECT count(*) FROM delivery_of_workspace");
    let mut largest = 0;
    let group = 50;
    for first in (1..=4 * BATCH_ROWS).step_by(50) {
        let before = entries(&connection);
        let transaction = connection.transaction().unwrap();
        for seq in first..first + group {
            insert(&transaction, seq);
        }
        indexes.advance(&transaction).unwrap();
        transaction.commit().unwrap();
        let newest = first + group - 1;
        assert!(entries(&connection) - before <= PACE * group);
        if newest < BATCH_ROWS {
            assert_eq!(entries(&connection), 0);
        }
        largest = largest.max(newest - through(&connection));
        assert_eq!(through(&connection) % BATCH_ROWS, 0);
    }
    assert!(through(&connection) >= 2 * BATCH_ROWS);
    // A batch has three entries a row.
    assert!(
        largest <= BATCH_ROWS + BATCH_ROWS * 3 / PACE + 2 * group,
        "{largest}"
    );
    assert_eq!(differences(&connection), [0; 3]);
}

#[test]
fn a_batch_that_was_cut_short_is_added_again() {
    let connection = database();
    let add = |rows: std::ops::Range<i64>| rows.for_each(|seq| insert(&connection, seq));
    add(1..BATCH_ROWS + 1);
    let mut cut_short = ListIndexes::load(&connection).unwrap();
    let middle = BATCH_ROWS + 1 + BATCH_ROWS * 3 / 8;
    add(BATCH_ROWS + 1..middle);
    cut_short.advance(&connection).unwrap();
    let entries = "SELECT count(*) FROM delivery_of_endpoint";
    assert_eq!(number(&connection, entries), BATCH_ROWS / 2);
    let mut indexes = ListIndexes::load(&connection).unwrap();
    add(middle..middle + BATCH_ROWS * 3 / 4);
    indexes.advance(&connection).unwrap();
    assert_eq!(number(&connection, THROUGH), BATCH_ROWS);
    assert_eq!(differences(&connection), [0; 3]);
}

#[test]
fn rows_do_not_pile_up_over_runs_that_are_too_short_for_a_batch() {
    let connection = database();
    let mut newest = 0;
    while newest < 6 * BATCH_ROWS {
        let mut indexes = ListIndexes::load(&connection).unwrap();
        for _ in 0..20 {
            for _ in 0..20 {
                newest += 1;
                insert(&connection, newest);
            }
            indexes.advance(&connection).unwrap();
        }
    }
    let missing = newest - number(&connection, THROUGH);
    assert!(missing < 2 * BATCH_ROWS + 400, "{missing}");
    assert_eq!(differences(&connection), [0; 3]);
}

/// Returns the differences between messages and their list index and counters, up to the mark.
fn message_differences(connection: &Connection) -> [i64; 2] {
    let within = "seq <= (SELECT value FROM meta WHERE key = 'message_indexed')";
    let each = |scope: &str| {
        format!(
            "SELECT seq / 32768, {scope}, type, events > 0, count(*) FROM message WHERE {within}
             GROUP BY 1, 2, 3, 4"
        )
    };
    [
        (
            format!("SELECT workspace, seq, type FROM message WHERE {within}"),
            format!(
                "SELECT workspace, seq, type FROM message_of_workspace
                 WHERE {within} AND seq NOT IN (SELECT seq FROM message_tombstone)"
            ),
        ),
        (
            format!("{} UNION ALL {}", each("0"), each("-workspace")),
            "SELECT * FROM message_count WHERE count <> 0".to_owned(),
        ),
    ]
    .map(|(rows, stored)| {
        let except = |a: &str, b: &str| {
            let sql =
                format!("SELECT count(*) FROM (SELECT * FROM ({a}) EXCEPT SELECT * FROM ({b}))");
            number(connection, &sql)
        };
        except(&rows, &stored) + except(&stored, &rows)
    })
}

/// Messages are deleted and get their first event behind the mark, within the batch that is being added, and after it.
#[test]
fn messages_are_counted_as_far_as_they_are_in_the_index() {
    let mut random = StdRng::seed_from_u64(1);
    let mut connection = database();
    let mut indexes = ListIndexes::load(&connection).unwrap();
    let (mut last, mut marks) = (0, BTreeSet::new());
    for group in 0..250 {
        let transaction = connection.transaction().unwrap();
        let before = last;
        for _ in 0..random.random_range(0..150) {
            last += 1;
            transaction
                .prepare_cached("INSERT INTO message VALUES (?1, zeroblob(?1), ?2, ?3, 0, 1, ?4, NULL, NULL, NULL, 0)")
                .unwrap()
                .execute(params![last, last % 7 + 1, last % 3, last % 2])
                .unwrap();
        }
        for _ in 0..random.random_range(0..40) {
            let seq = random.random_range(1..=last.max(1));
            let row = transaction
                .query_row(
                    "SELECT workspace, type, events FROM message WHERE seq = ?1",
                    [seq],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?)),
                )
                .ok();
            let Some((workspace, event_type, events)) = row else {
                continue;
            };
            if events == 0 && random.random() {
                let sql = "UPDATE message SET events = 1 WHERE seq = ?1";
                transaction.execute(sql, [seq]).unwrap();
                indexes.message_routed(seq, workspace, event_type);
            } else {
                let sql = "DELETE FROM message WHERE seq = ?1";
                transaction.execute(sql, [seq]).unwrap();
                let sql = "INSERT INTO message_tombstone VALUES (?1, ?2)";
                transaction.execute(sql, [seq, workspace]).unwrap();
                indexes.message_deleted(seq, workspace, event_type, events > 0);
            }
        }
        indexes.advance(&transaction).unwrap();
        if group % 20 == 19 {
            transaction.rollback().unwrap();
            indexes = ListIndexes::load(&connection).unwrap();
            last = before;
        } else {
            transaction.commit().unwrap();
        }
        marks.insert(number(
            &connection,
            "SELECT value FROM meta WHERE key = 'message_indexed'",
        ));
        assert_eq!(message_differences(&connection), [0, 0], "{group}");
    }
    assert!(marks.len() > 2, "{marks:?}");
}

/// A file of an earlier version has messages, and no entry of any.
#[test]
fn a_server_without_work_fills_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let open = || {
        let clock = Arc::new(SystemClock::new());
        SqliteStore::open(&path, SqliteSettings::default(), clock).unwrap()
    };
    open().stop();
    let file = Connection::open(&path).unwrap();
    file.pragma_update(None, "foreign_keys", false).unwrap();
    let newest = 5 * BATCH_ROWS;
    file.execute(
        "WITH RECURSIVE n (seq) AS (VALUES (1) UNION ALL SELECT seq + 1 FROM n WHERE seq < ?1)
         INSERT INTO message SELECT seq, CAST(seq AS BLOB), 1, 1, ?2 + seq, 1, seq % 2, NULL, NULL, NULL, 0 FROM n",
        [newest, SystemClock::new().now().micros()],
    )
    .unwrap();
    let store = open();
    let mark = || {
        number(
            &file,
            "SELECT value FROM meta WHERE key = 'message_indexed'",
        )
    };
    let end = Instant::now() + Duration::from_mins(1);
    while newest - mark() >= 2 * BATCH_ROWS {
        assert!(Instant::now() < end, "{}", mark());
        std::thread::yield_now();
    }
    assert_eq!(message_differences(&file), [0, 0]);
    store.stop();
}
