//! The pause of an endpoint: events wait, and nothing is lost.

use std::time::Duration;

use super::*;
use crate::metrics::wait_for as wait_for_metric;

const DAY: Duration = Duration::from_hours(24);

fn set_paused(app: &TestApp, endpoint: &Value, paused: bool) -> Value {
    let change = json!({ "paused": paused });
    app.patch(&endpoint_path(endpoint), &change).expect(200)
}

#[test]
fn events_are_made_during_a_pause_and_sent_in_order_after_it() {
    let mut app = TestApp::with_flags(&["--max-threads", "8", "--metrics-listen", "127.0.0.1:0"]);
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    let paused = set_paused(&app, &endpoint, true);
    assert_eq!(
        (&paused["state"], &paused["enabled"]),
        (&json!("paused"), &json!(true))
    );
    for number in 0..50 {
        app.publish("a", &json!(number));
    }
    let list = app
        .get("/api/webhooks/events?status=pending&limit=100")
        .expect(200);
    assert_eq!(list["meta"]["total"], 50);
    assert!(
        list["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["next_attempt_at"].is_null())
    );
    let by_state = app.get("/api/webhooks/endpoints?state=paused").expect(200);
    assert_eq!(by_state["meta"]["total"], 1);
    app.restart();
    app.publish("a", &json!(50));
    wait_for_metric(&app, "hookpost_endpoints{state=\"paused\"}", 1.0);
    wait_for_metric(&app, "hookpost_oldest_due_age_seconds", 0.0);
    assert_eq!(receiver.count("/a"), 0);
    set_paused(&app, &endpoint, false);
    app.wait_for_events("succeeded", 51);
    let sent: Vec<Value> = (receiver.wait("/a", 51).iter())
        .map(|it| serde_json::from_slice::<Value>(&it.body).unwrap()["data"].clone())
        .collect();
    assert_eq!(sent, (0..=50).map(|n| json!(n)).collect::<Vec<_>>());
}

#[test]
fn no_attempt_starts_after_the_answer_and_what_was_under_way_is_recorded() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    receiver.hold("/a");
    let endpoint = app.endpoint(&receiver.url("/a"));
    for number in 0..20 {
        app.publish("a", &json!(number));
    }
    receiver.wait("/a", 1);
    set_paused(&app, &endpoint, true);
    let under_way = receiver.count("/a");
    receiver.let_go("/a");
    app.wait_for_events("succeeded", under_way as u64);
    app.wait_for_events("pending", 20 - under_way as u64);
    assert_eq!(receiver.count("/a"), under_way);
    set_paused(&app, &endpoint, false);
    app.wait_for_events("succeeded", 20);
}

#[test]
fn nothing_expires_during_a_pause_and_the_time_begins_anew_after_it() {
    let app = TestApp::with_manual_clock(&["--expire-after", "72h", "--retry-schedule", "1h,1h"]);
    let receiver = Receiver::start();
    receiver.reply("/a", 404, "");
    let endpoint = app.endpoint(&receiver.url("/a"));
    app.publish("a", &json!(0));
    app.wait_for("/api/webhooks/events", |list| {
        list["data"][0]["attempts"] == 1
    });
    set_paused(&app, &endpoint, true);
    app.publish("a", &json!(1));
    for _ in 0..4 {
        app.advance(DAY);
    }
    app.wait_for_events("pending", 2);
    // Both fail once more, and wait for a further attempt although the message is older than 72 hours.
    set_paused(&app, &endpoint, false);
    app.wait_for("/api/webhooks/deliveries?limit=1", |list| {
        list["meta"]["total"] == 3
    });
    app.wait_for_events("pending", 2);
    receiver.reply("/a", 200, "");
    app.advance(Duration::from_mins(75));
    app.wait_for_events("succeeded", 2);
}

#[test]
fn disabling_beats_a_pause_and_skips_what_waits() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    set_paused(&app, &endpoint, true);
    app.publish("a", &json!(1));
    app.set_enabled(&endpoint, false);
    app.wait_for_events("skipped", 1);
    let state = || app.get(&endpoint_path(&endpoint)).expect(200)["state"].clone();
    assert_eq!(state(), "disabled");
    app.set_enabled(&endpoint, true);
    assert_eq!(state(), "paused");
    app.publish("a", &json!(2));
    app.wait_for_events("pending", 1);
    set_paused(&app, &endpoint, false);
    assert_eq!(state(), "active");
    app.wait_for_events("succeeded", 1);
    assert_eq!(receiver.count("/a"), 1);
}

#[test]
fn redeliveries_and_jobs_wait_for_the_end_of_a_pause() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    let other = app.endpoint(&receiver.url("/b"));
    for number in 0..3 {
        app.publish("a", &json!(number));
    }
    app.wait_for_events("succeeded", 6);
    set_paused(&app, &endpoint, true);
    let of_it = format!(
        "/api/webhooks/events?limit=1&endpoint_id={}",
        endpoint["id"].as_str().unwrap()
    );
    let one = app.get(&of_it).expect(200)["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    app.post(
        &format!("/api/webhooks/events/{one}/redeliver"),
        &app.token,
        &json!({}),
    )
    .expect(202);
    let job = json!({"action": "redeliver", "filter": {
        "endpoint_id": [endpoint["id"], other["id"]], "status": ["succeeded"],
    }});
    let job = app.post("/api/webhooks/jobs", &app.token, &job).expect(202);
    let path = format!("/api/webhooks/jobs/{}", job["id"].as_str().unwrap());
    receiver.wait("/b", 6);
    app.wait_for(&path, |job| job["done"] == 3 && job["state"] == "running");
    assert_eq!(receiver.count("/a"), 3);
    set_paused(&app, &endpoint, false);
    let done = app.wait_for(&path, |job| job["state"] == "finished");
    // The one that was redelivered by hand was pending when the job was made, and is left out if it has succeeded since.
    assert_eq!(done["done"], 5, "{done}");
    receiver.wait("/a", 6);
    app.wait_for_events("succeeded", 6);
}
