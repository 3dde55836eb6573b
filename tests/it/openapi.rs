//! The tests of the OpenAPI document, and of the pages that need no token.

use std::collections::BTreeSet;

use serde_json::Value;

use super::contract::{DOCUMENT, problems};
use super::fixture::TestApp;

/// Calls `visit` for every object of the document, with its place.
fn walk(node: &'static Value, at: &str, visit: &mut impl FnMut(&'static Value, &str)) {
    match node {
        Value::Object(members) => {
            visit(node, at);
            for (key, member) in members {
                walk(member, &format!("{at}/{key}"), visit);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{at}/{index}"), visit);
            }
        }
        _ => {}
    }
}

#[test]
fn the_document_is_as_reviewed() {
    // A new version alone is no change of the contract.
    let version = env!("CARGO_PKG_VERSION");
    let mut text = hookpost::api::document().to_owned();
    for before in ["\"version\": \"", "Hookpost/"] {
        text = text.replace(&format!("{before}{version}"), &format!("{before}[version]"));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn every_example_is_valid() {
    let mut checked = 0;
    walk(&DOCUMENT, "", &mut |node, at| {
        let mut check = |schema: &'static Value, example: &Value| {
            let found = problems(schema, example, "");
            assert!(found.is_empty(), "{at}: {}", found.join("\n"));
            checked += 1;
        };
        let schema = &node["schema"];
        if schema.is_object() {
            if let Some(example) = node.get("example") {
                check(schema, example);
            }
            for example in node["examples"].as_object().into_iter().flatten() {
                check(schema, &example.1["value"]);
            }
        }
        if !at.ends_with("/content/application~1json") && !node["examples"].is_object() {
            for example in node["examples"].as_array().into_iter().flatten() {
                check(node, example);
            }
        }
    });
    assert!(checked > 200, "{checked}");
}

#[test]
fn every_route_is_described_completely() {
    let mut ids = BTreeSet::new();
    let mut count = 0;
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            count += 1;
            let text = |key: &str| operation[key].as_str().unwrap_or_default().to_owned();
            let id = text("operationId");
            let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(
                id.contains('_') && id.chars().all(is_name),
                "{method} {path}: {id}"
            );
            assert!(ids.insert(id), "{method} {path}: its name is taken");
            assert!(
                !text("summary").is_empty() && !text("summary").ends_with('.'),
                "{path}"
            );
            assert!(operation["security"].is_array(), "{path}");
            let tag = &operation["tags"][0];
            let mut tags = DOCUMENT["tags"].as_array().unwrap().iter();
            assert!(tags.any(|own| own["name"] == *tag), "{path}: {tag}");
        }
    }
    assert_eq!(count, hookpost::api::table().count());
    assert_eq!(DOCUMENT["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn every_reference_has_a_target_and_every_schema_a_use() {
    let mut used = BTreeSet::new();
    walk(&DOCUMENT, "", &mut |node, at| {
        if let Some(target) = node["$ref"].as_str() {
            let pointer = target.trim_start_matches('#');
            assert!(DOCUMENT.pointer(pointer).is_some(), "{at}: {target}");
            used.insert(target.to_owned());
        }
    });
    for (kind, members) in DOCUMENT["components"].as_object().unwrap() {
        for name in members.as_object().unwrap().keys() {
            let target = format!("#/components/{kind}/{name}");
            assert!(
                kind == "securitySchemes" || used.contains(&target),
                "{target}"
            );
        }
    }
}

/// Generated clients make a type of each list of words: a list that is written twice would be two types.
#[test]
fn no_list_of_words_is_written_twice() {
    let mut seen = BTreeSet::new();
    walk(&DOCUMENT, "", &mut |node, at| {
        let words = node["enum"].as_array().filter(|words| words.len() > 1);
        if let Some(words) = words {
            let is_new = seen.insert(format!("{words:?}"));
            assert!(is_new, "{at}: {words:?} is written a second time");
            assert!(words.iter().all(Value::is_string), "{at}: {words:?}");
        }
    });
    assert!(seen.len() > 3, "{seen:?}");
}

#[test]
fn filters_take_the_numbers_that_the_document_has_as_times_and_no_greater_ones() {
    let app = TestApp::start();
    let operation = &DOCUMENT["paths"]["/api/webhooks/events"]["get"];
    let mut parameters = operation["parameters"].as_array().unwrap().iter();
    let parameter = parameters.find(|it| it["name"] == "end_timestamp").unwrap();
    let number = &parameter["schema"]["anyOf"][1];
    for (limit, beyond) in [("minimum", -1), ("maximum", 1)] {
        let limit = number[limit].as_i64().expect(limit);
        for (sent, status) in [(limit, 200), (limit + beyond, 422)] {
            let path = format!("/api/webhooks/events?end_timestamp={sent}");
            app.get(&path).expect(status);
        }
    }
}

#[test]
fn the_check_refuses_what_the_document_does_not_have() {
    let schema = &DOCUMENT["components"]["schemas"]["Workspace"];
    let good = serde_json::json!({
        "created_at": "2026-01-31T12:00:00.000000Z", "modified_at": null,
        "id": "0190a5f2-6b1c-4d3e-8f00-3c5d7a9b1e24", "name": "shop",
        "archive_after": 0, "delete_after": 86_400, "operational_events": false,
    });
    assert_eq!(problems(schema, &good, ""), Vec::<String>::new());
    for (key, value) in [
        ("other", Value::from(1)),
        ("id", Value::from("x")),
        ("name", Value::Null),
        ("created_at", Value::from("yesterday")),
    ] {
        let mut bad = good.clone();
        bad[key] = value;
        assert_eq!(problems(schema, &bad, "").len(), 1, "{key}");
    }
    let mut bad = good;
    bad.as_object_mut().unwrap().remove("name");
    assert_eq!(problems(schema, &bad, "").len(), 1);
}

const PAGES: [&str; 5] = [
    "/",
    "/docs",
    "/docs/start.js",
    "/docs/swagger-ui-bundle.js",
    "/docs/swagger-ui.css",
];
const DOCUMENTS: [&str; 3] = ["/openapi.json", "/api/openapi.json", "/v1/openapi.json"];

#[test]
fn the_document_is_served_under_three_paths_without_a_token() {
    let app = TestApp::start();
    for path in DOCUMENTS {
        for path in [path.to_owned(), format!("{path}/")] {
            let answer = app.request("GET", &path, &[("authorization", "Bearer nonsense")], None);
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.text, hookpost::api::document(), "{path}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
        let head = app.request("HEAD", path, &[], None);
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
        let wrong = app.request("POST", path, &[], Some(b"{}"));
        assert_eq!(wrong.status, 405, "{path}");
    }
}

#[test]
fn the_front_page_is_html_for_browsers_and_json_for_others() {
    let app = TestApp::start();
    let about = app.request("GET", "/", &[], None);
    assert_eq!(about.header("x-content-type-options"), Some("nosniff"));
    let about = about.expect(200);
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&about["ready"], &about["reference"]),
        (&true.into(), &"/docs".into())
    );
    let accept = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
    let dashboard = app.request("GET", "/", &[accept], None);
    assert!(dashboard.text.contains("<h1>Sign in</h1>"));
    let app = TestApp::with_flags(&["--no-dashboard"]);
    let page = app.request("GET", "/", &[accept], None);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    for part in [
        env!("CARGO_PKG_VERSION"),
        "is <strong>ready</strong>",
        "href=\"/docs\"",
    ] {
        assert!(page.text.contains(part), "{part}");
    }
    assert!(!page.text.contains("{style}") && !page.text.contains("<script"));
}

#[test]
fn pages_load_nothing_from_elsewhere_and_run_no_script_of_their_own() {
    // The pages of the dashboard have tests of their own.
    let app = TestApp::with_flags(&["--no-dashboard"]);
    for path in PAGES.into_iter().chain(DOCUMENTS) {
        let answer = app.request("GET", path, &[("accept", "text/html")], None);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.text.len() > 100, "{path}");
        let header = |name: &str| answer.header(name).unwrap_or_default();
        let policy = header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(
            !policy.contains("unsafe") && !policy.contains('*'),
            "{path}: {policy}"
        );
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
    }
    for path in ["/", "/docs"] {
        let page = app
            .request("GET", path, &[("accept", "text/html")], None)
            .text;
        assert!(
            !page.contains("http://") && !page.contains("https://"),
            "{path}"
        );
        assert!(
            !page.contains("<script>") && !page.contains(" style="),
            "{path}"
        );
        for part in page.split(['"']).filter(|part| part.starts_with("/docs/")) {
            assert_eq!(app.request("GET", part, &[], None).status, 200, "{part}");
        }
    }
}

#[test]
fn a_page_of_another_origin_gets_none_of_them_from_a_server_on_loopback() {
    let app = TestApp::start();
    for path in PAGES.into_iter().chain(DOCUMENTS) {
        for header in [
            ("origin", "https://app.example"),
            ("sec-fetch-site", "cross-site"),
        ] {
            let answer = app.request("GET", path, &[header], None);
            assert_eq!(answer.status, 403, "{path} {header:?}");
            assert_eq!(answer.json()["error"], "Forbidden");
        }
        let own = format!("http://{}", app.addr);
        let own = [("origin", own.as_str()), ("sec-fetch-site", "same-origin")];
        assert_eq!(app.request("GET", path, &own, None).status, 200, "{path}");
    }
}
