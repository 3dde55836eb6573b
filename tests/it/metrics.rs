//! The metrics of a running application, as a program that reads them sees them.

mod files;
mod open_metrics;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::json;

use self::open_metrics::{Exposition, parse};
use super::fixture::{PATIENCE, TestApp};
use super::receiver::Receiver;

/// The flags of an application that serves metrics.
const FLAGS: [&str; 2] = ["--metrics-listen", "127.0.0.1:0"];

/// Scrapes an application. The answer must be correct OpenMetrics text.
pub(crate) fn scrape(app: &TestApp) -> Exposition {
    let addr = app.metrics.expect("the test serves metrics");
    let answer = ureq::get(format!("http://{addr}/metrics")).call();
    let mut answer = answer.unwrap();
    let content_type = answer.headers()["content-type"].to_str().unwrap();
    let expected = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(content_type, expected);
    parse(&answer.body_mut().read_to_string().unwrap())
}

/// Scrapes until the sample of a series is `expected`.
#[track_caller]
pub(crate) fn wait_for(app: &TestApp, series: &str, expected: f64) {
    wait_until(app, series, |value| (value - expected).abs() < 1e-9);
}

#[track_caller]
fn wait_until(app: &TestApp, series: &str, condition: impl Fn(f64) -> bool) {
    let end = Instant::now() + PATIENCE;
    loop {
        let value = scrape(app).value(series);
        if condition(value) {
            return;
        }
        assert!(Instant::now() < end, "{series} stays at {value}");
        std::thread::yield_now();
    }
}

#[test]
fn the_families_are_as_reviewed() {
    let app = TestApp::with_flags(&FLAGS);
    let mut text = String::new();
    for family in scrape(&app).families() {
        let _ = writeln!(text, "{} {}: {}", family.name, family.kind, family.help);
        let labels: BTreeSet<&String> = family.labels.iter().collect();
        for label in labels.iter().filter(|labels| !labels.is_empty()) {
            let _ = writeln!(text, "    {label}");
        }
    }
    let text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    insta::assert_snapshot!("families", text);
}

#[test]
fn a_publish_and_its_delivery_are_counted() {
    let app = TestApp::with_flags(&FLAGS);
    let receiver = Receiver::start();
    let before = scrape(&app);
    app.endpoint(&receiver.url("/ok"));
    for n in 0..3 {
        app.publish("a", &json!(n));
    }
    app.wait_for_events("succeeded", 3);
    let succeeded = r#"hookpost_deliveries_total{outcome="succeeded",error="none"}"#;
    wait_for(&app, succeeded, 3.0);
    let after = scrape(&app);
    for (series, more) in [
        (r#"hookpost_publishes_total{outcome="accepted"}"#, 3.0),
        ("hookpost_publish_duration_seconds_count", 3.0),
        (
            r#"hookpost_attempt_duration_seconds_count{result="succeeded"}"#,
            3.0,
        ),
        (
            r#"hookpost_attempt_duration_seconds_count{result="unsuccessful"}"#,
            0.0,
        ),
        ("hookpost_end_to_end_duration_seconds_count", 3.0),
    ] {
        let moved = after.value(series) - before.value(series);
        assert!((moved - more).abs() < 1e-9, "{series}: {moved}");
    }
    assert!(after.value("hookpost_end_to_end_duration_seconds_sum") > 0.0);
    assert!(after.value("hookpost_writer_commit_duration_seconds_count") > 3.0);
    assert!(after.value("hookpost_writer_group_operations_sum") >= 7.0);
    for series in [
        "hookpost_database_bytes",
        "hookpost_write_ahead_log_bytes",
        "hookpost_sender_threads",
        "hookpost_api_open_connections",
        r#"hookpost_api_requests_total{class="2xx"}"#,
    ] {
        wait_until(&app, series, |value| value >= 1.0);
    }
    assert!((after.value("hookpost_sender_threads_max") - 256.0).abs() < 1e-9);
    wait_for(&app, "hookpost_pending_events", 0.0);
    wait_for(&app, r#"hookpost_endpoints{state="active"}"#, 1.0);
    #[cfg(target_os = "linux")]
    for series in [
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
    ] {
        assert!(after.value(series) > 1.0, "{series}");
    }
}

#[test]
fn refused_publishes_are_counted_by_their_reason() {
    let app = TestApp::with_flags(&[&FLAGS[..], &["--publish-rate-limit=3"]].concat());
    let path = "/api/webhooks/events";
    let message = json!({"type": "a", "data": 1});
    app.post(path, "hookpost_wat_wrong", &message).expect(401);
    app.post(path, &app.token, &json!({"type": ""})).expect(422);
    let bearer = format!("Bearer {}", app.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("idempotency-key", "once"),
    ];
    let body = message.to_string();
    for _ in 0..2 {
        let answer = app.request("POST", path, &headers, Some(body.as_bytes()));
        answer.expect(202);
    }
    app.post(path, &app.token, &message).expect(429);
    let scraped = scrape(&app);
    for (outcome, expected) in [
        ("unauthorized", 1.0),
        ("invalid", 1.0),
        ("accepted", 1.0),
        ("replayed", 1.0),
        ("limited", 1.0),
        ("unavailable", 0.0),
        ("error", 0.0),
    ] {
        let series = format!(r#"hookpost_publishes_total{{outcome="{outcome}"}}"#);
        let value = scraped.value(&series);
        assert!((value - expected).abs() < 1e-9, "{series}: {value}");
    }
    assert!(scraped.value(r#"hookpost_api_requests_total{class="4xx"}"#) >= 3.0);
}

#[test]
fn a_failing_endpoint_shows_in_outcomes_states_and_the_backlog() {
    let flags = [&FLAGS[..], &["--disable-after=0"]].concat();
    let app = TestApp::with_manual_clock(&flags);
    let receiver = Receiver::start();
    receiver.reply("/broken", 500, "");
    receiver.reply("/gone", 410, "");
    let broken = app.endpoint_for(&receiver.url("/broken"), "raw", &["broken"]);
    app.endpoint_for(&receiver.url("/gone"), "raw", &["gone"]);
    // The port is closed again, so nobody listens there.
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    app.endpoint_for(&format!("http://{closed}/"), "raw", &["refused"]);
    for kind in ["broken", "broken", "broken", "broken", "gone", "refused"] {
        app.publish(kind, &json!(1));
    }
    let delivered = |outcome: &str, error: &str| {
        format!(r#"hookpost_deliveries_total{{outcome="{outcome}",error="{error}"}}"#)
    };
    wait_for(&app, &delivered("retry", "none"), 3.0);
    wait_for(&app, &delivered("retry", "connect"), 1.0);
    wait_for(&app, &delivered("gone", "none"), 1.0);
    wait_for(&app, r#"hookpost_endpoints{state="resting"}"#, 1.0);
    wait_for(&app, r#"hookpost_endpoints{state="active"}"#, 1.0);
    wait_for(&app, r#"hookpost_endpoints{state="disabled"}"#, 1.0);
    wait_for(&app, "hookpost_pending_events", 5.0);
    // One waits at an endpoint that rests, and the others for their retries: nothing is due.
    wait_for(&app, "hookpost_oldest_due_age_seconds", 0.0);
    let id = broken["id"].as_str().unwrap();
    app.patch(
        &format!("/api/webhooks/endpoints/{id}"),
        &json!({"enabled": false}),
    )
    .expect(200);
    wait_for(&app, r#"hookpost_endpoints{state="disabled"}"#, 2.0);
    wait_for(&app, r#"hookpost_endpoints{state="resting"}"#, 0.0);
    wait_for(&app, "hookpost_pending_events", 1.0);
}

#[test]
fn an_event_that_waits_for_its_turn_shows_its_age_and_an_attempt_under_way_shows() {
    let app = TestApp::with_manual_clock(&FLAGS);
    let receiver = Receiver::start();
    receiver.hold("/held");
    app.endpoint(&receiver.url("/held"));
    app.publish("a", &json!(1));
    receiver.wait("/held", 1);
    app.publish("a", &json!(2));
    wait_for(&app, "hookpost_attempts_in_flight", 1.0);
    wait_for(&app, "hookpost_pending_events", 2.0);
    app.advance(Duration::from_secs(7));
    let age = "hookpost_oldest_due_age_seconds";
    wait_until(&app, age, |age| (7.0..8.0).contains(&age));
    receiver.let_go("/held");
    wait_for(&app, age, 0.0);
    wait_for(&app, "hookpost_attempts_in_flight", 0.0);
}

#[test]
fn look_ups_are_counted() {
    let app = TestApp::with_flags(&FLAGS);
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/ok").replace("127.0.0.1", "localhost"));
    app.publish("a", &json!(1));
    wait_until(
        &app,
        r#"hookpost_name_lookups_total{outcome="found"}"#,
        |n| n >= 1.0,
    );
}

#[test]
fn the_pending_events_of_the_run_before_count_after_a_start() {
    let mut app = TestApp::with_manual_clock(&FLAGS);
    let receiver = Receiver::start();
    receiver.reply("/broken", 500, "");
    app.endpoint(&receiver.url("/broken"));
    app.publish("a", &json!(1));
    let retries = r#"hookpost_deliveries_total{outcome="retry",error="none"}"#;
    wait_for(&app, retries, 1.0);
    app.restart();
    let scraped = scrape(&app);
    assert!((scraped.value("hookpost_pending_events") - 1.0).abs() < 1e-9);
    assert!(scraped.value(retries).abs() < 1e-9, "counters begin anew");
}

#[test]
fn metrics_are_off_by_default_and_never_on_the_public_address() {
    let app = TestApp::start();
    assert_eq!(app.metrics, None);
    let app = TestApp::with_flags(&FLAGS);
    assert_ne!(app.metrics, Some(app.addr));
    let path = "/metrics";
    app.get_as(&app.admin, path).expect(404);
    let without_token = app.request("GET", path, &[], None);
    assert_eq!(without_token.status, 404, "{}", without_token.text);
}

#[test]
fn a_port_in_use_is_an_error_that_names_the_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("h.db");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_hookpost"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--metrics-listen",
            &addr,
        ])
        .arg("--database")
        .arg(&database)
        .output()
        .unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    let expected = format!("cannot listen on {addr} for metrics (--metrics-listen): ");
    assert!(error.contains(&expected), "{error}");
    assert!(!database.exists(), "nothing was changed");
}

#[test]
fn no_series_names_a_workspace_an_endpoint_a_type_or_a_receiver() {
    let app = TestApp::with_flags(&FLAGS);
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/secret-path"));
    let published = app.publish("very.special.type", &json!(1));
    app.wait_for_events("succeeded", 1);
    let text = scrape(&app).text;
    for secret in [
        &app.workspace,
        &app.token,
        endpoint["id"].as_str().unwrap(),
        published["id"].as_str().unwrap(),
        "secret-path",
        "special",
        "127.0.0.1",
    ] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}
