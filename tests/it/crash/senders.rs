//! The test of a system that gives no thread for an attempt: the attempt is made as soon as there is a
//! thread.

use serde_json::json;

use super::server::{Start, TestDir};
use crate::fixture::wait_until;
use crate::receiver::Receiver;

#[test]
fn an_attempt_for_which_there_was_no_thread_is_made_without_anybody_asking() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    server.endpoint(&receiver.url("/a"), "raw");
    dir.arm("sender-start fail");
    server.published(&json!("waits"));
    assert!(
        server
            .spawned
            .log
            .wait("cannot start a sender", 1)
            .is_some()
    );
    wait_until("a server that is not ready", || {
        server.get("/readyz").status == 503
    });
    let reason =
        "nothing can be delivered: the system gives the server no thread to make an attempt in";
    let expected = json!({
        "error": "Unavailable",
        "detail": reason,
        "checks": [
            {"name": "server", "ok": true, "reason": null},
            {"name": "engine", "ok": false, "reason": reason},
            {"name": "backlog", "ok": true, "reason": null},
            {"name": "database", "ok": true, "reason": null},
        ],
    });
    let answer = server.get("/readyz");
    assert_eq!((answer.status, &answer.body), (503, &expected));
    dir.disarm();
    // Nothing else is published that could have a thread started.
    server.wait_for_events("succeeded", 1);
    assert_eq!(receiver.at("/a").len(), 1);
    assert_eq!(server.spawned.log.count("cannot start a sender"), 1);
    wait_until("a server that is ready", || {
        server.get("/readyz").status == 200
    });
    server.stop();
    dir.check();
}

/// As many attempts as waited are under way at the same time: one receiver that hangs does not hold up the
/// others.
#[test]
fn attempts_for_which_there_were_no_threads_get_one_each() {
    const ENDPOINTS: usize = 5;
    let dir = TestDir::new();
    let receiver = Receiver::start();
    // Longer than this test waits: no attempt ends by itself and leaves its thread to the next.
    let flags = &["--request-timeout", "120s"];
    let server = dir.start_with(&Start {
        flags,
        ..Start::default()
    });
    let paths: Vec<String> = (0..ENDPOINTS).map(|n| format!("/{n}")).collect();
    for path in &paths {
        receiver.hold(path);
        server.endpoint(&receiver.url(path), "raw");
    }
    dir.arm("sender-start fail");
    server.published(&json!("waits"));
    let log = &server.spawned.log;
    assert!(log.wait("cannot start a sender", 1).is_some());
    dir.disarm();
    for path in &paths {
        receiver.wait(path, 1);
    }
    for path in &paths {
        receiver.let_go(path);
    }
    server.wait_for_events("succeeded", ENDPOINTS as u64);
    server.stop();
    dir.check();
}
