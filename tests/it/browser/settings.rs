//! An endpoint gets a header and a rate, is paused and resumed, in a browser.

use serde_json::json;

use super::session::Scripts;
use super::{Desk, Hand};
use crate::fixture::TestApp;
use crate::receiver::Receiver;

fn set_up(scripts: Scripts, hand: Hand) {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/hook"));
    let path = format!("/endpoints/{}", endpoint["id"].as_str().unwrap());
    let Some(desk) = Desk::signed_in(&app, &app.token, scripts) else {
        return;
    };
    desk.open(&format!("{path}/edit"));
    desk.activate(hand, "Headers, limits and retries");
    desk.write(hand, "#headers", "X-Team: payments");
    desk.write(hand, "#rate_limit", "600");
    desk.activate(hand, "Save");
    desk.wait_for_path(&path);
    desk.wait_for_text("X-Team");
    assert!(!desk.text().contains("payments"), "the value is hidden");
    let stored = app.get(&format!("/api/webhooks{path}")).expect(200);
    assert_eq!(stored["policy"], json!({"rate_limit": 600}));

    desk.activate(hand, "Pause");
    desk.wait_for_text("It is paused");
    app.publish("order.paid", &json!(1));
    app.wait_for_events("pending", 1);
    assert_eq!(receiver.count("/hook"), 0);
    desk.activate(hand, "Resume");
    desk.wait_for_text("The pause is over");
    let received = receiver.wait("/hook", 1);
    assert_eq!(received[0].header("x-team"), "payments");
    desk.assert_quiet();
}

#[test]
fn an_endpoint_is_set_up_and_paused_with_a_mouse() {
    set_up(Scripts::Run, Hand::Mouse);
}

#[test]
fn an_endpoint_is_set_up_and_paused_with_the_keyboard_alone() {
    set_up(Scripts::Run, Hand::Keyboard);
}

#[test]
fn an_endpoint_is_set_up_and_paused_without_scripts() {
    set_up(Scripts::Blocked, Hand::Mouse);
}
