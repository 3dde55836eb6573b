//! The tests of parameters and paths that are not as they should be, but whose meaning is clear: some are
//! accepted, some are refused with the name that was meant.

use serde_json::{Value, json};

use super::queries::{Parameter, encoded, lists, positive};
use super::*;

/// Asserts that a parameter has a problem that names the one that was meant.
#[track_caller]
fn assert_meant(app: &TestApp, path: &str, sent: &str, meant: &str) {
    let asked = format!("{path}?unknown=1&{}=x", encoded(sent));
    let problems = detail(&app.get(&asked));
    let [problem] = problems.as_slice() else {
        panic!("{asked}: {problems:?}");
    };
    assert_eq!(problem["type"], "value_error", "{asked}");
    assert_eq!(problem["loc"], json!(["query", sent]), "{asked}");
    assert_eq!(problem["input"], "x", "{asked}");
    let msg = text(problem, "msg");
    assert!(msg.contains(&format!("'{meant}'")), "{asked}: {msg}");
}

#[test]
fn a_parameter_that_was_meant_for_another_is_not_ignored() {
    let app = TestApp::start();
    for (path, mut parameters) in lists() {
        parameters.extend([
            ("page", false, positive as Parameter),
            ("limit", false, positive),
        ]);
        for (name, ..) in parameters {
            for sent in [
                format!("{name}[]"),
                format!("{name}[0]"),
                format!("filter[{name}]"),
                format!("{name}s"),
                format!("{name}_x"),
                name.to_uppercase(),
                format!("{}x", &name[..name.len() - 1]),
            ] {
                assert_meant(&app, path, &sent, name);
            }
        }
        for other in ["unknown", "x[]", "sort", "_", "filter[name]", "", "[]"] {
            app.get(&format!("{path}?{}=1", encoded(other))).expect(200);
        }
    }
    let token = app.get("/api/workspace-access-tokens").expect(200)["data"][0]["id"].clone();
    let token = format!("/api/workspace-access-tokens/{}", token.as_str().unwrap());
    let answer = app.request(
        "DELETE",
        &format!("{token}?keep-children=true"),
        &[("authorization", &format!("Bearer {}", app.admin))],
        None,
    );
    assert_eq!(detail(&answer)[0]["loc"], json!(["query", "keep-children"]));
    app.get("/api/webhooks/events").expect(200);
}

#[test]
fn unix_times_mean_the_same_as_rfc_3339() {
    let app = TestApp::with_manual_clock(&[]);
    app.endpoint("http://127.0.0.1:1/");
    let message = app.publish("a", &json!(1));
    let event = format!("/api/webhooks/events/{}", text(&message["events"][0], "id"));
    let at = app.get(&event).expect(200)["created_at"].clone();
    let at = time_of(&at);
    let total = |query: &str| {
        let list = app.get(&format!("/api/webhooks/events?{query}"));
        list.expect(200)["meta"]["total"].clone()
    };
    let (whole, fraction) = (at / 1_000_000, at % 1_000_000);
    for (time, is_before) in [
        (format!("{}", whole - 1), true),
        (format!("{}", whole + 1), false),
        (format!("{whole}.{fraction:06}"), false),
        (format!("{}000", whole - 1), true),
        (format!("{}000.5", whole + 1), false),
    ] {
        assert_eq!(
            total(&format!("start_timestamp={time}")),
            u64::from(is_before),
            "{time}"
        );
    }
    assert_eq!(total(&format!("end_timestamp={whole}.{fraction:06}")), 0);
    assert_eq!(total(&format!("end_timestamp={}", whole + 1)), 1);
}

/// A time of the API, in microseconds since 1970.
fn time_of(time: &Value) -> i64 {
    let time = hookpost::domain::clock::Timestamp::parse(time.as_str().unwrap());
    time.unwrap().micros()
}

#[test]
fn blank_texts_are_no_filters_and_ends_are_trimmed() {
    let app = TestApp::start();
    app.endpoint("http://127.0.0.1:1/abc");
    app.publish("a", &json!(1));
    app.wait_for("/api/webhooks/deliveries", |list| {
        list["meta"]["total"] == 1
    });
    for (query, total) in [
        ("endpoints?url=", 1),
        ("endpoints?url=%20", 1),
        ("endpoints?url=%09%0a%c2%a0", 1),
        ("endpoints?url=%20ABC+", 1),
        ("endpoints?url=%20abd", 0),
        ("events?query=", 1),
        ("events?query=%20", 1),
        ("events?event_type=", 1),
        ("events?event_type=%20", 1),
        ("events?event_type=%20a%20", 1),
        ("events?event_type=%20&event_type=b", 0),
        ("deliveries?event_type=%20", 1),
        ("deliveries?event_type=&event_type=%20a", 1),
        ("deliveries?event_type=%20b", 0),
        ("deliveries?query=+&url=x", 1),
    ] {
        let list = app.get(&format!("/api/webhooks/{query}")).expect(200);
        assert_eq!(list["meta"]["total"], total, "{query}");
        assert_eq!(list["meta"].get("searched"), None, "{query}");
    }
}

#[test]
fn needless_percent_encoding_in_a_path_makes_no_difference() {
    let app = TestApp::start();
    let endpoint = app.endpoint("http://127.0.0.1:1/");
    let id = text(&endpoint, "id");
    let first = format!("%{:02x}{}", id.as_bytes()[0], &id[1..]);
    for path in [
        "/api/web%68ooks/endpoints",
        "/%61%70%69/webhooks/endpoints/",
        "/v%31/webhooks/%65ndpoints",
        &format!("/api/webhooks/endpoints/{}", id.replace('-', "%2D")),
        &format!("/api/webhooks/endpoints/{first}"),
        "/he%61lthz",
    ] {
        app.get(path).expect(200);
    }
    for path in [
        "/api%2Fwebhooks/endpoints",
        "/api/webhooks%2fendpoints",
        "/api/web%2568ooks/endpoints",
        "/api/webhooks/%2e/endpoints",
    ] {
        app.get(path).expect(404);
    }
    let preflight = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "GET"),
    ];
    for path in ["/%61pi/webhooks/events", "/api/web%68ooks/events"] {
        let answer = app.request("OPTIONS", path, &preflight, None);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    let answer = app.request("GET", "/api/web%68ooks/endpoints", &[], None);
    assert_eq!(answer.status, 401, "encoding opens nothing");
}
