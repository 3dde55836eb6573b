//! The tests that what strangers write appears as text on every page: payloads, URLs, names, and what receivers answer.
//!
//! `browser/markup.rs` looks at the same pages in a browser.

use hookpost::domain::access::{Actor, Scopes, Token, TokenKind};
use hookpost::storage::NewAccessToken;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Visitor, encoded};
use crate::fixture::TestApp;
use crate::receiver::Receiver;

/// A text that would become elements, attributes and scripts if it were not escaped.
pub(crate) const HOSTILE: &str = "\"'><x-injected data-injected=1></x-injected>\
<script>window.__injected=1</script><img src=x onerror=window.__injected=1></textarea></script>&lt;";

/// A workspace in which every text is [`HOSTILE`] as far as the API takes it.
pub(crate) struct HostileWorld {
    pub(crate) app: TestApp,
    /// The pages on which its texts appear.
    pub(crate) pages: Vec<String>,
}

impl HostileWorld {
    pub(crate) fn new() -> Self {
        let app = TestApp::start();
        let receiver = Receiver::start();
        // A URL keeps quotes, angle brackets become %3C; its fragment keeps more.
        let url = format!("{}?a='`{{}}&b={HOSTILE}#{HOSTILE}", receiver.url("/hook"));
        receiver.answer(500, HOSTILE);
        let name: String = HOSTILE.chars().take(128).collect();
        let body = json!({
            "url": url, "name": name, "description": HOSTILE, "format": "raw", "events": ["*"],
        });
        let endpoint = app.post("/api/webhooks/endpoints", &app.token, &body);
        let endpoint = endpoint.expect(201);
        let mut data = serde_json::Map::new();
        data.insert(HOSTILE.to_owned(), json!([HOSTILE, {"</pre>": HOSTILE}]));
        let published = app.publish("order.paid", &Value::Object(data));
        app.wait_for("/api/webhooks/deliveries", |list| {
            list["meta"]["total"] == 1
        });
        let new = NewAccessToken {
            hash: Token::generate(TokenKind::Workspace).hash(),
            workspace_id: Some(Uuid::parse_str(&app.workspace).unwrap()),
            comment: HOSTILE.to_owned(),
            scopes: Scopes::all(),
            expires_in: None,
        };
        app.store.create_token(Actor::Operator, new).wait().unwrap();
        let renamed: String = HOSTILE.chars().take(64).collect();
        let workspace = format!("/api/workspaces/{}", app.workspace);
        app.patch(&workspace, &json!({"name": renamed})).expect(200);
        let (endpoint, event, message) = (
            endpoint["id"].as_str().unwrap(),
            published["events"][0]["id"].as_str().unwrap(),
            published["id"].as_str().unwrap(),
        );
        let query = encoded(HOSTILE);
        let pages = vec![
            "/".to_owned(),
            "/endpoints".to_owned(),
            format!("/endpoints?url={query}"),
            "/endpoints/new".to_owned(),
            format!("/endpoints/{endpoint}"),
            format!("/endpoints/{endpoint}/edit"),
            "/deliveries".to_owned(),
            "/deliveries?view=events".to_owned(),
            format!("/deliveries?query={query}&event_type={query}&endpoint_id={query}"),
            format!("/deliveries?{query}={query}"),
            format!("/events/{event}"),
            format!("/messages/{message}"),
            "/publish".to_owned(),
            format!("/publish?{query}"),
            "/tokens".to_owned(),
            "/workspaces".to_owned(),
            "/system".to_owned(),
            format!("/login?next=/{query}"),
            format!("/events/{query}"),
        ];
        Self { app, pages }
    }
}

#[track_caller]
fn assert_harmless(page: &str, about: &str) {
    for bad in [
        "<x-injected",
        "<script>window",
        "<img src=x",
        "</textarea></script>",
    ] {
        assert!(!page.contains(bad), "{about} has {bad}: {page}");
    }
    // A quote of the text would end an attribute.
    assert!(
        !page.contains("\"'>"),
        "{about} does not escape quotes: {page}"
    );
}

#[test]
fn what_strangers_write_is_text_on_every_page() {
    let world = HostileWorld::new();
    let visitor = Visitor::signed_in(&world.app, &world.app.admin);
    let mut escaped = 0;
    for path in &world.pages {
        let page = visitor.get(path);
        assert!(page.status < 500, "{path}");
        assert_harmless(&page.text, path);
        escaped += usize::from(page.text.contains("x-injected"));
    }
    // The texts do appear: a page that left them out would pass otherwise.
    assert!(escaped >= 10, "{escaped}");
}

#[test]
fn what_a_form_sends_back_is_text() {
    let world = HostileWorld::new();
    let visitor = Visitor::signed_in(&world.app, &world.app.token);
    let names = [
        "url",
        "name",
        "description",
        "format",
        "events",
        "secret",
        "type",
        "event_type",
        "data",
        "timestamp",
        "idempotency_key",
        "comment",
        "scopes",
        "expires_in",
        "workspace_id",
        "archive_after",
        "delete_after",
        "event",
        "action",
    ];
    let fields: Vec<_> = names.iter().map(|name| (*name, HOSTILE)).collect();
    for path in ["/endpoints/new", "/publish", "/tokens", "/redeliver"] {
        let answer = visitor.post(path, &fields);
        assert!(
            matches!(answer.status, 303 | 422),
            "{path} {}: {}",
            answer.status,
            answer.text
        );
        assert_harmless(&answer.text, path);
        if answer.status == 422 {
            assert!(
                answer.text.contains("x-injected"),
                "{path} forgets what was typed"
            );
        } else {
            assert_harmless(&visitor.get(answer.leads_to()).text, path);
        }
    }
}
