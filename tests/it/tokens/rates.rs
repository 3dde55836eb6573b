//! The tests of the limit on the requests of a workspace a minute.

use std::time::Duration;

use hookpost::domain::access::{Scope, Scopes};
use hookpost::domain::workspace::WorkspaceName;
use serde_json::json;

use super::*;

/// Limit, remaining and reset, as an answer tells them.
fn standing(answer: &Answer) -> Option<[u32; 3]> {
    let names = ["limit", "remaining", "reset"];
    let read = names.map(|name| {
        let value = answer.header(&format!("x-ratelimit-{name}"))?;
        Some(value.parse().unwrap())
    });
    match read {
        [Some(limit), Some(remaining), Some(reset)] => Some([limit, remaining, reset]),
        [None, None, None] => None,
        _ => panic!("{:?}", answer.headers),
    }
}

#[test]
fn a_workspace_has_a_limit_of_requests_a_minute_and_can_read_it() {
    let app = TestApp::with_manual_clock(&["--rate-limit", "5"]);
    for (remaining, reset) in [(4, 12), (3, 24), (2, 36), (1, 48), (0, 60)] {
        let answer = app.get(LIST);
        answer.expect(200);
        assert_eq!(standing(&answer), Some([5, remaining, reset]));
    }
    for _ in 0..3 {
        let refused = app.get(LIST);
        assert_eq!(
            refused.expect(429),
            json!({
                "error": "TooManyRequests",
                "detail": "The access tokens of a workspace may make 5 requests a minute together: \
                           come back after Retry-After seconds",
            })
        );
        assert_eq!(refused.header("retry-after"), Some("12"));
        assert_eq!(standing(&refused), Some([5, 0, 60]));
    }
    // What was refused was not counted.
    app.advance(Duration::from_millis(11_999));
    assert_eq!(app.get(LIST).header("retry-after"), Some("1"));
    app.advance(Duration::from_millis(1));
    app.get(LIST).expect(200);
    app.get(LIST).expect(429);
    app.advance(Duration::from_mins(1));
    for _ in 0..5 {
        app.get(LIST).expect(200);
    }
    app.get(LIST).expect(429);
    // Nobody else is held up, nor the same token's publishes.
    let (other, _) = other_workspace(&app);
    assert_eq!(standing(&app.get_as(&other, LIST)), Some([5, 4, 12]));
    let body = json!({"type": "a", "data": 1});
    for _ in 0..20 {
        let answer = app.post(PUBLISH, &app.token, &body);
        answer.expect(202);
        assert_eq!(standing(&answer), None);
    }
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(standing(&app.get(probe)), None);
        app.get(probe).expect(200);
    }
}

#[test]
fn publishes_are_counted_apart() {
    let app = TestApp::with_manual_clock(&["--publish-rate-limit", "2"]);
    let body = json!({"type": "a", "data": 1});
    for remaining in [1, 0] {
        let answer = app.post(PUBLISH, &app.token, &body);
        answer.expect(202);
        assert_eq!(standing(&answer), Some([2, remaining, 60 - remaining * 30]));
    }
    let refused = app.post(PUBLISH, &app.token, &body);
    refused.expect(429);
    assert_eq!(refused.header("retry-after"), Some("30"));
    assert_eq!(standing(&refused), Some([2, 0, 60]));
    for _ in 0..10 {
        assert_eq!(standing(&app.get(PUBLISH)), None, "a list is no publish");
    }
    let same = app.make_token(Some(&app.workspace), Scopes::webhooks());
    app.post(PUBLISH, &same, &body).expect(429);
    let (other, _) = other_workspace(&app);
    app.post(PUBLISH, &other, &body).expect(202);
}

/// A token of another workspace, and the workspace's id.
fn other_workspace(app: &TestApp) -> (String, String) {
    let made = (app.store).create_workspace(WorkspaceName::parse("other").unwrap());
    let id = made.wait().unwrap().id.to_string();
    (app.make_token(Some(&id), Scopes::webhooks()), id)
}

#[test]
fn more_tokens_give_a_workspace_no_more_requests() {
    let app = TestApp::with_manual_clock(&["--rate-limit", "20"]);
    let minted: Vec<_> = (0..4).map(|_| child(&app, &app.token).token).collect();
    let mut let_in = 4;
    for round in 0..10 {
        for token in minted.iter().chain([&app.token]) {
            let answer = app.get_as(token, LIST);
            let_in += u32::from(answer.status == 200);
            let [_, remaining, _] = standing(&answer).unwrap();
            assert_eq!(remaining, 20 - let_in, "{round}");
        }
    }
    assert_eq!(let_in, 20);
    // A new one made elsewhere is no way out, nor is one that was revoked and made again.
    let another = app.make_token(Some(&app.workspace), Scopes::all());
    app.get_as(&another, LIST).expect(429);
    // Admin tokens have a budget each: only the operator makes them.
    let admins = [&app.admin, &app.make_token(None, Scopes::all())];
    for admin in admins {
        for _ in 0..20 {
            let list = format!("{LIST}?workspace_id={}", app.workspace);
            assert!(app.get_as(admin, &list).status == 200 || admin == &app.admin);
        }
        app.get_as(admin, LIST).expect(429);
    }
    let (other, _) = other_workspace(&app);
    app.get_as(&other, LIST).expect(200);
}

#[test]
fn an_allowed_request_counts_whatever_its_response() {
    let app = TestApp::with_manual_clock(&["--rate-limit", "5"]);
    let gone = format!("{LIST}/0190a000-0000-4000-8000-000000000000");
    let text = ("content-type", "text/plain");
    let bearer = format!("Bearer {}", app.token);
    let headers = [("authorization", bearer.as_str()), text];
    for (remaining, (answer, status)) in [
        (app.get(&gone), 404),
        (app.get(&format!("{LIST}?page=0")), 422),
        (app.request("POST", LIST, &headers, Some(b"{}")), 415),
        (app.request("HEAD", LIST, &headers, None), 200),
        (app.get(&LIST.replace("/api", "/v1")), 200),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(answer.status, status, "{}", answer.text);
        let remaining = 4 - u32::try_from(remaining).unwrap();
        let expected = [5, remaining, 60 - remaining * 12];
        assert_eq!(standing(&answer), Some(expected), "{status}");
    }
    // It comes before the body is looked at, and after what comes first.
    app.request("POST", LIST, &headers, Some(b"{}")).expect(429);
    app.get("/api/nowhere").expect(404);
    let wrong = app.request("PUT", LIST, &headers, None);
    wrong.expect(405);
    assert_eq!(standing(&wrong), None);
    list(&app, &[]).expect(401);
    app.get_as("nonsense", LIST).expect(401);
}

#[test]
fn a_request_that_is_refused_earlier_does_not_count() {
    let app = TestApp::with_manual_clock(&["--rate-limit", "1"]);
    let scopes = [Scope::WebhooksRead].into_iter().collect();
    let reader = app.make_token(Some(&app.workspace), scopes);
    for _ in 0..3 {
        let refused = app.post(LIST, &reader, &json!({}));
        refused.expect(403);
        assert_eq!(standing(&refused), None);
        app.get_as(&reader, "/api/nowhere").expect(404);
    }
    app.get_as(&reader, LIST).expect(200);
    app.get_as(&reader, LIST).expect(429);
    app.post(LIST, &reader, &json!({})).expect(403);
}

#[test]
fn browsers_can_read_the_rate_limit() {
    let app = TestApp::with_manual_clock(&["--rate-limit", "1"]);
    for status in [200, 429] {
        let answer = list_as(&app, &app.token, ("origin", "https://app.example"));
        answer.expect(status);
        let exposed = answer.header("access-control-expose-headers").unwrap();
        let exposed = exposed.to_ascii_lowercase();
        for name in ["limit", "remaining", "reset"] {
            assert!(
                exposed.contains(&format!("x-ratelimit-{name}")),
                "{exposed}"
            );
        }
        assert!(exposed.contains("retry-after"), "{exposed}");
    }
}

#[test]
fn limits_can_be_off() {
    let names = [
        "--rate-limit",
        "--publish-rate-limit",
        "--auth-failure-limit",
    ];
    let app = TestApp::with_manual_clock(&names.map(|name| [name, "0"]).concat());
    // More than a minute's worth by default, on a clock that stands still.
    let body = json!({"type": "a", "data": 1});
    for _ in 0..600 {
        for answer in [app.get(LIST), app.post(PUBLISH, &app.token, &body)] {
            assert!(answer.status < 300, "{}", answer.text);
            assert_eq!(standing(&answer), None);
        }
        app.get_as("nonsense", LIST).expect(401);
    }
}
