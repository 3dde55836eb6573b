//! The tests of an erasure whose server is killed at each of its steps: a message that is archived has nothing left.

use std::os::unix::process::ExitStatusExt;

use serde_json::{Value, json};

use super::server::{Server, TestDir};
use crate::receiver::Receiver;

/// The count of all that must be gone: bodies, traces and answers.
const LEFT: &str = "SELECT (SELECT count(body) + count(trace) FROM message)
    + (SELECT count(body) FROM event) + (SELECT count(response) FROM delivery)";

/// A server with a message whose events have ended, but for one that waits for a retry. Returns the path of its payload.
fn with_message(dir: &TestDir, receiver: &Receiver) -> (Server, String) {
    let server = dir.start();
    receiver.reply("/down", 503, "");
    for (path, format) in [("/raw", "raw"), ("/slack", "slack"), ("/down", "raw")] {
        server.endpoint(&receiver.url(path), format);
    }
    server.published(&json!("erased"));
    server.wait_for_events("succeeded", 2);
    let list = server.get("/api/webhooks/messages").body;
    let id = list["data"][0]["id"].as_str().unwrap().to_owned();
    receiver.wait("/down", 1);
    (server, format!("/api/webhooks/messages/{id}"))
}

#[test]
fn an_erasure_that_is_killed_is_made_whole_or_not_at_all() {
    for (point, is_erased) in [
        ("erasing abort", false),
        ("archiving abort", false),
        ("commit abort", false),
        ("checkpoint-pass abort", true),
    ] {
        let dir = TestDir::new();
        let receiver = Receiver::start();
        let (server, path) = with_message(&dir, &receiver);
        crate::fixture::wait_until("the attempts", || {
            server.get("/api/webhooks/deliveries").body["meta"]["total"] == 3
        });
        dir.arm(point);
        let payload = format!("{path}/payload");
        // The checkpoint may be faster than the answer.
        let answer = server.call("DELETE", &payload, None);
        assert!(is_erased || answer.is_none(), "{point}");
        assert_eq!(server.spawned.ended().signal(), Some(6), "{point}");
        dir.disarm();
        dir.check();
        assert_eq!(dir.number(LEFT) == 0, is_erased, "{point}");
        let server = dir.start();
        assert_eq!(server.get(&path).body["is_archived"], is_erased, "{point}");
        assert_eq!(
            server.call("DELETE", &payload, None).unwrap().status,
            204,
            "{point}"
        );
        let message = server.get(&path).body;
        assert_eq!(
            (&message["data"], &message["is_archived"]),
            (&Value::Null, &json!(true))
        );
        let counts = json!({"pending": 0, "succeeded": 2, "failed": 0, "skipped": 1});
        assert_eq!(message["counts"], counts, "{point}");
        server.stop();
        dir.check();
        assert_eq!(dir.number(LEFT), 0, "{point}");
    }
}
