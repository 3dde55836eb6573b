//! The programs that publish: they try again with the same key, and only if it can help.

use std::process::Output;
use std::time::Duration;

use serde_json::json;

use super::gate::{Gate, Seen, Step};
use super::guide::{self, PUBLISHING};
use super::language::{Language, Program};
use crate::fixture::TestApp;
use crate::receiver::Receiver;

/// The key that all programs use.
const KEY: &str = "order-1-paid";

/// The number of tries after which all programs give up.
const TRIES: usize = 5;

pub(crate) fn check(language: &Language) {
    let code = guide::program(PUBLISHING, language);
    let Some(program) = language.publisher(code) else {
        return;
    };
    // Together, because the programs wait most of the time.
    std::thread::scope(|scope| {
        scope.spawn(|| publishes_once_although_two_tries_fail(&program));
        scope.spawn(|| shows_a_refusal_and_does_not_try_again(&program));
        if super::all() {
            scope.spawn(|| tries_again_after_a_time_out(&program));
            scope.spawn(|| gives_up(&program));
        }
    });
}

fn run(program: &Program, app: &TestApp, script: &[Step]) -> (Output, Vec<Seen>) {
    let gate = Gate::new(app);
    let variables = [("API", gate.api()), ("TOKEN", app.token.clone())];
    let output = gate.during(script, || program.run(&variables));
    (output, gate.seen())
}

fn shown(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn publishes_once_although_two_tries_fail(program: &Program) {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/"));
    let script = [Step::Refuse(503, "2"), Step::Lose, Step::Pass];
    let (output, seen) = run(program, &app, &script);
    assert!(output.status.success(), "{}", shown(&output));
    assert_eq!(seen.len(), 3, "{}", shown(&output));
    for Seen { request, .. } in &seen {
        assert_eq!(request.header("idempotency-key"), KEY);
        assert_eq!(request.body, seen[0].request.body);
    }
    // Without `Retry-After`, the first wait is at most a second.
    let waited = seen[1].at.duration_since(seen[0].at);
    assert!(waited >= Duration::from_secs(2), "{waited:?}");

    let list = app.wait_for_events("succeeded", 1);
    let event = &list["data"][0];
    assert!(shown(&output).contains(event["message_id"].as_str().unwrap()));
    let received = receiver.wait("/", 1);
    let body: serde_json::Value = serde_json::from_slice(&received[0].body).unwrap();
    assert_eq!(body["type"], "order.paid");
    assert_eq!(body["data"], json!({"id": "order_1", "total": 19.9}));
}

fn shows_a_refusal_and_does_not_try_again(program: &Program) {
    let app = TestApp::start();
    let bearer = format!("Bearer {}", app.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", KEY),
    ];
    let other = br#"{"type": "order.paid", "data": "something else"}"#;
    app.request("POST", "/api/webhooks/events", &headers, Some(other))
        .expect(202);
    let script = [Step::Refuse(429, "0"), Step::Pass];
    let (output, seen) = run(program, &app, &script);
    assert!(!output.status.success(), "{}", shown(&output));
    assert!(
        shown(&output).contains("idempotency_key_reused"),
        "{}",
        shown(&output)
    );
    assert_eq!(seen.len(), 2, "{}", shown(&output));
}

fn tries_again_after_a_time_out(program: &Program) {
    let app = TestApp::start();
    let (output, seen) = run(program, &app, &[Step::Ignore, Step::Pass]);
    assert!(output.status.success(), "{}", shown(&output));
    assert_eq!(seen.len(), 2);
}

fn gives_up(program: &Program) {
    let app = TestApp::start();
    let (output, seen) = run(program, &app, &[Step::Refuse(500, ""); TRIES]);
    assert!(!output.status.success(), "{}", shown(&output));
    assert!(shown(&output).contains("Scripted"), "{}", shown(&output));
    assert_eq!(seen.len(), TRIES);
}
