//! The tests of panics in the server's threads. A panic during an attempt fails that attempt. A panic of a
//! vital thread ends the process, with one line in the log and an exit code of its own.

use hookpost::fatal;
use serde_json::json;

use super::server::{Server, Start, TestDir, text};
use crate::receiver::Receiver;

#[test]
fn a_panic_over_an_attempt_is_its_outcome_and_all_else_goes_on() {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start_with(&Start {
        flags: &["--retry-schedule", "1s,1s,1s,1s,1s,1s,1s,1s"],
        ..Start::default()
    });
    server.endpoint(&receiver.url("/a"), "raw");
    dir.arm("sending panic");
    let event = server.published(&json!("panics")).remove(0);
    let log = server.spawned.log.wait("an attempt panicked", 1);
    assert!(log.is_some_and(|log| log.contains(&format!("event={event}"))));
    dir.disarm();
    // It is retried by itself, and what comes after it is delivered, too.
    server.published(&json!("does not"));
    server.wait_for_events("succeeded", 2);
    let sent = receiver.at("/a");
    let times = sent.iter().filter(|one| one.header("webhook-id") == event);
    assert_eq!((times.count(), sent.len()), (1, 2));
    let failed = server.get("/api/webhooks/deliveries?succeeded=false&limit=100");
    for delivery in failed.body["data"].as_array().unwrap() {
        assert_eq!(delivery["webhook_event"]["id"], event);
        assert_eq!(delivery["error"], "internal");
    }
    let recorded = failed.body["meta"]["total"].as_u64().unwrap();
    assert_eq!(
        recorded,
        u64::try_from(server.spawned.log.count("an attempt panicked")).unwrap()
    );
    server.stop();
    dir.check();
}

/// Brings a server to a fail point where it panics on `thread`, by `work`, and checks how it ends: with the
/// code and the line for that. After the next start, all that was accepted is delivered.
#[track_caller]
fn assert_ends_the_process(thread: &str, point: &str, work: impl Fn(&Server, &Receiver)) {
    let dir = TestDir::new();
    let receiver = Receiver::start();
    let server = dir.start();
    server.endpoint(&receiver.url("/kept"), "raw");
    server.published(&json!("kept"));
    server.wait_for_events("succeeded", 1);
    dir.arm(&format!("{point} panic"));
    work(&server, &receiver);
    let status = server.spawned.ended();
    let log = server.spawned.log.whole();
    assert_eq!(status.code(), Some(fatal::EXIT_CODE), "{thread}: {log}");
    let lines = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    let panicked = format!("thread=\"{thread}\"");
    assert_eq!(lines("panic: "), lines(&panicked), "{log}");
    assert!(lines(&panicked) >= 1, "{log}");
    let ended = format!("the thread {thread} panicked; the server ends");
    assert_eq!(lines(&ended), 1, "{log}");
    dir.disarm();
    dir.check();
    let server = dir.start();
    server.wait_for_events("pending", 0);
    server.stop();
    dir.check();
}

#[test]
fn a_panic_that_leaves_a_lock_behind_ends_the_process() {
    let dir = TestDir::new();
    let server = dir.start();
    dir.arm("queueing panic");
    // That of the request itself closes its connection. Whoever comes to the lock then ends the process.
    while server.publish(&json!("lost")).is_some() {}
    let _ = server.publish(&json!("lost"));
    let status = server.spawned.ended();
    let log = server.spawned.log.whole();
    assert_eq!(status.code(), Some(fatal::EXIT_CODE), "{log}");
    let ended = "a panic left half changed what threads share; the server ends";
    assert_eq!(log.matches(ended).count(), 1, "{log}");
    dir.disarm();
    let server = dir.start();
    server.stop();
    dir.check();
}

#[test]
fn a_panic_of_the_main_thread_has_its_line_and_its_code() {
    let dir = TestDir::empty();
    dir.arm("database-made panic");
    let ended = dir.run(&["token", "create", "--workspace", "w"]);
    let log = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(fatal::EXIT_CODE), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(
        log.contains("panic: ") && log.contains("thread=\"main\""),
        "{log}"
    );
    dir.disarm();
}

#[test]
fn a_panic_of_the_writer_ends_the_process() {
    assert_ends_the_process("writer", "writer-turn", |server, _| {
        // Whoever waits for the write is not left waiting.
        let answer = server.publish(&json!("lost"));
        assert!(answer.is_none_or(|answer| answer.status >= 500));
    });
}

#[test]
fn a_panic_of_the_dispatcher_ends_the_process() {
    // It looks at the clocks every second, so there is nothing to do.
    assert_ends_the_process("dispatcher", "dispatcher-turn", |_, _| {});
}

#[test]
fn a_panic_of_the_janitor_ends_the_process() {
    assert_ends_the_process("janitor", "janitor-turn", |_, _| {});
}

/// This thread looks once a minute, so it panics at its first look.
#[test]
fn a_panic_of_the_watch_over_backlogs_ends_the_process() {
    let dir = TestDir::new();
    dir.arm("alerts-turn panic");
    let spawned = dir.spawn(&Start::default());
    let status = spawned.ended();
    let log = spawned.log.whole();
    assert_eq!(status.code(), Some(fatal::EXIT_CODE), "{log}");
    let ended = "the thread alerts panicked; the server ends";
    assert_eq!(log.matches(ended).count(), 1, "{log}");
    dir.disarm();
    let server = dir.start();
    server.stop();
    dir.check();
}

#[test]
fn a_panic_of_the_clock_watch_ends_the_process() {
    assert_ends_the_process("clock-watch", "clock-watch-turn", |_, _| {});
}

#[test]
fn a_panic_of_the_thread_that_reads_the_queue_ends_the_process() {
    assert_ends_the_process("queue-reader", "reader-turn", |server, receiver| {
        // The events that were there before an endpoint was disabled are read when it is enabled.
        let endpoint = server.endpoint(&receiver.url("/read"), "raw");
        let path = format!("/api/webhooks/endpoints/{endpoint}");
        for enabled in [false, true] {
            let _ = server.call("PATCH", &path, Some(&json!({"enabled": enabled})));
        }
        let _ = server.publish(&json!("read"));
        let events = server.call("GET", "/api/webhooks/events?limit=1", None);
        let id = events.and_then(|list| Some(list.body["data"][0]["id"].as_str()?.to_owned()));
        if let Some(id) = id {
            let _ = server.call(
                "POST",
                &format!("/api/webhooks/events/{id}/redeliver"),
                None,
            );
        }
    });
}

#[test]
fn a_panic_of_the_thread_for_checkpoints_ends_the_process() {
    assert_ends_the_process("checkpoint", "checkpoint-pass", |server, receiver| {
        server.endpoint(&receiver.url("/kept"), "raw");
        // Twenty megabytes of log start one.
        let large = "x".repeat(200_000);
        let published = (0..1000).take_while(|_| server.publish(&json!(large)).is_some());
        assert!(published.count() < 1000, "no checkpoint was made");
    });
}

#[test]
fn a_panic_of_a_thread_that_looks_names_up_ends_the_process() {
    assert_ends_the_process("look-up", "look-up-turn", |server, receiver| {
        let url = receiver.url("/named").replace("127.0.0.1", "localhost");
        server.endpoint(&url, "raw");
        let _ = server.publish(&json!("named"));
    });
}

#[test]
fn a_panic_of_a_sender_outside_of_its_attempt_ends_the_process() {
    assert_ends_the_process("sender", "sender-turn", |server, _| {
        let _ = server.publish(&json!("sent"));
    });
}

#[test]
fn a_request_for_which_there_is_no_thread_is_answered() {
    let dir = TestDir::new();
    let server = dir.start();
    // The runtime panics where it has no blocking thread and gets none.
    dir.arm("blocking-thread panic");
    let large = json!("x".repeat(100_000));
    let answer = server.get("/readyz");
    let database = answer.body["checks"].as_array().unwrap().last().unwrap();
    let expected = json!({
        "name": "database",
        "ok": false,
        "reason": "the system gives the server no thread",
    });
    assert_eq!((answer.status, database), (503, &expected));
    for answer in [
        server.get("/api/webhooks/events"),
        server.publish(&large).expect("an answer"),
    ] {
        let detail = "the system gives the server no thread; nothing was stored";
        let expected = json!({"error": "Unavailable", "detail": detail});
        assert_eq!((answer.status, answer.body), (503, expected));
    }
    dir.disarm();
    assert_eq!(server.get("/readyz").status, 200);
    server.published(&large);
    server.stop();
    dir.check();
}
