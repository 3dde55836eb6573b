//! The tests of retries, rest and disabling, on a clock that the test moves.

mod downtime;
mod redelivery;

use std::time::Duration;

use hookpost::domain::clock::Timestamp;
use serde_json::{Value, json};

use super::fixture::{START, TestApp};
use super::receiver::Receiver;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn event_path(message: &Value) -> String {
    format!(
        "/api/webhooks/events/{}",
        message["events"][0]["id"].as_str().unwrap()
    )
}

fn due(event: &Value) -> Timestamp {
    Timestamp::parse(event["next_attempt_at"].as_str().unwrap()).unwrap()
}

#[test]
fn ten_retries_follow_the_schedule_and_then_the_event_has_failed() {
    let app = TestApp::with_manual_clock(&[]);
    let receiver = Receiver::start();
    // Not a failure of health: 404s retry without rest getting in between.
    receiver.reply("/a", 404, "");
    app.endpoint(&receiver.url("/a"));
    let path = event_path(&app.publish("a", &json!(1)));
    let waits = [5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 43_200];
    let mut now = START;
    for (at, wait) in waits.into_iter().enumerate() {
        let event = app.wait_for(&path, |event| {
            event["attempts"] == at + 1 && event["next_attempt_at"].is_string()
        });
        let waited = due(&event).since(now).as_secs_f64();
        let wait = f64::from(wait);
        assert!(
            waited >= wait * 0.8 && waited <= wait * 1.2 + 0.1,
            "retry {at}: {waited} s"
        );
        let just_before = due(&event)
            .since(now)
            .checked_sub(Duration::from_millis(1))
            .unwrap();
        app.advance(just_before);
        assert_eq!(receiver.at("/a").len(), at + 1, "too early");
        app.advance(Duration::from_millis(2));
        now = now.after(just_before + Duration::from_millis(2));
        receiver.wait("/a", at + 2);
    }
    let event = app.wait_for(&path, |event| event["succeeded"] == false);
    assert_eq!(event["attempts"], 11);
    assert_eq!(event["next_attempt_at"], json!(null));
    assert_eq!(event["last_http_code"], 404);
    let ids: Vec<String> = receiver
        .at("/a")
        .iter()
        .map(|one| one.header("webhook-id").to_owned())
        .collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
    app.advance(seconds(1_000_000));
    assert_eq!(receiver.at("/a").len(), 11);
}

#[test]
fn retry_after_holds_as_seconds_and_as_a_date() {
    let app = TestApp::with_manual_clock(&[]);
    let receiver = Receiver::start();
    receiver.reply("/seconds", 503, "retry-after: 900\r\n");
    receiver.reply(
        "/date",
        429,
        "retry-after: Tue, 14 Nov 2023 22:28:20 GMT\r\n",
    );
    receiver.reply("/short", 503, "retry-after: 1\r\n");
    for path in ["/seconds", "/date", "/short"] {
        app.endpoint_for(&receiver.url(path), "raw", &[&path[1..]]);
        let event = event_path(&app.publish(&path[1..], &json!(1)));
        let event = app.wait_for(&event, |event| event["attempts"] == 1);
        let waits = due(&event).since(START).as_secs_f64();
        if path == "/short" {
            assert!((4.0..=6.1).contains(&waits), "{path}: {waits}");
        } else {
            assert!((899.0..=901.0).contains(&waits), "{path}: {waits}");
        }
    }
    app.advance(seconds(890));
    receiver.wait("/short", 2);
    assert_eq!(
        receiver.at("/seconds").len() + receiver.at("/date").len(),
        2
    );
    app.advance(seconds(20));
    receiver.wait("/seconds", 2);
    receiver.wait("/date", 2);
}

#[test]
fn gone_ends_the_event_and_disables_the_endpoint() {
    let app = TestApp::with_manual_clock(&[]);
    let receiver = Receiver::start();
    receiver.reply("/a", 410, "");
    let endpoint = app.endpoint(&receiver.url("/a"));
    let path = event_path(&app.publish("a", &json!(1)));
    let event = app.wait_for(&path, |event| event["succeeded"] == false);
    assert_eq!(event["skipped"], false);
    let endpoint = app
        .get(&format!(
            "/api/webhooks/endpoints/{}",
            endpoint["id"].as_str().unwrap()
        ))
        .expect(200);
    assert_eq!(endpoint["enabled"], false);
    assert_eq!(endpoint["disabled_reason"], "gone");
    let again = app
        .post(&format!("{path}/redeliver"), &app.token, &json!({}))
        .expect(409);
    assert_eq!(again["error"], "EndpointDisabled");
}

#[test]
fn ten_failed_events_disable_and_what_waits_is_skipped_and_enabling_starts_over() {
    let app = TestApp::with_manual_clock(&["--retry-schedule", "1s"]);
    let receiver = Receiver::start();
    receiver.reply("/a", 404, "");
    let endpoint = app.endpoint(&receiver.url("/a"));
    let endpoint = format!(
        "/api/webhooks/endpoints/{}",
        endpoint["id"].as_str().unwrap()
    );
    for _ in 0..9 {
        app.publish("a", &json!(1));
    }
    receiver.wait("/a", 9);
    app.wait_for("/api/webhooks/deliveries", |list| {
        list["meta"]["total"] == 9
    });
    app.advance(seconds(2));
    app.wait_for_events("failed", 9);
    assert_eq!(app.get(&endpoint).expect(200)["enabled"], true);
    receiver.hold("/a");
    let held = event_path(&app.publish("a", &json!(1)));
    receiver.wait("/a", 19);
    let waiting: Vec<String> = (0..5)
        .map(|_| event_path(&app.publish("a", &json!(1))))
        .collect();
    receiver.let_go("/a");
    app.wait_for(&held, |event| event["attempts"] == 1);
    app.advance(seconds(2));
    let disabled = app.wait_for(&endpoint, |endpoint| endpoint["enabled"] == false);
    assert_eq!(disabled["disabled_reason"], "failing");
    for path in &waiting {
        let event = app.wait_for(path, |event| {
            event["skipped"] == true || event["succeeded"] == false
        });
        assert_eq!(event["next_attempt_at"], json!(null));
    }
    assert_eq!(app.publish("a", &json!(1))["events"], json!([]));
    receiver.reply("/a", 200, "");
    let enabled = app.patch(&endpoint, &json!({"enabled": true})).expect(200);
    assert_eq!(enabled["disabled_reason"], json!(null));
    let fresh = event_path(&app.publish("a", &json!(1)));
    app.wait_for(&fresh, |event| event["succeeded"] == true);
    let skipped = app
        .get("/api/webhooks/events?status=skipped&limit=1")
        .expect(200);
    if let Some(event) = skipped["data"].get(0) {
        let path = format!("/api/webhooks/events/{}", event["id"].as_str().unwrap());
        app.post(&format!("{path}/redeliver"), &app.token, &json!({}))
            .expect(202);
        app.wait_for(&path, |event| {
            event["succeeded"] == true && event["skipped"] == false
        });
    }
}

/// Behind an endpoint that rests, runs end that had an attempt; the others wait for theirs, one probe each.
#[test]
fn a_run_that_takes_too_long_ends_but_not_without_an_attempt() {
    let app = TestApp::with_manual_clock(&["--expire-after", "1h", "--disable-after", "0"]);
    let receiver = Receiver::start();
    receiver.reply("/a", 503, "");
    app.endpoint(&receiver.url("/a"));
    for _ in 0..6 {
        app.publish("a", &json!(1));
    }
    let attempts = |count: u64| {
        app.wait_for("/api/webhooks/deliveries?limit=1", |list| {
            list["meta"]["total"] == count
        });
    };
    receiver.wait("/a", 3);
    attempts(3);
    app.advance(seconds(3700));
    app.wait_for("/api/webhooks/events?status=failed&limit=1", |list| {
        app.advance(seconds(61));
        list["meta"]["total"] == 6
    });
    let list = app.get("/api/webhooks/deliveries?limit=100").expect(200);
    let all = list["data"].as_array().unwrap();
    let of = |event: &Value| {
        let of_it = |one: &&Value| one["webhook_event"]["id"] == event["webhook_event"]["id"];
        all.iter()
            .filter(of_it)
            .filter(|one| one["http_code"] == 503)
            .count()
    };
    assert!(all.iter().all(|one| of(one) > 0), "{list}");
    let expired = all.iter().filter(|one| one["error"] == "expired").count();
    // One of the three that had been attempted may have been the first probe.
    assert!(matches!(expired, 2 | 3), "{list}");
}

/// The endpoint asked not to be tried for an hour; that its event ended meanwhile is not its failure.
#[test]
fn a_run_that_ends_while_it_waits_does_not_count_against_its_endpoint() {
    let app = TestApp::with_manual_clock(&["--expire-after", "10m", "--disable-after", "1"]);
    let receiver = Receiver::start();
    receiver.reply("/a", 503, "retry-after: 3600\r\n");
    let endpoint = app.endpoint(&receiver.url("/a"));
    let path = event_path(&app.publish("a", &json!(1)));
    app.wait_for(&path, |event| event["attempts"] == 1);
    app.advance(seconds(601));
    // Once it has been read from the file, within a minute.
    app.wait_for(&path, |event| {
        app.advance(Duration::from_millis(100));
        event["succeeded"] == false
    });
    let list = app.get("/api/webhooks/deliveries").expect(200);
    assert_eq!(list["data"][0]["error"], "expired", "{list}");
    let endpoint = format!(
        "/api/webhooks/endpoints/{}",
        endpoint["id"].as_str().unwrap()
    );
    assert_eq!(app.get(&endpoint).expect(200)["enabled"], true);
}

#[test]
fn payloads_are_dropped_in_time_but_not_while_they_are_needed() {
    let app = TestApp::with_manual_clock(&[
        "--archive-after",
        "1h",
        "--retry-schedule",
        "20d",
        "--expire-after",
        "365d",
    ]);
    let receiver = Receiver::start();
    app.endpoint_for(&receiver.url("/ok"), "raw", &["ok"]);
    app.endpoint_for(&receiver.url("/bad"), "raw", &["bad"]);
    receiver.reply("/bad", 404, "");
    let delivered = event_path(&app.publish("ok", &json!(1)));
    let pending = event_path(&app.publish("bad", &json!(1)));
    app.wait_for(&delivered, |event| event["succeeded"] == true);
    app.wait_for(&pending, |event| event["attempts"] == 1);
    app.advance(seconds(3601));
    let archived = app.wait_for(&delivered, |event| event["is_archived"] == true);
    assert_eq!(archived["payload"], json!(null));
    assert!(app.get(&pending).expect(200)["payload"].is_string());
    let refused = app
        .post(&format!("{delivered}/redeliver"), &app.token, &json!(null))
        .expect(409);
    assert_eq!(refused["error"], "EventArchived");
}
