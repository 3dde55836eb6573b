//! The tests of every parameter of every list, and of every id in a path, with all values that are refused.

use serde_json::{Value, json};

use super::*;

/// A kind of parameter: what it refuses, not encoded.
pub(super) type Parameter = fn() -> Vec<(String, Violation)>;

fn rows(texts: &[&str], violation: &Violation) -> Vec<(String, Violation)> {
    texts
        .iter()
        .map(|text| ((*text).to_owned(), violation.clone()))
        .collect()
}

pub(super) fn positive() -> Vec<(String, Violation)> {
    let mut all = rows(
        &["0", "-1", "-0", "+0", "0.0", "-9223372036854775809"],
        &greater_than_0(),
    );
    let odd = [
        "", " ", "x", "1.5", "1e3", "0x1", "--1", "1 2", "٣", "NaN", "inf", "1;", "\0",
    ];
    all.extend(rows(&odd, &int_parsing()));
    all
}

fn id() -> Vec<(String, Violation)> {
    let mut all: Vec<_> = bad_ids()
        .into_iter()
        .map(|(text, violation)| (text.to_owned(), violation))
        .collect();
    let empty = uuid_parsing("invalid length: expected length 32 for simple format, found 0");
    all.push((String::new(), empty));
    all
}

fn workspace_id() -> Vec<(String, Violation)> {
    let of_workspace = |(text, violation)| (text, of_workspace(violation));
    id().into_iter().map(of_workspace).collect()
}

fn time() -> Vec<(String, Violation)> {
    let naive = ["2026-01-31T12:00:00", "2026-01-31 12:00:00", "2026-01-31"];
    let mut all = rows(&naive, &timezone_aware());
    let short = datetime_parsing("input is too short");
    all.extend(rows(&["", "now", "12:00Z"], &short));
    let unlike = datetime_parsing("input is not like 2026-01-31T12:00:00Z");
    let garbage = [
        "yesterday at noon",
        "2026-13-01T00:00:00Z",
        "2026-01-31x12:00:00Z",
        "1700000000000000",
        "17e8 seconds",
        "202601311200",
    ];
    all.extend(rows(&garbage, &unlike));
    all.extend(rows(&["2026", "20260131", "1e9"], &short));
    all
}

fn boolean() -> Vec<(String, Violation)> {
    let bad = ["", "2", "maybe", " true", "null", "-1", "1.0"];
    rows(&bad, &bool_parsing())
}

fn code_class() -> Vec<(String, Violation)> {
    let violation = one_of("literal_error", "'2xx', '3xx', '4xx' or '5xx'");
    rows(&["", "2XX", "1xx", "6xx", "200", "2", "2xx "], &violation)
}

fn status() -> Vec<(String, Violation)> {
    let violation = one_of("enum", "'pending', 'succeeded', 'failed' or 'skipped'");
    rows(&["", "Pending", "done", "null", "failed "], &violation)
}

fn job_state() -> Vec<(String, Violation)> {
    let violation = one_of("enum", "'running', 'finished' or 'cancelled'");
    rows(&["", "Running", "failed", "null", "running "], &violation)
}

fn job_action() -> Vec<(String, Violation)> {
    let violation = one_of("enum", "'redeliver' or 'skip'");
    rows(&["", "Skip", "null", "skip "], &violation)
}

fn text() -> Vec<(String, Violation)> {
    vec![
        ("a".repeat(2049), too_long(2048)),
        ("é".repeat(2049), too_long(2048)),
    ]
}

/// A list's path and its parameters; `true`: it may be repeated.
pub(super) type List = (&'static str, Vec<(&'static str, bool, Parameter)>);

/// Every list.
pub(super) fn lists() -> Vec<List> {
    vec![
        (
            "/api/webhooks/endpoints",
            vec![
                ("workspace_id", true, workspace_id as Parameter),
                ("url", false, text),
            ],
        ),
        (
            "/api/webhooks/deliveries",
            vec![
                ("endpoint_id", true, id),
                ("event_id", false, id),
                ("message_id", true, id),
                ("workspace_id", true, workspace_id),
                ("event_type", true, text),
                ("start_timestamp", false, time),
                ("end_timestamp", false, time),
                ("succeeded", false, boolean),
                ("http_code_class", false, code_class),
                ("query", false, text),
            ],
        ),
        (
            "/api/webhooks/events",
            vec![
                ("endpoint_id", true, id),
                ("message_id", true, id),
                ("workspace_id", true, workspace_id),
                ("event_type", true, text),
                ("status", true, status),
                ("http_code_class", false, code_class),
                ("start_timestamp", false, time),
                ("end_timestamp", false, time),
                ("query", false, text),
            ],
        ),
        (
            "/api/webhooks/messages",
            vec![
                ("workspace_id", true, workspace_id),
                ("event_type", true, text),
                ("start_timestamp", false, time),
                ("end_timestamp", false, time),
                ("unrouted", false, boolean),
                ("missing_for", false, id),
                ("query", false, text),
            ],
        ),
        (
            "/api/webhooks/jobs",
            vec![
                ("state", true, job_state as Parameter),
                ("action", false, job_action),
                ("workspace_id", true, workspace_id),
            ],
        ),
        ("/api/workspaces", vec![]),
        (
            "/api/workspace-access-tokens",
            vec![("workspace_id", true, workspace_id)],
        ),
    ]
}

pub(super) fn encoded(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut all, byte| {
        if byte.is_ascii_alphanumeric() {
            all.push(char::from(byte));
        } else {
            write!(all, "%{byte:02X}").unwrap();
        }
        all
    })
}

fn cut(text: &str) -> Value {
    if text.chars().count() > 256 {
        json!(text.chars().take(256).chain(['…']).collect::<String>())
    } else {
        json!(text)
    }
}

#[test]
fn every_parameter_of_every_list_says_what_is_wrong_with_it() {
    let app = TestApp::start();
    let mut checked = 0;
    for (path, mut parameters) in lists() {
        parameters.extend([
            ("page", false, positive as Parameter),
            ("limit", false, positive),
        ]);
        for (name, repeats, rows) in parameters {
            for (text, violation) in rows() {
                let loc = if repeats {
                    json!(["query", name, 0])
                } else {
                    json!(["query", name])
                };
                let expected = problem(&violation, loc, cut(&text));
                let asked = format!("{path}?{name}={}", encoded(&text));
                for token in [&app.token, &app.admin] {
                    let answer = app.get_as(token, &asked);
                    assert_problems(&answer, std::slice::from_ref(&expected), &asked);
                }
                checked += 1;
            }
        }
    }
    assert!(checked > 200, "{checked}");
}

#[test]
fn a_repeated_parameter_has_a_greatest_number_of_values() {
    let app = TestApp::start();
    for (path, parameters) in lists() {
        for (name, repeats, rows) in parameters {
            let Some((bad, violation)) = rows().pop() else {
                panic!("{name} refuses something");
            };
            if !repeats {
                // The last one counts.
                let asked = format!("{path}?{name}=%ff&{name}={}", encoded(&bad));
                let expected = problem(&violation, json!(["query", name]), cut(&bad));
                assert_problems(&app.get(&asked), &[expected], &asked);
                continue;
            }
            let (good, fill) = match name {
                "status" => ("pending", "failed"),
                "state" if path.ends_with("jobs") => ("running", "finished"),
                "event_type" => ("a", "b"),
                _ => (NOBODY, NOBODY),
            };
            let bad_text = encoded(&bad);
            let asked = format!("{path}?{name}={good}&{name}={bad_text}&x=1&{name}={bad_text}");
            let expected =
                [1, 2].map(|at| problem(&violation, json!(["query", name, at]), cut(&bad)));
            assert_problems(&app.get(&asked), &expected, &asked);
            let values = |count: usize| vec![format!("{name}={fill}"); count].join("&");
            app.get(&format!("{path}?{}", values(100))).expect(200);
            let many = with_ctx(
                "too_long",
                "List should have at most 100 items after validation, not 101".to_owned(),
                json!({ "field_type": "List", "max_length": 100, "actual_length": 101 }),
            );
            let expected = problem(&many, json!(["query", name]), json!(fill));
            let answer = app.get(&format!("{path}?{}", values(101)));
            assert_problems(&answer, &[expected], name);
        }
    }
}

#[test]
fn every_id_in_a_path_says_what_is_wrong_with_it() {
    let app = TestApp::start();
    let mut routes = 0;
    for route in hookpost::api::table().filter(|route| route.path.contains("{id}")) {
        routes += 1;
        for (text, violation) in bad_ids() {
            let path = format!("/api{}", route.path.replace("{id}", text));
            let body = (route.method == "PATCH").then_some(&b"{}"[..]);
            let answer = send(&app, &app.admin, route.method.as_str(), &path, body);
            let violation = if route.path.starts_with("/workspaces/") {
                of_workspace(violation)
            } else {
                violation
            };
            let expected = problem(&violation, json!(["path", "id"]), json!(text));
            assert_problems(&answer, &[expected], &path);
        }
        // Spelt otherwise it is the same id: found to be nobody's.
        for id in [
            NOBODY.to_uppercase(),
            NOBODY.replace('-', ""),
            format!("urn:uuid:{NOBODY}"),
        ] {
            let path = format!("/api{}", route.path.replace("{id}", &id));
            let body = (route.method == "PATCH").then_some(&b"{}"[..]);
            let answer = send(&app, &app.admin, route.method.as_str(), &path, body);
            assert_eq!(answer.expect(404)["error"], "ResourceNotFound", "{path}");
        }
    }
    assert_eq!(routes, 17);
}

#[test]
fn parameters_of_lists_are_accepted_in_every_spelling() {
    let app = TestApp::start();
    for path in [
        "/api/webhooks/endpoints?url=",
        "/api/webhooks/endpoints?page=%2B1&limit=1.0&unknown=%ff",
        "/api/webhooks/endpoints?page=99999999999999999999999&limit=99999999999999999999999",
        "/api/webhooks/deliveries?query=&event_type=&page=9223372036854775807&limit=100",
        "/api/webhooks/deliveries?start_timestamp=0001-01-01T00:00:00Z",
        "/api/webhooks/deliveries?end_timestamp=9999-12-31T23:59:59.999999999-23:59",
        "/api/webhooks/deliveries?start_timestamp=2026-01-31T12:00:00+02:00",
        "/api/webhooks/deliveries?start_timestamp=2026-01-31%2012:00:00%2B0200",
        "/api/webhooks/deliveries?start_timestamp=1700000000&end_timestamp=1800000000.123",
        "/api/webhooks/events?start_timestamp=0&end_timestamp=1700000000123",
        "/api/webhooks/events?query=%00&status=failed&status=failed",
    ] {
        let list = app.get(path).expect(200);
        assert_eq!(
            (&list["data"], &list["meta"]["total"]),
            (&json!([]), &json!(0)),
            "{path}"
        );
    }
    for word in [
        "1", "on", "t", "true", "Y", "yes", "0", "OFF", "f", "False", "n", "no",
    ] {
        app.get(&format!("/api/webhooks/deliveries?succeeded={word}"))
            .expect(200);
    }
}
