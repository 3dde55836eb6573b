//! The tests of a disk that is full or fails, and recovers.

use std::collections::HashSet;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::server::{Answer, Server, Start, TestDir, assert_database_not_ready, event_ids};
use crate::fixture::wait_until;
use crate::receiver::Receiver;

/// The faults of a disk at a commit, and the API's words for each.
const TROUBLES: [(&str, &str); 2] = [
    ("full", "the disk is full"),
    ("fail", "the disk reports errors"),
];

#[track_caller]
fn assert_refused(answer: &Answer, says: &str) {
    assert_eq!(answer.status, 503, "{}", answer.body);
    let expected = json!({"error": "Unavailable", "detail": format!("{says}; nothing was stored")});
    assert_eq!(answer.body, expected);
    assert_eq!(answer.retry_after.as_deref(), Some("30"));
}

fn is_ready(server: &Server) -> bool {
    server.get("/readyz").status == 200
}

#[test]
fn publishes_are_refused_while_the_disk_fails_and_it_is_noticed_when_it_does_not() {
    for (trouble, says) in TROUBLES {
        let dir = TestDir::new();
        let receiver = Receiver::start();
        let server = dir.start();
        server.endpoint(&receiver.url("/a"), "raw");
        assert!(is_ready(&server));
        dir.arm(&format!("commit {trouble}"));
        for _ in 0..3 {
            assert_refused(&server.publish(&json!("lost")).unwrap(), says);
            assert_database_not_ready(&server.get("/readyz"), says);
        }
        assert_eq!(server.get("/healthz").status, 200);
        assert_eq!(server.events("pending"), 0, "reading works");
        dir.disarm();
        // Nobody sends a refused server anything, so it finds out by itself.
        wait_until("recovery", || is_ready(&server));
        server.published(&json!("kept"));
        server.wait_for_events("succeeded", 1);
        server.stop();
        dir.check();
        assert_eq!(dir.number("SELECT count(*) FROM message"), 1);
        assert_eq!(receiver.count("/a"), 1);
    }
}

#[test]
fn a_disk_that_neither_writes_nor_fails_is_noticed() {
    let dir = TestDir::new();
    let server = dir.start();
    assert!(is_ready(&server));
    dir.arm("sync-log hold");
    std::thread::scope(|scope| {
        let held = scope.spawn(|| server.publish(&json!("held")).unwrap());
        wait_until("a server that is not ready", || !is_ready(&server));
        assert_database_not_ready(&server.get("/readyz"), "the disk does not finish a write");
        let line = "neither finished nor failed";
        wait_until("the line of the log", || server.spawned.log.count(line) > 0);
        assert_eq!(server.spawned.log.count(line), 1);
        dir.disarm();
        assert_eq!(held.join().unwrap().status, 202);
    });
    wait_until("a server that is ready", || is_ready(&server));
    let line = "the disk goes on";
    wait_until("the line of the log", || server.spawned.log.count(line) > 0);
    assert_eq!(server.spawned.log.count(line), 1);
    server.stop();
    dir.check();
    assert_eq!(dir.number("SELECT count(*) FROM message"), 1);
}

#[test]
fn attempt_records_wait_for_the_disk_and_nothing_is_sent_twice() {
    for (trouble, says) in TROUBLES {
        let dir = TestDir::new();
        let receiver = Receiver::start();
        receiver.hold("/a");
        let server = dir.start();
        server.endpoint(&receiver.url("/a"), "raw");
        for n in 0..20 {
            server.published(&json!(n));
        }
        dir.arm(&format!("commit-outcome {trouble}"));
        receiver.let_go("/a");
        wait_until("trouble", || !is_ready(&server));
        assert_database_not_ready(&server.get("/readyz"), says);
        // Messages are not attempt records: each is stored or refused, and its producer knows.
        let mut accepted = 20;
        for n in 0..10 {
            match server.publish(&json!(n)).unwrap() {
                Answer { status: 202, .. } => accepted += 1,
                refused => assert_refused(&refused, says),
            }
        }
        assert_eq!(dir.number("SELECT count(*) FROM delivery"), 0);
        dir.disarm();
        server.wait_for_events("succeeded", accepted);
        assert!(is_ready(&server));
        server.stop();
        dir.check();
        assert_eq!(
            receiver.count("/a") as u64,
            accepted,
            "nothing was sent twice"
        );
    }
}

/// The most attempt records that may wait for the disk: `Limits::PRODUCTION.unrecorded`.
const UNRECORDED_MAX: usize = 4096;

#[test]
fn deliveries_pause_while_too_many_attempt_records_wait() {
    const ENDPOINTS: usize = 50;
    const MESSAGES: usize = 85;
    let dir = TestDir::new();
    let receiver = Receiver::start();
    receiver.hold("/a");
    let server = dir.start();
    for _ in 0..ENDPOINTS {
        server.endpoint(&receiver.url("/a"), "raw");
    }
    for n in 0..MESSAGES {
        server.published(&json!(n));
    }
    dir.arm("commit-outcome full");
    receiver.let_go("/a");
    wait_until("as many attempts as may be unrecorded", || {
        receiver.count("/a") >= UNRECORDED_MAX
    });
    // The writer tries again every half a second; whatever was to be sent meanwhile would have been.
    let tries = "a group of writes failed";
    let so_far = server.spawned.log.count(tries);
    server.spawned.log.wait(tries, so_far + 3).unwrap();
    assert_eq!(receiver.count("/a"), UNRECORDED_MAX);
    assert_eq!(dir.number("SELECT count(*) FROM delivery"), 0);
    dir.disarm();
    let all = ENDPOINTS * MESSAGES;
    server.wait_for_events("succeeded", all as u64);
    server.stop();
    dir.check();
    assert_eq!(receiver.count("/a"), all, "nothing was sent twice");
}

/// Publishes with eight producers until the log tells of a group that failed; returns the messages that were accepted.
/// `publish` gets the number of its producer and of the producer's messages so far, and returns how many it published.
pub(super) fn publish_until_a_group_fails(
    server: &Server,
    publish: impl Fn(usize, usize) -> usize + Sync,
) -> usize {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let publishing: Vec<_> = (0..8)
            .map(|producer| {
                let (publish, done) = (&publish, &done);
                scope.spawn(move || {
                    let mut accepted = 0;
                    while !done.load(Ordering::Relaxed) {
                        accepted += publish(producer, accepted);
                    }
                    accepted
                })
            })
            .collect();
        let failed = server.spawned.log.wait("trying them one by one", 5);
        done.store(true, Ordering::Relaxed);
        assert!(failed.is_some());
        publishing.into_iter().map(|one| one.join().unwrap()).sum()
    })
}

#[test]
fn a_group_that_fails_is_taken_apart_and_each_message_stored() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    server.endpoint(&receiver.url("/a"), "raw");
    dir.arm("commit-group fail");
    let accepted = publish_until_a_group_fails(&server, |producer, accepted| {
        server.published(&json!([producer, accepted]));
        1
    });
    dir.disarm();
    server.wait_for_events("succeeded", accepted as u64);
    server.stop();
    dir.check();
    let messages: HashSet<String> = receiver
        .at("/a")
        .iter()
        .map(|one| one.header("webhook-id").to_owned())
        .collect();
    assert_eq!(messages.len(), accepted);
    assert_eq!(receiver.count("/a"), accepted, "nothing was sent twice");
}

/// Publishes until the disk takes no more, not even small ones; answers what it took.
fn fill(server: &Server) -> Vec<String> {
    let mut accepted = Vec::new();
    for data in [json!("x".repeat(100_000)), json!("x")] {
        loop {
            let answer = server.publish(&data).expect("an answer");
            if answer.status == 202 {
                accepted.extend(event_ids(&answer.body));
                assert!(accepted.len() < 10_000, "the limit is not reached");
                continue;
            }
            assert_eq!(answer.status, 503, "{}", answer.body);
            let detail = answer.body["detail"].as_str().unwrap();
            assert!(detail.ends_with("; nothing was stored"), "{detail}");
            assert_eq!(answer.retry_after.as_deref(), Some("30"));
            break;
        }
    }
    accepted
}

#[test]
fn a_file_that_may_not_grow_is_a_disk_that_is_full() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    receiver.hold("/a");
    // Blocks of 512 bytes or of 1024, as the shell pleases. A soft limit can be lifted again.
    let server = dir.start_with(&Start {
        shell: Some("ulimit -S -f 4096"),
        ..Start::default()
    });
    server.endpoint(&receiver.url("/a"), "raw");
    let accepted = fill(&server);
    assert!(!is_ready(&server));
    let detail = server.get("/readyz").body["detail"].clone();
    assert!(
        detail.as_str().unwrap().starts_with("the disk "),
        "{detail}"
    );
    receiver.let_go("/a");
    let pid = server.spawned.id().to_string();
    let lifted = Command::new("prlimit")
        .args(["--pid", &pid, "--fsize=unlimited:"])
        .status();
    let server = if lifted.is_ok_and(|status| status.success()) {
        wait_until("recovery", || is_ready(&server));
        server
    } else {
        // Without the tool, only a new process has other limits.
        server.spawned.kill();
        dir.start()
    };
    server.published(&json!("after it"));
    server.wait_for_events("succeeded", accepted.len() as u64 + 1);
    server.stop();
    dir.check();
    let data = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["data"].clone();
    let received = receiver.at("/a");
    assert!(received.iter().any(|one| data(&one.body) == "after it"));
    let ids: HashSet<&str> = received
        .iter()
        .map(|one| one.header("webhook-id"))
        .collect();
    assert!(accepted.iter().all(|id| ids.contains(id.as_str())));
    assert_eq!(
        ids.len(),
        accepted.len() + 1,
        "nothing that was refused is sent"
    );
}
