//! The tests of what an endpoint and its events show of a rest, over the API, in the log and after a restart.

use std::time::Duration;

use hookpost::domain::clock::Timestamp;
use serde_json::{Value, json};

use super::fixture::{START, TestApp, endpoint_path};
use super::logs::server::Server;
use super::receiver::Receiver;

/// Rests of 10 s and 40 s, a fifth less or more.
const SCHEDULE: [&str; 2] = ["--retry-schedule", "10s,40s"];

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn time(value: &Value) -> Timestamp {
    Timestamp::parse(value.as_str().unwrap()).unwrap()
}

/// Waits until so many attempts were recorded.
fn attempts(app: &TestApp, count: u64) {
    app.wait_for("/api/webhooks/deliveries?limit=1", |list| {
        list["meta"]["total"] == count
    });
}

/// Whatever the engine starts because of what happened so far, it has started once this comes back.
fn let_the_engine_look(app: &TestApp) {
    let published = app.publish("other", &json!(1));
    let id = published["events"][0]["id"].as_str().unwrap();
    let path = format!("/api/webhooks/events/{id}");
    app.wait_for(&path, |event| event["succeeded"] == true);
}

/// An application whose endpoint for `a` rests after three failed attempts, while a fourth event waits.
fn resting(flags: &[&str]) -> (TestApp, Receiver, String) {
    let app = TestApp::with_manual_clock(flags);
    let receiver = Receiver::start();
    receiver.reply("/a", 503, "");
    let endpoint = app.endpoint_for(&receiver.url("/a"), "raw", &["a"]);
    app.endpoint_for(&receiver.url("/other"), "raw", &["other"]);
    for n in 0..4 {
        app.publish("a", &json!(n));
    }
    attempts(&app, 3);
    (app, receiver, endpoint_path(&endpoint))
}

/// Asserts that the endpoint rests for `rest`, a fifth less or more, from `now` on; returns the end.
fn assert_rests(app: &TestApp, path: &str, now: Timestamp, rest: u64) -> Timestamp {
    let endpoint = app.wait_for(path, |it| it["resting_until"].is_string());
    assert_eq!(endpoint["state"], "resting", "{endpoint}");
    let until = time(&endpoint["resting_until"]);
    let left = until.since(now);
    assert!(
        left >= seconds(rest) * 4 / 5 && left <= seconds(rest) * 6 / 5,
        "{left:?}"
    );
    until
}

#[test]
fn a_rest_is_shown_survives_a_restart_and_ends_with_a_success() {
    let (mut app, receiver, path) = resting(&SCHEDULE);
    let until = assert_rests(&app, &path, START, 10);
    let endpoint = app.get(&path).expect(200);
    assert_eq!(
        endpoint["failures_in_a_row"], 0,
        "no event has failed for good"
    );
    assert_eq!(
        time(&endpoint["last_failure_at"]).since(START),
        Duration::from_micros(2)
    );
    assert_eq!(
        (&endpoint["last_success_at"], &endpoint["held_until"]),
        (&Value::Null, &Value::Null)
    );
    let listed = |state: &str| {
        let list = app
            .get(&format!("/api/webhooks/endpoints?{state}"))
            .expect(200);
        list["meta"]["total"].as_u64().unwrap()
    };
    assert_eq!(listed("state=resting"), 1);
    assert_eq!(listed("state=active"), 1);
    assert_eq!(listed("state=disabled&state=paused"), 0);
    assert_eq!(listed("state=resting&state=active"), 2);
    // Those that were attempted are due after about ten seconds, too; the fourth one waits for the rest alone.
    let events = app.wait_for_events("pending", 4);
    assert_eq!(time(&events["data"][0]["next_attempt_at"]), until);
    for event in events["data"].as_array().unwrap() {
        assert!(time(&event["next_attempt_at"]) >= until, "{event}");
    }

    app.restart();
    assert_eq!(assert_rests(&app, &path, START, 10), until);
    let_the_engine_look(&app);
    assert_eq!(receiver.count("/a"), 3, "the rest ended with the process");
    // The restart does not end the row either: the probe fails, and the second rest is longer.
    app.advance(seconds(13));
    receiver.wait("/a", 4);
    let second = app.wait_for(&path, |it| it["state"] == "resting");
    assert!(time(&second["resting_until"]).since(START) >= seconds(13 + 32));
    receiver.reply("/a", 200, "");
    app.restart();
    app.advance(seconds(49));
    app.wait_for_events("pending", 0);
    let recovered = app.get(&path).expect(200);
    assert_eq!(
        (&recovered["state"], &recovered["resting_until"]),
        (&json!("active"), &Value::Null)
    );
    assert!(time(&recovered["last_success_at"]) > time(&recovered["last_failure_at"]));
}

#[test]
fn a_redelivery_waits_for_no_rest_and_another_url_ends_it() {
    let (app, receiver, path) = resting(&SCHEDULE);
    assert_rests(&app, &path, START, 10);
    let events = app.wait_for_events("pending", 4);
    let id = events["data"][0]["id"].as_str().unwrap();
    receiver.hold("/a");
    let redeliver = format!("/api/webhooks/events/{id}/redeliver");
    app.post(&redeliver, &app.token, &Value::Null).expect(202);
    receiver.wait("/a", 4);
    let event = app.get(&format!("/api/webhooks/events/{id}")).expect(200);
    assert_eq!(event["next_attempt_at"], START.to_string(), "it is now");
    receiver.let_go("/a");
    attempts(&app, 4);
    assert_eq!(app.get(&path).expect(200)["state"], "resting");
    let moved = app
        .patch(&path, &json!({"url": receiver.url("/b")}))
        .expect(200);
    assert_eq!(
        (&moved["state"], &moved["resting_until"]),
        (&json!("active"), &Value::Null)
    );
    // The others are due by then, and do not wait for a probe.
    app.advance(seconds(13));
    receiver.wait("/b", 4);
}

#[test]
fn retry_after_holds_all_events_and_is_no_rest() {
    let app = TestApp::with_manual_clock(&SCHEDULE);
    let receiver = Receiver::start();
    receiver.reply("/a", 429, "retry-after: 600\r\n");
    let endpoint = endpoint_path(&app.endpoint(&receiver.url("/a")));
    app.publish("a", &json!(1));
    attempts(&app, 1);
    app.publish("a", &json!(2));
    let shown = app.get(&endpoint).expect(200);
    assert_eq!(
        (&shown["state"], &shown["resting_until"]),
        (&json!("active"), &Value::Null)
    );
    let until = START.after(seconds(600));
    assert_eq!(shown["held_until"], until.to_string());
    let events = app.wait_for_events("pending", 2);
    for event in events["data"].as_array().unwrap() {
        assert!(time(&event["next_attempt_at"]) >= until, "{event}");
    }
    let (mut app, receiver) = (app, receiver);
    app.restart();
    assert_eq!(
        app.get(&endpoint).expect(200)["held_until"],
        until.to_string()
    );
    receiver.reply("/a", 200, "");
    app.advance(seconds(599));
    app.endpoint_for(&receiver.url("/b"), "raw", &["b"]);
    let published = app.publish("b", &json!(1));
    receiver.wait("/b", 1);
    assert_eq!(receiver.count("/a"), 1, "{published}");
    app.advance(seconds(2));
    app.wait_for_events("pending", 0);
    assert_eq!(app.get(&endpoint).expect(200)["held_until"], Value::Null);
}

#[test]
fn a_clock_that_is_set_forward_ends_the_rest_that_it_shows_as_over() {
    let (app, receiver, path) = resting(&["--retry-schedule", "20m"]);
    assert_rests(&app, &path, START, 1200);
    receiver.reply("/a", 200, "");
    let clock = app.clock.clone().unwrap();
    clock.step_wall_clock(START.after(Duration::from_hours(1)));
    assert_eq!(app.get(&path).expect(200)["state"], "active");
    app.wait_for_events("pending", 0);
}

#[test]
fn the_log_says_when_an_endpoint_begins_to_rest_and_when_it_has_recovered() {
    let receiver = Receiver::start();
    receiver.reply("/a", 503, "");
    let server = Server::start(&["--retry-schedule", "200ms"]);
    server.endpoint(&receiver.url("/a"));
    for n in 0..3 {
        server.publish(&json!(n), &[]);
    }
    let begins = server.wait_for("endpoint rests");
    assert!(begins.contains("\"level\":\"INFO\""), "{begins}");
    assert!(begins.contains("resting_until"), "{begins}");
    // Not again for the rests that follow.
    receiver.wait("/a", 5);
    receiver.reply("/a", 200, "");
    server.publish(&json!(9), &[]);
    loop {
        let line = server.next_line();
        assert!(!line.contains("endpoint rests"), "{line}");
        if line.contains("endpoint has recovered") {
            break;
        }
    }
}
