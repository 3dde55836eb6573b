//! A panic in a thread of the server is not the end of it.

use serde_json::json;

use super::server::{Place, Start};
use crate::receiver::Receiver;

#[test]
fn a_panic_over_an_attempt_is_its_outcome_and_all_else_goes_on() {
    let place = Place::new();
    let receiver = Receiver::start();
    let server = place.start_with(&Start {
        flags: &["--retry-schedule", "1s,1s,1s,1s,1s,1s,1s,1s"],
        ..Start::default()
    });
    server.endpoint(&receiver.url("/a"), "raw");
    place.arm("sending panic");
    let event = server.published(&json!("panics")).remove(0);
    let log = server.spawned.log.wait("an attempt panicked", 1);
    assert!(log.is_some_and(|log| log.contains(&format!("event={event}"))));
    place.disarm();
    // It is retried by itself, and what comes after it is delivered, too.
    server.published(&json!("does not"));
    server.wait_for_events("succeeded", 2);
    let sent = receiver.at("/a");
    let times = sent.iter().filter(|one| one.header("webhook-id") == event);
    assert_eq!((times.count(), sent.len()), (1, 2));
    let failed = server.get("/api/webhooks/deliveries?succeeded=false&limit=100");
    for delivery in failed.body["data"].as_array().unwrap() {
        assert_eq!(delivery["webhook_event"]["id"], event);
        assert_eq!(delivery["error"], "internal");
    }
    let recorded = failed.body["meta"]["total"].as_u64().unwrap();
    assert_eq!(
        recorded,
        u64::try_from(server.spawned.log.count("an attempt panicked")).unwrap()
    );
    server.stop();
    place.check();
}
