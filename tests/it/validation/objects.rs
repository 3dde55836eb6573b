//! The tests of the exact shape of every object, and of the changes of objects.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::fixture::START;
use super::super::receiver::Receiver;
use super::*;

#[track_caller]
fn assert_list(list: &Value, keys: &[&str], more: &[&str]) {
    assert_shape(list, &["data", "meta"]);
    let mut meta = vec!["total", "page", "per_page", "pages"];
    meta.extend(more);
    assert_shape(&list["meta"], &meta);
    assert!(
        list["meta"]
            .as_object()
            .unwrap()
            .values()
            .all(Value::is_u64)
    );
    let items = list["data"].as_array().unwrap();
    assert!(!items.is_empty());
    for item in items {
        assert_shape(item, keys);
    }
}

#[test]
fn every_object_has_its_keys_and_no_others() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    assert_shape(&endpoint, &ENDPOINT);
    assert_eq!(endpoint["modified_at"], Value::Null);
    assert_eq!(
        (&endpoint["enabled"], &endpoint["disabled_reason"]),
        (&json!(true), &Value::Null)
    );
    let message = app.publish("a.b", &json!({"n": 1}));
    assert_shape(&message, &MESSAGE);
    assert_shape(&message["events"][0], &["id", "webhook_endpoint_id"]);
    assert_time(text(&message, "timestamp"));
    assert_eq!(message["workspace_id"], app.workspace);
    let events = app.wait_for_events("succeeded", 1);
    assert_list(&events, &EVENT, &[]);
    let one = format!("/api/webhooks/events/{}", text(&message["events"][0], "id"));
    let event = app.get(&one).expect(200);
    assert_eq!(event, events["data"][0]);
    assert_eq!(
        event["payload"],
        format!(
            r#"{{"type":"a.b","timestamp":"{}","data":{{"n":1}}}}"#,
            text(&message, "timestamp")
        )
    );
    assert_eq!(event["message_id"], message["id"]);
    assert_eq!(event["attempts"], 1);
    assert_eq!(
        (&event["skipped"], &event["is_archived"]),
        (&json!(false), &json!(false))
    );
    let deliveries = app.get("/api/webhooks/deliveries?query=200").expect(200);
    assert_list(&deliveries, &DELIVERY, &["searched"]);
    let delivery = &deliveries["data"][0];
    assert_shape(&delivery["webhook_event"], &EVENT);
    assert_eq!(delivery["webhook_event"], event);
    assert_eq!(
        (&delivery["attempt"], &delivery["response"]),
        (&json!(1), &json!("ok"))
    );
    assert_list(
        &app.get("/api/webhooks/deliveries").expect(200),
        &DELIVERY,
        &[],
    );
    assert_list(
        &app.get("/api/webhooks/endpoints").expect(200),
        &ENDPOINT,
        &[],
    );
    assert_list(&app.get("/api/workspaces").expect(200), &WORKSPACE, &[]);
    assert_list(
        &app.get_as(&app.admin, "/api/workspaces").expect(200),
        &WORKSPACE,
        &[],
    );
    assert_list(
        &app.get("/api/workspace-access-tokens").expect(200),
        &TOKEN,
        &[],
    );
    let workspace = app
        .get(&format!("/api/workspaces/{}", app.workspace))
        .expect(200);
    assert_shape(&workspace, &WORKSPACE);
    let again = app.post(&format!("{one}/redeliver"), &app.token, &json!("ignored"));
    assert_eq!((again.status, again.text.as_str()), (202, "null"));
}

#[test]
fn objects_show_that_they_are_disabled_deleted_or_pending() {
    let app = TestApp::with_manual_clock(&["--max-threads", "4"]);
    let receiver = Receiver::start();
    receiver.reply("/bad", 500, "");
    let endpoint = app.endpoint(&receiver.url("/bad"));
    let path = format!("/api/webhooks/endpoints/{}", text(&endpoint, "id"));
    let message = app.publish("a", &json!(1));
    let event = format!("/api/webhooks/events/{}", text(&message["events"][0], "id"));
    let failed = app.wait_for(&event, |event| event["attempts"] == 1);
    assert_shape(&failed, &EVENT);
    assert_eq!(
        (&failed["succeeded"], &failed["skipped"]),
        (&Value::Null, &json!(false))
    );
    assert_eq!(failed["last_http_code"], 500);
    assert_time(text(&failed, "next_attempt_at"));
    let disabled = app.patch(&path, &json!({"enabled": false})).expect(200);
    assert_shape(&disabled, &ENDPOINT);
    assert_eq!(disabled["disabled_reason"], "manual");
    let skipped = app.wait_for(&event, |event| event["skipped"] == true);
    assert_shape(&skipped, &EVENT);
    assert_eq!(
        (&skipped["succeeded"], &skipped["next_attempt_at"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn times_are_the_servers_and_the_producers_is_kept() {
    let app = TestApp::with_manual_clock(&[]);
    let endpoint = app.endpoint("http://127.0.0.1:1/");
    assert_eq!(text(&endpoint, "created_at"), START.to_string());
    app.advance(Duration::from_micros(1_000_001));
    let sent = "2001-02-03t04:05:06.7+08:00";
    let body = json!({"type": "a", "data": 1, "timestamp": sent, "created_at": sent, "id": NOBODY});
    let message = app
        .post("/api/webhooks/events", &app.token, &body)
        .expect(202);
    assert_eq!(message["timestamp"], "2001-02-03T04:05:06.7+08:00");
    assert_ne!(message["id"], NOBODY);
    let event = app.get("/api/webhooks/events").expect(200)["data"][0].clone();
    assert_eq!(text(&event, "created_at"), "2023-11-14T22:13:21.000001Z");
    let message = app.publish("a", &json!(1));
    // The clock stands still, but no two messages have the same time.
    assert_eq!(text(&message, "timestamp"), "2023-11-14T22:13:21.000002Z");
}

/// Everything that can be patched: its path, and a change of each of its fields.
fn patched(app: &TestApp) -> Vec<(String, Vec<(&'static str, Value)>)> {
    let endpoint = app.endpoint_for("https://a.example/", "slack", &["a", "b.*"]);
    let new = json!({"comment": "c", "scopes": ["webhooks:read"], "expires_in": 60});
    let token = app
        .post("/api/workspace-access-tokens", &app.token, &new)
        .expect(201);
    vec![
        (
            format!("/api/webhooks/endpoints/{}", text(&endpoint, "id")),
            vec![
                ("url", json!("https://b.example/x")),
                ("secret", json!("a secret that is long enough by now")),
                ("format", json!("discord")),
                ("events", json!([])),
                ("name", json!("Orders")),
                ("description", json!("for the\n\tteam 🐦")),
                ("name", json!("")),
                ("description", json!("")),
                ("enabled", json!(false)),
            ],
        ),
        (
            format!("/api/workspaces/{}", app.workspace),
            vec![
                ("name", json!("another")),
                ("archive_after", json!(604_800)),
                ("delete_after", json!(86_400)),
                ("archive_after", json!(0)),
            ],
        ),
        (
            format!(
                "/api/workspace-access-tokens/{}",
                text(&token["workspace_access_token"], "id")
            ),
            vec![
                ("comment", json!("")),
                ("scopes", json!(["webhooks:publish"])),
            ],
        ),
    ]
}

/// The object of that path; tokens are only listed.
fn read(app: &TestApp, path: &str) -> Value {
    if path.contains("/workspace-access-tokens/") {
        app.patch(path, &json!({})).expect(200)
    } else {
        app.get(path).expect(200)
    }
}

#[test]
fn a_patch_changes_what_it_names_and_nothing_else() {
    let app = TestApp::with_manual_clock(&[]);
    for (path, fields) in patched(&app) {
        let before = read(&app, &path);
        assert_eq!(before["modified_at"], Value::Null);
        let nulls: Value = fields
            .iter()
            .map(|(name, _)| (*name, Value::Null))
            .collect();
        for nothing in [
            json!({}),
            nulls,
            json!({"unknown": 1, "id": NOBODY, "created_at": 7}),
        ] {
            app.advance(Duration::from_secs(1));
            assert_eq!(
                app.patch(&path, &nothing).expect(200),
                before,
                "{path} {nothing}"
            );
            assert_eq!(read(&app, &path), before);
        }
        // A whole object may be sent back, with whatever else is in it.
        app.advance(Duration::from_secs(1));
        let mut back = app.patch(&path, &before).expect(200);
        back["modified_at"] = Value::Null;
        assert_eq!(back, before, "{path}");
        for (name, value) in fields {
            app.advance(Duration::from_secs(1));
            let mut expected = read(&app, &path);
            let now = app.patch(&path, &json!({ (name): value })).expect(200);
            assert_ne!(now["modified_at"], expected["modified_at"], "{path} {name}");
            assert!(text(&now, "modified_at") > text(&now, "created_at"));
            expected[name] = value;
            expected["modified_at"] = now["modified_at"].clone();
            if name == "enabled" {
                expected["disabled_reason"] = json!("manual");
                expected["state"] = json!("disabled");
            }
            assert_eq!(now, expected, "{path} {name}");
            assert_eq!(read(&app, &path), expected, "{path} {name}");
        }
    }
}

#[test]
fn urls_are_trimmed_and_stored_as_browsers_read_them() {
    let app = TestApp::with_default_policy(&[]);
    for (sent, stored) in [
        (" https://A.Example ", "https://a.example/"),
        ("\thttps://a.example:443/a/../b\n", "https://a.example/b"),
        ("HTTPS:\\\\a.example\\x", "https://a.example/x"),
        (
            "https://bücher.example/ü?ü",
            "https://xn--bcher-kva.example/%C3%BC?%C3%BC",
        ),
        ("https://1.1/", "https://1.0.0.1/"),
        (
            "https://a.example/%7e%2F?%#f",
            "https://a.example/%7e%2F?%#f",
        ),
    ] {
        assert_eq!(app.endpoint(sent)["url"], stored, "{sent}");
    }
    let longest = format!("https://a.example/{}", "a".repeat(2083 - 18));
    assert_eq!(app.endpoint(&longest)["url"], longest);
}

#[test]
fn secrets_are_generated_kept_and_replaced() {
    let app = TestApp::with_default_policy(&[]);
    let make = |secret: Value| {
        let mut body = json!({"url": "https://a.example/", "format": "raw", "events": []});
        body["secret"] = secret;
        app.post("/api/webhooks/endpoints", &app.token, &body)
            .expect(201)
    };
    let generated = make(Value::Null);
    assert_eq!(text(&generated, "secret").len(), "whsec_".len() + 44);
    assert_ne!(generated["secret"], make(Value::Null)["secret"]);
    for own in [
        "x".repeat(32),
        "é".repeat(256),
        format!("whsec_{}", "A".repeat(32)),
    ] {
        assert_eq!(make(json!(own))["secret"], own);
    }
    let path = format!("/api/webhooks/endpoints/{}/secret", text(&generated, "id"));
    for body in [
        None,
        Some(&b""[..]),
        Some(b"null"),
        Some(b"{\"overlap\": 0}"),
        Some(b"{\"secret\": null, \"secret_type\": \"hmac\"}"),
    ] {
        let replaced = send(&app, &app.token, "PATCH", &path, body).expect(200);
        assert_shape(&replaced, &ENDPOINT);
        assert_eq!(text(&replaced, "secret").len(), "whsec_".len() + 44);
        assert_ne!(replaced["secret"], generated["secret"]);
    }
}

#[test]
fn an_endpoint_has_the_name_and_the_description_that_it_was_made_with() {
    let app = TestApp::with_default_policy(&[]);
    let endpoint = app.endpoint("https://a.example/");
    assert_eq!(
        (text(&endpoint, "name"), text(&endpoint, "description")),
        ("", "")
    );
    let (name, description) = ("é".repeat(128), "\n".repeat(1024));
    let new = json!({
        "url": "https://a.example/", "format": "raw", "events": [],
        "name": name, "description": description,
    });
    let made = app
        .post("/api/webhooks/endpoints", &app.token, &new)
        .expect(201);
    assert_eq!(made["name"], name);
    assert_eq!(made["description"], description);
    let path = format!("/api/webhooks/endpoints/{}", text(&made, "id"));
    assert_eq!(app.get(&path).expect(200), made);
    let listed = app.get("/api/webhooks/endpoints").expect(200);
    assert_eq!(listed["data"], json!([made, endpoint]));
}
