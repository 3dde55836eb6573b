//! The tests of reads that fail: after one failure the server reads again, after two it ends.

use serde_json::json;

use super::server::{Server, Start, TestDir};
use crate::receiver::Receiver;

#[track_caller]
fn assert_well(dir: &TestDir, server: Server, receiver: &Receiver, messages: u64) {
    server.published(&json!("after it"));
    server.wait_for_events("succeeded", messages + 1);
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(receiver.count("/a") as u64, messages + 1);
    server.stop();
    dir.check();
}

#[test]
fn a_read_that_fails_once_is_made_again() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    server.endpoint(&receiver.url("/a"), "raw");
    dir.arm("read fail 1 1");
    assert_eq!(server.get("/api/webhooks/endpoints").status, 200);
    assert!(server.spawned.log.wait("reading again", 1).is_some());
    dir.disarm();
    assert_well(&dir, server, &receiver, 0);
}

#[test]
fn a_read_that_fails_twice_ends_the_server() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    server.endpoint(&receiver.url("/a"), "raw");
    dir.arm("read fail");
    assert!(
        server
            .call("GET", "/api/webhooks/endpoints", None)
            .is_none()
    );
    let log = server.ended_itself();
    assert!(log.contains("cannot be read"), "{log}");
    dir.disarm();
    assert_well(&dir, dir.start(), &receiver, 0);
}

#[test]
fn a_group_that_cannot_read_once_is_written_all_the_same() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    server.endpoint(&receiver.url("/a"), "raw");
    dir.arm("read-for-write fail 1 1");
    server.published(&json!("kept"));
    dir.disarm();
    assert_eq!(server.get("/readyz").status, 200);
    assert_well(&dir, server, &receiver, 1);
}

#[test]
fn a_group_that_cannot_read_twice_ends_the_server_and_changes_nothing() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    server.endpoint(&receiver.url("/a"), "raw");
    let before = std::fs::read(&dir.database).unwrap();
    dir.arm("read-for-write fail");
    assert!(server.publish(&json!("refused")).is_none());
    let log = server.ended_itself();
    assert!(log.contains("cannot be read"), "{log}");
    assert!(std::fs::read(&dir.database).unwrap() == before);
    dir.disarm();
    assert_well(&dir, dir.start(), &receiver, 0);
}

#[test]
fn a_checkpoint_that_cannot_read_looks_again_and_then_ends_the_server() {
    let dir = TestDir::new();
    let server = dir.start();
    let data = json!("x".repeat(250_000));
    // Checkpoints are seconds apart.
    let many: i64 = 2000;
    dir.arm("read-log fail 1 1");
    let mut published: i64 = 0;
    while server.spawned.log.count("a pass of a checkpoint failed") == 0 {
        server.published(&data);
        published += 1;
        assert!(published < many);
    }
    dir.arm("read-log fail");
    let taken = (0..many).take_while(|_| server.publish(&data).is_some());
    assert!(taken.count() < 2000, "it is still there");
    let log = server.ended_itself();
    assert!(log.contains("cannot be read"), "{log}");
    dir.disarm();
    dir.start().stop();
    assert!(dir.number("SELECT count(*) FROM message") >= published);
    dir.check();
}

#[test]
fn a_start_that_cannot_read_once_looks_again() {
    for (point, starts) in [
        ("read fail 1 1", true),
        ("read fail 2 2", true),
        ("read fail", false),
    ] {
        let dir = TestDir::new();
        dir.arm(point);
        if starts {
            dir.start().stop();
        } else {
            let refused = dir.spawn(&Start::default());
            assert_eq!(refused.ended().code(), Some(1));
            let says = refused.log.whole();
            assert!(says.contains("is damaged"), "{says}");
        }
        dir.disarm();
        dir.check();
    }
}

#[test]
fn a_stop_that_cannot_read_once_looks_again() {
    let dir = TestDir::new();
    let server = dir.start();
    server.published(&json!("kept"));
    dir.arm("read-log fail 1 1");
    server.stop();
    assert_eq!(dir.log_bytes(), 0);
    assert_eq!(dir.number("SELECT count(*) FROM message"), 1);
    dir.check();
}
