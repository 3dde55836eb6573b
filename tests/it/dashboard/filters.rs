//! Filters and tags on the pages.

use serde_json::{Value, json};

use super::Visitor;
use crate::fixture::TestApp;
use crate::receiver::Receiver;

/// A filter, as somebody types it.
const FILTER: &str = "{\"data\": {\r\n  \"b\": [1.0],\r\n  \"a\": [\"<b>\"]\r\n}}";

fn endpoint_form(filter: &str) -> Vec<(&str, &str)> {
    vec![
        ("url", "https://example.com/hooks"),
        ("format", "raw"),
        ("event", "*"),
        ("filter", filter),
        ("enabled", "true"),
        ("was_enabled", "true"),
    ]
}

fn stored(app: &TestApp, path: &str) -> Value {
    app.get(&format!("/api/webhooks{path}")).expect(200)["filter"].clone()
}

#[test]
fn a_filter_is_typed_shown_kept_and_cleared() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    let made = visitor.post("/endpoints/new", &endpoint_form(FILTER));
    let path = made.leads_to().to_owned();
    let expected = json!({"data": {"b": [1.0], "a": ["<b>"]}});
    assert_eq!(stored(&app, &path), expected);
    let page = visitor.get(&path);
    let text = page.expect(200);
    assert!(
        text.contains("<dt>Filter</dt>") && text.contains("&lt;b&gt;"),
        "{text}"
    );
    let edit = format!("{path}/edit");
    let form = visitor.get(&edit);
    // In the order in which it was typed.
    let typed = "{&#34;data&#34;: {\n  &#34;b&#34;: [1.0],\n  &#34;a&#34;: [&#34;&#60;b&#62;&#34;]\n}}</textarea>";
    assert!(form.expect(200).contains(typed), "{}", form.text);
    let modified =
        |path: &str| app.get(&format!("/api/webhooks{path}")).expect(200)["modified_at"].clone();
    visitor.post(&edit, &endpoint_form(FILTER)).leads_to();
    assert_eq!(modified(&path), Value::Null, "nothing was changed");
    visitor.post(&edit, &endpoint_form(" ")).leads_to();
    assert_eq!(stored(&app, &path), json!({}));
    assert!(!visitor.get(&path).expect(200).contains("<dt>Filter</dt>"));
}

#[test]
fn the_fault_of_a_filter_is_beside_its_field() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    for (filter, problem) in [
        (
            "{\"data\":\n 5 x}",
            "Expecting &#39;,&#39; delimiter: line 2, column 4",
        ),
        (
            "{\"data\": {\"a\": [{\"prefix\": 5}]}}",
            "data.a.0.prefix: `prefix` should be a text",
        ),
        ("5", "A filter should be an object"),
        (
            "{}, \"url\": \"https://b.example\"",
            "Extra data: line 1, column 3",
        ),
    ] {
        let page = visitor.post("/endpoints/new", &endpoint_form(filter));
        let text = page.expect(422);
        assert!(text.contains("id=\"filter-problem\""), "{filter}: {text}");
        assert!(text.contains(problem), "{filter}: {text}");
    }
    let list = app.get("/api/webhooks/endpoints").expect(200);
    assert_eq!(list["meta"]["total"], 0);
}

#[test]
fn a_message_with_tags_is_previewed_published_and_found() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    let make = |name: &str, filter: Value| {
        let new = json!({"url": receiver.url("/a"), "format": "raw", "events": ["*"], "name": name, "filter": filter});
        app.post("/api/webhooks/endpoints", &app.token, &new)
            .expect(201);
    };
    make("Europe", json!({"tags": {"region": ["eu"]}}));
    make("America", json!({"tags": {"region": ["us"]}}));
    let form = |action: &'static str, tags: &'static str| {
        [
            ("type", "order.paid"),
            ("data", "{}"),
            ("tags", tags),
            ("action", action),
        ]
    };
    let preview = visitor.post(
        "/publish",
        &form("preview", "region:eu\r\n\r\n tier : a:b "),
    );
    let text = preview.expect(200);
    assert!(text.contains("1 endpoint would get it now"), "{text}");
    let (_, filtered) = text.split_once("Without it, by their filter").unwrap();
    assert!(
        filtered.contains("America") && !filtered.contains("Europe"),
        "{filtered}"
    );
    assert!(
        filtered.contains("filter.tags.region does not match"),
        "{filtered}"
    );
    assert!(
        text.contains("region:eu\n"),
        "the field keeps what was typed"
    );
    let sent = visitor.post("/publish", &form("send", "region:eu\r\n\r\n tier : a:b "));
    let message = sent.leads_to().to_owned();
    assert!(
        visitor
            .get(&message)
            .expect(200)
            .contains("Published. It goes to 1 endpoint.")
    );
    let stored = app.get(&format!("/api/webhooks{message}")).expect(200);
    assert_eq!(stored["tags"], json!({"region": "eu", "tier": "a:b"}));
    let page = visitor.get(&message);
    assert!(
        page.expect(200)
            .contains("href=\"/messages?tag=tier%3Aa%3Ab\""),
        "{}",
        page.text
    );
    let found = visitor.get("/messages?tag=tier%3Aa%3Ab");
    assert!(
        found.expect(200).contains("1 message with these filters"),
        "{}",
        found.text
    );
    assert!(found.text.contains("tier:a:b"));
    let none = visitor.get("/messages?tag=tier%3Agold");
    assert!(
        none.expect(200).contains("No message matches"),
        "{}",
        none.text
    );
    for (tags, problem) in [
        ("eu", "“eu” is no tag"),
        (":x", "The name of a tag has 1 to 64 characters"),
    ] {
        let page = visitor.post("/publish", &form("send", tags));
        let text = page.expect(422);
        assert!(
            text.contains("id=\"tags-problem\"") && text.contains(problem),
            "{text}"
        );
    }
    let bad = visitor.get("/messages?tag=eu");
    assert!(
        bad.expect(422).contains("id=\"filter-tag-problem\""),
        "{}",
        bad.text
    );
}
