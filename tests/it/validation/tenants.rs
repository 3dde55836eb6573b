//! The tests of what belongs to a workspace: its name, the scopes of its tokens, and what its deletion
//! ends.

use std::time::Duration;

use hookpost::domain::access::{Scope, Scopes};
use serde_json::{Value, json};

use super::super::fixture::START;
use super::super::receiver::Receiver;
use super::*;

#[test]
fn a_token_cannot_grant_scopes_that_it_does_not_hold() {
    let app = TestApp::with_manual_clock(&[]);
    let url = "/api/workspace-access-tokens";
    let held = [Scope::TokensWrite, Scope::TokensRead, Scope::WebhooksRead];
    let some = app.make_token(Some(&app.workspace), held.into_iter().collect());
    for scope in Scope::ALL {
        let body = json!({"comment": "", "scopes": ["webhooks:read", scope.as_str()]});
        let answer = app.post(url, &some, &body);
        // The view is a part of reading.
        if held.contains(&scope) || scope == Scope::WebhooksView {
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
        START.after(Duration::from_mins(1)).to_string()
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
    app.advance(Duration::from_mins(1));
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
fn deleting_a_workspace_ends_its_tokens_its_endpoints_and_pending_events() {
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
    app.advance(Duration::from_hours(1));
    assert_eq!(total("/api/webhooks/deliveries"), 1);
    let body = json!({"type": "a", "data": 1, "workspace_id": app.workspace});
    let answer = app.post("/api/webhooks/events", &app.admin, &body);
    assert_eq!(detail(&answer)[0]["type"], "value_error");
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
