//! The tests of a step that is refused, and of one whose endpoint is gone.

use rusqlite::Connection;

use super::*;
use crate::storage::sqlite::writer::test_context::TestContext;

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// A database with a job on an endpoint that did not get one event, and missed one message.
fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch(include_str!("../../../../../../schema.sql"))
        .unwrap();
    connection
        .execute_batch(
            r#"PRAGMA foreign_keys = OFF;
             INSERT INTO workspace (n, id, name, created_at) VALUES (1, x'00000000000000000000000000000001', 'shop', 0);
             INSERT INTO endpoint (n, id, workspace, url, format, secret, events, created_at)
             VALUES (1, x'00000000000000000000000000000011', 1, 'https://a.example/', 0, 's', '*', 0);
             INSERT INTO event_type (n, name) VALUES (1, 'a');
             INSERT INTO message (seq, id, workspace, type, created_at, first_event, events, body)
             VALUES (1, x'00000000000000000000000000000021', 1, 1, 0, 1, 1, CAST('{"data":1}' AS BLOB)), (2, x'00000000000000000000000000000022', 1, 1, 0, 2, 0, CAST('{"data":2}' AS BLOB));
             INSERT INTO event (seq, id, message, endpoint, workspace, type, format, state, run,
                                run_attempt, attempts, created_at)
             VALUES (1, x'00000000000000000000000000000031', 1, 1, 1, 1, 0, 3, 1, 1, 1, 0);
             INSERT INTO job (n, id, action, filter, state, created_at, through_event, through_message,
                              subscriptions)
             VALUES (1, x'00000000000000000000000000000041', 0, '{"status":["failed","missing"]}', 0, 1, 1, 2, '*');
             INSERT INTO job_endpoint (job, endpoint) VALUES (1, 1);"#,
        )
        .unwrap();
    connection
}

fn step() -> JobStep {
    let from = Cursor {
        event: 0,
        message: 0,
    };
    JobStep {
        job: 1,
        endpoint: EndpointNumber(1),
        from,
        items: vec![Item::Event(Seq(1)), Item::Missing(2)],
        next: Cursor {
            event: 2,
            message: 3,
        },
        is_last: true,
    }
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn in_context<T>(
    connection: &Connection,
    is_size_limit_reached: bool,
    work: impl FnOnce(&mut WriteContext<'_>) -> T,
) -> T {
    let context = TestContext {
        now: NOW,
        operator: None,
        is_size_limit_reached,
    };
    context.call(connection, work)
}

#[test]
fn a_step_that_a_full_database_refuses_has_written_nothing() {
    let connection = database();
    in_context(&connection, true, |context| {
        let refused = make(context, &step());
        assert!(
            matches!(
                refused,
                Err(OperationError::Refused(StoreError::Unavailable(
                    Unavailable::SizeLimit
                )))
            ),
            "{refused:?}"
        );
        assert!(context.notices.is_empty());
    });
    let untouched = "SELECT count(*) FROM event WHERE state = 3 AND run = 1 AND job IS NULL";
    assert_eq!(number(&connection, untouched), 1);
    let result = in_context(&connection, false, |context| make(context, &step()));
    let done = StepResult {
        is_running: false,
        done: 2,
    };
    assert_eq!(result.unwrap(), done);
    assert_eq!(number(&connection, "SELECT count(*) FROM event"), 2);
}

#[test]
fn messages_of_an_endpoint_that_has_no_row_any_more_are_left_out() {
    let connection = database();
    connection.execute("DELETE FROM endpoint", []).unwrap();
    let items = vec![Item::Missing(2)];
    let result = in_context(&connection, false, |context| {
        make(context, &JobStep { items, ..step() })
    });
    assert_eq!(result.unwrap().done, 0);
    assert_eq!(number(&connection, "SELECT endpoint_deleted FROM job"), 1);
}
