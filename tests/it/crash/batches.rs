//! The tests of batches whose server is killed, or whose disk fails, at each of their steps: all messages or none.

use std::os::unix::process::ExitStatusExt;

use serde_json::{Value, json};

use super::disk::publish_until_a_group_fails;
use super::server::{Answer, Server, TestDir};
use crate::receiver::Receiver;

const BATCH: &str = "/api/webhooks/events/batch";

/// A batch of 100 messages, of which each has a key.
fn batch() -> Value {
    let messages = (0..100).map(
        |number| json!({"type": "a", "data": number, "idempotency_key": format!("key-{number}")}),
    );
    json!({"messages": messages.collect::<Vec<_>>()})
}

#[track_caller]
fn assert_aborted(dir: &TestDir, server: &Server) {
    assert_eq!(server.spawned.ended().signal(), Some(6));
    dir.disarm();
    dir.check();
}

/// The data that the receiver got, in its order, each once.
fn data(receiver: &Receiver) -> Vec<Value> {
    let mut all = Vec::new();
    for received in receiver.at("/a") {
        let data = serde_json::from_slice::<Value>(&received.body).unwrap()["data"].clone();
        if !all.contains(&data) {
            all.push(data);
        }
    }
    all
}

#[test]
fn a_batch_that_is_killed_is_there_as_a_whole_or_not_at_all() {
    for (point, stored) in [
        ("batch-message abort 1", 0),
        ("batch-message abort 57", 0),
        ("batch-message abort 100", 0),
        ("commit-publish abort", 0),
        ("committed-publish abort", 100),
    ] {
        let dir = TestDir::new();
        let receiver = Receiver::start();
        let server = dir.start();
        server.endpoint(&receiver.url("/a"), "raw");
        dir.arm(point);
        assert!(
            server.call("POST", BATCH, Some(&batch())).is_none(),
            "{point}"
        );
        assert_aborted(&dir, &server);
        for table in ["message", "event", "idempotency"] {
            let sql = format!("SELECT count(*) FROM {table}");
            assert_eq!(dir.number(&sql), stored, "{point}: {table}");
        }
        // The client sends it again, as it got no answer.
        let server = dir.start();
        let answer = server.call("POST", BATCH, Some(&batch())).unwrap();
        assert_eq!(answer.status, 202, "{point}");
        let replayed = answer.body["data"].as_array().unwrap().iter();
        let replayed = replayed.filter(|one| one["replayed"] == true).count();
        assert_eq!(i64::try_from(replayed).unwrap(), stored, "{point}");
        server.wait_for_events("succeeded", 100);
        server.stop();
        dir.check();
        let expected: Vec<Value> = (0..100).map(|number| json!(number)).collect();
        let mut received = data(&receiver);
        received.sort_by_key(Value::as_u64);
        assert_eq!(received, expected, "{point}");
    }
}

#[test]
fn a_batch_in_a_group_that_fails_is_made_again_by_itself_as_a_whole() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    server.endpoint(&receiver.url("/a"), "raw");
    dir.arm("commit-group full");
    let accepted = publish_until_a_group_fails(&server, |producer, accepted| {
        let message = |place| json!({"type": "a", "data": [producer, accepted + place]});
        let messages: Vec<Value> = (0..3).map(message).collect();
        let body = json!({"messages": messages});
        let answer = server.call("POST", BATCH, Some(&body)).unwrap();
        assert_eq!(answer.status, 202, "{}", answer.body);
        3
    });
    dir.disarm();
    server.wait_for_events("succeeded", accepted as u64);
    server.stop();
    dir.check();
    assert_eq!(
        data(&receiver).len(),
        accepted,
        "each once, and none is lost"
    );
}

#[test]
fn a_batch_on_a_full_disk_is_refused_as_a_whole() {
    let dir = TestDir::new();
    let server = dir.start();
    // The writes of a start are over then, which must not fail.
    server.published(&json!("before"));
    dir.arm("commit full");
    let answer = server.call("POST", BATCH, Some(&batch())).unwrap();
    assert_eq!(
        (answer.status, &answer.body["error"]),
        (503, &json!("Unavailable"))
    );
    dir.disarm();
    let answer = server.call("POST", BATCH, Some(&batch())).unwrap();
    assert_eq!(answer.status, 202);
    assert!(
        answer.body["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["replayed"] == false)
    );
    server.stop();
    dir.check();
    assert_eq!(dir.number("SELECT count(*) FROM message"), 101);
}

/// Publishes a batch to a server that ends at the second sync of the log. Returns the server with its answer.
fn batch_within_one_sync(dir: &TestDir) -> (Server, Option<Answer>) {
    let server = dir.start();
    // No endpoint, so that nothing else is written.
    server.published(&json!("the token was looked up"));
    dir.arm("sync-log abort 2");
    let answer = server.call("POST", BATCH, Some(&batch()));
    (server, answer)
}

#[test]
fn a_batch_costs_one_sync() {
    // The server writes by itself within some milliseconds of its start. On a busy machine that may come in between.
    let (dir, server, answer) = (0..5)
        .find_map(|_| {
            let dir = TestDir::new();
            let (server, answer) = batch_within_one_sync(&dir);
            answer.map(|answer| (dir, server, answer))
        })
        .expect("a batch has one sync");
    assert_eq!(answer.status, 202);
    dir.arm("sync-log abort 1");
    let other = json!({"messages": [{"type": "a", "data": 1}]});
    assert!(
        server.call("POST", BATCH, Some(&other)).is_none(),
        "a batch has a sync"
    );
    assert_eq!(server.spawned.ended().signal(), Some(6));
    dir.disarm();
    dir.check();
}
