//! The tests of signals: those that stop the server, and those that do not.

use serde_json::json;

use super::server::{Start, TestDir};
use crate::receiver::Receiver;

#[test]
fn signals_that_are_no_order_to_stop_cut_off_no_attempt() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    receiver.hold("/a");
    let server = dir.start();
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
    dir.check();
}

#[test]
fn signals_that_stop_let_the_attempt_under_way_finish() {
    for signal in ["-TERM", "-INT", "-QUIT"] {
        let dir = TestDir::new();
        let receiver = Receiver::start();
        receiver.hold("/a");
        let server = dir.start();
        server.endpoint(&receiver.url("/a"), "raw");
        server.published(&json!("once"));
        receiver.wait("/a", 1);
        server.signal(signal);
        let log = server.spawned.log.wait("stopping", 1);
        assert!(log.is_some(), "{signal}: {}", server.spawned.log.whole());
        receiver.let_go("/a");
        assert_eq!(server.spawned.ended().code(), Some(0), "{signal}");
        dir.check();
        let succeeded = "SELECT count(*) FROM event WHERE state = 2";
        assert_eq!(dir.number(succeeded), 1, "{signal}");
        let server = dir.start();
        server.stop_by(signal);
        assert_eq!(receiver.count("/a"), 1, "{signal}: made twice");
    }
}

#[test]
fn a_second_signal_cuts_the_grace_period_short_and_the_attempt_is_made_again() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    receiver.hold("/a");
    let server = dir.start_with(&Start {
        flags: &["--grace-period", "10m", "--request-timeout", "120s"],
        ..Start::default()
    });
    server.endpoint(&receiver.url("/a"), "raw");
    server.published(&json!("twice"));
    receiver.wait("/a", 1);
    server.signal("-TERM");
    let log = &server.spawned.log;
    let progress = "stopping: waiting for the attempts under way in_flight=1 seconds_left=600";
    assert!(log.wait(progress, 1).is_some(), "{}", log.whole());
    server.signal("-TERM");
    assert_eq!(server.spawned.ended().code(), Some(0), "{}", log.whole());
    assert!(
        log.whole().contains("the grace period is cut short"),
        "{}",
        log.whole()
    );
    dir.check();
    receiver.let_go("/a");
    let server = dir.start();
    server.wait_for_events("succeeded", 1);
    server.stop();
    assert_eq!(receiver.count("/a"), 2);
}

#[test]
fn two_signals_at_once_are_a_graceful_stop_without_the_wait() {
    let dir = TestDir::new();
    for _ in 0..20 {
        let server = dir.start();
        server.signal("-TERM");
        server.signal("-TERM");
        let log = &server.spawned.log;
        assert_eq!(server.spawned.ended().code(), Some(0), "{}", log.whole());
    }
}
