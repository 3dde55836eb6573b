//! The settings of an endpoint besides its URL, types and secret: key, metadata, custom headers, policy, pause.

mod headers;
mod key;
mod pause;
mod policy;

use serde_json::{Value, json};

use super::fixture::{Answer, TestApp, endpoint_path};
use super::receiver::Receiver;

/// Returns the body of a new endpoint with more members.
fn endpoint_at(url: &str, more: Value) -> Value {
    let mut body = json!({"url": url, "format": "raw", "events": ["*"]});
    let (Value::Object(body_members), Value::Object(more)) = (&mut body, more) else {
        unreachable!("both are objects");
    };
    body_members.extend(more);
    body
}

/// Makes an endpoint with more members.
#[track_caller]
fn make(app: &TestApp, url: &str, more: Value) -> Value {
    let body = endpoint_at(url, more);
    app.post("/api/webhooks/endpoints", &app.token, &body)
        .expect(201)
}

fn put(app: &TestApp, key: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {}", app.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let path = format!("/api/webhooks/endpoints/by-key/{key}");
    let body = body.to_string();
    app.request("PUT", &path, &headers, Some(body.as_bytes()))
}

#[test]
fn an_endpoint_has_no_settings_of_its_own_at_first_and_what_was_read_can_be_sent_back() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let plain = app.endpoint(&receiver.url("/a"));
    for (field, value) in [
        ("key", json!("")),
        ("metadata", json!({})),
        ("headers", json!({})),
        ("policy", json!({})),
        ("paused", json!(false)),
        ("paused_reason", json!(null)),
    ] {
        assert_eq!(plain[field], value, "{field}");
    }
    let settings = json!({
        "key": "shop:1", "metadata": {"team": "payments", "note": "two\nlines"},
        "headers": {"Authorization": "Basic dXNlcjpwYXNz", "x-empty": ""},
        "policy": {
            "retry_schedule": [1, 60], "expire_after": 3600, "timeout": 10, "rate_limit": 600,
            "max_concurrency": 4, "disable_after": 0,
        },
        "paused": true, "enabled": false,
    });
    let made = make(&app, &receiver.url("/a"), settings.clone());
    for field in ["key", "metadata", "policy", "paused", "enabled"] {
        assert_eq!(made[field], settings[field], "{field}");
    }
    assert_eq!(
        made["headers"],
        json!({"Authorization": "***", "x-empty": "***"})
    );
    assert_eq!(
        (&made["state"], &made["paused_reason"]),
        (&json!("disabled"), &json!("manual"))
    );
    let back = app.patch(&endpoint_path(&made), &made).expect(200);
    let mut expected = made.clone();
    expected["modified_at"] = back["modified_at"].clone();
    assert_eq!(back, expected);
    let empty = json!({"key": "", "metadata": {}, "headers": {}, "policy": {}, "paused": false});
    let unset = app.patch(&endpoint_path(&made), &empty).expect(200);
    for field in [
        "key",
        "metadata",
        "headers",
        "policy",
        "paused",
        "paused_reason",
    ] {
        assert_eq!(unset[field], plain[field], "{field}");
    }
}

#[test]
fn an_endpoint_that_is_made_disabled_gets_no_events() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let made = make(&app, &receiver.url("/a"), json!({"enabled": false}));
    assert_eq!(made["disabled_reason"], "manual");
    let message = app.publish("a", &json!(1));
    let listed = app.get(&format!(
        "/api/webhooks/messages/{}",
        message["id"].as_str().unwrap()
    ));
    assert_eq!(listed.expect(200)["event_count"], 0);
    app.set_enabled(&made, true);
    app.publish("a", &json!(2));
    receiver.wait("/a", 1);
}
