//! The tests of several problems at once: all are reported, in the order page, limit, path, query, body
//! fields.

use serde_json::{Value, json};

use super::*;

/// The problems of an answer, one a line: type and place.
#[track_caller]
pub(super) fn listed(answer: &Answer) -> Vec<String> {
    detail(answer)
        .iter()
        .map(|problem| {
            let steps = problem["loc"].as_array().unwrap().iter();
            let loc: Vec<_> = steps
                .map(|step| {
                    step.as_str()
                        .map_or_else(|| step.to_string(), str::to_owned)
                })
                .collect();
            format!("{} {}", problem["type"].as_str().unwrap(), loc.join("."))
        })
        .collect()
}

#[test]
fn all_fields_of_a_body_are_reported_at_once() {
    let app = TestApp::with_default_policy(&[]);
    let (endpoints, events) = ("/api/webhooks/endpoints", "/api/webhooks/events");
    let body = json!({
        "workspace_id": "x",
        "secret": "short",
        "events": ["ok", "not ok", 7, "a..b"],
        "format": "teams",
        "url": "ftp://a.example",
    });
    let expected = [
        "url_scheme body.url",
        "enum body.format",
        "string_pattern_mismatch body.events.1",
        "string_type body.events.2",
        "string_pattern_mismatch body.events.3",
        "string_too_short body.secret",
        "uuid_parsing body.workspace_id",
    ];
    for token in [&app.token, &app.admin] {
        assert_eq!(listed(&app.post(endpoints, token, &body)), expected);
    }
    let nothing = json!({});
    assert_eq!(
        listed(&app.post(endpoints, &app.admin, &nothing)),
        [
            "missing body.url",
            "missing body.format",
            "missing body.events",
            "missing body.workspace_id",
        ]
    );
    assert_eq!(
        listed(&app.post(events, &app.admin, &nothing)),
        [
            "missing body.type",
            "missing body.data",
            "missing body.workspace_id",
        ]
    );
    let body = json!({"type": "*", "timestamp": "2026-01-31T12:00:00", "workspace_id": NOBODY});
    assert_eq!(
        listed(&app.post(events, &app.token, &body)),
        [
            "string_pattern_mismatch body.type",
            "missing body.data",
            "timezone_aware body.timestamp",
            "workspace_token body.workspace_id",
        ]
    );
    let body = json!({"scopes": ["all", "webhooks:read", "none"], "expires_in": 0});
    assert_eq!(
        listed(&app.post("/api/workspace-access-tokens", &app.admin, &body)),
        [
            "missing body.comment",
            "enum body.scopes.0",
            "enum body.scopes.2",
            "greater_than body.expires_in",
            "missing body.workspace_id",
        ]
    );
}

#[test]
fn the_path_comes_before_the_body() {
    let app = TestApp::with_default_policy(&[]);
    let body = json!({"enabled": "perhaps", "events": {}, "url": "", "format": 1, "secret": ""});
    assert_eq!(
        listed(&app.patch("/api/webhooks/endpoints/x?page=0", &body)),
        [
            "uuid_parsing path.id",
            "url_parsing body.url",
            "string_too_short body.secret",
            "enum body.format",
            "list_type body.events",
            "bool_parsing body.enabled",
        ]
    );
    assert_eq!(
        listed(&app.patch(
            "/api/workspaces/x",
            &json!({"delete_after": 1, "name": "", "archive_after": -1})
        )),
        [
            "uuid_parsing path.id",
            "string_too_short body.name",
            "greater_than_equal body.archive_after",
            "value_error body.delete_after",
        ]
    );
    assert_eq!(
        listed(&app.patch(
            "/api/workspace-access-tokens/x",
            &json!({"comment": 1, "scopes": []})
        )),
        [
            "uuid_parsing path.id",
            "string_type body.comment",
            "too_short body.scopes",
        ]
    );
    for path in [
        "/api/webhooks/endpoints/x",
        "/api/workspaces/x",
        "/api/workspace-access-tokens/x",
    ] {
        for (body, kind) in [
            (&b"{"[..], "json_invalid body.1"),
            (b"", "missing body"),
            (b"[]", "model_attributes_type body"),
        ] {
            let answer = send(&app, &app.token, "PATCH", path, Some(body));
            assert_eq!(listed(&answer), ["uuid_parsing path.id", kind], "{path}");
        }
    }
}

#[test]
fn page_and_limit_come_before_the_rest_of_the_query() {
    let app = TestApp::start();
    let query = "query={LONG}&http_code_class=7xx&succeeded=perhaps&end_timestamp=soon\
                 &start_timestamp=2026-01-31&event_type={LONG}&workspace_id=w&event_id=e\
                 &endpoint_id=d&limit=0&endpoint_id=c&page=one";
    let query = query.replace("{LONG}", &"x".repeat(2049));
    assert_eq!(
        listed(&app.get(&format!("/api/webhooks/deliveries?{query}"))),
        [
            "int_parsing query.page",
            "greater_than query.limit",
            "uuid_parsing query.endpoint_id.0",
            "uuid_parsing query.endpoint_id.1",
            "uuid_parsing query.event_id",
            "uuid_parsing query.workspace_id.0",
            "string_too_long query.event_type.0",
            "timezone_aware query.start_timestamp",
            "datetime_from_date_parsing query.end_timestamp",
            "bool_parsing query.succeeded",
            "literal_error query.http_code_class",
            "string_too_long query.query",
        ]
    );
    let query = query.replace("event_id", "status");
    assert_eq!(
        listed(&app.get(&format!("/api/webhooks/events?{query}"))),
        [
            "int_parsing query.page",
            "greater_than query.limit",
            "uuid_parsing query.endpoint_id.0",
            "uuid_parsing query.endpoint_id.1",
            "uuid_parsing query.workspace_id.0",
            "string_too_long query.event_type.0",
            "enum query.status.0",
            "timezone_aware query.start_timestamp",
            "datetime_from_date_parsing query.end_timestamp",
            "literal_error query.http_code_class",
            "string_too_long query.query",
        ]
    );
    for path in [
        "workspaces",
        "workspace-access-tokens",
        "webhooks/endpoints",
    ] {
        assert_eq!(
            listed(&app.get(&format!("/v1/{path}?limit=x&page=-1"))),
            ["greater_than query.page", "int_parsing query.limit"]
        );
    }
}

#[test]
fn of_a_repeated_key_the_last_value_counts_and_unknown_keys_do_not() {
    let app = TestApp::with_default_policy(&[]);
    let post = |body: &str| {
        send(
            &app,
            &app.token,
            "POST",
            "/api/webhooks/endpoints",
            Some(body.as_bytes()),
        )
    };
    let good = r#""format":"raw","events":[],"nobody":{"knows":[]},"":1"#;
    let made = post(&format!(
        r#"{{"url":7,{good},"format":0,"\u0066ormat":"slack","url":"https://a.example/"}}"#
    ));
    let made: Value = made.expect(201);
    assert_eq!(made["format"], "slack");
    assert_eq!(made["url"], "https://a.example/");
    let refused = post(&format!(r#"{{"url":"https://a.example/",{good},"url":7}}"#));
    assert_eq!(listed(&refused), ["url_type body.url"]);
}
