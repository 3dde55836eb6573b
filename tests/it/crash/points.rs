//! The tests of a server that is killed between each pair of steps, and started again.

use std::collections::HashSet;
use std::os::unix::process::ExitStatusExt;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::server::{Server, Start, TestDir, event_ids, text};
use crate::fixture::wait_until;
use crate::receiver::{Received, Receiver};

/// The signal with which `abort` ends a process.
const SIGABRT: i32 = 6;

/// Waits until the fail point has killed it, and heals the folder.
#[track_caller]
fn assert_aborted(dir: &TestDir, server: &Server) {
    assert_eq!(server.spawned.ended().signal(), Some(SIGABRT));
    dir.disarm();
}

fn data(received: &Received) -> Value {
    serde_json::from_slice::<Value>(&received.body).unwrap()["data"].clone()
}

#[test]
fn before_the_commit_nothing_of_the_message_is_there() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    server.endpoint(&receiver.url("/a"), "raw");
    server.endpoint(&receiver.url("/b"), "discord");
    dir.arm("commit-publish abort");
    assert!(server.publish(&json!("lost")).is_none());
    assert_aborted(&dir, &server);
    dir.check();
    assert_eq!(dir.number("SELECT count(*) FROM message"), 0);
    let server = dir.start();
    server.published(&json!("kept"));
    server.wait_for_events("succeeded", 2);
    assert_eq!(receiver.at("/a").len() + receiver.at("/b").len(), 2);
    server.stop();
    dir.check();
}

#[test]
fn after_the_commit_the_message_is_delivered_although_nobody_was_told() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    server.endpoint(&receiver.url("/a"), "raw");
    dir.arm("committed-publish abort");
    assert!(server.publish(&json!("kept")).is_none());
    assert_aborted(&dir, &server);
    assert!(receiver.at("/a").is_empty(), "nobody heard of it yet");
    let server = dir.start();
    server.wait_for_events("succeeded", 1);
    assert_eq!(data(&receiver.at("/a")[0]), "kept");
    server.stop();
    dir.check();
}

/// Kills a server over one attempt; answers what came, then and after the next start, and how many
/// attempts were recorded in between.
fn killed_over_an_attempt(point: &str) -> (Vec<Received>, i64) {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    server.endpoint(&receiver.url("/a"), "raw");
    dir.arm(point);
    // The attempt begins with the commit, so the end may be faster than the answer.
    let _ = server.publish(&json!("once"));
    assert_aborted(&dir, &server);
    assert_eq!(receiver.at("/a").len(), 1);
    dir.check();
    let recorded = dir.number("SELECT count(*) FROM delivery");
    let server = dir.start();
    server.published(&json!("after it"));
    server.wait_for_events("succeeded", 2);
    server.stop();
    dir.check();
    let received = receiver.at("/a");
    assert_eq!(data(received.last().unwrap()), "after it");
    (received, recorded)
}

#[test]
fn after_the_send_the_event_is_sent_again_with_its_id_and_body() {
    for point in ["sent abort", "commit-outcome abort"] {
        let (received, recorded) = killed_over_an_attempt(point);
        assert_eq!(recorded, 0, "{point}");
        assert_eq!(received.len(), 3, "{point}");
        let id = |at: usize| received[at].header("webhook-id");
        assert_eq!(id(0), id(1), "{point}");
        assert_eq!(received[0].body, received[1].body, "{point}");
        assert_ne!(id(1), id(2), "{point}");
    }
}

#[test]
fn after_the_record_the_event_is_not_sent_again() {
    let (received, recorded) = killed_over_an_attempt("committed-outcome abort");
    assert_eq!(recorded, 1);
    assert_eq!(received.len(), 2);
}

#[test]
fn while_the_database_is_made_the_next_start_makes_it() {
    for point in [
        "database-made abort",
        "database-marked abort",
        "migrating abort",
    ] {
        let mut dir = TestDir::empty();
        dir.arm(point);
        let died = dir.run(&["token", "create", "--workspace", "w"]);
        assert_eq!(died.status.signal(), Some(SIGABRT), "{point}");
        dir.disarm();
        assert!(dir.database.exists(), "{point}");
        // An operator may look at what is there; so does the next start.
        assert_eq!(
            dir.number("SELECT count(*) FROM sqlite_schema"),
            0,
            "{point}"
        );
        let starting = dir.start();
        starting.stop();
        dir.make_token();
        let receiver = Receiver::start();
        let server = dir.start();
        server.endpoint(&receiver.url("/a"), "raw");
        server.published(&json!(1));
        server.wait_for_events("succeeded", 1);
        server.stop();
        dir.check();
        assert_eq!(dir.number("PRAGMA auto_vacuum"), 2, "{point}");
    }
}

/// A new file whose first transaction is cut off in the middle: with half of its pages, and the rollback
/// journal that undoes them.
fn cut_off_at_first_write(dir: &TestDir) {
    let whole = dir.path().join("whole.db");
    let connection = Connection::open(&whole).unwrap();
    let script = "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA cache_size = 1; PRAGMA user_version = 0;
        BEGIN IMMEDIATE; CREATE TABLE t (x); INSERT INTO t VALUES (1);";
    connection.execute_batch(script).unwrap();
    for _ in 0..100 {
        let row = "INSERT INTO t VALUES (randomblob(3000))";
        connection.execute(row, []).unwrap();
    }
    std::fs::copy(&whole, &dir.database).unwrap();
    let journal = dir.path().join("whole.db-journal");
    std::fs::copy(journal, dir.beside("-journal")).unwrap();
    assert!(std::fs::metadata(&dir.database).unwrap().len() > 0);
    assert!(std::fs::metadata(dir.beside("-journal")).unwrap().len() > 0);
}

#[test]
fn where_the_first_write_was_cut_off_the_next_start_or_tool_makes_the_database() {
    let dir = TestDir::empty();
    cut_off_at_first_write(&dir);
    let made = dir.run(&["token", "create", "--workspace", "w"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let mut dir = TestDir::empty();
    cut_off_at_first_write(&dir);
    dir.start().stop();
    dir.make_token();
    let server = dir.start();
    server.published(&json!("taken"));
    server.stop();
    dir.check();
}

/// Makes the file one of the first version, with numbers in many blocks of counters.
fn age(dir: &TestDir) {
    let first = include_str!("../../../src/storage/sqlite/file/migrations/1.sql");
    let made = |start: &str, end: &str| {
        let from = first.find(start).unwrap();
        let length = first[from..].find(end).unwrap() + end.len();
        &first[from..from + length]
    };
    let mut changes = String::from(
        "PRAGMA foreign_keys = OFF;
         UPDATE message SET first_event = first_event * 40000;
         UPDATE event SET seq = -seq * 40000, run = run * 40000;
         UPDATE event SET seq = -seq;
         UPDATE delivery SET seq = -seq * 30000, event = event * 40000;
         UPDATE delivery SET seq = -seq;
         DELETE FROM meta WHERE key LIKE '%_indexed';
         DROP INDEX token_parent;
         ALTER TABLE token DROP COLUMN parent;
         ALTER TABLE token DROP COLUMN origin;
         ALTER TABLE endpoint DROP COLUMN name;
         ALTER TABLE endpoint DROP COLUMN description;
         ALTER TABLE message DROP COLUMN trace;
         ALTER TABLE message DROP COLUMN direct;
         DROP TABLE revoked_admin;
         DROP TABLE event_tombstone;
         DROP TABLE delivery_tombstone;
         DROP INDEX message_unrouted;
         DROP TABLE delivery_chart;
         DROP TABLE old_secret;
         DROP TABLE message_of_workspace;
         DROP TABLE message_tombstone;
         DROP TABLE message_count;
         DROP TABLE later_event;
         DROP TABLE message_tags;
         DROP TABLE job;
         DROP TABLE job_endpoint;
         DROP INDEX event_job;
         DROP INDEX event_redelivery;
         DROP INDEX event_unhappy;
         DROP INDEX event_unhappy_endpoint;
         CREATE INDEX event_unhappy ON event (workspace, state, seq, type) WHERE state IN (3, 4);
         CREATE INDEX event_unhappy_endpoint ON event (endpoint, state, seq, type) WHERE state IN (3, 4);
         ALTER TABLE event DROP COLUMN job;
         CREATE INDEX event_redelivery ON event (endpoint, seq) WHERE state = 1 AND run_attempt = 0;
         DROP INDEX endpoint_untold;
         DROP INDEX endpoint_old_backlog;
         DROP INDEX endpoint_key;
         ALTER TABLE endpoint DROP COLUMN key;
         ALTER TABLE endpoint DROP COLUMN metadata;
         ALTER TABLE endpoint DROP COLUMN headers;
         ALTER TABLE endpoint DROP COLUMN policy;
         ALTER TABLE endpoint DROP COLUMN paused;
         ALTER TABLE endpoint DROP COLUMN resumed_at;
         ALTER TABLE endpoint DROP COLUMN filter;
         ALTER TABLE endpoint DROP COLUMN health_epoch;
         ALTER TABLE endpoint DROP COLUMN rests;
         ALTER TABLE endpoint DROP COLUMN resting_until;
         ALTER TABLE endpoint DROP COLUMN held_until;
         ALTER TABLE endpoint DROP COLUMN last_success_at;
         ALTER TABLE endpoint DROP COLUMN last_failure_at;
         ALTER TABLE endpoint DROP COLUMN warned_at;
         ALTER TABLE endpoint DROP COLUMN failed_told_at;
         ALTER TABLE endpoint DROP COLUMN failed_untold;
         ALTER TABLE endpoint DROP COLUMN backlog_told_at;
         ALTER TABLE workspace DROP COLUMN operational_events;
         ALTER TABLE workspace DROP COLUMN unrouted_archived_through;
         DELETE FROM meta
         WHERE key IN ('last_message', 'last_event', 'last_delivery', 'delivery_charted');
         ALTER TABLE workspace DROP COLUMN archive_after;
         ALTER TABLE workspace DROP COLUMN delete_after;
         ALTER TABLE workspace DROP COLUMN archived_through;
         PRAGMA user_version = 1;",
    );
    for table in ["event", "delivery"] {
        let counters = made(&format!("CREATE TABLE {table}_count "), "WITHOUT ROWID;");
        changes.push_str(&["DROP TABLE ", table, "_count;", counters].concat());
        for key in ["workspace", "endpoint", "type"] {
            let index = made(&format!("CREATE INDEX {table}_by_{key} "), ");");
            changes.push_str(&["DROP TABLE ", table, "_of_", key, ";", index].concat());
        }
    }
    dir.open().execute_batch(&changes).unwrap();
}

#[test]
fn while_an_older_file_is_brought_up_to_date_it_stays_as_it_was() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    server.endpoint(&receiver.url("/a"), "raw");
    for number in 0..12 {
        server.published(&json!(number));
    }
    server.wait_for_events("succeeded", 12);
    server.stop();
    dir.check();
    age(&dir);
    dir.arm("migrating abort");
    let died = dir.run(&["token", "create", "--workspace", "w"]);
    let signal = died.status.signal();
    assert_eq!(signal, Some(SIGABRT), "{}", text(&died.stderr));
    dir.disarm();
    assert_eq!(dir.number("PRAGMA user_version"), 1);
    assert_eq!(dir.number("SELECT count(hour) FROM event_count"), 0);
    let server = dir.start();
    assert_eq!(server.events("succeeded"), 12);
    server.published(&json!("after it"));
    server.wait_for_events("succeeded", 13);
    server.stop();
    assert_eq!(dir.number("PRAGMA user_version"), 14);
    let indexed = "SELECT count(*) FROM event_of_endpoint";
    assert!(dir.number(indexed) >= 12);
    assert!(dir.number("SELECT count(*) FROM event_count") > 12);
    dir.check();
}

#[test]
fn while_archiving_a_message_keeps_all_its_bodies_or_none() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    server.endpoint(&receiver.url("/raw"), "raw");
    server.endpoint(&receiver.url("/slack"), "slack");
    let events = server.published(&json!({"id": 1}));
    server.wait_for_events("succeeded", 2);
    server.stop();
    let aged = "UPDATE message SET created_at = created_at - 3600000000";
    dir.open().execute(aged, []).unwrap();
    let bodies = "SELECT (SELECT count(body) FROM message) + (SELECT count(body) FROM event)";
    let archives = Start {
        flags: &["--archive-after", "30m"],
        ..Start::default()
    };
    dir.arm("archiving abort");
    let dies = dir.spawn(&archives);
    assert_eq!(dies.ended().signal(), Some(SIGABRT));
    dir.disarm();
    dir.check();
    assert_eq!(dir.number(bodies), 2);
    let server = dir.start_with(&archives);
    for event in events {
        let path = format!("/api/webhooks/events/{event}");
        wait_until("the archive", || {
            server.get(&path).body["is_archived"] == true
        });
        assert_eq!(server.get(&path).body["payload"], json!(null));
    }
    server.stop();
    dir.check();
    assert_eq!(dir.number(bodies), 0);
}

/// More pending events of one endpoint than one step of a sweep takes.
const BACKLOG: u64 = 1100;

/// A server with [`BACKLOG`] events for an endpoint that hangs.
fn backlog(dir: &TestDir, receiver: &Receiver) -> (Server, String) {
    receiver.hold("/a");
    let server = dir.start();
    let endpoint = server.endpoint(&receiver.url("/a"), "raw");
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| (0..BACKLOG / 10).for_each(|n| drop(server.published(&json!(n)))));
        }
    });
    (server, format!("/api/webhooks/endpoints/{endpoint}"))
}

#[test]
fn while_an_endpoint_is_being_disabled_it_is_disabled_or_not() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let (server, path) = backlog(&dir, &receiver);
    dir.arm("commit abort");
    let off = json!({"enabled": false});
    assert!(server.call("PATCH", &path, Some(&off)).is_none());
    assert_aborted(&dir, &server);
    dir.check();
    assert_eq!(dir.number("SELECT count(*) FROM event WHERE state = 4"), 0);
    receiver.let_go("/a");
    let server = dir.start();
    assert_eq!(server.get(&path).body["enabled"], true);
    server.wait_for_events("succeeded", BACKLOG);
    server.stop();
    dir.check();
}

#[test]
fn while_a_disabled_endpoint_is_swept_what_is_left_is_swept_later_and_never_sent() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let (server, path) = backlog(&dir, &receiver);
    // A step passes the point twice, for fresh events and for retries: this is in the second step.
    dir.arm("sweeping abort 3");
    let off = json!({"enabled": false});
    // The steps may be faster than the answer.
    let _ = server.call("PATCH", &path, Some(&off));
    assert_aborted(&dir, &server);
    dir.check();
    let swept = dir.number("SELECT count(*) FROM event WHERE state = 4");
    assert!(
        swept > 0 && swept < i64::try_from(BACKLOG).unwrap(),
        "{swept}"
    );
    let sent = ids(&receiver);
    receiver.let_go("/a");
    let server = dir.start();
    assert_eq!(server.get(&path).body["enabled"], false);
    server.wait_for_events("skipped", BACKLOG);
    // Whatever is sent from now on comes after anything that was left.
    let on = json!({"enabled": true});
    server.call("PATCH", &path, Some(&on)).unwrap();
    server.published(&json!("after it"));
    server.wait_for_events("succeeded", 1);
    server.stop();
    dir.check();
    assert_eq!(ids(&receiver).len(), sent.len() + 1);
}

fn ids(receiver: &Receiver) -> HashSet<String> {
    let id = |one: &Received| one.header("webhook-id").to_owned();
    receiver.at("/a").iter().map(id).collect()
}

#[test]
fn between_the_passes_of_a_checkpoint_nothing_is_lost() {
    // Twenty megabytes of log start one.
    let large = "x".repeat(200_000);
    for point in ["checkpoint-pass abort", "checkpoint-end abort"] {
        let dir = TestDir::new();
        let receiver = Receiver::start();
        receiver.hold("/a");
        let server = dir.start();
        server.endpoint(&receiver.url("/a"), "raw");
        dir.arm(point);
        let mut accepted = HashSet::new();
        while let Some(answer) = server.publish(&json!(large)) {
            accepted.extend(event_ids(&answer.body));
            assert!(accepted.len() < 1000, "{point} is not reached");
        }
        assert_aborted(&dir, &server);
        dir.check();
        receiver.let_go("/a");
        let server = dir.start();
        server.wait_for_events("pending", 0);
        server.stop();
        dir.check();
        assert!(accepted.is_subset(&ids(&receiver)), "{point}");
    }
}
