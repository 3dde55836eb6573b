//! The tests of the export of traces: spans from a running server at a collector, linked to each other and to
//! what the receiver got.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fixture::{Answer, TestApp};
use super::metrics::scrape;
use super::receiver::{Received, Receiver};

mod collectors;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PRODUCER: &str = "00f067aa0ba902b7";

/// The path at which a collector takes traces.
const TRACES: &str = "/v1/traces";

/// An application that exports its traces to `collector`, with metrics.
fn app(collector: &Receiver, flags: &[&str]) -> TestApp {
    let url = collector.url("");
    let own = ["--otlp-endpoint", &url, "--metrics-listen", "127.0.0.1:0"];
    TestApp::with_flags(&[&own[..], flags].concat())
}

fn publish(app: &TestApp, headers: &[(&str, &str)]) -> Answer {
    let token = format!("Bearer {}", app.token);
    let headers = [&[("authorization", token.as_str())], headers].concat();
    let body = json!({"type": "a", "data": 1}).to_string();
    let answer = app.request(
        "POST",
        "/api/webhooks/events",
        &headers,
        Some(body.as_bytes()),
    );
    answer.expect(202);
    answer
}

/// The spans in export requests. Each request must be as OTLP says.
fn spans(requests: &[Received]) -> Vec<Value> {
    let mut found = Vec::new();
    for request in requests {
        assert_eq!(request.header("content-type"), "application/json");
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let resource = &body["resourceSpans"][0];
        let name = attribute(&resource["resource"], "service.name");
        assert_eq!(name, json!({"stringValue": "hookpost"}), "{body}");
        let scope = &resource["scopeSpans"][0];
        assert_eq!(scope["scope"]["name"], "hookpost");
        found.extend(scope["spans"].as_array().unwrap().iter().cloned());
    }
    found
}

/// The value of an attribute, with its type.
#[track_caller]
fn attribute(of: &Value, key: &str) -> Value {
    let all = of["attributes"].as_array().unwrap();
    let found = all.iter().find(|attribute| attribute["key"] == key);
    found.map_or_else(|| panic!("no {key}: {of}"), |found| found["value"].clone())
}

fn named<'s>(spans: &'s [Value], name: &str) -> Vec<&'s Value> {
    spans.iter().filter(|span| span["name"] == name).collect()
}

fn text(value: &Value) -> Value {
    json!({ "stringValue": value })
}

fn nanos(span: &Value, name: &str) -> u128 {
    span[name].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_publish_its_commit_and_its_attempts_are_steps_of_one_trace() {
    let (collector, receiver) = (Receiver::start(), Receiver::start());
    receiver.reply("/a", 503, "");
    let mut app = app(&collector, &["--retry-schedule", "1s"]);
    let endpoint = app.endpoint(&receiver.url("/a"));
    let parent = format!("00-{TRACE}-{PRODUCER}-01");
    let published = publish(
        &app,
        &[("traceparent", &parent), ("x-request-id", "order-1")],
    );
    receiver.wait("/a", 1);
    receiver.reply("/a", 200, "");
    app.wait_for_events("succeeded", 1);
    // What is not sent yet is sent at the end.
    app.stop();
    let spans = spans(&collector.at(TRACES));
    assert_eq!(spans.len(), 4, "{spans:?}");
    let message = published.json();
    let ids: BTreeSet<_> = spans
        .iter()
        .map(|span| span["spanId"].to_string())
        .collect();
    assert_eq!(ids.len(), 4);
    for span in &spans {
        assert_eq!(span["traceId"], TRACE, "{span}");
        assert_eq!(span["spanId"].as_str().unwrap().len(), 16, "{span}");
        let workspace = attribute(span, "hookpost.workspace_id");
        assert_eq!(workspace, text(&message["workspace_id"]));
        let (start, end) = (
            nanos(span, "startTimeUnixNano"),
            nanos(span, "endTimeUnixNano"),
        );
        assert!(start > 1_700_000_000_000_000_000 && start <= end, "{span}");
    }

    let publish = named(&spans, "POST /api/webhooks/events")[0];
    assert_eq!(publish["parentSpanId"], PRODUCER, "{publish}");
    assert_eq!(publish["kind"], 2, "a server's: {publish}");
    assert_eq!(publish["flags"], 0x301, "its parent is remote: {publish}");
    for (key, value) in [
        ("http.request.method", json!({"stringValue": "POST"})),
        ("http.route", json!({"stringValue": "/api/webhooks/events"})),
        ("http.response.status_code", json!({"intValue": "202"})),
        ("hookpost.request_id", json!({"stringValue": "order-1"})),
        ("hookpost.message_id", text(&message["id"])),
        ("hookpost.events", json!({"intValue": "1"})),
    ] {
        assert_eq!(attribute(publish, key), value, "{publish}");
    }
    assert_eq!(publish.get("status"), None, "{publish}");

    let commit = named(&spans, "commit")[0];
    assert_eq!(commit["parentSpanId"], publish["spanId"], "{commit}");
    assert_eq!(commit["kind"], 1, "an internal one: {commit}");
    let of = attribute(commit, "hookpost.message_id");
    assert_eq!(of, text(&message["id"]));
    assert!(nanos(commit, "startTimeUnixNano") >= nanos(publish, "startTimeUnixNano"));
    assert!(nanos(commit, "endTimeUnixNano") <= nanos(publish, "endTimeUnixNano"));

    let received = receiver.at("/a");
    let attempts = named(&spans, "attempt");
    for (n, (attempt, code)) in attempts.iter().zip(["503", "200"]).enumerate() {
        assert_eq!(attempt["parentSpanId"], publish["spanId"], "{attempt}");
        assert_eq!(attempt["kind"], 3, "a client's: {attempt}");
        let id = attempt["spanId"].as_str().unwrap();
        let sent = received[n].header("traceparent");
        assert_eq!(sent, format!("00-{TRACE}-{id}-01"));
        for (key, value) in [
            ("hookpost.event_id", text(&message["events"][0]["id"])),
            ("hookpost.endpoint_id", text(&endpoint["id"])),
            ("hookpost.attempt", json!({"intValue": (n + 1).to_string()})),
            ("http.response.status_code", json!({ "intValue": code })),
        ] {
            assert_eq!(attribute(attempt, key), value, "{attempt}");
        }
    }
    assert_eq!(attempts[0]["status"], json!({"code": 2}));
    let error = attribute(attempts[0], "error.type");
    assert_eq!(error, json!({"stringValue": "503"}));
    assert_eq!(attempts[1].get("status"), None);
}

#[test]
fn a_message_without_a_trace_begins_one() {
    let (collector, receiver) = (Receiver::start(), Receiver::start());
    let mut app = app(&collector, &[]);
    app.endpoint(&receiver.url("/a"));
    app.endpoint("http://127.0.0.1:1/");
    publish(&app, &[]);
    publish(&app, &[("traceparent", "00-bad")]);
    let sent = receiver.wait("/a", 2);
    app.wait_for_events("pending", 2);
    app.stop();
    let spans = spans(&collector.at(TRACES));
    let publishes = named(&spans, "POST /api/webhooks/events");
    assert_eq!(publishes.len(), 2);
    assert_ne!(publishes[0]["traceId"], publishes[1]["traceId"]);
    for publish in publishes {
        assert_eq!(publish.get("parentSpanId"), None, "{publish}");
        assert_eq!(publish["flags"], 0x101, "{publish}");
        let of_trace = |span: &&Value| span["traceId"] == publish["traceId"];
        assert_eq!(spans.iter().filter(of_trace).count(), 4, "{spans:?}");
        let trace = publish["traceId"].as_str().unwrap();
        let begins = format!("00-{trace}-");
        let parents = sent.iter().map(|one| one.header("traceparent"));
        assert_eq!(parents.filter(|one| one.starts_with(&begins)).count(), 1);
    }
    let refused = named(&spans, "attempt")
        .into_iter()
        .filter(|attempt| attempt.get("status").is_some());
    for attempt in refused {
        let error = attribute(attempt, "error.type");
        assert_eq!(error, json!({"stringValue": "connect"}), "{attempt}");
    }
}

#[test]
fn a_trace_that_its_producer_does_not_record_is_sent_on_but_not_exported() {
    let (collector, receiver) = (Receiver::start(), Receiver::start());
    let mut app = app(&collector, &[]);
    app.endpoint(&receiver.url("/a"));
    publish(
        &app,
        &[("traceparent", &format!("00-{TRACE}-{PRODUCER}-00"))],
    );
    let sent = receiver.wait("/a", 1).pop().unwrap();
    let sent = sent.header("traceparent");
    assert!(sent.starts_with(&format!("00-{TRACE}-")) && sent.ends_with("-00"));
    let other = TRACE.replace('4', "5");
    publish(
        &app,
        &[("traceparent", &format!("00-{other}-{PRODUCER}-01"))],
    );
    app.wait_for_events("succeeded", 2);
    app.stop();
    let spans = spans(&collector.at(TRACES));
    assert_eq!(spans.len(), 3);
    assert!(
        spans.iter().all(|span| span["traceId"] == *other),
        "{spans:?}"
    );
}

#[test]
fn a_publish_that_is_refused_or_repeated_has_no_commit() {
    let collector = Receiver::start();
    let mut app = app(&collector, &[]);
    let refused = app.post("/api/webhooks/events", &app.token, &json!({"type": 1}));
    assert!((400..500).contains(&refused.status));
    // Whoever has no token makes no spans.
    let foreign = app.post("/api/webhooks/events", "nobody", &json!({"type": 1}));
    foreign.expect(401);
    publish(&app, &[("idempotency-key", "k")]);
    publish(&app, &[("idempotency-key", "k")]);
    app.stop();
    let spans = spans(&collector.at(TRACES));
    let publishes = named(&spans, "POST /api/webhooks/events");
    let codes = publishes
        .iter()
        .map(|span| attribute(span, "http.response.status_code"));
    let expected = [refused.status, 202, 202].map(|code| json!({"intValue": code.to_string()}));
    assert_eq!(codes.collect::<Vec<_>>(), expected);
    assert_eq!(named(&spans, "commit").len(), 1, "{spans:?}");
    assert!(publishes.iter().all(|span| span.get("status").is_none()));
}

#[test]
fn nothing_is_exported_and_no_trace_begins_unless_that_is_asked_for() {
    let receiver = Receiver::start();
    let app = TestApp::with_flags(&["--metrics-listen", "127.0.0.1:0"]);
    app.endpoint(&receiver.url("/a"));
    publish(&app, &[]);
    let sent = receiver.wait("/a", 1).pop().unwrap();
    assert!(sent.headers.iter().all(|(name, _)| name != "traceparent"));
    let metrics = scrape(&app);
    for series in [
        "hookpost_spans_exported_total",
        "hookpost_spans_dropped_total",
    ] {
        assert!(metrics.value(series).abs() < 0.5, "{series}");
    }
}

#[test]
fn spans_have_no_attribute_but_those_of_the_guide() {
    let guide = include_str!("../../docs/guides/tracing.md");
    let table = guide
        .lines()
        .skip_while(|line| !line.starts_with("| attribute |"));
    let rows = table.skip(2).take_while(|line| line.starts_with('|'));
    let documented: BTreeSet<_> = rows
        .map(|row| row.split('`').nth(1).unwrap().to_owned())
        .collect();
    let (collector, receiver) = (Receiver::start(), Receiver::start());
    receiver.reply("/fails", 500, "");
    let mut app = app(&collector, &[]);
    app.endpoint(&receiver.url("/fails?secret=query"));
    app.endpoint("http://127.0.0.1:1/secret");
    app.publish("a", &json!("secret"));
    let batch = json!({"messages": [{"type": "a", "data": "secret"}]});
    app.post("/api/webhooks/events/batch", &app.token, &batch)
        .expect(202);
    app.wait_for("/api/webhooks/deliveries", |list| {
        list["meta"]["total"] == 4
    });
    let batch = json!({"messages": [{"type": "a", "data": "secret"}]});
    app.post("/api/webhooks/events/batch", &app.token, &batch)
        .expect(202);
    app.stop();
    let requests = collector.at(TRACES);
    let spans = spans(&requests);
    let keys = spans
        .iter()
        .flat_map(|span| span["attributes"].as_array().unwrap())
        .map(|attribute| attribute["key"].as_str().unwrap().to_owned());
    assert_eq!(keys.collect::<BTreeSet<_>>(), documented);
    for request in requests {
        let text = request.text();
        assert!(
            !text.contains("secret") && !text.contains(&app.token),
            "{text}"
        );
    }
}
