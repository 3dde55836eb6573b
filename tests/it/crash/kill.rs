//! The test of a server that is killed at random moments under load.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use rand::RngExt;
use serde_json::json;

use super::server::{Server, Start, TestDir, event_ids};
use crate::receiver::Receiver;

/// Rounds unless the environment asks for more.
const ROUNDS: u32 = 20;

/// Threads that publish.
const PRODUCERS: usize = 4;

const FLAGS: [&str; 2] = [
    "--retry-schedule",
    // What fails in one round of two gets through in the next one, soon.
    "150ms,150ms,150ms,150ms,150ms,150ms,150ms,150ms,150ms,150ms,150ms,150ms,150ms,150ms,150ms,150ms",
];

fn rounds() -> u32 {
    let asked = std::env::var("HOOKPOST_SOAK_ROUNDS").ok();
    asked.map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// Publishes one number after the other until the server is gone, and reports what was accepted.
fn publish(server: &Server, next: &AtomicU64, accepted: &Sender<(u64, Vec<String>)>) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        match server.publish(&json!(number)) {
            Some(answer) if answer.status == 202 => {
                let _ = accepted.send((number, event_ids(&answer.body)));
            }
            Some(answer) => panic!("{answer:?}"),
            None => return,
        }
    }
}

/// Has the numbers of events, deliveries and messages go on just before the end of a block of counters. There is one
/// message so far.
fn leap(dir: &TestDir) {
    dir.open()
        .execute_batch(
            "PRAGMA foreign_keys = OFF;
             UPDATE message SET seq = 32468;
             UPDATE event SET message = 32468;
             UPDATE meta SET value = 32468 WHERE key = 'last_run';
             UPDATE delivery SET seq = 32468 WHERE seq = (SELECT max(seq) FROM delivery);",
        )
        .unwrap();
}

#[test]
fn a_server_killed_at_any_moment_loses_nothing_it_accepted() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let start = Start {
        flags: &FLAGS,
        ..Start::default()
    };
    let next = AtomicU64::new(0);
    let mut accepted: HashMap<u64, Vec<String>> = HashMap::new();
    let mut rng = rand::rng();
    let server = dir.start_with(&start);
    server.endpoint(&receiver.url("/steady"), "raw");
    server.endpoint(&receiver.url("/flaky"), "raw");
    let first = next.fetch_add(1, Ordering::Relaxed);
    accepted.insert(first, server.published(&json!(first)));
    server.wait_for_events("succeeded", 2);
    server.stop();
    leap(&dir);
    for round in 0..rounds() {
        if round % 5 == 4 {
            // In the middle of its start, or just after.
            let until = Instant::now() + Duration::from_micros(rng.random_range(0..80_000));
            let starting = dir.spawn(&start);
            while Instant::now() < until && starting.log.count("started") == 0 {
                std::thread::yield_now();
            }
            continue;
        }
        let server = dir.start_with(&start);
        // A refusal is no failure of the endpoint, so it does not rest.
        receiver.reply("/flaky", if round % 2 == 0 { 404 } else { 200 }, "");
        let enough = rng.random_range(1..100);
        let (report, reports) = channel();
        std::thread::scope(|scope| {
            for _ in 0..PRODUCERS {
                let (server, next, report) = (&server, &next, report.clone());
                scope.spawn(move || publish(server, next, &report));
            }
            drop(report);
            accepted.extend(reports.iter().take(enough));
            server.spawned.kill();
        });
        accepted.extend(reports);
    }
    receiver.reply("/flaky", 200, "");
    let server = dir.start_with(&start);
    server.wait_for_events("pending", 0);
    assert_eq!(server.events("failed") + server.events("skipped"), 0);
    server.stop();
    dir.check();
    assert_eq!(dir.number("SELECT count(*) FROM event WHERE state <> 2"), 0);
    for counters in ["event_count", "delivery_count", "message_count"] {
        let written = dir.number(&format!("SELECT count(*) FROM {counters}"));
        assert!(written > 0, "no block ended");
    }
    let indexed = "SELECT min(value) FROM meta WHERE key LIKE '%_indexed'";
    assert!(dir.number(indexed) > 0, "no block was indexed");
    assert_ids(&receiver, &accepted);
}

/// Each message came under one id per endpoint, and under the one that its producer was told.
fn assert_ids(receiver: &Receiver, accepted: &HashMap<u64, Vec<String>>) {
    for (at, path) in ["/steady", "/flaky"].into_iter().enumerate() {
        let mut ids: HashMap<u64, String> = HashMap::new();
        let mut bodies: HashMap<String, Vec<u8>> = HashMap::new();
        for received in receiver.at(path) {
            let body: serde_json::Value = serde_json::from_slice(&received.body).unwrap();
            let id = received.header("webhook-id").to_owned();
            let number = body["data"].as_u64().unwrap();
            let known = ids.entry(number).or_insert_with(|| id.clone());
            assert_eq!(*known, id, "{number} came under two ids");
            let known = bodies.entry(id).or_insert_with(|| received.body.clone());
            assert_eq!(*known, received.body, "{number} changed");
        }
        for (number, events) in accepted {
            let delivered = ids.get(number).map(String::as_str);
            assert_eq!(delivered, Some(events[at].as_str()), "{number} at {path}");
        }
    }
}
