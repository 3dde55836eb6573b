//! The tests of publishing several messages together: all or none, replays, limits and order.

use std::time::Duration;

use serde_json::{Value, json};

use super::fixture::{Answer, TestApp};
use super::receiver::Receiver;

const BATCH: &str = "/api/webhooks/events/batch";

fn message(number: usize) -> Value {
    json!({"type": "a", "data": number})
}

fn batch(app: &TestApp, messages: &[Value]) -> Answer {
    app.post(BATCH, &app.token, &json!({"messages": messages}))
}

/// Publishes a batch whose messages are sent as they are spelt.
fn spelt(app: &TestApp, messages: &[&str]) -> Answer {
    let bearer = format!("Bearer {}", app.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let body = format!("{{\"messages\":[{}]}}", messages.join(","));
    app.request("POST", BATCH, &headers, Some(body.as_bytes()))
}

/// The type and the place of each problem of a 422.
#[track_caller]
fn problems(answer: &Answer) -> Vec<Value> {
    let body = answer.expect(422);
    assert_eq!(body["error"], "RequestValidationError", "{body}");
    let problems = body["detail"].as_array().unwrap();
    let short = |it: &Value| json!([it["type"], it["loc"]]);
    problems.iter().map(short).collect()
}

#[track_caller]
fn total(app: &TestApp) -> u64 {
    let list = app.get("/api/webhooks/messages").expect(200);
    list["meta"]["total"].as_u64().unwrap()
}

fn replayed(body: &Value) -> Vec<bool> {
    let data = body["data"].as_array().unwrap().iter();
    data.map(|one| one["replayed"].as_bool().unwrap()).collect()
}

#[test]
fn a_batch_is_answered_and_delivered_in_its_order() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/a"));
    let messages: Vec<Value> = (0..100).map(message).collect();
    let body = batch(&app, &messages).expect(202);
    assert_eq!(replayed(&body), [false; 100]);
    let single = app.publish("b", &json!(100));
    app.wait_for_events("succeeded", 101);
    let events: Vec<Value> = body["data"].as_array().unwrap().clone();
    let events = events.iter().chain([&single]);
    let ids: Vec<_> = events
        .map(|message| message["events"][0]["id"].as_str().unwrap().to_owned())
        .collect();
    // The list is in the order of the numbers, newest first.
    let mut listed = Vec::new();
    for page in 1..=2 {
        let path = format!("/api/webhooks/events?limit=100&page={page}");
        let list = app.get(&path).expect(200);
        for event in list["data"].as_array().unwrap() {
            listed.push(event["id"].as_str().unwrap().to_owned());
        }
    }
    listed.reverse();
    assert_eq!(listed, ids);
    let first = receiver.at("/a").remove(0);
    assert!(first.text().ends_with(r#""data":0}"#), "{}", first.text());
    let message = &body["data"][0];
    let mut keys: Vec<_> = message.as_object().unwrap().keys().collect();
    keys.sort();
    let expected = [
        "endpoint_ids",
        "events",
        "id",
        "replayed",
        "tags",
        "timestamp",
        "type",
        "workspace_id",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn data_of_a_batch_arrives_byte_for_byte() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/a"));
    let data = r#"{"b":1.0,"a":1e400 , "b":2,"u":"\u0000"}"#;
    let item = format!(r#"{{ "data": {data} ,"type":"a","timestamp":"2026-01-31T12:00:00Z" }}"#);
    spelt(&app, &[&item]).expect(202);
    let received = receiver.wait("/a", 1).remove(0);
    let expected = format!(r#"{{"type":"a","timestamp":"2026-01-31T12:00:00Z","data":{data}}}"#);
    assert_eq!(received.text(), expected);
}

#[test]
fn a_fault_in_message_57_is_told_with_its_place_and_nothing_is_stored() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/a"));
    let mut messages: Vec<Value> = (0..100).map(message).collect();
    messages[57] = json!({"type": "a..b", "data": 1});
    let answer = batch(&app, &messages);
    let place = json!(["body", "messages", 57, "type"]);
    assert_eq!(
        problems(&answer),
        [json!(["string_pattern_mismatch", place])]
    );
    assert_eq!(total(&app), 0);
    messages[57] = message(57);
    batch(&app, &messages).expect(202);
    assert_eq!(total(&app), 100);
}

#[test]
fn every_fault_of_every_message_is_told_at_once() {
    let nobodys = "0190a000-0000-4000-8000-000000000000";
    let items = [
        json!({}),
        json!(7),
        json!({"type": "a", "data": 1, "timestamp": "soon", "idempotency_key": "a b"}),
        json!({"type": "a", "data": 1, "endpoint_ids": [], "workspace_id": nobodys}),
        json!({"type": "a", "data": 1, "endpoint_ids": ["x", 1], "workspace_id": "x"}),
        json!({"type": "hookpost.a", "data": "x".repeat(256 << 10)}),
    ];
    let app = TestApp::with_flags(&["--max-body-bytes", "1000000"]);
    let at = |place: usize, name: &str| json!(["body", "messages", place, name]);
    let expected = [
        json!(["missing", at(0, "type")]),
        json!(["missing", at(0, "data")]),
        json!(["model_attributes_type", ["body", "messages", 1]]),
        json!(["datetime_from_date_parsing", at(2, "timestamp")]),
        json!(["string_pattern_mismatch", at(2, "idempotency_key")]),
        json!(["too_short", at(3, "endpoint_ids")]),
        json!(["workspace_token", at(3, "workspace_id")]),
        json!(["uuid_parsing", ["body", "messages", 4, "endpoint_ids", 0]]),
        json!(["uuid_type", ["body", "messages", 4, "endpoint_ids", 1]]),
        json!(["uuid_parsing", at(4, "workspace_id")]),
        json!(["value_error", ["body", "messages", 5]]),
    ];
    assert_eq!(problems(&batch(&app, &items)), expected);
    assert_eq!(total(&app), 0);
}

#[test]
fn what_only_the_store_finds_is_told_for_every_message_too() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    let nobodys = "0190a000-0000-4000-8000-000000000000";
    let keyed = |data: u32, key: &str| json!({"type": "a", "data": data, "idempotency_key": key});
    batch(&app, &[keyed(1, "used")]).expect(202);
    let items = [
        keyed(1, "new"),
        keyed(2, "used"),
        json!({"type": "a", "data": 1, "endpoint_ids": [endpoint["id"], nobodys]}),
        keyed(2, "new"),
        message(1),
    ];
    let key = |place: usize| json!(["body", "messages", place, "idempotency_key"]);
    let expected = [
        json!(["idempotency_key_reused", key(1)]),
        json!(["value_error", ["body", "messages", 2, "endpoint_ids", 1]]),
        json!(["idempotency_key_reused", key(3)]),
    ];
    let answer = batch(&app, &items);
    assert_eq!(problems(&answer), expected);
    assert_eq!(answer.json()["detail"][1]["input"], nobodys);
    assert_eq!(total(&app), 1);
    // An admin names workspaces, and may name several.
    let named = |workspace: &str| json!({"type": "a", "data": 1, "workspace_id": workspace});
    let body = json!({"messages": [named(&app.workspace), named(nobodys), message(1)]});
    let at = |place: usize| json!(["body", "messages", place, "workspace_id"]);
    let answer = app.post(BATCH, &app.admin, &body);
    assert_eq!(problems(&answer), [json!(["missing", at(2)])]);
    let body = json!({"messages": [named(&app.workspace), named(nobodys)]});
    let answer = app.post(BATCH, &app.admin, &body);
    assert_eq!(problems(&answer), [json!(["value_error", at(1)])]);
    let other = app.post("/api/workspaces", &app.admin, &json!({"name": "other"}));
    let other = other.expect(201)["id"].as_str().unwrap().to_owned();
    let body = json!({"messages": [named(&app.workspace), named(&other)]});
    let made = app.post(BATCH, &app.admin, &body).expect(202);
    assert_eq!(made["data"][1]["workspace_id"], other);
    assert_eq!(total(&app), 2);
}

#[test]
fn a_key_publishes_a_message_once_whether_alone_or_in_batches() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/a"));
    let one = r#"{"type":"a","data":1,"idempotency_key":"one"}"#;
    let two = r#"{"type":"a","data":2,"idempotency_key":"two"}"#;
    let first = spelt(&app, &[one, two, one]).expect(202);
    assert_eq!(replayed(&first), [false, false, true]);
    assert_eq!(first["data"][0]["id"], first["data"][2]["id"]);
    let three = r#"{"type":"a","data":3}"#;
    let second = spelt(&app, &[three, two, one]).expect(202);
    assert_eq!(replayed(&second), [false, true, true]);
    assert_eq!(second["data"][1]["events"], first["data"][1]["events"]);
    app.wait_for_events("succeeded", 3);
    assert_eq!(receiver.at("/a").len(), 3);
    // The same content in other bytes is another message, as it is for single publishes.
    let spaced = r#"{"type":"a","data":1, "idempotency_key":"one"}"#;
    let reused = json!([
        "idempotency_key_reused",
        ["body", "messages", 0, "idempotency_key"]
    ]);
    assert_eq!(problems(&spelt(&app, &[spaced])), [reused]);
    // The keys of single publishes are in the same space.
    let bearer = format!("Bearer {}", app.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "one"),
    ];
    let single = app.request(
        "POST",
        "/api/webhooks/events",
        &headers,
        Some(one.as_bytes()),
    );
    // The body of a single publish is the same bytes here, so it is the same message.
    assert_eq!(single.expect(202)["id"], first["data"][0]["id"]);
    let other = br#"{"type":"a","data":1}"#;
    let single = app.request("POST", "/api/webhooks/events", &headers, Some(other));
    assert_eq!(single.expect(422)["error"], "idempotency_key_reused");
}

#[test]
fn concurrent_batches_with_the_same_keys_publish_each_message_once() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/a"));
    let keyed = |number: usize| json!({"type": "a", "data": number, "idempotency_key": format!("key-{number}")});
    let messages: Vec<Value> = (0..20).map(keyed).collect();
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..10)
            .map(|_| scope.spawn(|| batch(&app, &messages).expect(202)))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let new = answers.iter().filter(|body| replayed(body) == [false; 20]);
    assert_eq!(new.count(), 1);
    let ids = |body: &Value| -> Vec<Value> {
        let data = body["data"].as_array().unwrap().iter();
        data.map(|one| one["id"].clone()).collect()
    };
    assert!(answers.iter().all(|body| ids(body) == ids(&answers[0])));
    app.wait_for_events("succeeded", 20);
}

#[test]
fn the_header_is_refused_on_a_batch() {
    let app = TestApp::start();
    let bearer = format!("Bearer {}", app.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", "one"),
    ];
    let body = json!({"messages": [message(1)]}).to_string();
    let answer = app.request("POST", BATCH, &headers, Some(body.as_bytes()));
    let body = answer.expect(422);
    assert_eq!(body["error"], "idempotency_key_invalid");
    assert!(
        body["detail"].as_str().unwrap().contains("idempotency_key"),
        "{body}"
    );
    assert_eq!(total(&app), 0);
}

#[test]
fn a_batch_has_1_to_100_messages_of_a_limited_length() {
    let app = TestApp::with_flags(&["--max-body-bytes", "1000000"]);
    let list = json!(["body", "messages"]);
    for (body, kind) in [
        (json!({}), "missing"),
        (json!({"messages": null}), "list_type"),
        (json!({"messages": {}}), "list_type"),
        (json!({"messages": []}), "too_short"),
        (json!({"messages": vec![message(1); 101]}), "too_long"),
    ] {
        let answer = app.post(BATCH, &app.token, &body);
        assert_eq!(problems(&answer), [json!([kind, list])]);
    }
    let sized = |size: usize| {
        let frame = r#"{"data":"","type":"a"}"#.len();
        json!({"type": "a", "data": "x".repeat(size - frame)})
    };
    let long = problems(&batch(&app, &[message(1), sized((256 << 10) + 1)]));
    assert_eq!(long, [json!(["value_error", ["body", "messages", 1]])]);
    batch(
        &app,
        &[sized(256 << 10), sized(256 << 10), sized(256 << 10)],
    )
    .expect(202);
    let four = [(); 4].map(|()| sized(256 << 10));
    assert_eq!(batch(&app, &four).status, 413);
    assert_eq!(total(&app), 3);
}

#[test]
fn each_message_counts_towards_the_limit_of_publishes() {
    let app = TestApp::with_manual_clock(&["--publish-rate-limit", "60"]);
    let messages = |count: usize| vec![message(1); count];
    // More than the whole budget can never be accepted.
    let answer = batch(&app, &messages(61));
    assert_eq!(
        problems(&answer),
        [json!(["too_long", ["body", "messages"]])]
    );
    assert_eq!(answer.json()["detail"][0]["ctx"]["max_length"], 60);
    // That one counted as one request, as every other one that is not valid.
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("59"));
    let answer = batch(&app, &messages(40));
    answer.expect(202);
    assert_eq!(answer.header("x-ratelimit-remaining"), Some("19"));
    let refused = batch(&app, &messages(30));
    assert_eq!(refused.expect(429)["error"], "TooManyRequests");
    assert_eq!(refused.header("retry-after"), Some("11"));
    assert_eq!(refused.header("x-ratelimit-remaining"), Some("19"));
    // What was refused was not counted.
    batch(&app, &messages(19)).expect(202);
    assert_eq!(
        app.post("/api/webhooks/events", &app.token, &message(1))
            .status,
        429
    );
    app.advance(Duration::from_secs(11));
    batch(&app, &messages(11)).expect(202);
    assert_eq!(total(&app), 70);
}

#[test]
fn each_message_counts_towards_the_bytes_of_its_workspace() {
    let app = TestApp::with_manual_clock(&["--publish-byte-limit", "6000"]);
    let other = app.post("/api/workspaces", &app.admin, &json!({"name": "other"}));
    let other = other.expect(201)["id"].as_str().unwrap().to_owned();
    let sized = |workspace: &str, size: usize| {
        let data = "x".repeat(size);
        json!({"type": "a", "data": data, "workspace_id": workspace})
    };
    let publish =
        |messages: Vec<Value>| app.post(BATCH, &app.admin, &json!({"messages": messages}));
    publish(vec![
        sized(&app.workspace, 2000),
        sized(&app.workspace, 2000),
    ])
    .expect(202);
    let refused = publish(vec![sized(&other, 2000), sized(&app.workspace, 2000)]);
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").is_some());
    // Nothing was taken from the other workspace.
    publish(vec![sized(&other, 5000)]).expect(202);
    assert_eq!(total(&app), 2);
}

#[test]
fn messages_that_make_too_many_events_are_refused_with_the_number_that_fits() {
    let app = TestApp::start();
    for _ in 0..51 {
        app.endpoint("http://127.0.0.1:9/");
    }
    let answer = batch(&app, &vec![message(1); 100]);
    assert_eq!(
        problems(&answer),
        [json!(["too_long", ["body", "messages"]])]
    );
    let context = &answer.json()["detail"][0]["ctx"];
    let numbers = (&context["max_length"], &context["actual_length"]);
    assert_eq!(numbers, (&json!(98), &json!(100)));
    assert_eq!(total(&app), 0);
    batch(&app, &[message(1), message(2)]).expect(202);
}
