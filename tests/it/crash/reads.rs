//! Reads that fail: once is made good by another look, twice ends the server.

use serde_json::json;

use super::server::{Place, Server, Start};
use crate::receiver::Receiver;

#[track_caller]
fn assert_well(place: &Place, server: Server, receiver: &Receiver, messages: u64) {
    server.published(&json!("after it"));
    server.wait_for_events("succeeded", messages + 1);
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(receiver.count("/a") as u64, messages + 1);
    server.stop();
    place.check();
}

#[test]
fn a_read_that_fails_once_is_made_again() {
    let place = Place::new();
    let receiver = Receiver::start();
    let server = place.start();
    server.endpoint(&receiver.url("/a"), "raw");
    place.arm("read fail 1 1");
    assert_eq!(server.get("/api/webhooks/endpoints").status, 200);
    assert!(server.spawned.log.wait("reading again", 1).is_some());
    place.disarm();
    assert_well(&place, server, &receiver, 0);
}

#[test]
fn a_read_that_fails_twice_ends_the_server() {
    let place = Place::new();
    let receiver = Receiver::start();
    let server = place.start();
    server.endpoint(&receiver.url("/a"), "raw");
    place.arm("read fail");
    assert!(
        server
            .call("GET", "/api/webhooks/endpoints", None)
            .is_none()
    );
    let log = server.ended_itself();
    assert!(log.contains("cannot be read"), "{log}");
    place.disarm();
    assert_well(&place, place.start(), &receiver, 0);
}

#[test]
fn a_group_that_cannot_read_once_is_written_all_the_same() {
    let place = Place::new();
    let receiver = Receiver::start();
    let server = place.start();
    server.endpoint(&receiver.url("/a"), "raw");
    place.arm("read-for-write fail 1 1");
    server.published(&json!("kept"));
    place.disarm();
    assert_eq!(server.get("/readyz").status, 200);
    assert_well(&place, server, &receiver, 1);
}

#[test]
fn a_group_that_cannot_read_twice_ends_the_server_and_changes_nothing() {
    let place = Place::new();
    let receiver = Receiver::start();
    let server = place.start();
    server.endpoint(&receiver.url("/a"), "raw");
    let before = std::fs::read(&place.database).unwrap();
    place.arm("read-for-write fail");
    assert!(server.publish(&json!("refused")).is_none());
    let log = server.ended_itself();
    assert!(log.contains("cannot be read"), "{log}");
    assert!(std::fs::read(&place.database).unwrap() == before);
    place.disarm();
    assert_well(&place, place.start(), &receiver, 0);
}

#[test]
fn a_checkpoint_that_cannot_read_looks_again_and_then_ends_the_server() {
    let place = Place::new();
    let server = place.start();
    let data = json!("x".repeat(250_000));
    // Checkpoints are seconds apart.
    let many: i64 = 2000;
    place.arm("read-log fail 1 1");
    let mut published: i64 = 0;
    while server.spawned.log.count("a pass of a checkpoint failed") == 0 {
        server.published(&data);
        published += 1;
        assert!(published < many);
    }
    place.arm("read-log fail");
    let taken = (0..many).take_while(|_| server.publish(&data).is_some());
    assert!(taken.count() < 2000, "it is still there");
    let log = server.ended_itself();
    assert!(log.contains("cannot be read"), "{log}");
    place.disarm();
    place.start().stop();
    assert!(place.number("SELECT count(*) FROM message") >= published);
    place.check();
}

#[test]
fn a_start_that_cannot_read_once_looks_again() {
    for (point, starts) in [
        ("read fail 1 1", true),
        ("read fail 2 2", true),
        ("read fail", false),
    ] {
        let place = Place::new();
        place.arm(point);
        if starts {
            place.start().stop();
        } else {
            let refused = place.spawn(&Start::default());
            assert_eq!(refused.ended().code(), Some(1));
            let says = refused.log.whole();
            assert!(says.contains("is damaged"), "{says}");
        }
        place.disarm();
        place.check();
    }
}

#[test]
fn a_stop_that_cannot_read_once_looks_again() {
    let place = Place::new();
    let server = place.start();
    server.published(&json!("kept"));
    place.arm("read-log fail 1 1");
    server.stop();
    assert_eq!(place.log_bytes(), 0);
    assert_eq!(place.number("SELECT count(*) FROM message"), 1);
    place.check();
}
