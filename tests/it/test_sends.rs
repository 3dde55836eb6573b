//! The tests of tests: of attempts that somebody asks for, which answer at once and leave nothing behind.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use hookpost::domain::access::Scopes;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use super::fixture::{Answer, PATIENCE, TestApp, endpoint_path, wait_until};
use super::receiver::{Received, Receiver};

fn test(app: &TestApp, endpoint: &Value, body: &Value) -> Answer {
    let path = format!("{}/test", endpoint_path(endpoint));
    app.post(&path, &app.token, body)
}

/// Checks the signature with the reference library.
fn is_signed(received: &Received, secret: &str) -> bool {
    let webhook = Webhook::new(secret).unwrap();
    let timestamp: i64 = received.header("webhook-timestamp").parse().unwrap();
    let id = received.header("webhook-id");
    let signed = webhook.sign(id, timestamp, &received.body).unwrap();
    let mut entries = received.header("webhook-signature").split(' ');
    entries.any(|entry| entry == signed)
}

/// All that lists show, and the endpoint.
fn everything(app: &TestApp, endpoint: &Value) -> Vec<Value> {
    let lists = ["events", "deliveries", "messages", "jobs"];
    let mut seen: Vec<_> = lists
        .iter()
        .map(|list| app.get(&format!("/api/webhooks/{list}")).expect(200))
        .collect();
    seen.push(app.get(&endpoint_path(endpoint)).expect(200));
    seen
}

#[test]
fn a_test_is_signed_and_rendered_as_an_event_and_answers_with_its_delivery() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    receiver.answer(201, "taken");
    let endpoint = app.endpoint(&receiver.url("/a?b=c"));
    let delivery = test(&app, &endpoint, &json!({})).expect(200);
    let received = receiver.wait("/a?b=c", 1).remove(0);
    assert!(is_signed(&received, endpoint["secret"].as_str().unwrap()));
    assert_eq!(received.header("content-type"), "application/json");
    let event = &delivery["webhook_event"];
    assert_eq!(received.header("webhook-id"), event["id"].as_str().unwrap());
    assert_eq!(received.text(), event["payload"].as_str().unwrap());
    let body: Value = serde_json::from_str(received.text()).unwrap();
    assert_eq!(body["type"], "hookpost.test");
    assert_eq!(body["data"], json!({"test": true}));
    for (name, value) in [
        ("succeeded", json!(true)),
        ("http_code", json!(201)),
        ("error", Value::Null),
        ("response", json!("taken")),
        ("attempt", json!(1)),
        ("webhook_endpoint_id", endpoint["id"].clone()),
    ] {
        assert_eq!(delivery[name], value, "{name}");
    }
    for (name, value) in [
        ("type", json!("hookpost.test")),
        ("succeeded", json!(true)),
        ("attempts", json!(1)),
        ("last_http_code", json!(201)),
        ("next_attempt_at", Value::Null),
        ("is_archived", json!(false)),
    ] {
        assert_eq!(event[name], value, "{name}");
    }
}

#[test]
fn nothing_of_a_test_is_stored_and_nothing_counts() {
    let app = TestApp::with_flags(&["--disable-after", "1", "--retry-schedule", "0s"]);
    let receiver = Receiver::start();
    receiver.reply("/hook", 500, "");
    let endpoint = app.endpoint(&receiver.url("/hook"));
    let before = everything(&app, &endpoint);
    for made in 1..=5 {
        let delivery = test(&app, &endpoint, &json!({"type": "order.paid"})).expect(200);
        assert_eq!(delivery["succeeded"], false);
        assert_eq!(delivery["http_code"], 500);
        assert_eq!(receiver.count("/hook"), made, "no retry");
        let event = delivery["webhook_event"]["id"].as_str().unwrap();
        app.get(&format!("/api/webhooks/events/{event}"))
            .expect(404);
    }
    receiver.reply("/hook", 410, "");
    assert_eq!(
        test(&app, &endpoint, &json!({})).expect(200)["http_code"],
        410
    );
    assert_eq!(everything(&app, &endpoint), before);
    // A real event is delivered at once: the endpoint neither rests nor is it disabled.
    receiver.reply("/hook", 200, "");
    app.publish("order.paid", &json!(1));
    app.wait_for_events("succeeded", 1);
}

#[test]
fn a_test_has_the_headers_and_the_timeout_of_the_endpoint_and_asks_no_filter_and_no_limit() {
    let app = TestApp::with_flags(&["--request-timeout", "30s"]);
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    let settings = json!({
        "headers": {"authorization": "Basic dTpw"},
        "policy": {"timeout": 1, "rate_limit": 1},
        "filter": {"data": {"amount": [-1]}},
    });
    app.patch(&endpoint_path(&endpoint), &settings).expect(200);
    for _ in 0..2 {
        assert_eq!(
            test(&app, &endpoint, &json!({})).expect(200)["succeeded"],
            true
        );
    }
    for received in receiver.wait("/a", 2) {
        assert_eq!(received.header("authorization"), "Basic dTpw");
    }
    receiver.hold("/a");
    let held = test(&app, &endpoint, &json!({})).expect(200);
    receiver.let_go("/a");
    assert_eq!(held["error"], "timeout");
    let took = held["duration_ms"].as_u64().unwrap();
    assert!((900..10_000).contains(&took), "{took}");
}

#[test]
fn a_test_goes_out_whatever_the_state_of_the_endpoint() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint_for(&receiver.url("/off"), "raw", &[]);
    let change = json!({"enabled": false, "paused": true});
    app.patch(&endpoint_path(&endpoint), &change).expect(200);
    let sent = test(&app, &endpoint, &json!({"data": [1, 2.50]})).expect(200);
    assert_eq!(sent["succeeded"], true);
    let shown = app.get(&endpoint_path(&endpoint)).expect(200);
    assert_eq!(
        (&shown["enabled"], &shown["paused"]),
        (&json!(false), &json!(true))
    );
    app.delete(&endpoint_path(&endpoint)).expect(204);
    test(&app, &endpoint, &json!({})).expect(404);
    assert_eq!(receiver.count("/off"), 1);
}

#[test]
fn type_and_data_are_those_of_the_caller_in_the_format_of_the_endpoint() {
    // Time stands still, so that the bodies are the same.
    let app = TestApp::with_manual_clock(&[]);
    let receiver = Receiver::start();
    let data = r#"{"id": "ord_1", "total": 1.50,"e":1e400}"#;
    for format in ["raw", "discord", "slack"] {
        let path = format!("/{format}");
        let endpoint = app.endpoint_for(&receiver.url(&path), format, &["order.paid"]);
        let target = format!("{}/test", endpoint_path(&endpoint));
        let body = format!(r#"{{"type": "order.paid", "data": {data}}}"#);
        let bearer = format!("Bearer {}", app.token);
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        app.request("POST", &target, &headers, Some(body.as_bytes()))
            .expect(200);
        app.request(
            "POST",
            "/api/webhooks/events",
            &headers,
            Some(body.as_bytes()),
        )
        .expect(202);
        let received = receiver.wait(&path, 2);
        let [tested, published] = [0, 1].map(|at| without_micros(received[at].text()));
        assert_eq!(tested, published, "{format}");
        assert!(received[0].text().contains("1.50"), "{format}");
        app.delete(&endpoint_path(&endpoint)).expect(204);
    }
    assert!(
        receiver.at("/raw")[0]
            .text()
            .ends_with(&format!("\"data\":{data}}}"))
    );
}

/// Leaves out the microseconds, by which the clock of storage goes on.
fn without_micros(text: &str) -> String {
    let Some((before, after)) = text.split_once("T22:13:20.") else {
        return text.to_owned();
    };
    format!("{before}{}", &after[6..])
}

#[test]
fn types_of_the_server_cannot_be_tested_except_for_that_of_tests() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/hook"));
    let typed = |name: &str| test(&app, &endpoint, &json!({"type": name}));
    let refused = typed("hookpost.endpoint.disabled").expect(422);
    assert_eq!(refused["detail"][0]["type"], "string_pattern_mismatch");
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "type"]));
    typed("hookpost.test").expect(200);
    assert_eq!(receiver.count("/hook"), 1);
}

#[test]
fn the_network_policy_holds_for_tests() {
    let mut app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/hook"));
    app.restart_with(&[]);
    let delivery = test(&app, &endpoint, &json!({})).expect(200);
    assert_eq!(delivery["error"], "address_refused", "{delivery}");
    assert_eq!(delivery["http_code"], Value::Null);
    assert_eq!(receiver.count("/hook"), 0);
}

#[test]
fn a_few_tests_of_a_workspace_run_at_a_time_and_take_nothing_from_events() {
    // The fewest senders that a server may have.
    let app = TestApp::with_flags(&["--max-threads", "4"]);
    let receiver = Receiver::start();
    receiver.hold("/slow");
    let slow = app.endpoint_for(&receiver.url("/slow"), "raw", &[]);
    app.endpoint_for(&receiver.url("/quick"), "raw", &["*"]);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| test(&app, &slow, &json!({})));
        // The client of the second one goes away.
        gone(&app, &slow);
        receiver.wait("/slow", 2);
        let refused = test(&app, &slow, &json!({}));
        assert_eq!(refused.expect(429)["error"], "TooManyRequests");
        assert_eq!(refused.header("retry-after"), Some("1"));
        app.publish("a.b", &json!(1));
        app.wait_for_events("succeeded", 1);
        let other = app.post("/api/workspaces", &app.admin, &json!({"name": "other"}));
        let other = other.expect(201)["id"].as_str().unwrap().to_owned();
        let token = app.make_token(Some(&other), Scopes::all());
        let new = json!({"url": receiver.url("/other"), "format": "raw", "events": []});
        let made = app
            .post("/api/webhooks/endpoints", &token, &new)
            .expect(201);
        let path = format!("{}/test", endpoint_path(&made));
        app.post(&path, &token, &json!({})).expect(200);
        receiver.let_go("/slow");
        assert_eq!(first.join().unwrap().expect(200)["succeeded"], true);
        // The test whose client has gone ends, too.
        wait_until("a free place", || {
            test(&app, &slow, &json!({})).status == 200
        });
    });
}

/// Asks for a test, and closes the connection.
fn gone(app: &TestApp, endpoint: &Value) {
    let (path, token) = (endpoint_path(endpoint), &app.token);
    let mut client = TcpStream::connect(app.addr).unwrap();
    client.set_write_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "POST {path}/test HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-length: 0\r\n\r\n",
        app.addr
    );
    client.write_all(request.as_bytes()).unwrap();
}

#[test]
fn a_test_under_way_is_answered_while_the_server_stops() {
    let mut app = TestApp::with_flags(&["--request-timeout", "1s"]);
    let receiver = Receiver::start();
    receiver.hold("/hangs");
    let endpoint = app.endpoint_for(&receiver.url("/hangs"), "raw", &[]);
    let (addr, token) = (app.addr, app.token.clone());
    let path = format!("{}/test", endpoint_path(&endpoint));
    let asked = std::thread::spawn(move || {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .proxy(None)
            .build()
            .new_agent();
        let request = agent.post(format!("http://{addr}{path}"));
        let request = request.header("authorization", format!("Bearer {token}"));
        let mut answer = request.send_empty().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        serde_json::from_str::<Value>(&text).unwrap()
    });
    receiver.wait("/hangs", 1);
    app.stop();
    let delivery = asked.join().unwrap();
    assert_eq!(delivery["error"], "timeout");
    let took = Duration::from_millis(delivery["duration_ms"].as_u64().unwrap());
    assert!(took < PATIENCE, "{took:?}");
    receiver.let_go("/hangs");
}
