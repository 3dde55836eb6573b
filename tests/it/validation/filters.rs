//! The tests of what is inside of filters, tags and previews: each problem says where it is.

use serde_json::{Value, json};

use super::several::listed;
use super::*;
use crate::fixture::endpoint_path;

fn endpoint_with(filter: &Value) -> Value {
    json!({"url": "https://a.example/", "format": "raw", "events": ["*"], "filter": filter})
}

#[test]
fn every_fault_of_a_filter_says_where_it_is() {
    let app = TestApp::with_default_policy(&[]);
    let path = endpoint_path(&app.endpoint("https://a.example/"));
    for (filter, places) in [
        (
            json!({"data": {"amount": [{"prefix": 5}]}}),
            &["data.amount.0.prefix"][..],
        ),
        (json!({"data": {"amount": []}}), &["data.amount"]),
        (
            json!({"data": {"amount": 5, "b": ["a", []]}}),
            &["data.amount", "data.b.1"],
        ),
        (json!({"date": ["a"]}), &["date"]),
        (
            json!({"data": {"a": [{"numeric": ["<", "5"]}]}}),
            &["data.a.0.numeric.1"],
        ),
        (
            json!({"$or": [{"type": ["a"]}, {"tags": {"a": "b"}}]}),
            &["$or.1.tags.a"],
        ),
    ] {
        let expected = |before: &str| -> Vec<String> {
            let of = |place: &&str| format!("filter_syntax body.{before}.{place}");
            places.iter().map(of).collect()
        };
        let created = app.post(
            "/api/webhooks/endpoints",
            &app.token,
            &endpoint_with(&filter),
        );
        assert_eq!(listed(&created), expected("filter"), "{filter}");
        let changed = app.patch(&path, &json!({"filter": filter}));
        assert_eq!(listed(&changed), expected("filter"), "{filter}");
        let draft = json!({"endpoint": {"filter": filter}, "message": {"type": "a", "data": 1}});
        let previewed = app.post("/api/webhooks/preview", &app.token, &draft);
        assert_eq!(listed(&previewed), expected("endpoint.filter"), "{filter}");
    }
    let refused = app.patch(
        &path,
        &json!({"filter": {"data": {"a": [1, {"prefix": {"b": 5}}]}}}),
    );
    let what = "`prefix` should be a text";
    let violation = with_ctx(
        "filter_syntax",
        format!("Filter error, {what}"),
        json!({ "error": what }),
    );
    let loc = json!(["body", "filter", "data", "a", 1, "prefix"]);
    let expected = problem(&violation, loc, json!({"b": 5}));
    assert_problems(&refused, &[expected], "the input is the part that is wrong");
    let long = json!({"data": {("x".repeat(5000)): 5}});
    let problems = detail(&app.patch(&path, &json!({"filter": long})));
    let name = problems[0]["loc"][3].as_str().unwrap();
    assert!(name.len() < 300, "a long name is cut: {name}");
    assert_eq!(app.get(&path).expect(200)["filter"], json!({}));
}

#[test]
fn every_tag_says_what_is_wrong_with_it() {
    let app = TestApp::with_default_policy(&[]);
    let long = "x".repeat(65);
    for (tags, expected) in [
        (json!({"a": 5}), "string_type body.tags.a"),
        (json!({"a": null}), "string_type body.tags.a"),
        (json!({"a": ["b"]}), "string_type body.tags.a"),
        (json!({"a": "x".repeat(257)}), "string_too_long body.tags.a"),
        (json!({"a": "b\n"}), "value_error body.tags.a"),
        (json!({"": "b"}), "value_error body.tags."),
        (json!({"a:b": "c"}), "value_error body.tags.a:b"),
        (json!({"a\u{200b}": "c"}), "value_error body.tags.a\u{200b}"),
        (
            json!({(long.as_str()): "c"}),
            &format!("value_error body.tags.{long}"),
        ),
    ] {
        let message = json!({"type": "a", "data": 1, "tags": tags});
        let answer = app.post("/api/webhooks/events", &app.token, &message);
        assert_eq!(listed(&answer), [expected], "{tags}");
    }
    let most: serde_json::Map<String, Value> = (0..20)
        .map(|n| (format!("{n:é>64}"), json!("é".repeat(256))))
        .collect();
    let message = json!({"type": "a", "data": 1, "tags": most});
    app.post("/api/webhooks/events", &app.token, &message)
        .expect(202);
}

#[test]
fn every_member_of_a_preview_says_what_is_wrong_with_it() {
    let app = TestApp::with_default_policy(&[]);
    let (endpoint, message) = (json!({}), json!({"type": "a", "data": 1}));
    let cases = [
        (
            json!({"endpoint": endpoint, "message": {}}),
            &["missing body.message.type", "missing body.message.data"][..],
        ),
        (json!({"message": message}), &["missing body.endpoint"]),
        (
            json!({"endpoint": {"events": ["a", "b c"]}, "message": message}),
            &["string_pattern_mismatch body.endpoint.events.1"],
        ),
        (
            json!({"endpoint": {"format": "xml"}, "message": message}),
            &["enum body.endpoint.format"],
        ),
        (
            json!({"endpoint": endpoint, "message": {"type": "a b", "data": 1, "timestamp": "x", "tags": 5}}),
            &[
                "string_pattern_mismatch body.message.type",
                "datetime_from_date_parsing body.message.timestamp",
                "model_attributes_type body.message.tags",
            ],
        ),
        (
            json!({"endpoint": endpoint, "message": {"type": "a", "data": 1, "tags": {"a:b": ""}}}),
            &["value_error body.message.tags.a:b"],
        ),
    ];
    for (body, expected) in cases {
        let answer = app.post("/api/webhooks/preview", &app.token, &body);
        assert_eq!(listed(&answer), expected, "{body}");
    }
}

#[test]
fn a_tag_in_a_list_has_a_name_and_a_value() {
    let app = TestApp::with_default_policy(&[]);
    let long = format!("tag={}:b", "a".repeat(2047));
    for (query, expected) in [
        ("tag=eu", "value_error query.tag.0"),
        ("tag=a:b&tag=eu", "value_error query.tag.1"),
        (&long, "string_too_long query.tag.0"),
        ("tags=a:b", "value_error query.tags"),
    ] {
        let answer = app.get(&format!("/api/webhooks/messages?{query}"));
        assert_eq!(listed(&answer), [expected], "{query}");
    }
}
