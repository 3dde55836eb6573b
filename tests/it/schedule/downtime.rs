//! The tests of a server that was down while events were due.

use super::*;

/// The test that attempts due during a downtime are made once the server is back, however late that is.
#[test]
fn down_for_longer_than_runs_last_nothing_is_lost() {
    const EVENTS: usize = 40;
    let mut app = TestApp::with_manual_clock(&[]);
    let receiver = Receiver::start();
    receiver.reply("/a", 503, "");
    let endpoint = app.endpoint(&receiver.url("/a"));
    for n in 0..EVENTS {
        app.publish("a", &json!(n));
    }
    // Three were attempted, and the endpoint rests.
    app.wait_for("/api/webhooks/deliveries?limit=1", |list| {
        list["meta"]["total"] == 3
    });
    app.stop();
    receiver.reply("/a", 200, "");
    let clock = app.clock.clone().unwrap();
    clock.advance(Duration::from_hours(73));
    app.restart();
    app.wait_for_events("succeeded", u64::try_from(EVENTS).unwrap());
    let endpoint = format!(
        "/api/webhooks/endpoints/{}",
        endpoint["id"].as_str().unwrap()
    );
    assert_eq!(app.get(&endpoint).expect(200)["enabled"], true);
}

/// Overdue events of a receiver that is still down: one attempt each, which is the last.
#[test]
fn down_for_longer_than_runs_last_a_dead_endpoint_is_tried_at_the_usual_pace() {
    let flags = ["--retry-schedule", "1m", "--disable-after", "5"];
    let mut app = TestApp::with_manual_clock(&flags);
    let receiver = Receiver::start();
    receiver.reply("/a", 503, "");
    let endpoint = app.endpoint(&receiver.url("/a"));
    for n in 0..9 {
        app.publish("a", &json!(n));
    }
    receiver.wait("/a", 3);
    app.wait_for("/api/webhooks/deliveries?limit=1", |list| {
        list["meta"]["total"] == 3
    });
    app.stop();
    let clock = app.clock.clone().unwrap();
    clock.advance(Duration::from_hours(73));
    app.restart();
    // Those that were attempted before come first. It goes on resting: each probe that fails begins the next rest.
    app.wait_for_events("failed", 1);
    assert_eq!(receiver.count("/a"), 4);
    let endpoint = format!(
        "/api/webhooks/endpoints/{}",
        endpoint["id"].as_str().unwrap()
    );
    for failed in 2..=5 {
        assert_eq!(app.get(&endpoint).expect(200)["enabled"], true);
        app.advance(seconds(73));
        app.wait_for_events("failed", failed);
    }
    app.wait_for(&endpoint, |endpoint| {
        endpoint["disabled_reason"] == "failing"
    });
    app.wait_for_events("skipped", 4);
    assert_eq!(receiver.count("/a"), 8);
}

#[test]
fn after_a_restart_a_retry_comes_at_its_due_time() {
    let mut app = TestApp::with_manual_clock(&[]);
    let receiver = Receiver::start();
    receiver.reply("/a", 404, "");
    app.endpoint_for(&receiver.url("/a"), "raw", &["a"]);
    let path = event_path(&app.publish("a", &json!(1)));
    let before = app.wait_for(&path, |event| event["attempts"] == 1);
    app.restart();
    // Another endpoint shows that the engine is at work again, and has left the first one alone.
    app.endpoint_for(&receiver.url("/b"), "raw", &["b"]);
    app.publish("b", &json!(1));
    receiver.wait("/b", 1);
    let waits = due(&before).since(START);
    app.advance(waits.checked_sub(Duration::from_millis(1)).unwrap());
    app.publish("b", &json!(1));
    receiver.wait("/b", 2);
    assert_eq!(app.get(&path).expect(200)["attempts"], 1);
    assert_eq!(receiver.at("/a").len(), 1);
    app.advance(Duration::from_millis(2));
    receiver.wait("/a", 2);
}
