use proptest::prelude::*;
use rusqlite::{Connection, params};

use super::*;

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
