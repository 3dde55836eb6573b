//! The tests of `traceparent` and `tracestate`: from a publish to a real receiver.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fixture::{Answer, TestApp};
use crate::receiver::{Received, Receiver};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-11111111111111111111111111111111-2222222222222222-00";

fn publish(app: &TestApp, headers: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {}", app.token);
    let headers = [&[("authorization", bearer.as_str())], headers].concat();
    let body = br#"{"type": "a.b", "data": 1}"#;
    let answer = app.request("POST", "/api/webhooks/events", &headers, Some(body));
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer
}

fn header<'a>(received: &'a Received, name: &str) -> Option<&'a str> {
    let found = received.headers.iter().find(|(own, _)| own == name);
    found.map(|(_, value)| value.as_str())
}

/// Checks that a request belongs to the trace, and returns its parent id.
#[track_caller]
fn parent_id(received: &Received) -> String {
    let parent = received.header("traceparent");
    let parts: Vec<&str> = parent.split('-').collect();
    let [version, trace, id, flags] = parts[..] else {
        panic!("{parent}");
    };
    assert_eq!((version, trace, flags), ("00", TRACE, "01"), "{parent}");
    assert!(
        id.len() == 16 && id != "0000000000000000" && id != "00f067aa0ba902b7",
        "{parent}"
    );
    id.to_owned()
}

/// Has the event for an endpoint sent again.
fn redeliver(app: &TestApp, published: &Value, endpoint: &Value) {
    let mut events = published["events"].as_array().unwrap().iter();
    let event = events.find(|event| event["webhook_endpoint_id"] == endpoint["id"]);
    let id = event.unwrap()["id"].as_str().unwrap();
    let path = format!("/api/webhooks/events/{id}/redeliver");
    assert_eq!(app.post(&path, &app.token, &json!(null)).status, 202);
}

#[test]
fn a_trace_is_sent_with_each_attempt_after_a_restart_and_a_redelivery_too() {
    let mut app = TestApp::with_manual_clock(&["--retry-schedule", "10s"]);
    let receiver = Receiver::start();
    receiver.reply("/a", 500, "");
    let endpoint = app.endpoint(&receiver.url("/a"));
    app.endpoint_for(&receiver.url("/slack"), "slack", &["*"]);
    let state = [
        ("tracestate", "congo=t61rcWkgMzE"),
        ("tracestate", "rojo=1"),
    ];
    let published = publish(&app, &[&[("traceparent", PARENT)][..], &state].concat()).json();
    receiver.wait("/slack", 1);
    receiver.wait("/a", 1);
    let path = "/api/webhooks/events?limit=100&status=pending";
    app.wait_for(path, |list| list["data"][0]["attempts"] == 1);
    // The body and its trace are read from the file from now on.
    app.restart();
    app.advance(Duration::from_secs(13));
    receiver.wait("/a", 2);
    app.wait_for_events("failed", 1);
    receiver.reply("/a", 200, "");
    redeliver(&app, &published, &endpoint);
    let mut all = receiver.wait("/a", 3);
    all.extend(receiver.at("/slack"));
    assert_eq!(all.len(), 4);
    let ids: HashSet<String> = all.iter().map(parent_id).collect();
    assert_eq!(ids.len(), 4, "each attempt has an id of its own");
    for received in &all {
        assert_eq!(received.header("tracestate"), "congo=t61rcWkgMzE,rojo=1");
    }
}

#[test]
fn what_is_not_valid_is_ignored() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/a"));
    let upper = PARENT.to_uppercase();
    let zero = PARENT.replace(TRACE, &"0".repeat(32));
    let state = ("tracestate", "a=1");
    let long = format!("{PARENT}-00");
    for (n, headers) in [
        &[][..],
        &[state],
        &[("traceparent", ""), state],
        &[("traceparent", upper.as_str()), state],
        &[("traceparent", zero.as_str()), state],
        &[("traceparent", long.as_str()), state],
        &[("traceparent", PARENT), ("traceparent", PARENT), state],
    ]
    .into_iter()
    .enumerate()
    {
        publish(&app, headers);
        let received = receiver.wait("/a", n + 1).pop().unwrap();
        assert_eq!(header(&received, "traceparent"), None, "{headers:?}");
        assert_eq!(header(&received, "tracestate"), None, "{headers:?}");
    }
    // A state that is not valid does not take the trace with it.
    publish(&app, &[("traceparent", PARENT), ("tracestate", "no state")]);
    let received = receiver.wait("/a", 8).pop().unwrap();
    parent_id(&received);
    assert_eq!(header(&received, "tracestate"), None);
}

#[test]
fn a_replayed_publish_keeps_the_first_trace() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    let key = ("idempotency-key", "k");
    let published = publish(&app, &[key, ("traceparent", PARENT)]);
    let replayed = publish(&app, &[key, ("traceparent", OTHER)]);
    assert_eq!(replayed.text, published.text);
    receiver.wait("/a", 1);
    app.wait_for_events("succeeded", 1);
    redeliver(&app, &published.json(), &endpoint);
    let received = receiver.wait("/a", 2);
    for one in &received {
        parent_id(one);
    }
}
