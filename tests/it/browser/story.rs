//! The story for which the dashboard is made: something does not arrive. Somebody who knows only that finds the
//! failing endpoint, sees what was sent and what came back, fixes the URL, sends what was missed, and sees that it
//! worked. With a mouse, with the keyboard alone, and in a browser that runs no script.

use std::time::Duration;

use serde_json::{Value, json};

use super::session::Scripts;
use super::{Desk, Hand};
use crate::fixture::TestApp;
use crate::receiver::Receiver;

/// An application with three endpoints. What two orders became at one of them has failed for good: its path is wrong.
struct Trouble {
    app: TestApp,
    receiver: Receiver,
    /// The failing endpoint.
    endpoint: String,
    /// The ids of its events.
    missed: Vec<String>,
}

impl Trouble {
    fn new() -> Self {
        let app = TestApp::with_manual_clock(&["--retry-schedule", "5s", "--disable-after", "0"]);
        let receiver = Receiver::start();
        receiver.answer(404, "{\"error\": \"no route for POST /oders\"}");
        for path in ["/mails", "/stock", "/orders"] {
            receiver.reply(path, 200, "");
        }
        let make = |name: &str, path: &str| {
            let body = json!({
                "name": name, "url": receiver.url(path), "format": "raw", "events": ["order.*"],
            });
            let made = app.post("/api/webhooks/endpoints", &app.token, &body);
            made.expect(201)["id"].as_str().unwrap().to_owned()
        };
        make("Mails", "/mails");
        let endpoint = make("Shop", "/oders");
        make("Stock", "/stock");
        let mut missed = Vec::new();
        for order in [1001, 1002] {
            let published = app.publish("order.paid", &json!({"order": order, "total": "19.90"}));
            let events = published["events"].as_array().unwrap();
            let own = |event: &&Value| event["webhook_endpoint_id"] == endpoint.as_str();
            let event = events.iter().find(own).unwrap();
            missed.push(event["id"].as_str().unwrap().to_owned());
        }
        receiver.wait("/oders", 2);
        app.wait_for("/api/webhooks/deliveries", |list| {
            list["meta"]["total"] == 6
        });
        app.advance(Duration::from_hours(1));
        app.wait_for_events("failed", 2);
        Self {
            app,
            receiver,
            endpoint,
            missed,
        }
    }
}

fn find_and_fix(desk: &Desk<'_>, trouble: &Trouble, hand: Hand) {
    let endpoint = format!("/endpoints/{}", trouble.endpoint);
    // The overview has the failing endpoint before all others.
    desk.open("/");
    let found = desk.find("#trouble").text();
    assert!(
        found.contains("Shop") && !found.contains("Stock"),
        "{found}"
    );
    desk.activate(hand, "Shop");
    desk.wait_for_path(&endpoint);

    // What was sent, what came back, and why in words.
    desk.wait_for_text("404");
    desk.activate(hand, "order.paid");
    desk.wait_until("an event", || desk.path().starts_with("/events/"));
    let event = desk.text();
    for part in [
        "404",
        "no route for POST /oders",
        "\"order\"",
        "19.90",
        "webhook-id",
    ] {
        assert!(event.contains(part), "{part} is not in {event}");
    }

    // The wrong URL is mended.
    desk.activate(hand, "Shop");
    desk.wait_for_path(&endpoint);
    desk.activate(hand, "Edit");
    desk.wait_for_path(&format!("{endpoint}/edit"));
    desk.write(hand, "#url", &trouble.receiver.url("/orders"));
    desk.activate(hand, "Save");
    desk.wait_for_path(&endpoint);

    // What was missed is sent again.
    desk.wait_for_text("2 events failed");
    desk.activate(hand, "Review and redeliver");
    desk.wait_until("the list", || {
        desk.path().starts_with("/deliveries?view=events")
    });
    for id in &trouble.missed {
        // All that was missed is selected already.
        desk.find(&format!("input[name=event][value=\"{id}\"]:checked"));
    }
    let labels = ["Redeliver 2 events", "Redeliver selected events"];
    let text = desk.text();
    let label = labels.into_iter().find(|label| text.contains(label));
    desk.activate(hand, label.expect("a button that redelivers"));
    trouble.receiver.wait("/orders", 2);
    trouble.app.wait_for_events("failed", 0);

    // And it shows that it worked.
    desk.open(&endpoint);
    desk.wait_for_text("No event failed or was skipped");
    desk.open("/");
    let left = desk.find("#trouble").text();
    assert!(!left.contains("Shop"), "{left}");
}

fn tell(scripts: Scripts, hand: Hand) {
    let trouble = Trouble::new();
    let Some(desk) = Desk::signed_in(&trouble.app, &trouble.app.token, scripts) else {
        return;
    };
    find_and_fix(&desk, &trouble, hand);
    desk.assert_quiet();
}

#[test]
fn with_a_mouse() {
    tell(Scripts::Run, Hand::Mouse);
}

#[test]
fn with_the_keyboard_alone() {
    tell(Scripts::Run, Hand::Keyboard);
}

#[test]
fn in_a_browser_without_scripts() {
    tell(Scripts::Blocked, Hand::Mouse);
}

#[test]
fn one_event_is_sent_again_from_its_page() {
    let trouble = Trouble::new();
    let Some(desk) = Desk::signed_in(&trouble.app, &trouble.app.token, Scripts::Run) else {
        return;
    };
    trouble.receiver.reply("/oders", 200, "");
    desk.open(&format!("/events/{}", trouble.missed[0]));
    desk.activate(Hand::Mouse, "Redeliver now");
    trouble.app.wait_for_events("failed", 1);
    // The page shows the new attempt by itself.
    desk.wait_for_text("succeeded");
    desk.assert_quiet();
}
