//! The exact shape of every object, what a change changes, and what a token can give away.

use std::time::Duration;

use hookpost::domain::access::{Scope, Scopes};
use serde_json::{Value, json};

use super::super::fixture::START;
use super::super::receiver::Receiver;
use super::*;

const WORKSPACE: [&str; 4] = ["created_at", "modified_at", "id", "name"];
const TOKEN: [&str; 8] = [
    "created_at",
    "modified_at",
    "id",
    "workspace_id",
    "comment",
    "scopes",
    "expires_at",
    "last_used_at",
];
const ENDPOINT: [&str; 10] = [
    "created_at",
    "modified_at",
    "id",
    "url",
    "format",
    "secret",
    "workspace_id",
    "events",
    "enabled",
    "disabled_reason",
];
const EVENT: [&str; 13] = [
    "created_at",
    "modified_at",
    "id",
    "last_http_code",
    "succeeded",
    "skipped",
    "payload",
    "type",
    "is_archived",
    "message_id",
    "webhook_endpoint_id",
    "attempts",
    "next_attempt_at",
];
const DELIVERY: [&str; 11] = [
    "created_at",
    "modified_at",
    "id",
    "succeeded",
    "http_code",
    "response",
    "webhook_event",
    "webhook_endpoint_id",
    "attempt",
    "duration_ms",
    "error",
];
const MESSAGE: [&str; 5] = ["id", "type", "timestamp", "workspace_id", "events"];

/// Asserts that an object has these keys and no others, and that its ids and times look like such.
#[track_caller]
fn assert_shape(object: &Value, keys: &[&str]) {
    let mut found: Vec<_> = object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = keys.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    for (key, value) in object.as_object().unwrap() {
        let Some(text) = value.as_str() else { continue };
        if key.ends_with("_at") {
            assert_time(text);
        } else if key == "id" || key.ends_with("_id") {
            let id = uuid::Uuid::parse_str(text).unwrap();
            assert_eq!(id.get_version_num(), 4, "{key}");
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122, "{key}");
            assert_eq!(id.hyphenated().to_string(), text, "{key}");
        }
    }
}

/// Asserts that a time is RFC 3339 in UTC, with microseconds and a `Z`.
#[track_caller]
fn assert_time(text: &str) {
    let form: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(form, "0000-00-00T00:00:00.000000Z", "{text}");
}

#[track_caller]
fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap()
}

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
    items.iter().for_each(|item| assert_shape(item, keys));
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
fn what_is_disabled_deleted_or_pending_says_so() {
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
    assert_eq!(message["timestamp"], sent);
    assert_ne!(message["id"], NOBODY);
    let event = app.get("/api/webhooks/events").expect(200)["data"][0].clone();
    assert_eq!(text(&event, "created_at"), "2023-11-14T22:13:21.000001Z");
    let message = app.publish("a", &json!(1));
    assert_eq!(text(&message, "timestamp"), "2023-11-14T22:13:21.000001Z");
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
                ("enabled", json!(false)),
            ],
        ),
        (
            format!("/api/workspaces/{}", app.workspace),
            vec![("name", json!("another"))],
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
        Some(&b"not JSON \xff"[..]),
        Some(b"{\"secret\":\"mine\"}"),
    ] {
        let replaced = send(&app, &app.token, "PATCH", &path, body).expect(200);
        assert_shape(&replaced, &ENDPOINT);
        assert_eq!(text(&replaced, "secret").len(), "whsec_".len() + 44);
        assert_ne!(replaced["secret"], generated["secret"]);
    }
}

#[test]
fn nobody_gives_away_more_than_they_hold() {
    let app = TestApp::with_manual_clock(&[]);
    let url = "/api/workspace-access-tokens";
    let held = [Scope::TokensWrite, Scope::TokensRead, Scope::WebhooksRead];
    let some = app.make_token(Some(&app.workspace), held.into_iter().collect());
    for scope in Scope::ALL {
        let body = json!({"comment": "", "scopes": ["webhooks:read", scope.as_str()]});
        let answer = app.post(url, &some, &body);
        if held.contains(&scope) {
            answer.expect(201);
            continue;
        }
        assert_eq!(answer.expect(403)["error"], "insufficient_scope");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(
            challenge.ends_with(&format!("scope=\"{}\"", scope.as_str())),
            "{challenge}"
        );
    }
    // An admin's token is for the workspace that it names, and its own scopes are all there are.
    let other = app
        .post("/api/workspaces", &app.admin, &json!({"name": "other"}))
        .expect(201);
    let body = json!({
        "comment": "ci", "scopes": ["workspaces:read", "webhooks:read", "webhooks:read"],
        "expires_in": 60, "workspace_id": other["id"],
    });
    let made = app.post(url, &app.admin, &body).expect(201);
    assert_shape(&made, &["workspace_access_token", "token"]);
    let object = &made["workspace_access_token"];
    assert_shape(object, &TOKEN);
    assert_eq!(object["workspace_id"], other["id"]);
    assert_eq!(
        object["scopes"],
        json!(["webhooks:read", "workspaces:read"])
    );
    assert_eq!(
        text(object, "expires_at"),
        START.after(Duration::from_secs(60)).to_string()
    );
    let token = text(&made, "token");
    assert!(token.starts_with("hookpost_wat_"), "{token}");
    // It is shown this once.
    let listed = app.get_as(&app.admin, &format!("{url}?limit=100"));
    assert!(listed.text.contains(text(object, "id")) && !listed.text.contains(token));
    let patched = app.request(
        "PATCH",
        &format!("{url}/{}", text(object, "id")),
        &[("authorization", &format!("Bearer {}", app.admin))],
        Some(b"{\"comment\":\"again\"}"),
    );
    assert_shape(&patched.expect(200), &TOKEN);
    // Widening is giving away as well.
    let mine = app.post(
        url,
        &some,
        &json!({"comment": "", "scopes": ["webhooks:read"]}),
    );
    let mine = format!(
        "{url}/{}",
        text(&mine.expect(201)["workspace_access_token"], "id")
    );
    let widen = |token: &str| {
        let body = br#"{"scopes":["webhooks:read","webhooks:write"]}"#;
        send(&app, token, "PATCH", &mine, Some(body)).status
    };
    assert_eq!((widen(&some), widen(&app.token)), (403, 200));
    // It sees its own workspace only, until it expires.
    let seen = app.get_as(token, "/api/workspaces").expect(200);
    assert_eq!(
        (&seen["meta"]["total"], &seen["data"][0]["id"]),
        (&json!(1), &other["id"])
    );
    app.advance(Duration::from_secs(60));
    assert_eq!(app.get_as(token, "/api/workspaces").status, 401);
}

#[test]
fn a_workspace_has_its_name_to_itself() {
    let app = TestApp::start();
    let make = |name: &str| app.post("/api/workspaces", &app.admin, &json!({ "name": name }));
    assert_eq!(make(" spaced\t").expect(201)["name"], "spaced");
    assert_eq!(make("spaced").expect(409)["error"], "NameTaken");
    let longest = make(&"é".repeat(64)).expect(201);
    make("Spaced").expect(201);
    let own = format!("/api/workspaces/{}", app.workspace);
    assert_eq!(
        app.patch(&own, &json!({"name": "spaced"})).expect(409)["error"],
        "NameTaken"
    );
    // Its own name is not taken.
    app.patch(&own, &json!({"name": "test"})).expect(200);
    app.patch(&own, &json!({"name": "renamed"})).expect(200);
    make("test").expect(201);
    let path = format!("/api/workspaces/{}", text(&longest, "id"));
    send(&app, &app.admin, "DELETE", &path, None).expect(204);
    make(&"é".repeat(64)).expect(201);
}

#[test]
fn with_a_workspace_go_its_tokens_its_endpoints_and_what_is_pending() {
    let app = TestApp::with_manual_clock(&[]);
    let receiver = Receiver::start();
    receiver.reply("/bad", 500, "");
    let endpoint = app.endpoint(&receiver.url("/bad"));
    let message = app.publish("a", &json!(1));
    let event = format!("/api/webhooks/events/{}", text(&message["events"][0], "id"));
    app.wait_for(&event, |event| event["attempts"] == 1);
    let path = format!("/api/workspaces/{}", app.workspace);
    let admin = |method: &str, path: &str| send(&app, &app.admin, method, path, None);
    assert_eq!(app.delete(&path).status, 403, "an admin's work");
    let deleted = admin("DELETE", &path);
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    assert_eq!(app.get(&path).expect(401)["error"], "invalid_token");
    for (method, path) in [
        ("GET", path.as_str()),
        ("DELETE", &path),
        (
            "GET",
            &format!("/api/webhooks/endpoints/{}", text(&endpoint, "id")),
        ),
        ("POST", &format!("{event}/redeliver")),
    ] {
        assert_eq!(admin(method, path).status, 404, "{method} {path}");
    }
    let total = |path: &str| admin("GET", path).expect(200)["meta"]["total"].clone();
    assert_eq!(total("/api/workspaces"), 0);
    assert_eq!(total("/api/webhooks/endpoints"), 0);
    assert_eq!(total("/api/workspace-access-tokens"), 1, "the admin's");
    let skipped = admin("GET", &event).expect(200);
    assert_eq!(
        (&skipped["skipped"], &skipped["succeeded"]),
        (&json!(true), &Value::Null)
    );
    app.advance(Duration::from_secs(3600));
    assert_eq!(total("/api/webhooks/deliveries"), 1);
    let body = json!({"type": "a", "data": 1, "workspace_id": app.workspace});
    let answer = app.post("/api/webhooks/events", &app.admin, &body);
    assert_eq!(detail(&answer)[0]["type"], "value_error");
}

#[test]
fn browsers_are_answered_before_anybody_is_asked_for_a_token() {
    let app = TestApp::start();
    let preflight = |path: &str, method: &str, headers: &str| {
        let asked = [
            ("origin", "https://app.example"),
            ("access-control-request-method", method),
            ("access-control-request-headers", headers),
        ];
        app.request("OPTIONS", path, &asked, None)
    };
    for route in hookpost::api::table() {
        if route.access == hookpost::api::Access::Public {
            continue;
        }
        for base in hookpost::api::BASES {
            let path = format!("{base}{}", route.path.replace("{id}", NOBODY));
            let headers = "authorization, Content-Type, idempotency-key";
            let answer = preflight(&path, route.method.as_str(), headers);
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            let listed = |name: &str| answer.header(name).unwrap().to_ascii_lowercase();
            let methods = listed("access-control-allow-methods");
            assert!(
                methods.contains(&route.method.as_str().to_ascii_lowercase()),
                "{methods}"
            );
            let headers = listed("access-control-allow-headers");
            for header in ["authorization", "content-type", "idempotency-key"] {
                assert!(headers.contains(header), "{headers}");
            }
        }
    }
    let refused = preflight("/api/webhooks/events", "POST", "x-anything-else");
    assert_eq!(refused.expect(400)["error"], "BadRequest");
    // What is refused later can be read by the page as well.
    for (path, token, status) in [
        ("/v1/webhooks/events", "", 401),
        ("/api/nowhere", "", 404),
        ("/api/webhooks/events?page=0", app.token.as_str(), 422),
        ("/api/webhooks/events", app.token.as_str(), 200),
    ] {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("origin", "https://app.example")];
        if !token.is_empty() {
            headers.push(("authorization", &bearer));
        }
        let answer = app.request("GET", path, &headers, None);
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("*"),
            "{path}"
        );
        let exposed = answer.header("access-control-expose-headers").unwrap();
        assert!(
            exposed.to_ascii_lowercase().contains("retry-after"),
            "{exposed}"
        );
    }
    let probe = app.request(
        "GET",
        "/healthz",
        &[("origin", "https://app.example")],
        None,
    );
    assert_eq!(probe.header("access-control-allow-origin"), None);
}

#[test]
fn only_the_named_origins_are_let_in() {
    let app = TestApp::with_flags(&["--cors-origin", "https://a.example,https://b.example"]);
    for (origin, allowed) in [
        ("https://a.example", true),
        ("https://b.example", true),
        ("https://c.example", false),
        ("http://a.example", false),
        ("https://a.example.evil.example", false),
        ("null", false),
    ] {
        let asked = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
        ];
        let answer = app.request("OPTIONS", "/api/webhooks/events", &asked, None);
        assert_eq!(answer.status, if allowed { 200 } else { 400 }, "{origin}");
        let expected = allowed.then_some(origin);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            expected,
            "{origin}"
        );
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[test]
fn scopes_are_those_of_the_token_as_it_is_now() {
    let app = TestApp::start();
    let all = json!(Scopes::all().iter().map(Scope::as_str).collect::<Vec<_>>());
    let body = json!({"comment": "", "scopes": all});
    let made = app
        .post("/api/workspace-access-tokens", &app.token, &body)
        .expect(201);
    let path = format!(
        "/api/workspace-access-tokens/{}",
        text(&made["workspace_access_token"], "id")
    );
    let token = text(&made, "token");
    assert_eq!(app.get_as(token, "/api/workspaces").status, 200);
    app.patch(&path, &json!({"scopes": ["webhooks:read"]}))
        .expect(200);
    assert_eq!(app.get_as(token, "/api/workspaces").status, 403);
    app.delete(&path).expect(204);
    assert_eq!(app.get_as(token, "/api/workspaces").status, 401);
    assert_eq!(app.delete(&path).status, 404);
}
