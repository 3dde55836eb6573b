//! Custom headers: sent with every attempt, and shown to nobody.

use std::time::Duration;

use super::*;
use crate::receiver::Received;

fn value<'a>(received: &'a Received, name: &str) -> Option<&'a str> {
    let mut headers = received.headers.iter();
    let found = headers.find(|(own, _)| own.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

#[test]
fn every_attempt_has_the_headers_that_the_endpoint_has_when_it_starts() {
    let app = TestApp::with_manual_clock(&["--retry-schedule", "10s,10s"]);
    let receiver = Receiver::start();
    receiver.reply("/a", 404, "");
    let headers = json!({"Authorization": "Basic dXNlcjpwYXNz", "X-Team": "a b"});
    let endpoint = make(&app, &receiver.url("/a"), json!({ "headers": headers }));
    app.publish("a", &json!(1));
    let first = receiver.wait("/a", 1).remove(0);
    assert_eq!(value(&first, "authorization"), Some("Basic dXNlcjpwYXNz"));
    assert_eq!(value(&first, "x-team"), Some("a b"));
    app.wait_for("/api/webhooks/events?limit=1", |list| {
        list["data"][0]["attempts"] == 1
    });
    // One keeps its value, one is new, one is gone.
    let change = json!({"headers": {"authorization": "***", "X-New": "1"}});
    let changed = app.patch(&endpoint_path(&endpoint), &change).expect(200);
    assert_eq!(
        changed["headers"],
        json!({"authorization": "***", "X-New": "***"})
    );
    app.advance(Duration::from_secs(12));
    let second = receiver.wait("/a", 2).remove(1);
    assert_eq!(value(&second, "authorization"), Some("Basic dXNlcjpwYXNz"));
    assert_eq!(
        (value(&second, "x-new"), value(&second, "x-team")),
        (Some("1"), None)
    );
    app.wait_for("/api/webhooks/events?limit=1", |list| {
        list["data"][0]["attempts"] == 2
    });
    app.patch(&endpoint_path(&endpoint), &json!({"headers": {}}))
        .expect(200);
    app.advance(Duration::from_secs(12));
    let third = receiver.wait("/a", 3).remove(2);
    assert_eq!(
        (value(&third, "authorization"), value(&third, "x-new")),
        (None, None)
    );
}

#[test]
fn a_value_is_in_no_answer_and_survives_a_restart() {
    let mut app = TestApp::start();
    let receiver = Receiver::start();
    let headers = json!({ "headers": {"X-Key": "hidden-value"} });
    let endpoint = make(&app, &receiver.url("/a"), headers);
    app.publish("a", &json!(1));
    app.wait_for_events("succeeded", 1);
    // Also not in the 422 that shows what was sent.
    let faulty = json!({"headers": {"X-Key": "hidden-value"}, "name": 7});
    let refused = app.patch(&endpoint_path(&endpoint), &faulty);
    let unnamed = json!({"headers": {"X-Key": "hidden-value"}});
    let missing = app.post("/api/webhooks/endpoints", &app.token, &unnamed);
    let whole = app.patch(
        &endpoint_path(&endpoint),
        &json!({"headers": ["hidden-value"]}),
    );
    let bad = app.patch(
        &endpoint_path(&endpoint),
        &json!({"headers": {"X-Key": "hidden-value\n"}}),
    );
    for answer in [&refused, &missing, &whole, &bad] {
        assert_eq!(answer.status, 422);
    }
    for path in ["endpoints", "events", "deliveries", "messages"] {
        let answer = app.get(&format!("/api/webhooks/{path}"));
        assert!(
            !answer.expect(200).to_string().contains("hidden-value"),
            "{path}"
        );
    }
    for answer in [refused, missing, whole, bad] {
        assert!(
            !answer.json().to_string().contains("hidden-value"),
            "{}",
            answer.json()
        );
    }
    app.restart();
    app.publish("a", &json!(2));
    let received = receiver.wait("/a", 2);
    assert_eq!(value(&received[1], "x-key"), Some("hidden-value"));
}

#[test]
fn a_header_that_nobody_may_set_or_that_no_head_can_have_is_refused_by_its_name() {
    let app = TestApp::start();
    let refused = |headers: Value| {
        let body = endpoint_at("https://a.example/", json!({ "headers": headers }));
        let answer = app
            .post("/api/webhooks/endpoints", &app.token, &body)
            .expect(422);
        let problem = &answer["detail"][0];
        (problem["type"].clone(), problem["loc"].clone())
    };
    let at = |name: &str| json!(["body", "headers", name]);
    for name in [
        "Host",
        "Connection",
        "Content-Type",
        "content-length",
        "Transfer-Encoding",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Keep-Alive",
        "Proxy-Authorization",
        "Accept-Encoding",
        "User-Agent",
        "Date",
        "Forwarded",
        "X-Forwarded-For",
        "webhook-id",
        "webhook-signature",
        "ce-id",
        "Metadata",
        "Metadata-Flavor",
        "Webhook_Id",
        "Content_Length",
        "X-aws-ec2-metadata-token",
        "X-Amz-Date",
        "X-Goog-Api-Key",
        "x-google-x",
        "x-metadata-token",
        "",
        "a b",
        "a:b",
        "ä",
    ] {
        assert_eq!(
            refused(json!({name: "1"})),
            (json!("header_name"), at(name)),
            "{name}"
        );
    }
    assert_eq!(
        refused(json!({"A": "1", "a": "2"})),
        (json!("header_name"), at("a"))
    );
    for value in ["a\r\nb: c", "ä", " a", "a ", "\u{0}"] {
        assert_eq!(
            refused(json!({"x": value})),
            (json!("header_value"), at("x")),
            "{value:?}"
        );
    }
    assert_eq!(refused(json!({"x": 1})), (json!("string_type"), at("x")));
    assert_eq!(
        refused(json!({"x": "***"})),
        (json!("value_error"), at("x"))
    );
    let all = json!(["body", "headers"]);
    let many: Value = (0..21).map(|n| (format!("x-{n}"), json!("1"))).collect();
    assert_eq!(refused(many), (json!("value_error"), all.clone()));
    let long: Value = (0..3)
        .map(|n| (format!("x-{n}"), json!("v".repeat(4000))))
        .collect();
    assert_eq!(refused(long), (json!("value_error"), all));
}
