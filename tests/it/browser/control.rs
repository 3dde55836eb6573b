//! An endpoint gets a filter, a preview says why a message would not arrive, a test is sent, and a payload is erased, in
//! a browser.

use serde_json::json;

use super::looks::assert_present_good;
use super::session::Scripts;
use super::{Desk, Hand};
use crate::fixture::TestApp;
use crate::receiver::Receiver;

fn filter_test_and_erase(scripts: Scripts, hand: Hand) {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/hook"));
    let path = format!("/endpoints/{}", endpoint["id"].as_str().unwrap());
    let Some(desk) = Desk::signed_in(&app, &app.token, scripts) else {
        return;
    };
    desk.open(&format!("{path}/edit"));
    desk.write(
        hand,
        "#filter",
        r#"{"data": {"amount": [{"numeric": [">=", 100]}]}}"#,
    );
    desk.activate(hand, "Save");
    desk.wait_for_path(&path);
    desk.wait_for_text("numeric");

    // The preview names the member of the filter that does not match.
    desk.open("/publish");
    desk.write(hand, "#type", "order.paid");
    desk.write(hand, "#data", r#"{"amount": 5}"#);
    desk.activate(hand, "Preview");
    desk.wait_for_text("filter.data.amount does not match");
    if hand == Hand::Mouse && scripts == Scripts::Run {
        assert_present_good(&desk, "publish-filtered");
    }
    desk.write(hand, "#data", r#"{"amount": 250}"#);
    desk.activate(hand, "Preview again");
    desk.wait_for_text("1 endpoint would get it now");
    desk.activate(hand, "Send");
    desk.wait_until("the message", || desk.path().starts_with("/messages/"));
    let message = desk.path();
    receiver.wait("/hook", 1);
    app.wait_for_events("succeeded", 1);

    // A test asks no filter, and is in no list.
    desk.open(&path);
    desk.activate(hand, "Send a test");
    desk.wait_for_text("The test succeeded");
    if hand == Hand::Mouse && scripts == Scripts::Run {
        assert_present_good(&desk, "test-result");
    }
    assert!(
        receiver.wait("/hook", 2)[1]
            .text()
            .contains("hookpost.test")
    );
    let events = app.get("/api/webhooks/events").expect(200);
    assert_eq!(events["meta"]["total"], 1);

    desk.open(&message);
    desk.activate(hand, "Erase payload…");
    desk.activate(hand, "Erase payload");
    desk.wait_for_text("The payload is gone");
    let stored = app.get(&format!("/api/webhooks{message}")).expect(200);
    assert_eq!(stored["is_archived"], json!(true));
    desk.assert_quiet();
}

#[test]
fn a_filter_a_test_and_an_erasure_with_a_mouse() {
    filter_test_and_erase(Scripts::Run, Hand::Mouse);
}

#[test]
fn a_filter_a_test_and_an_erasure_with_the_keyboard_alone() {
    filter_test_and_erase(Scripts::Run, Hand::Keyboard);
}

#[test]
fn a_filter_a_test_and_an_erasure_without_scripts() {
    filter_test_and_erase(Scripts::Blocked, Hand::Mouse);
}
