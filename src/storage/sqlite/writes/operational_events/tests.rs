//! The tests of operational events in a store: their number in a flood, and their effect on a full database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::*;
use crate::domain::access::Visibility;
use crate::domain::clock::{Clock, ManualClock, Timestamp};
use crate::domain::endpoint::EndpointSettings;
use crate::domain::event_type::EventType;
use crate::domain::message::NewMessage;
use crate::storage::sqlite::sealing;
use crate::storage::sqlite::writer::operation::Operation;
use crate::storage::sqlite::writer::test_context::TestContext;
use crate::storage::sqlite::writes::record_attempt::RecordAttempt;
use crate::storage::sqlite::{SqliteSettings, SqliteStore};
use crate::storage::{
    AttemptRecord, Queue, QueuedEvent, Run, Seq, Store, Verdict, WorkspaceNumber,
};

const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn name(text: &str) -> WorkspaceName {
    WorkspaceName::parse(text).unwrap()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < end, "waiting for {what}");
        std::thread::yield_now();
    }
}

fn message(workspace_id: Uuid) -> NewMessage {
    NewMessage::new(
        workspace_id,
        EventType::parse("a").unwrap(),
        RawValue::from_string("1".to_owned()).unwrap(),
    )
}

fn record(event: QueuedEvent, verdict: Verdict, now: Timestamp) -> AttemptRecord {
    AttemptRecord {
        event,
        verdict,
        decided_at: now,
        code: Some(if verdict == Verdict::Gone { 410 } else { 500 }),
        error: None,
        response: None,
        duration_ms: 1,
        rest: None,
    }
}

#[test]
fn ten_thousand_events_that_fail_in_a_minute_are_one_message_and_then_another() {
    const EVENTS: usize = 10_000;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.db");
    let clock = Arc::new(ManualClock::new(START));
    let settings = SqliteSettings {
        disable_after: 0,
        operator_workspace: Some(name("operations")),
        ..SqliteSettings::default()
    };
    let store = SqliteStore::open(&file, settings, clock.clone()).unwrap();
    let workspace = store.create_workspace(name("shop")).wait().unwrap();
    let url = EndpointUrl::from_stored("https://a.example/secret".to_owned());
    let new = crate::domain::endpoint::NewEndpoint::new(workspace.id, EndpointSettings::raw(url));
    store.create_endpoint(new).wait().unwrap();
    // The queue of the writer has an end.
    for _ in 0..EVENTS / 1000 {
        let publishes: Vec<_> = (0..1000)
            .map(|_| store.publish(message(workspace.id)))
            .collect();
        for publish in publishes {
            publish.wait().unwrap();
        }
    }
    for event in store.fresh(EndpointNumber(1), Seq(0), EVENTS).unwrap() {
        store.record(record(event, Verdict::Failed, clock.now()));
    }
    let other = Connection::open(&file).unwrap();
    let number = |sql: &str| -> i64 { other.query_row(sql, [], |row| row.get(0)).unwrap() };
    let failed = "SELECT count(*) FROM event WHERE state = 3";
    wait_until("the records", || {
        number(failed) == i64::try_from(EVENTS).unwrap()
    });
    let told = "SELECT count(*) FROM message m JOIN event_type t ON t.n = m.type
         WHERE t.name = 'hookpost.event.failed'";
    assert_eq!(number(told), 1);
    clock.advance(Duration::from_mins(9));
    assert_eq!(number(told), 1);
    clock.advance(Duration::from_mins(1));
    wait_until("the second message", || number(told) == 2);
    let body: String = other
        .query_row(
            "SELECT CAST(body AS TEXT) FROM message ORDER BY seq DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert!(body.contains("\"count\":9999"), "{body}");
    store.stop();
}

/// A database with the operator's workspace, another one, its endpoint and its event.
fn database() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    sealing::install(&connection, &Arc::default()).unwrap();
    connection
        .execute_batch(include_str!("../../../../../schema.sql"))
        .unwrap();
    connection
        .execute_batch(
            "PRAGMA foreign_keys = OFF;
             INSERT INTO workspace (n, id, name, created_at)
             VALUES (1, x'00000000000000000000000000000001', 'operations', 0),
                    (2, x'00000000000000000000000000000002', 'shop', 0);
             INSERT INTO endpoint (n, id, workspace, url, format, secret, events, created_at)
             VALUES (1, x'00000000000000000000000000000011', 2, 'https://a.example/', 0, 's', '*', 0);
             INSERT INTO event_type (n, name) VALUES (1, 'a');
             INSERT INTO message (seq, id, workspace, type, created_at, first_event, events)
             VALUES (1, x'00000000000000000000000000000021', 2, 1, 0, 1, 1);
             INSERT INTO event (seq, id, message, endpoint, workspace, type, format, state, run,
                                run_attempt, attempts, created_at)
             VALUES (1, x'00000000000000000000000000000031', 1, 1, 2, 1, 0, 0, 1, 0, 0, 0);",
        )
        .unwrap();
    connection
}

fn in_context(operator: Option<u128>, is_size_limit_reached: bool) -> TestContext {
    TestContext {
        now: START,
        operator: operator.map(Uuid::from_u128),
        is_size_limit_reached,
    }
}

fn messages(connection: &Connection) -> i64 {
    let sql = "SELECT count(*) FROM message";
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_full_database_leaves_the_message_out_and_records_the_attempt() {
    for (is_full, expected) in [(true, 1), (false, 3)] {
        let connection = database();
        let event = QueuedEvent {
            seq: Seq(1),
            id: Uuid::from_u128(0x31),
            endpoint: EndpointNumber(1),
            workspace: WorkspaceNumber(2),
            event_type: 1,
            run: Run(1),
            run_attempt: 0,
            run_started: START,
            attempts: 0,
            body: None,
        };
        let mut operation = RecordAttempt {
            record: record(event, Verdict::Gone, START),
            disable_after: 10,
        };
        let applied =
            in_context(Some(1), is_full).call(&connection, |context| operation.apply(context));
        applied.unwrap();
        // Of the disabled endpoint and of the failed event.
        assert_eq!(messages(&connection), expected);
        let sql = "SELECT count(*) FROM delivery JOIN endpoint WHERE disabled = 1";
        let recorded: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(recorded, 1);
    }
}

#[test]
fn a_workspace_is_told_if_it_wants_to_and_the_operator_is_told_which_it_is() {
    let connection = database();
    let tell = |workspace: i64, operator: Option<u128>| {
        let before = messages(&connection);
        let data = |of: Option<&WorkspaceFacts>| {
            let of = of.map_or("null".to_owned(), |it| format!("\"{}\"", it.name));
            RawValue::from_string(of).unwrap()
        };
        // Number 0 stands for all workspaces.
        let workspace = Some(workspace).filter(|workspace| *workspace > 0);
        in_context(operator, false)
            .call(&connection, |context| {
                tell_workspace(context, workspace, OperationalType::JobFinished, data)
            })
            .unwrap();
        messages(&connection) - before
    };
    assert_eq!((tell(2, None), tell(0, None)), (0, 0));
    assert_eq!(tell(0, Some(1)), 1);
    assert_eq!(tell(2, Some(1)), 1);
    assert_eq!(tell(1, Some(1)), 0, "the operator's own");
    assert_eq!(tell(99, Some(1)), 0, "there is no such workspace");
    connection
        .execute("UPDATE workspace SET operational_events = 1", [])
        .unwrap();
    assert_eq!(tell(2, Some(1)), 2);
    assert_eq!(tell(2, None), 1);
    let last = "SELECT CAST(body AS TEXT) FROM message ORDER BY seq DESC LIMIT 1";
    let body: String = connection.query_row(last, [], |row| row.get(0)).unwrap();
    assert!(
        body.contains("\"hookpost.job.finished\"") && body.contains("\"data\":null"),
        "{body}"
    );
}

#[test]
fn the_operators_workspace_is_made_once_and_an_existing_one_is_taken() {
    let connection = database();
    let make = |text: &str| make_operator_workspace(&connection, &name(text), START).unwrap();
    assert_eq!(make("operations"), Uuid::from_u128(1));
    let made = make("new");
    assert_eq!(make("new"), made);
    let folder = tempfile::tempdir().unwrap();
    let settings = SqliteSettings {
        operator_workspace: Some(name("operations")),
        ..SqliteSettings::default()
    };
    let clock = Arc::new(ManualClock::new(START));
    let store = SqliteStore::open(&folder.path().join("test.db"), settings, clock).unwrap();
    let found = store.find_workspace_named("operations").unwrap();
    assert_eq!(store.find_workspace(Visibility::All, found.id), Ok(found));
    store.stop();
}
