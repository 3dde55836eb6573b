//! The way back from an outage, in a browser: an endpoint is enabled, and gets what was published while it was disabled.
//! And an event that nobody needs any more is skipped.

use serde_json::{Value, json};

use super::session::Scripts;
use super::{Desk, Hand};
use crate::fixture::TestApp;
use crate::receiver::Receiver;

fn recover(scripts: Scripts, hand: Hand) {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/hook"));
    let path = format!("/endpoints/{}", endpoint["id"].as_str().unwrap());
    app.patch(&format!("/api/webhooks{path}"), &json!({"enabled": false}))
        .expect(200);
    for number in 0..3 {
        app.publish("order.paid", &json!(number));
    }
    let Some(desk) = Desk::signed_in(&app, &app.token, scripts) else {
        return;
    };
    // The page says what to do, and lists what was missed.
    desk.open(&path);
    desk.wait_for_text("Enable it, then recover what it missed");
    desk.activate(hand, "Messages that it missed");
    desk.wait_until("the messages", || desk.path().starts_with("/messages?"));
    assert_eq!(
        desk.text().matches("order.paid").count(),
        3,
        "{}",
        desk.text()
    );
    desk.open(&path);
    desk.activate(hand, "Enable endpoint");
    desk.wait_until("an enabled endpoint", || {
        desk.text().contains("Recover what it missed")
    });

    // It is counted before it is sent.
    desk.activate(hand, "Recover what it missed");
    desk.activate(hand, "Count what it missed");
    desk.wait_for_text("3 events match");
    assert!(receiver.at("/hook").is_empty());
    desk.activate(hand, "Redeliver 3 events");
    desk.wait_until("the job", || desk.path().starts_with("/jobs/"));
    let received = receiver.wait("/hook", 3);
    let data = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["data"].clone();
    let received: Vec<_> = received.iter().map(|one| data(&one.body)).collect();
    assert!(
        received.contains(&json!(0)) && received.contains(&json!(2)),
        "{received:?}"
    );

    // Its page shows the end by itself, or when it is loaded again.
    app.wait_for("/api/webhooks/jobs", |list| {
        list["data"][0]["state"] == "finished"
    });
    if scripts == Scripts::Blocked {
        desk.open(&desk.path());
    }
    desk.wait_for_text("3 done and 0 left out, of 3 events");
    desk.activate(hand, "Jobs");
    desk.wait_for_path("/jobs");
    desk.wait_for_text("3 of 3");
    desk.assert_quiet();
}

#[test]
fn what_was_missed_is_recovered_with_a_mouse() {
    recover(Scripts::Run, Hand::Mouse);
}

#[test]
fn what_was_missed_is_recovered_with_the_keyboard_alone() {
    recover(Scripts::Run, Hand::Keyboard);
}

#[test]
fn what_was_missed_is_recovered_without_scripts() {
    recover(Scripts::Blocked, Hand::Mouse);
}

#[test]
fn a_pending_event_is_skipped_from_its_page() {
    let app = TestApp::with_manual_clock(&["--retry-schedule", "1h"]);
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/hook"));
    receiver.reply("/hook", 500, "");
    app.publish("order.paid", &json!(1));
    receiver.wait("/hook", 1);
    let path = format!(
        "/api/webhooks/events?endpoint_id={}",
        endpoint["id"].as_str().unwrap()
    );
    let list = app.wait_for(&path, |list| list["data"][0]["attempts"] == 1);
    let event = list["data"][0]["id"].as_str().unwrap();
    let Some(desk) = Desk::signed_in(&app, &app.token, Scripts::Run) else {
        return;
    };
    desk.open(&format!("/events/{event}"));
    desk.activate(Hand::Mouse, "Skip…");
    desk.activate(Hand::Mouse, "Skip the event");
    app.wait_for(&path, |list| list["data"][0]["skipped"] == true);
    desk.wait_for_text("skipped");
    desk.assert_quiet();
}
