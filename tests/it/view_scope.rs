//! The tests of the scope `webhooks:view`: it sees what `webhooks:read` sees, but no secret and nothing signed with one.

use hookpost::domain::access::{Scope, Scopes};
use serde_json::{Value, json};

use super::dashboard::Visitor;
use super::fixture::TestApp;
use super::receiver::Receiver;

fn view() -> Scopes {
    [Scope::WebhooksView].into_iter().collect()
}

#[test]
fn a_view_of_endpoints_has_everything_but_their_secrets() {
    let app = TestApp::start();
    let made: Vec<Value> = (0..120)
        .map(|n| app.endpoint(&format!("http://127.0.0.1:9/{n}")))
        .collect();
    let viewer = app.make_token(Some(&app.workspace), view());
    let without = |mut endpoint: Value| {
        endpoint["secret"] = json!(null);
        endpoint
    };
    let endpoint = made[0].clone();
    assert!(endpoint["secret"].as_str().unwrap().starts_with("whsec_"));
    let path = format!(
        "/api/webhooks/endpoints/{}",
        endpoint["id"].as_str().unwrap()
    );
    assert_eq!(app.get_as(&viewer, &path).expect(200), without(endpoint));
    for page in 1..=2 {
        let path = format!("/api/webhooks/endpoints?limit=100&page={page}");
        let seen = app.get_as(&viewer, &path).expect(200);
        let mut all = app.get(&path).expect(200);
        for row in all["data"].as_array_mut().unwrap() {
            *row = without(row.take());
        }
        assert_eq!(seen, all);
    }
    let both = [Scope::WebhooksView, Scope::WebhooksRead];
    let reader = app.make_token(Some(&app.workspace), both.into_iter().collect());
    assert_eq!(
        app.get_as(&reader, &path).expect(200),
        app.get(&path).expect(200)
    );
    let change = app.request(
        "PATCH",
        &path,
        &[
            ("content-type", "application/json"),
            ("authorization", &format!("Bearer {viewer}")),
        ],
        Some(b"{}"),
    );
    assert_eq!(change.status, 403);
}

#[test]
fn who_may_read_or_write_may_give_the_view_and_who_has_only_the_view_may_give_no_more() {
    let app = TestApp::start();
    let token = |scope: Scope| {
        let scopes = [scope, Scope::TokensWrite];
        app.make_token(Some(&app.workspace), scopes.into_iter().collect())
    };
    let give = |token: &str, scope: &str| {
        let new = json!({"comment": "", "scopes": [scope]});
        app.post("/api/workspace-access-tokens", token, &new).status
    };
    for scope in [
        Scope::WebhooksRead,
        Scope::WebhooksWrite,
        Scope::WebhooksView,
    ] {
        assert_eq!(give(&token(scope), "webhooks:view"), 201, "{scope:?}");
    }
    assert_eq!(give(&token(Scope::WebhooksPublish), "webhooks:view"), 403);
    assert_eq!(give(&token(Scope::WebhooksView), "webhooks:read"), 403);
}

#[test]
fn the_dashboard_shows_a_viewer_no_secret_and_no_signature() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    let published = app.publish("a", &json!(1));
    app.wait_for_events("succeeded", 1);
    let secret = endpoint["secret"].as_str().unwrap();
    let text = |object: &Value| object["id"].as_str().unwrap().to_owned();
    let (endpoint, event) = (text(&endpoint), text(&published["events"][0]));
    let pages = [
        format!("/endpoints/{endpoint}"),
        format!("/events/{event}"),
        format!("/messages/{}", text(&published)),
        "/endpoints".to_owned(),
        "/deliveries".to_owned(),
        "/messages".to_owned(),
        "/".to_owned(),
    ];
    let looks = |scopes: Scopes| -> String {
        let token = app.make_token(Some(&app.workspace), scopes);
        let visitor = Visitor::signed_in(&app, &token);
        pages
            .iter()
            .map(|page| visitor.get(page).expect(200).to_owned())
            .collect()
    };
    let shown = looks(Scopes::webhooks());
    let encoded = secret.strip_prefix("whsec_").unwrap();
    for word in [encoded, "v1,", "Show programs", "curl"] {
        assert!(shown.contains(word), "{word}");
    }
    let seen = looks(view());
    for word in [encoded, "v1,", "Show programs", "curl-details"] {
        assert!(!seen.contains(word), "{word}");
    }
    assert!(seen.contains("(hidden)"));
}
