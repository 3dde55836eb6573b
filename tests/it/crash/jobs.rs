//! The tests of jobs whose server is killed at each of their steps.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::server::{Server, Start, TestDir};
use crate::fixture::wait_until;
use crate::receiver::Receiver;

/// More events than a job lets go in many steps.
const EVENTS: u64 = 5_000;

/// A server with events that succeeded, and the path of the endpoint.
fn with_events(dir: &TestDir, receiver: &Receiver) -> (Server, String) {
    let server = dir.start();
    let endpoint = server.endpoint(&receiver.url("/a"), "raw");
    std::thread::scope(|scope| {
        for part in 0..10 {
            let server = &server;
            scope.spawn(move || {
                for number in 0..EVENTS / 10 {
                    server.published(&json!(part * EVENTS / 10 + number));
                }
            });
        }
    });
    server.wait_for_events("succeeded", EVENTS);
    (server, endpoint)
}

#[track_caller]
fn only_job(server: &Server) -> Value {
    let list = server.get("/api/webhooks/jobs").body;
    assert_eq!(list["meta"]["total"], 1, "{list}");
    list["data"][0].clone()
}

/// The number of times that the receiver got each event.
fn times(receiver: &Receiver) -> HashMap<String, usize> {
    let mut times = HashMap::new();
    for one in receiver.at("/a") {
        *times
            .entry(one.header("webhook-id").to_owned())
            .or_default() += 1;
    }
    times
}

#[test]
fn a_job_that_is_killed_at_its_steps_lets_each_event_go_once() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let (server, endpoint) = with_events(&dir, &receiver);
    let body = json!({"action": "redeliver", "filter": {
        "endpoint_id": [endpoint], "status": ["succeeded"],
    }});
    dir.arm("job-step abort 2");
    // It may die before it has answered.
    let _ = server.call("POST", "/api/webhooks/jobs", Some(&body));
    server.spawned.ended();
    dir.disarm();
    for point in [
        "commit abort 2",
        "committed-outcome abort 3",
        "job-step abort 3",
        "jobs-turn abort 2",
        "sent abort 20",
        "commit abort 9",
    ] {
        dir.check();
        dir.arm(point);
        dir.spawn(&Start::default()).ended();
        dir.disarm();
    }
    let server = dir.start();
    wait_until("the job", || only_job(&server)["state"] == "finished");
    let ended = only_job(&server);
    assert_eq!(
        (&ended["matched"], &ended["done"]),
        (&json!(EVENTS), &json!(EVENTS))
    );
    server.wait_for_events("succeeded", EVENTS);
    server.stop();
    dir.check();
    // A run was begun for each event once: the numbers of runs tell.
    let runs = "SELECT count(*) FROM event WHERE run <> seq AND attempts >= 2";
    assert_eq!(dir.number(runs), i64::try_from(EVENTS).unwrap());
    let begun = "SELECT (SELECT value FROM meta WHERE key = 'last_run') - max(seq) FROM event";
    assert_eq!(dir.number(begun), i64::try_from(EVENTS).unwrap());
    // At least once: an attempt that was under way at a kill is made again.
    let times = times(&receiver);
    assert_eq!(times.len() as u64, EVENTS);
    assert!(times.values().all(|times| *times >= 2));
}

#[test]
fn a_recovery_of_missing_messages_that_is_killed_makes_each_event_once() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    let endpoint = server.endpoint(&receiver.url("/a"), "raw");
    let path = format!("/api/webhooks/endpoints/{endpoint}");
    server
        .call("PATCH", &path, Some(&json!({"enabled": false})))
        .unwrap();
    for number in 0..250 {
        server.published(&json!(number));
    }
    server
        .call("PATCH", &path, Some(&json!({"enabled": true})))
        .unwrap();
    let body = json!({"action": "redeliver", "filter": {
        "endpoint_id": [endpoint], "status": ["missing"], "start_timestamp": "2001-01-01T00:00:00Z",
    }});
    dir.arm("job-step abort 2");
    // It may die before it has answered.
    let _ = server.call("POST", "/api/webhooks/jobs", Some(&body));
    server.spawned.ended();
    dir.disarm();
    dir.check();
    dir.arm("commit abort 6");
    dir.spawn(&Start::default()).ended();
    dir.disarm();
    dir.check();
    let server = dir.start();
    wait_until("the job", || only_job(&server)["state"] == "finished");
    assert_eq!(only_job(&server)["done"], 250);
    server.wait_for_events("succeeded", 250);
    server.stop();
    dir.check();
    assert_eq!(dir.number("SELECT count(*) FROM event"), 250);
    assert_eq!(times(&receiver).len(), 250);
}
