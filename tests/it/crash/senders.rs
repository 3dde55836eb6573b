//! A system that gives no thread for an attempt: it is made as soon as there is one again.

use serde_json::json;

use super::server::Place;
use crate::receiver::Receiver;

#[test]
fn an_attempt_for_which_there_was_no_thread_is_made_without_anybody_asking() {
    let place = Place::new();
    let receiver = Receiver::start();
    let server = place.start();
    server.endpoint(&receiver.url("/a"), "raw");
    place.arm("sender-start fail");
    server.published(&json!("waits"));
    assert!(
        server
            .spawned
            .log
            .wait("cannot start a sender", 1)
            .is_some()
    );
    place.disarm();
    // Nothing else is published that could have a thread started.
    server.wait_for_events("succeeded", 1);
    assert_eq!(receiver.at("/a").len(), 1);
    assert_eq!(server.spawned.log.count("cannot start a sender"), 1);
    server.stop();
    place.check();
}
