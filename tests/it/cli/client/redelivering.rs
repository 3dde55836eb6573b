//! The tests of `hookpost redeliver`.

use std::collections::BTreeSet;

use super::*;

/// More than a page of a list.
const EVENTS: usize = 140;

/// Publishes so many events that their endpoint, which answers none of them, has most of them skipped when it is
/// disabled; and enables it.
fn skipped(app: &TestApp, receiver: &Receiver) -> String {
    receiver.hold("/in");
    let endpoint = app.endpoint(&receiver.url("/in"));
    let id = endpoint["id"].as_str().unwrap();
    for n in 0..EVENTS {
        app.publish("a", &json!(n));
    }
    receiver.wait("/in", 1);
    printed(app, &["endpoint", "disable", id]);
    receiver.let_go("/in");
    app.wait_for_events("pending", 0);
    id.to_owned()
}

#[test]
fn all_that_an_endpoint_missed_is_sent_over_more_than_a_page() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let id = skipped(&app, &receiver);
    let args = ["redeliver", "--endpoint", &id];
    let all = ["--status", "failed", "--status", "skipped", "--yes"];

    // Nothing is sent unasked, or to an endpoint that is disabled.
    let unasked = failed(&app, &args);
    assert!(
        unasked.ends_with("events match; --yes redelivers so many"),
        "{unasked}"
    );
    let disabled = client(&app, Path::new("/"), &[&args[..], &all].concat());
    let disabled = { disabled }.output().unwrap();
    assert_eq!(disabled.status.code(), Some(1));
    let last = stderr(&disabled).lines().last().unwrap();
    assert!(
        last.ends_with(&format!("`hookpost endpoint enable {id}` comes first")),
        "{last}"
    );
    assert_eq!(stdout(&disabled), "Redelivered 0 events.\n");

    printed(&app, &["endpoint", "enable", &id]);
    let skipped = app.get("/api/webhooks/events?status=skipped").expect(200);
    let skipped = skipped["meta"]["total"].as_u64().unwrap();
    assert!(skipped > 100, "{skipped}");
    assert_eq!(
        printed(&app, &[&args[..], &all].concat()),
        format!("Redelivered {skipped} events.\n")
    );
    app.wait_for_events("succeeded", EVENTS as u64);
    let received = receiver.wait("/in", EVENTS);
    let ids: BTreeSet<_> = received
        .iter()
        .map(|one| one.header("webhook-id"))
        .collect();
    assert_eq!(ids.len(), EVENTS, "each of them");
    assert_eq!(printed(&app, &args), "Redelivered 0 events.\n");
}

#[test]
fn events_are_sent_again_by_their_ids_and_those_that_cannot_are_named() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/in"));
    let message = app.publish("a", &json!(1));
    let id = message["events"][0]["id"].as_str().unwrap();
    app.wait_for_events("succeeded", 1);
    assert_eq!(printed(&app, &["redeliver", id]), "Redelivered 1 event.\n");
    receiver.wait("/in", 2);

    let unknown = "01a21f03-3343-4c6f-bbb0-afcc931f11f4";
    let args = ["redeliver", unknown, id, "--json"];
    let output = client(&app, Path::new("/"), &args).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<&str> = stderr(&output).lines().collect();
    let missing = format!("there is no event {unknown}");
    assert_eq!(
        lines,
        [
            &format!("not redelivered: {unknown}: {missing}"),
            "hookpost: 1 of 2 not redelivered"
        ]
    );
    let outcome: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        outcome,
        json!({"redelivered": 1, "not_redelivered": [{"id": unknown, "error": missing}]})
    );
    receiver.wait("/in", 3);

    for args in [&["redeliver"][..], &["redeliver", id, "--type", "a"]] {
        let output = client(&app, Path::new("/"), args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_used_up_rate_limit_is_waited_for_within_the_time() {
    let app = TestApp::with_flags(&["--rate-limit=20"]);
    while app.get("/api/webhooks/events").status != 429 {}
    let hasty = failed(&app, &["events", "--timeout", "900ms"]);
    assert!(hasty.contains("(429 TooManyRequests)"), "{hasty}");
    printed(&app, &["events"]);
}
