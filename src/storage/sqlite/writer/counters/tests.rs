//! Blocks that are completed, and counts that survive a rollback and a start.

use super::*;

/// Returns a database with endpoints 1, 7 and 8 in workspace 2.
fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch(include_str!("../../../../../schema.sql"))
        .unwrap();
    connection
        .execute(
            "INSERT INTO workspace (n, id, name, created_at) VALUES (2, x'02', 'w', 0)",
            [],
        )
        .unwrap();
    for n in [1, 7, 8] {
        connection
            .execute(
                "INSERT INTO endpoint (n, id, workspace, url, format, secret, events, created_at)
                 VALUES (?1, zeroblob(?1), 2, 'u', 0, 's', '', 0)",
                [n],
            )
            .unwrap();
    }
    connection
}

fn rows(connection: &Connection, table: &str) -> Vec<[i64; 5]> {
    connection
        .prepare(&format!(
            "SELECT * FROM {table} WHERE count <> 0 ORDER BY 1, 2, 3, 4"
        ))
        .unwrap()
        .query_map([], |row| {
            Ok([0, 1, 2, 3, 4].map(|column| row.get(column).unwrap()))
        })
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

fn commit(counters: &mut Counters, connection: &Connection) {
    counters.write(connection).unwrap();
    counters.committed();
}

#[test]
fn a_complete_block_counts_for_the_endpoint_its_workspace_and_the_server() {
    let connection = database();
    let mut counters = Counters::load(&connection).unwrap();
    counters.delivery(1, 7, 3, Some(204));
    counters.delivery(2, 7, 3, Some(200));
    commit(&mut counters, &connection);
    counters.delivery(BLOCK - 1, 8, 3, None);
    commit(&mut counters, &connection);
    assert!(rows(&connection, "delivery_count").is_empty());
    counters.delivery(BLOCK, 8, 3, Some(299));
    commit(&mut counters, &connection);
    let complete = [
        [0, -2, 3, 0, 1],
        [0, -2, 3, 2, 2],
        [0, 0, 3, 0, 1],
        [0, 0, 3, 2, 2],
        [0, 7, 3, 2, 2],
        [0, 8, 3, 0, 1],
    ];
    assert_eq!(rows(&connection, "delivery_count"), complete);
    commit(&mut counters, &connection);
    assert_eq!(rows(&connection, "delivery_count"), complete);
}

#[test]
fn one_group_may_end_several_blocks() {
    let connection = database();
    let mut counters = Counters::load(&connection).unwrap();
    counters.event(5, 1, 1, EventState::Fresh);
    commit(&mut counters, &connection);
    for seq in [6, BLOCK + 1, 3 * BLOCK] {
        counters.event(seq, 1, 1, EventState::Fresh);
    }
    commit(&mut counters, &connection);
    let server = |connection| -> Vec<_> {
        let rows = rows(connection, "event_count").into_iter();
        rows.filter(|row| row[1] == 0).collect()
    };
    assert_eq!(server(&connection), [[0, 0, 1, 0, 2], [1, 0, 1, 0, 1]]);
    // An event of a block that is complete, and one of the newest.
    counters.event_moved(6, 1, 1, EventState::Fresh, EventState::Succeeded);
    counters.event_moved(3 * BLOCK, 1, 1, EventState::Fresh, EventState::Failed);
    commit(&mut counters, &connection);
    let moved = [[0, 0, 1, 0, 1], [0, 0, 1, 2, 1], [1, 0, 1, 0, 1]];
    assert_eq!(server(&connection), moved);
    counters.event(4 * BLOCK, 1, 1, EventState::Fresh);
    commit(&mut counters, &connection);
    assert_eq!(server(&connection)[3], [3, 0, 1, 3, 1]);
}

#[test]
fn what_is_rolled_back_was_never_counted() {
    let mut connection = database();
    let mut counters = Counters::load(&connection).unwrap();
    counters.event(1, 1, 1, EventState::Fresh);
    commit(&mut counters, &connection);
    let transaction = connection.transaction().unwrap();
    counters.event(BLOCK, 1, 1, EventState::Fresh);
    counters.write(&transaction).unwrap();
    transaction.rollback().unwrap();
    counters.rolled_back();
    counters.event_moved(1, 1, 1, EventState::Fresh, EventState::Succeeded);
    counters.event_moved(1, 1, 1, EventState::Succeeded, EventState::Succeeded);
    counters.event(2, 1, 1, EventState::Fresh);
    commit(&mut counters, &connection);
    assert!(rows(&connection, "event_count").is_empty());
    counters.event(BLOCK, 1, 1, EventState::Fresh);
    commit(&mut counters, &connection);
    let of_endpoint: Vec<_> = rows(&connection, "event_count")
        .into_iter()
        .filter(|row| row[1] == 1)
        .collect();
    assert_eq!(of_endpoint, [[0, 1, 1, 0, 1], [0, 1, 1, 2, 1]]);
}

#[test]
fn the_newest_block_is_counted_again_at_the_start() {
    let connection = database();
    // Off, as for the writer: there are no events here.
    connection
        .pragma_update(None, "foreign_keys", false)
        .unwrap();
    let insert = "INSERT INTO delivery VALUES
        (?1, zeroblob(?1), 1, ?2, 2, 3, 1, 0, ?3, NULL, 5, ?1, NULL)";
    for (seq, endpoint, code) in [
        (BLOCK - 1, 7, None),
        (BLOCK, 7, Some(204)),
        (BLOCK + 1, 7, Some(299)),
        (BLOCK + 9, 8, None),
    ] {
        connection
            .execute(insert, params![seq, endpoint, code])
            .unwrap();
    }
    let mut counters = Counters::load(&connection).unwrap();
    counters.delivery(2 * BLOCK, 1, 3, None);
    commit(&mut counters, &connection);
    let of_endpoints: Vec<_> = rows(&connection, "delivery_count")
        .into_iter()
        .filter(|row| row[1] > 0)
        .collect();
    assert_eq!(of_endpoints, [[1, 7, 3, 2, 2], [1, 8, 3, 0, 1]]);
}

#[test]
fn pending_events_are_counted_through_blocks_rollbacks_and_starts() {
    let connection = database();
    connection
        .pragma_update(None, "foreign_keys", false)
        .unwrap();
    let mut counters = Counters::load(&connection).unwrap();
    for seq in [1, 2, 3, 4] {
        counters.event(seq, 1, 1, EventState::Fresh);
    }
    assert_eq!(counters.pending(), 0, "nothing is committed");
    commit(&mut counters, &connection);
    counters.event_moved(1, 1, 1, EventState::Fresh, EventState::Retry);
    counters.event_moved(2, 1, 1, EventState::Fresh, EventState::Succeeded);
    counters.event_moved(3, 1, 1, EventState::Fresh, EventState::Skipped);
    commit(&mut counters, &connection);
    assert_eq!(counters.pending(), 2);
    counters.event(5, 1, 1, EventState::Fresh);
    counters.rolled_back();
    commit(&mut counters, &connection);
    assert_eq!(counters.pending(), 2, "it was rolled back");
    counters.event(BLOCK, 7, 1, EventState::Fresh);
    commit(&mut counters, &connection);
    counters.event_moved(4, 1, 1, EventState::Fresh, EventState::Failed);
    commit(&mut counters, &connection);
    assert_eq!(counters.pending(), 2);
    // The newest block is counted by its rows: this is the only one.
    let insert = "INSERT INTO event VALUES
        (?1, zeroblob(?1), 1, 7, 2, 1, 0, 0, ?1, 0, NULL, 0, NULL, NULL, 0, NULL, NULL, NULL)";
    connection.execute(insert, [BLOCK]).unwrap();
    let started = Counters::load(&connection).unwrap();
    assert_eq!(started.pending(), 2);
}
