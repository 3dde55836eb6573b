//! The tests of the log: a line for each request and each attempt, in both formats, from the real binary.

use hookpost::log_queue::{ATTEMPT_FIELDS, REQUEST_FIELDS};
use serde_json::{Value, json};

use super::receiver::Receiver;

mod request_ids;
pub(crate) mod server;
mod stalled;
mod trace_context;

pub(crate) use server::Server;

/// The fields of every line in JSON.
const OWN: [&str; 4] = ["timestamp", "level", "message", "target"];

/// Returns the names of a line's fields besides those of every line.
fn names(line: &Value) -> Vec<&str> {
    let names = line.as_object().unwrap().keys().map(String::as_str);
    names.filter(|name| !OWN.contains(name)).collect()
}

/// Waits for the next line of this kind.
#[track_caller]
fn next(server: &Server, message: &str) -> Value {
    loop {
        let line = server.next_json();
        if line["message"] == message {
            return line;
        }
    }
}

#[test]
fn requests_and_attempts_are_lines_of_json_where_there_is_no_terminal() {
    let receiver = Receiver::start();
    let server = Server::start(&[]);
    let made = server.endpoint(&receiver.url("/secret-path?secret=query"));
    let line = next(&server, "request");
    assert_eq!(line["route"], "/api/webhooks/endpoints");
    let published = server.publish(&json!("secret data"), &[("x-request-id", "mine-1")]);
    let request = next(&server, "request");
    let attempt = next(&server, "attempt");
    for (name, expected) in [
        ("level", json!("INFO")),
        ("target", json!("hookpost::requests")),
        ("request_id", json!("mine-1")),
        ("method", json!("POST")),
        ("route", json!("/api/webhooks/events")),
        ("status", json!(202)),
        ("workspace_id", published["workspace_id"].clone()),
        ("client", json!("127.0.0.1")),
        ("message_id", published["id"].clone()),
        ("events", json!(1)),
    ] {
        assert_eq!(request[name], expected, "{request}");
    }
    assert!(request["duration_ms"].as_f64().unwrap() > 0.0, "{request}");
    for (name, expected) in [
        ("level", json!("INFO")),
        ("target", json!("hookpost::attempts")),
        ("event_id", published["events"][0]["id"].clone()),
        ("endpoint_id", made["id"].clone()),
        ("workspace_id", published["workspace_id"].clone()),
        ("attempt", json!(1)),
        ("outcome", json!("succeeded")),
        ("http_code", json!(200)),
    ] {
        assert_eq!(attempt[name], expected, "{attempt}");
    }
    assert!(attempt["duration_ms"].is_u64(), "{attempt}");
    assert!(
        names(&request)
            .iter()
            .all(|name| REQUEST_FIELDS.contains(name))
    );
    assert!(
        names(&attempt)
            .iter()
            .all(|name| ATTEMPT_FIELDS.contains(name))
    );
    let rest = server.stop();
    assert!(!rest.contains("secret"), "{rest}");
}

#[test]
fn what_became_of_an_attempt_is_a_word() {
    let receiver = Receiver::start();
    receiver.reply("/fails", 500, "");
    receiver.reply("/gone", 410, "");
    let server = Server::start(&["--retry-schedule", "1s"]);
    let retrying = Server::start(&[]);
    let outcome = |server: &Server, url: &str| {
        server.endpoint(url);
        server.publish(&json!(1), &[]);
        next(server, "attempt")
    };
    let first = outcome(&server, &receiver.url("/fails"));
    assert_eq!(
        (&first["outcome"], &first["attempt"]),
        (&json!("retry"), &json!(1))
    );
    let failed = next(&server, "attempt");
    assert_eq!(failed["attempt"], 2, "{failed}");
    assert_eq!(failed["outcome"], "failed", "{failed}");
    assert_eq!(failed["http_code"], 500);
    assert_eq!(failed.get("next_attempt_at"), None, "{failed}");
    let gone = outcome(&retrying, &receiver.url("/gone"));
    assert_eq!(gone["outcome"], "gone", "{gone}");
    // The endpoint that is gone is disabled now.
    let refused = outcome(&retrying, "http://127.0.0.1:1/");
    assert_eq!(refused["outcome"], "retry", "{refused}");
    assert_eq!(refused["error"], "connect", "{refused}");
    assert_eq!(refused.get("http_code"), None, "{refused}");
    let next_at = refused["next_attempt_at"].as_str().unwrap();
    assert!(
        next_at > refused["timestamp"].as_str().unwrap(),
        "{refused}"
    );
}

#[test]
fn lines_are_text_where_that_is_asked_for() {
    let receiver = Receiver::start();
    let server = Server::start(&["--log-format", "text"]);
    server.endpoint(&receiver.url("/a"));
    let published = server.publish(&json!(1), &[("x-request-id", "mine-2")]);
    let id = published["id"].as_str().unwrap();
    let request = server.wait_for("request_id=mine-2");
    let expected = format!("message_id={id} events=1");
    assert!(request.contains("  INFO hookpost::requests: request request_id=mine-2 method=POST route=/api/webhooks/events status=202 duration_ms="), "{request}");
    assert!(request.ends_with(&expected), "{request}");
    let attempt = server.wait_for("hookpost::attempts: attempt event_id=");
    assert!(
        attempt.contains(" attempt=1 outcome=succeeded http_code=200 duration_ms="),
        "{attempt}"
    );
}

#[test]
fn probes_are_lines_of_debug_and_a_path_without_a_route_is_shown() {
    let server = Server::start(&["--log-level", "info"]);
    assert_eq!(server.get("/healthz").0, 200);
    assert_eq!(server.get("/readyz").0, 200);
    assert_eq!(server.get("/api/nowhere/at-all?token=x").0, 404);
    let line = next(&server, "request");
    assert_eq!(line["path"], "/api/nowhere/at-all", "{line}");
    assert_eq!(line.get("route"), None, "{line}");
    let server = Server::start(&["--log-level", "info,hookpost::requests=debug"]);
    assert_eq!(server.get("/healthz").0, 200);
    let line = next(&server, "request");
    assert_eq!(
        (&line["route"], &line["level"]),
        (&json!("/healthz"), &json!("DEBUG"))
    );
}

#[test]
fn the_pattern_stands_for_the_path_and_a_refusal_says_for_which_workspace() {
    let server = Server::start(&[]);
    let id = "0190a2b4-0000-4000-8000-000000000001";
    assert_eq!(server.get(&format!("/v1/webhooks/events/{id}?a=b")).0, 404);
    let line = next(&server, "request");
    assert_eq!(line["route"], "/v1/webhooks/events/{id}", "{line}");
    assert_eq!(line["status"], 404);
    assert!(line["workspace_id"].is_string(), "{line}");
    assert!(!line.to_string().contains(id), "{line}");
}

#[test]
fn each_kind_of_lines_can_be_left_out() {
    for (level, requests, attempts) in [
        ("info,hookpost::requests=warn", false, true),
        ("info,hookpost::attempts=warn", true, false),
        (
            "info,hookpost::requests=warn,hookpost::attempts=warn",
            false,
            false,
        ),
        ("info", true, true),
    ] {
        let receiver = Receiver::start();
        let server = Server::start(&["--log-level", level]);
        server.endpoint(&receiver.url("/a"));
        server.publish(&json!(1), &[]);
        receiver.wait("/a", 1);
        let log = server.stop();
        assert_eq!(
            log.contains("\"hookpost::requests\""),
            requests,
            "{level}: {log}"
        );
        assert_eq!(
            log.contains("\"hookpost::attempts\""),
            attempts,
            "{level}: {log}"
        );
        assert!(log.contains("\"stopped\""), "{log}");
    }
}

/// The first cells of the rows of the guide's table whose head begins with `kind`.
fn documented(kind: &str) -> Vec<&'static str> {
    let guide = include_str!("../../docs/guides/logs.md");
    let head = format!("| {kind} |");
    let table = guide.lines().skip_while(|line| !line.starts_with(&head));
    let rows = table.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('`').nth(1).unwrap()).collect()
}

#[test]
fn the_guide_names_the_fields() {
    assert_eq!(documented("request"), REQUEST_FIELDS);
    assert_eq!(documented("attempt"), ATTEMPT_FIELDS);
}

#[test]
fn the_lines_of_the_guide_have_the_fields_of_the_code() {
    let guide = include_str!("../../docs/guides/logs.md");
    let lines: Vec<Value> = guide
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    for (line, fields) in lines.iter().zip([&REQUEST_FIELDS[..], &ATTEMPT_FIELDS]) {
        assert!(
            names(line).iter().all(|name| fields.contains(name)),
            "{line}"
        );
        // The line of text below has the same values.
        let values = names(line).into_iter().map(|name| {
            let value = line[name]
                .as_str()
                .map_or_else(|| line[name].to_string(), str::to_owned);
            format!("{name}={value}")
        });
        for value in values {
            assert!(guide.contains(&format!(" {value}")), "{value}");
        }
    }
}
