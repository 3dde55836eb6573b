//! Signals that are no order to stop, and those that are.

use serde_json::json;

use super::server::Place;
use crate::receiver::Receiver;

#[test]
fn signals_that_are_no_order_to_stop_cut_off_no_attempt() {
    let place = Place::new();
    let receiver = Receiver::start();
    receiver.hold("/a");
    let server = place.start();
    server.endpoint(&receiver.url("/a"), "raw");
    server.published(&json!("once"));
    receiver.wait("/a", 1);
    for signal in ["-HUP", "-USR1", "-USR2", "-PIPE", "-XFSZ"] {
        server.signal(signal);
        assert_eq!(server.get("/readyz").status, 200, "{signal}");
    }
    receiver.let_go("/a");
    server.wait_for_events("succeeded", 1);
    server.stop();
    assert_eq!(receiver.count("/a"), 1);
    place.check();
}

#[test]
fn signals_that_stop_let_the_attempt_under_way_finish() {
    for signal in ["-TERM", "-INT", "-QUIT"] {
        let place = Place::new();
        let receiver = Receiver::start();
        receiver.hold("/a");
        let server = place.start();
        server.endpoint(&receiver.url("/a"), "raw");
        server.published(&json!("once"));
        receiver.wait("/a", 1);
        server.signal(signal);
        let log = server.spawned.log.wait("stopping", 1);
        assert!(log.is_some(), "{signal}: {}", server.spawned.log.whole());
        receiver.let_go("/a");
        assert_eq!(server.spawned.ended().code(), Some(0), "{signal}");
        place.check();
        let succeeded = "SELECT count(*) FROM event WHERE state = 2";
        assert_eq!(place.number(succeeded), 1, "{signal}");
        let server = place.start();
        server.stop_by(signal);
        assert_eq!(receiver.count("/a"), 1, "{signal}: made twice");
    }
}
