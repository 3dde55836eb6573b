//! The tests of previews.

use super::*;

const PREVIEW: &str = "/api/webhooks/preview";

fn ask(app: &TestApp, body: &Value) -> Value {
    app.post(PREVIEW, &app.token, body).expect(200)
}

fn why(app: &TestApp, body: &Value) -> Value {
    let answer = ask(app, body);
    assert_eq!(answer["matches"], answer["why"].is_null(), "{answer}");
    assert_eq!(answer["error"], Value::Null);
    answer["why"].clone()
}

#[test]
fn a_preview_says_why_a_message_would_not_come() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let filter = json!({"data": {"total": [{"numeric": [">=", 100]}]}, "tags": {"region": ["eu"]}});
    let endpoint = filtered(&app, &receiver.url("/a"), &filter);
    let id = &endpoint["id"];
    let message = |kind: &str, total: u64, region: &str| json!({"type": kind, "data": {"total": total}, "tags": {"region": region}});
    let good = message("order.paid", 100, "eu");
    for (message, expected) in [
        (good.clone(), Value::Null),
        (message("user.created", 1, "us"), json!("events")),
        (message("order.paid", 99, "us"), json!("filter.data.total")),
        (
            message("order.paid", 100, "us"),
            json!("filter.tags.region"),
        ),
    ] {
        let body = json!({"endpoint_id": id, "message": message});
        assert_eq!(why(&app, &body), expected, "{message}");
    }
    app.set_enabled(&endpoint, false);
    let body = json!({"endpoint_id": id, "message": good});
    assert_eq!(why(&app, &body), "disabled");
    app.set_enabled(&endpoint, true);
    // What it would be with other settings; one that is shown can be sent.
    for (settings, expected) in [
        (json!({"events": ["user.*"]}), json!("events")),
        (
            json!({"filter": {"data": {"total": [1]}}}),
            json!("filter.data.total"),
        ),
        (json!({}), Value::Null),
        (Value::Null, Value::Null),
        (endpoint.clone(), Value::Null),
    ] {
        let body = json!({"endpoint_id": id, "endpoint": settings, "message": good});
        assert_eq!(why(&app, &body), expected, "{settings}");
    }
    // An endpoint that is not there has all types, no filter, and gets raw bodies.
    for (settings, expected) in [
        (json!({}), Value::Null),
        (json!({"events": []}), json!("events")),
        (
            json!({"filter": {"timestamp": [{"prefix": "1999"}]}}),
            json!("filter.timestamp"),
        ),
    ] {
        let body = json!({"endpoint": settings, "message": good});
        assert_eq!(why(&app, &body), expected, "{settings}");
    }
    let operational = json!({"endpoint": {"events": ["hookpost.*"]}, "message": {
        "type": "hookpost.endpoint.failing", "data": {}, "timestamp": "1999-01-31T12:00:00Z",
    }});
    assert_eq!(why(&app, &operational), Value::Null);

    for list in ["messages", "events", "deliveries"] {
        let list = app.get(&format!("/api/webhooks/{list}")).expect(200);
        assert_eq!(list["meta"]["total"], 0, "nothing was stored");
    }
    assert_eq!(receiver.count("/a"), 0);
}

#[test]
fn a_preview_shows_the_body_that_an_endpoint_gets() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let message = json!({"type": "order.paid", "data": {"b": 1.5, "a": "x"}, "timestamp": "2026-01-31T12:00:00+01:00"});
    let mut published = message.clone();
    published["tags"] = json!({"region": "eu"});
    for format in ["raw", "discord", "slack"] {
        let path = format!("/{format}");
        let endpoint = app.endpoint_for(&receiver.url(&path), format, &["*"]);
        let body = json!({"endpoint_id": endpoint["id"], "message": published});
        let shown = ask(&app, &body)["body"].clone();
        let drafted = json!({"endpoint": {"format": format}, "message": published});
        assert_eq!(ask(&app, &drafted)["body"], shown, "{format}");
        app.post("/api/webhooks/events", &app.token, &published)
            .expect(202);
        assert_eq!(shown, receiver.wait(&path, 1)[0].text(), "{format}");
    }
    let drafted = json!({"endpoint": {"format": "slack"}, "message": message});
    let for_admin = app.post(PREVIEW, &app.admin, &drafted).expect(200);
    assert!(for_admin["body"].as_str().unwrap().contains("order.paid"));
}

#[test]
fn the_endpoint_of_another_workspace_is_not_there() {
    let app = TestApp::start();
    let endpoint = app.endpoint("https://a.example/");
    let other = app
        .post("/api/workspaces", &app.admin, &json!({"name": "other"}))
        .expect(201);
    let token = app.make_token(
        other["id"].as_str(),
        hookpost::domain::access::Scopes::all(),
    );
    let mut body = json!({"endpoint_id": endpoint["id"], "message": {"type": "a", "data": 1}});
    assert_eq!(
        app.post(PREVIEW, &app.admin, &body).expect(200)["matches"],
        true
    );
    let theirs = app.post(PREVIEW, &token, &body).expect(404);
    body["endpoint_id"] = json!("0190a000-0000-4000-8000-000000000000");
    assert_eq!(app.post(PREVIEW, &token, &body).expect(404), theirs);
    app.delete(&endpoint_path(&endpoint)).expect(204);
    body["endpoint_id"] = endpoint["id"].clone();
    app.post(PREVIEW, &app.token, &body).expect(404);
}

#[test]
fn a_large_message_can_be_previewed() {
    let app = TestApp::start();
    let data = json!({"pad": "x".repeat(100_000), "n": 1});
    let body = json!({"endpoint": {"filter": {"data": {"n": [1]}}}, "message": {"type": "a", "data": data}});
    let answer = ask(&app, &body);
    assert_eq!(answer["matches"], true);
    assert!(answer["body"].as_str().unwrap().len() > 100_000);
}
