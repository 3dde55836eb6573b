//! The tests of what the script adds: live updates, and keys.

use serde_json::json;

use super::session::Scripts;
use super::{Desk, Hand};
use crate::fixture::TestApp;
use crate::receiver::Receiver;

#[test]
fn a_new_delivery_shows_without_a_reload() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/a"));
    app.publish("order.first", &json!({}));
    app.wait_for_events("succeeded", 1);
    let Some(desk) = Desk::signed_in(&app, &app.token, Scripts::Run) else {
        return;
    };
    desk.open("/deliveries");
    desk.browser.script("window.hasNotReloaded = true", &[]);
    desk.wait_for_text("order.first");
    app.publish("order.second", &json!({}));
    desk.wait_for_text("order.second");
    assert_eq!(
        desk.browser.script("return window.hasNotReloaded", &[]),
        true
    );

    // Paused, the list stays as it is.
    let pause = desk.find("[data-live-pause]");
    pause.click();
    assert_eq!(pause.attribute("aria-pressed"), "true");
    app.publish("order.third", &json!({}));
    app.wait_for_events("succeeded", 3);
    let seen = desk.find("#rows").text();
    assert!(!seen.contains("order.third"), "{seen}");
    pause.click();
    desk.wait_for_text("order.third");
    desk.assert_quiet();
}

#[test]
fn keys_lead_to_pages() {
    let app = TestApp::start();
    let Some(desk) = Desk::signed_in(&app, &app.admin, Scripts::Run) else {
        return;
    };
    for (keys, path) in [
        ("ge", "/endpoints"),
        ("gd", "/deliveries"),
        ("gs", "/system"),
        ("go", "/"),
    ] {
        desk.browser.press(keys);
        desk.wait_for_path(path);
    }
    desk.browser.press("?");
    desk.wait_until("the dialog", || desk.find("dialog#keys").is_shown());
    desk.browser.press("\u{e00c}");
    desk.wait_until("its end", || !desk.browser.all("dialog#keys")[0].is_shown());
    desk.assert_quiet();
}

#[test]
fn the_switcher_needs_no_button() {
    let app = TestApp::start();
    let made = app.post("/api/workspaces", &app.admin, &json!({"name": "Second"}));
    let id = made.expect(201)["id"].as_str().unwrap().to_owned();
    let Some(desk) = Desk::signed_in(&app, &app.admin, Scripts::Run) else {
        return;
    };
    desk.open("/endpoints");
    desk.click(&format!("#switcher option[value=\"{id}\"]"));
    desk.wait_until("the choice", || {
        let chosen = desk.browser.all("#switcher option[selected]");
        chosen
            .first()
            .is_some_and(|option| option.text() == "Second")
    });
    assert_eq!(desk.path(), "/endpoints");
    desk.assert_quiet();
}

#[test]
fn a_double_click_sends_a_form_once() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/a"));
    let Some(desk) = Desk::signed_in(&app, &app.token, Scripts::Run) else {
        return;
    };
    desk.open("/publish");
    desk.write(Hand::Mouse, "#type", "order.paid");
    desk.write(Hand::Mouse, "#data", "{}");
    // Both clicks come before the answer.
    desk.browser.script(
        "const button = document.querySelector('button[value=send]'); button.click(); button.click();",
        &[],
    );
    desk.wait_until("the message", || desk.path().starts_with("/messages/"));
    // Requests of one workspace are answered in their order: a second form would have come before this message.
    app.publish("order.last", &json!({}));
    app.wait_for_events("succeeded", 2);
    assert_eq!(receiver.count("/a"), 2);
    desk.assert_quiet();
}
