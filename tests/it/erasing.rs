//! The tests of erasing the payload of a message: what is gone, and what stays.

use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::fixture::{TestApp, endpoint_path, wait_until};
use super::receiver::Receiver;

/// A text that must not be found after the erasure.
const MARK: &str = "to-be-erased-0815";

fn erase(app: &TestApp, message: &Value) {
    app.delete(&payload(message)).expect(204);
}

fn payload(message: &Value) -> String {
    format!(
        "/api/webhooks/messages/{}/payload",
        message["id"].as_str().unwrap()
    )
}

fn number(app: &TestApp, sql: &str) -> i64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(app.database(), flags).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn get(app: &TestApp, message: &Value) -> Value {
    let path = format!("/api/webhooks/messages/{}", message["id"].as_str().unwrap());
    app.get(&path).expect(200)
}

fn is_in(app: &TestApp, end: &str) -> bool {
    let bytes = std::fs::read(format!("{}{end}", app.database())).unwrap_or_default();
    bytes
        .windows(MARK.len())
        .any(|part| part == MARK.as_bytes())
}

#[test]
fn what_was_in_a_message_and_what_was_answered_is_gone_at_once() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    receiver.answer(200, &format!("thanks for {MARK}"));
    for (path, format) in [
        ("/raw", "raw"),
        ("/slack", "slack"),
        ("/discord", "discord"),
    ] {
        app.endpoint_for(&receiver.url(path), format, &["*"]);
    }
    let other = app.publish("a.b", &json!("stays"));
    let message = app.publish("a.b", &json!({"user": MARK}));
    app.wait_for_events("succeeded", 6);
    assert_eq!(number(&app, "SELECT count(response) FROM delivery"), 6);
    let before = get(&app, &message);
    erase(&app, &message);
    let after = get(&app, &message);
    assert_eq!(after["is_archived"], true);
    assert_eq!(after["data"], Value::Null);
    for field in [
        "id",
        "type",
        "timestamp",
        "created_at",
        "event_count",
        "counts",
    ] {
        assert_eq!(after[field], before[field], "{field}");
    }
    let of_message = format!("message_id={}", message["id"].as_str().unwrap());
    let events = app
        .get(&format!("/api/webhooks/events?{of_message}"))
        .expect(200);
    assert_eq!(events["meta"]["total"], 3);
    for event in events["data"].as_array().unwrap() {
        assert_eq!(
            (&event["payload"], &event["is_archived"]),
            (&Value::Null, &json!(true))
        );
        assert_eq!(event["succeeded"], true);
        let again = format!(
            "/api/webhooks/events/{}/redeliver",
            event["id"].as_str().unwrap()
        );
        let again = app.post(&again, &app.token, &json!({})).expect(409);
        assert_eq!(again["error"], "EventArchived");
    }
    let deliveries = app
        .get(&format!("/api/webhooks/deliveries?{of_message}"))
        .expect(200);
    assert_eq!(deliveries["meta"]["total"], 3);
    for delivery in deliveries["data"].as_array().unwrap() {
        assert_eq!(
            (&delivery["response"], &delivery["http_code"]),
            (&Value::Null, &json!(200))
        );
    }
    // Nothing else has changed.
    assert_eq!(get(&app, &other)["data"], "stays");
    assert_eq!(number(&app, "SELECT count(response) FROM delivery"), 3);
    // A second time is no error.
    erase(&app, &message);
}

#[test]
fn the_files_of_the_database_keep_nothing_of_it() {
    let mut app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint_for(&receiver.url("/slack"), "slack", &["*"]);
    // One is within a page, one has pages of its own.
    let messages = [1, 300].map(|times| app.publish("a", &json!({"user": MARK.repeat(times)})));
    app.wait_for_events("succeeded", 2);
    assert!(is_in(&app, "-wal"));
    for message in &messages {
        erase(&app, message);
    }
    // The log is moved and emptied without any further write, for both together or one after the other.
    wait_until("the files", || !is_in(&app, "-wal") && !is_in(&app, ""));
    app.publish("a", &json!("goes on"));
    app.wait_for_events("succeeded", 3);
    app.stop();
    assert!(!is_in(&app, "") && !is_in(&app, "-wal"));
}

#[test]
fn pending_events_are_skipped_and_an_attempt_under_way_leaves_no_answer() {
    let app = TestApp::with_manual_clock(&["--retry-schedule", "1h"]);
    let receiver = Receiver::start();
    receiver.answer(200, &format!("thanks for {MARK}"));
    receiver.reply("/retry", 500, "");
    let [held, retry, disabled] =
        ["/held", "/retry", "/disabled"].map(|path| app.endpoint(&receiver.url(path)));
    receiver.hold("/held");
    receiver.hold("/disabled");
    let message = app.publish("a", &json!(MARK));
    receiver.wait("/held", 1);
    receiver.wait("/disabled", 1);
    app.wait_for("/api/webhooks/deliveries", |list| {
        list["meta"]["total"] == 1
    });
    app.set_enabled(&disabled, false);
    erase(&app, &message);
    let counts = json!({"pending": 0, "succeeded": 0, "failed": 0, "skipped": 3});
    assert_eq!(get(&app, &message)["counts"], counts);
    receiver.let_go("/held");
    receiver.let_go("/disabled");
    let deliveries = "/api/webhooks/deliveries?limit=100";
    let list = app.wait_for(deliveries, |list| list["meta"]["total"] == 3);
    for delivery in list["data"].as_array().unwrap() {
        assert_eq!(delivery["response"], Value::Null, "{delivery}");
        assert_eq!(delivery["webhook_event"]["payload"], Value::Null);
    }
    // The attempt was made, so the event has succeeded; the retry is not made.
    let held = held["id"].as_str().unwrap();
    let event = app
        .get(&format!("/api/webhooks/events?endpoint_id={held}"))
        .expect(200);
    assert_eq!(event["data"][0]["succeeded"], true);
    app.advance(Duration::from_hours(2));
    app.publish("a", &json!("next"));
    receiver.wait("/retry", 2);
    assert_eq!(receiver.count("/retry"), 2, "{}", endpoint_path(&retry));
}

#[test]
fn an_erasure_changes_nothing_about_a_key() {
    let app = TestApp::start();
    let bearer = format!("Bearer {}", app.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "key"),
    ];
    let publish = |body: &str| {
        app.request(
            "POST",
            "/api/webhooks/events",
            &headers,
            Some(body.as_bytes()),
        )
    };
    let body = json!({"type": "a", "data": MARK}).to_string();
    let message = publish(&body).expect(202);
    erase(&app, &message);
    assert_eq!(publish(&body).expect(202), message);
    let other = json!({"type": "a", "data": 1}).to_string();
    assert_eq!(
        publish(&other).expect(422)["error"],
        "idempotency_key_reused"
    );
    assert_eq!(get(&app, &message)["is_archived"], true);
}

#[test]
fn a_message_with_many_answers_is_erased_in_steps() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    receiver.answer(200, MARK);
    for number in 0..30 {
        app.endpoint(&receiver.url(&format!("/{number}")));
    }
    let message = app.publish("a", &json!(MARK));
    app.wait_for_events("succeeded", 30);
    let job = json!({"action": "redeliver", "filter": {"status": ["succeeded"]}});
    for times in 2..=10 {
        app.post("/api/webhooks/jobs", &app.token, &job).expect(202);
        app.wait_for("/api/webhooks/deliveries?limit=1", |list| {
            list["meta"]["total"] == 30 * times
        });
        app.wait_for_events("succeeded", 30);
    }
    assert_eq!(number(&app, "SELECT count(response) FROM delivery"), 300);
    erase(&app, &message);
    assert_eq!(number(&app, "SELECT count(response) FROM delivery"), 0);
    assert_eq!(number(&app, "SELECT count(body) FROM message"), 0);
}

#[test]
fn a_message_that_is_not_there_is_not_found() {
    let app = TestApp::start();
    let message = app.publish("a", &json!(1));
    let other = app.post("/api/workspaces", &app.admin, &json!({"name": "other"}));
    let other = other.expect(201)["id"].as_str().unwrap().to_owned();
    let scopes = hookpost::domain::access::Scopes::all();
    let foreign = app.make_token(Some(&other), scopes);
    let bearer = format!("Bearer {foreign}");
    let headers = [("authorization", bearer.as_str())];
    let theirs = app.request("DELETE", &payload(&message), &headers, None);
    let nobodys = payload(&json!({"id": "0190a000-0000-4000-8000-000000000000"}));
    let nobodys = app.request("DELETE", &nobodys, &headers, None);
    assert_eq!((theirs.status, nobodys.status), (404, 404));
    assert_eq!(theirs.text, nobodys.text);
    assert_eq!(get(&app, &message)["data"], 1);
    app.delete("/api/webhooks/messages/x/payload").expect(422);
    // An admin may erase in every workspace.
    let bearer = format!("Bearer {}", app.admin);
    let headers = [("authorization", bearer.as_str())];
    let erased = app.request("DELETE", &payload(&message), &headers, None);
    assert_eq!(erased.status, 204);
    assert_eq!(get(&app, &message)["data"], Value::Null);
}
