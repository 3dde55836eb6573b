//! The tests of the limit on the bytes that a workspace may publish a minute.

use std::time::Duration;

use hookpost::domain::access::{Scope, Scopes};
use serde_json::{Value, json};

use super::*;

/// A publish of exactly so many bytes.
fn body(bytes: usize, workspace: Option<&str>) -> Value {
    let body = |filler: usize| {
        let filler = "x".repeat(filler);
        match workspace {
            Some(id) => json!({"type": "a", "data": filler, "workspace_id": id}),
            None => json!({"type": "a", "data": filler}),
        }
    };
    body(bytes - body(0).to_string().len())
}

#[test]
fn a_workspace_may_publish_so_many_bytes_a_minute_whoever_publishes() {
    let app = TestApp::with_manual_clock(&["--publish-byte-limit", "6000"]);
    let only_publish: Scopes = [Scope::WebhooksPublish].into_iter().collect();
    let other_token = app.make_token(Some(&app.workspace), only_publish);
    app.post(PUBLISH, &app.token, &body(3000, None)).expect(202);
    app.post(PUBLISH, &other_token, &body(2000, None))
        .expect(202);
    let by_admin = body(1000, Some(&app.workspace));
    app.post(PUBLISH, &app.admin, &by_admin).expect(202);
    for token in [&app.token, &other_token] {
        let refused = app.post(PUBLISH, token, &body(500, None));
        assert_eq!(
            refused.expect(429),
            json!({
                "error": "TooManyRequests",
                "detail": "This workspace may publish 6000 bytes a minute: \
                           come back after Retry-After seconds",
            })
        );
        assert_eq!(refused.header("retry-after"), Some("5"));
        assert_eq!(refused.header("x-ratelimit-limit"), None);
    }
    app.post(PUBLISH, &app.admin, &by_admin).expect(429);
    // What was refused was not counted, and all else goes on.
    app.get(LIST).expect(200);
    app.post(PUBLISH, &app.token, &json!({"type": 1}))
        .expect(422);
    app.advance(Duration::from_millis(4999));
    app.post(PUBLISH, &app.token, &body(500, None)).expect(429);
    app.advance(Duration::from_millis(1));
    app.post(PUBLISH, &app.token, &body(500, None)).expect(202);
    app.post(PUBLISH, &app.token, &body(50, None)).expect(429);
    // Another workspace has a budget of its own.
    let made = app.post("/api/workspaces", &app.admin, &json!({"name": "other"}));
    let other = String::from(made.expect(201)["id"].as_str().unwrap());
    let theirs = app.make_token(Some(&other), Scopes::webhooks());
    app.post(PUBLISH, &theirs, &body(6000, None)).expect(202);
    app.post(PUBLISH, &theirs, &body(50, None)).expect(429);
}

#[test]
fn a_large_body_gets_the_same_responses_as_a_small_one() {
    let app = TestApp::with_manual_clock(&["--publish-byte-limit", "100000"]);
    let headers = [("authorization", format!("Bearer {}", app.token))];
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let send = |body: &[u8]| app.request("POST", PUBLISH, &headers, Some(body));
    let mut bad = body(200_000, None);
    bad["type"] = json!(1);
    let problems = app.post(PUBLISH, &app.token, &bad).expect(422);
    assert_eq!(problems["detail"][0]["loc"], json!(["body", "type"]));
    let foreign = body(200_000, Some("9b2d3f1e-0000-4000-8000-000000000001"));
    let problems = app.post(PUBLISH, &app.token, &foreign).expect(422);
    assert_eq!(
        problems["detail"][0]["loc"],
        json!(["body", "workspace_id"])
    );
    send(&vec![0xff; 100_000]).expect(400);
    // Larger than what may go in a minute: it goes when nothing is owed, and is paid for.
    app.post(PUBLISH, &app.token, &body(200_000, None))
        .expect(202);
    let refused = app.post(PUBLISH, &app.token, &body(100, None));
    refused.expect(429);
    assert_eq!(refused.header("retry-after"), Some("61"));
}
