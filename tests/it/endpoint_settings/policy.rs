//! The policy of an endpoint: each member changes what the server's settings say, for this endpoint alone.

use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn event(app: &TestApp) -> Value {
    app.get("/api/webhooks/events?limit=1").expect(200)["data"][0].clone()
}

#[test]
fn the_retry_schedule_of_the_policy_counts_and_an_empty_one_means_one_attempt() {
    let app = TestApp::with_manual_clock(&["--retry-schedule", "1h"]);
    let receiver = Receiver::start();
    receiver.reply("/a", 404, "");
    receiver.reply("/b", 404, "");
    let endpoint = make(
        &app,
        &receiver.url("/a"),
        json!({"policy": {"retry_schedule": [10, 10]}}),
    );
    make(
        &app,
        &receiver.url("/b"),
        json!({"policy": {"retry_schedule": []}}),
    );
    app.publish("a", &json!(1));
    app.wait_for_events("failed", 1);
    receiver.wait("/a", 1);
    let of_it = format!(
        "/api/webhooks/events?endpoint_id={}",
        endpoint["id"].as_str().unwrap()
    );
    for attempts in 1..=2 {
        app.wait_for(&of_it, |list| list["data"][0]["attempts"] == attempts);
        app.advance(12 * SECOND);
    }
    app.wait_for_events("failed", 2);
    assert_eq!((receiver.count("/a"), receiver.count("/b")), (3, 1));
}

#[test]
fn an_event_expires_after_the_time_of_the_policy() {
    let app = TestApp::with_manual_clock(&["--retry-schedule", "30s,1h,1h"]);
    let receiver = Receiver::start();
    receiver.reply("/a", 404, "");
    make(
        &app,
        &receiver.url("/a"),
        json!({"policy": {"expire_after": 60}}),
    );
    app.publish("a", &json!(1));
    app.wait_for("/api/webhooks/events", |list| {
        list["data"][0]["attempts"] == 1
    });
    app.advance(40 * SECOND);
    // The second attempt fails as well, and the next one is made at the end of the run.
    app.wait_for("/api/webhooks/events", |list| {
        list["data"][0]["attempts"] == 2
    });
    app.advance(25 * SECOND);
    app.wait_for_events("failed", 1);
    assert_eq!(receiver.count("/a"), 3);
}

#[test]
fn an_attempt_ends_after_the_timeout_of_the_policy() {
    let app = TestApp::with_flags(&["--request-timeout", "30s", "--retry-schedule", "1h"]);
    let receiver = Receiver::start();
    receiver.hold("/a");
    make(&app, &receiver.url("/a"), json!({"policy": {"timeout": 1}}));
    app.publish("a", &json!(1));
    let list = app.wait_for("/api/webhooks/deliveries", |list| {
        list["meta"]["total"] == 1
    });
    let delivery = &list["data"][0];
    assert_eq!(delivery["error"], "timeout");
    let took = delivery["duration_ms"].as_u64().unwrap();
    assert!((900..10_000).contains(&took), "{took}");
    receiver.let_go("/a");
}

#[test]
fn so_many_attempts_start_in_a_minute_and_waiting_is_no_attempt() {
    let app = TestApp::with_manual_clock(&[]);
    let receiver = Receiver::start();
    make(
        &app,
        &receiver.url("/a"),
        json!({"policy": {"rate_limit": 60}}),
    );
    for number in 0..10 {
        app.publish("a", &json!(number));
    }
    for sent in 1..=10 {
        app.wait_for_events("succeeded", sent);
        assert_eq!(receiver.count("/a") as u64, sent, "one a second");
        app.advance(SECOND);
    }
    let all = app.get("/api/webhooks/events?limit=100").expect(200);
    assert!(
        all["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["attempts"] == 1)
    );
    assert_eq!(receiver.wait("/a", 10).len(), 10);
}

#[test]
fn redeliveries_count_against_the_rate_as_well() {
    let app = TestApp::with_manual_clock(&[]);
    let receiver = Receiver::start();
    make(
        &app,
        &receiver.url("/a"),
        json!({"policy": {"rate_limit": 1}}),
    );
    app.publish("a", &json!(1));
    app.wait_for_events("succeeded", 1);
    let id = event(&app)["id"].as_str().unwrap().to_owned();
    let path = format!("/api/webhooks/events/{id}/redeliver");
    app.post(&path, &app.token, &json!({})).expect(202);
    app.advance(50 * SECOND);
    app.wait_for_events("pending", 1);
    assert_eq!(receiver.count("/a"), 1);
    app.advance(11 * SECOND);
    receiver.wait("/a", 2);
}

#[test]
fn so_many_attempts_are_under_way_and_no_more_redeliveries_among_them() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    make(
        &app,
        &receiver.url("/a"),
        json!({"policy": {"max_concurrency": 1}}),
    );
    app.publish("a", &json!(0));
    app.wait_for_events("succeeded", 1);
    let id = event(&app)["id"].as_str().unwrap().to_owned();
    receiver.hold("/a");
    app.publish("a", &json!(1));
    receiver.wait("/a", 2);
    let path = format!("/api/webhooks/events/{id}/redeliver");
    app.post(&path, &app.token, &json!({})).expect(202);
    app.publish("a", &json!(2));
    app.wait_for_events("pending", 3);
    assert_eq!(
        receiver.count("/a"),
        2,
        "one is held by the receiver, the others wait"
    );
    receiver.let_go("/a");
    app.wait_for_events("succeeded", 3);
}

#[test]
fn so_many_failed_events_as_the_policy_says_disable_the_endpoint_or_none() {
    let app = TestApp::with_flags(&["--disable-after", "3", "--retry-schedule", "1h"]);
    let receiver = Receiver::start();
    receiver.reply("/one", 404, "");
    receiver.reply("/never", 404, "");
    let policy = |disable_after: u32| json!({"policy": {"disable_after": disable_after, "retry_schedule": []}});
    let one = make(&app, &receiver.url("/one"), policy(1));
    let never = make(&app, &receiver.url("/never"), policy(0));
    for number in 0..5 {
        app.publish("a", &json!(number));
        let count = number + 1;
        let of_it = format!(
            "/api/webhooks/events?status=failed&endpoint_id={}",
            never["id"].as_str().unwrap()
        );
        app.wait_for(&of_it, |list| list["meta"]["total"] == count);
    }
    let disabled = app.wait_for(&endpoint_path(&one), |it| it["enabled"] == false);
    assert_eq!(
        (&disabled["disabled_reason"], &disabled["failures_in_a_row"]),
        (&json!("failing"), &json!(1))
    );
    let still = app.get(&endpoint_path(&never)).expect(200);
    assert_eq!(
        (&still["enabled"], &still["failures_in_a_row"]),
        (&json!(true), &json!(5))
    );
}

#[test]
fn a_policy_is_replaced_as_a_whole_and_a_misspelt_member_is_refused() {
    let app = TestApp::start();
    let endpoint = make(
        &app,
        "https://a.example/",
        json!({"policy": {"timeout": 3, "rate_limit": 5}}),
    );
    let changed = app.patch(
        &endpoint_path(&endpoint),
        &json!({"policy": {"timeout": 4, "rate_limit": null}}),
    );
    assert_eq!(changed.expect(200)["policy"], json!({"timeout": 4}));
    let same = app
        .patch(&endpoint_path(&endpoint), &json!({"policy": null}))
        .expect(200);
    assert_eq!(same["policy"], json!({"timeout": 4}));
    for (policy, kind, member) in [
        (json!({"timeouts": 3}), "value_error", Some("timeouts")),
        (json!({"timeout": 0}), "greater_than_equal", Some("timeout")),
        (json!({"timeout": 121}), "less_than_equal", Some("timeout")),
        (json!({"timeout": "x"}), "int_parsing", Some("timeout")),
        (
            json!({"rate_limit": 600_001}),
            "less_than_equal",
            Some("rate_limit"),
        ),
        (
            json!({"max_concurrency": 65}),
            "less_than_equal",
            Some("max_concurrency"),
        ),
        (
            json!({"disable_after": 1001}),
            "less_than_equal",
            Some("disable_after"),
        ),
        (
            json!({"disable_after": -1}),
            "greater_than_equal",
            Some("disable_after"),
        ),
        (
            json!({"expire_after": 31_536_001}),
            "less_than_equal",
            Some("expire_after"),
        ),
        (
            json!({"retry_schedule": 5}),
            "list_type",
            Some("retry_schedule"),
        ),
        (
            json!({"retry_schedule": vec![1; 33]}),
            "value_error",
            Some("retry_schedule"),
        ),
        (json!([]), "model_attributes_type", None),
    ] {
        let refused = app
            .patch(&endpoint_path(&endpoint), &json!({ "policy": policy }))
            .expect(422);
        let mut loc = vec!["body", "policy"];
        loc.extend(member);
        assert_eq!(refused["detail"][0]["type"], kind, "{refused}");
        assert_eq!(refused["detail"][0]["loc"], json!(loc), "{refused}");
    }
    let at = app.patch(
        &endpoint_path(&endpoint),
        &json!({"policy": {"retry_schedule": [1, 0]}}),
    );
    assert_eq!(
        at.expect(422)["detail"][0]["loc"],
        json!(["body", "policy", "retry_schedule", 1])
    );
}
