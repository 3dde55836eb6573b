//! The tests of publishing: fan-out, unchanged data, idempotency and limits.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::fixture::{Answer, TestApp};
use super::receiver::Receiver;

fn publish_raw(app: &TestApp, key: Option<&str>, body: &[u8]) -> Answer {
    let bearer = format!("Bearer {}", app.token);
    let mut headers = vec![
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    if let Some(key) = key {
        headers.push(("idempotency-key", key));
    }
    app.request("POST", "/api/webhooks/events", &headers, Some(body))
}

#[test]
fn data_arrives_byte_for_byte_also_when_delivered_again() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/a"));
    let values = [
        r#"{"b":1.0,"a":1e400,"b":2,"big":123456789012345678901234567890,"i":9007199254740993}"#,
        r#""\u0000 \ud83d\ude00 \/ é 😀""#,
        r#"[ 1 ,2.50e+1, -0.0 ,{ "k" : null } ]"#,
        "null",
        "0.10",
    ];
    for (at, data) in values.iter().enumerate() {
        let body =
            format!(r#"{{"data": {data},"type":"a.b","timestamp":"2024-02-29T12:00:00.5+02:00"}}"#);
        let answer = publish_raw(&app, None, body.as_bytes()).expect(202);
        let id = answer["events"][0]["id"].as_str().unwrap();
        let sent =
            format!(r#"{{"type":"a.b","timestamp":"2024-02-29T12:00:00.5+02:00","data":{data}}}"#);
        let received = receiver.wait("/a", 2 * at + 1);
        assert_eq!(received[2 * at].text(), sent);
        let event = app.wait_for(&format!("/api/webhooks/events/{id}"), |event| {
            event["succeeded"] == true
        });
        assert_eq!(event["payload"], Value::String(sent.clone()));
        app.post(
            &format!("/api/webhooks/events/{id}/redeliver"),
            &app.token,
            &json!({}),
        )
        .expect(202);
        let received = receiver.wait("/a", 2 * at + 2);
        assert_eq!(received[2 * at + 1].text(), sent);
        assert_eq!(received[2 * at + 1].header("webhook-id"), id);
    }
}

#[test]
fn a_producers_time_is_passed_on_in_a_spelling_that_receivers_read() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/a"));
    for (at, (sent, passed_on)) in [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01 00:00:00+00:00", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T00:00:00+0000", "2026-01-01T00:00:00+00:00"),
        ("2026-01-01T00:00:00.10+02", "2026-01-01T00:00:00.10+02:00"),
        ("2026-01-01T12:30-03:30", "2026-01-01T12:30:00-03:30"),
        ("2026-01-01t00:00:00z", "2026-01-01T00:00:00Z"),
        (" 2026-01-01Z", "2026-01-01T00:00:00Z"),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({"type": "a", "data": at, "timestamp": sent}).to_string();
        let message = publish_raw(&app, None, body.as_bytes()).expect(202);
        assert_eq!(message["timestamp"], passed_on, "{sent}");
        let received = receiver.wait("/a", at + 1);
        let expected = format!(r#"{{"type":"a","timestamp":"{passed_on}","data":{at}}}"#);
        assert_eq!(received[at].text(), expected, "{sent}");
    }
}

#[test]
fn a_message_goes_to_every_endpoint_that_wants_it_and_to_no_other() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let mut wanting = HashSet::new();
    for at in 0..50 {
        let events = [
            &["order.created"][..],
            &["order.*"],
            &["*"],
            &["other", "order.created"],
        ][at % 4];
        let endpoint = app.endpoint_for(&receiver.url(&format!("/yes/{at}")), "raw", events);
        wanting.insert(endpoint["id"].as_str().unwrap().to_owned());
    }
    for (at, events) in [&["order"][..], &["order.created.*"], &["orders.*"], &[]]
        .iter()
        .enumerate()
    {
        app.endpoint_for(&receiver.url(&format!("/no/{at}")), "raw", events);
    }
    let disabled = app.endpoint(&receiver.url("/no/disabled"));
    let disabled = format!(
        "/api/webhooks/endpoints/{}",
        disabled["id"].as_str().unwrap()
    );
    app.patch(&disabled, &json!({"enabled": false})).expect(200);
    let message = app.publish("order.created", &json!({"id": 1}));
    let events = message["events"].as_array().unwrap();
    let reached: HashSet<String> = events
        .iter()
        .map(|event| event["webhook_endpoint_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(reached, wanting);
    app.wait_for_events("succeeded", 50);
    for at in 0..50 {
        assert_eq!(receiver.at(&format!("/yes/{at}")).len(), 1);
    }
    let nobody = app.publish("unheard-of", &json!(null));
    assert_eq!(
        nobody["events"].as_array().unwrap().len(),
        12,
        "the endpoints for everything"
    );
}

#[test]
fn one_of_fifty_identical_publishes_counts() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/a"));
    let body = br#"{"type":"a","data":{"n":1}}"#;
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let publishing: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| publish_raw(&app, Some("key-1"), body)))
            .collect();
        publishing
            .into_iter()
            .map(|one| one.join().unwrap())
            .collect()
    });
    let bodies: HashSet<&str> = answers.iter().map(|answer| answer.text.as_str()).collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let replayed = |answer: &&Answer| answer.header("idempotent-replayed") == Some("true");
    assert_eq!(answers.iter().filter(replayed).count(), 49);
    app.wait_for_events("succeeded", 1);
    assert_eq!(receiver.at("/a").len(), 1);
    let other = publish_raw(&app, Some("key-1"), br#"{"type":"a","data":{"n":2}}"#);
    assert_eq!(other.expect(422)["error"], "idempotency_key_reused");
    for bad in ["", " ", "a b", "é", &"k".repeat(256)] {
        let answer = publish_raw(&app, Some(bad), body);
        assert_eq!(
            answer.expect(422)["error"],
            "idempotency_key_invalid",
            "{bad:?}"
        );
    }
    publish_raw(&app, Some(&"k".repeat(255)), body).expect(202);
    assert_eq!(publish_raw(&app, Some("key-2"), b"{}").status, 422);
    publish_raw(&app, Some("key-2"), body).expect(202);
}

#[test]
fn an_idempotency_key_is_free_again_after_a_day() {
    let app = TestApp::with_manual_clock(&[]);
    let body = br#"{"type":"a","data":1}"#;
    let first = publish_raw(&app, Some("k"), body).expect(202);
    app.advance(std::time::Duration::from_secs(24 * 3600 - 1));
    assert_eq!(publish_raw(&app, Some("k"), body).expect(202), first);
    app.advance(std::time::Duration::from_secs(2));
    assert_ne!(publish_raw(&app, Some("k"), body).expect(202), first);
}

#[test]
fn bodies_beyond_the_limit_are_refused_and_those_at_it_are_not() {
    let app = TestApp::with_flags(&["--max-body-bytes", "2000"]);
    let body = |size: usize| {
        let frame = r#"{"type":"a","data":""}"#.len();
        format!(r#"{{"type":"a","data":"{}"}}"#, "x".repeat(size - frame)).into_bytes()
    };
    assert_eq!(publish_raw(&app, None, &body(2000)).status, 202);
    assert_eq!(publish_raw(&app, None, &body(2001)).status, 413);
    let nested = |depth| {
        format!(
            r#"{{"type":"a","data":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert_eq!(publish_raw(&app, None, nested(128).as_bytes()).status, 202);
    assert_eq!(publish_raw(&app, None, nested(129).as_bytes()).status, 422);
}

#[test]
fn only_an_admin_names_the_workspace() {
    let app = TestApp::start();
    let publish = |token: &str, body: &Value| app.post("/api/webhooks/events", token, body);
    let plain = json!({"type": "a", "data": 1});
    let missing = publish(&app.admin, &plain).expect(422);
    assert_eq!(missing["detail"][0]["type"], "missing");
    assert_eq!(missing["detail"][0]["loc"], json!(["body", "workspace_id"]));
    let with = |id: &str| json!({"type": "a", "data": 1, "workspace_id": id});
    let message = publish(&app.admin, &with(&app.workspace)).expect(202);
    assert_eq!(message["workspace_id"], json!(app.workspace));
    let unknown = publish(&app.admin, &with("0190a000-0000-4000-8000-000000000000")).expect(422);
    assert_eq!(unknown["detail"][0]["type"], "value_error");
    publish(&app.token, &with(&app.workspace)).expect(202);
    let foreign = publish(&app.token, &with("0190a000-0000-4000-8000-000000000000")).expect(422);
    assert_eq!(foreign["detail"][0]["type"], "workspace_token");
}
