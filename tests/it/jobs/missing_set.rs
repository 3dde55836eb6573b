//! The set of a job that selects missing messages is fixed when the job is made, whatever happens to the endpoint.

use super::*;
use crate::fixture::endpoint_path;
use crate::receiver::Receiver;

/// Publishes `a.b` five times, then `b.x` five times, and makes an endpoint of `a.*` that has missed them.
fn with_missing() -> (TestApp, Receiver, Value) {
    let app = TestApp::start();
    let receiver = Receiver::start();
    for number in 0..10 {
        let event_type = if number < 5 { "a.b" } else { "b.x" };
        app.publish(event_type, &json!(number));
    }
    let endpoint = json!({"url": receiver.url("/late"), "format": "raw", "events": ["a.*"]});
    let endpoint = app.post("/api/webhooks/endpoints", &app.token, &endpoint);
    let endpoint = endpoint.expect(201);
    (app, receiver, endpoint)
}

/// A job on all that an endpoint has missed, of so many events a minute.
fn slow(endpoint: &Value, rate: u32) -> Value {
    json!({"action": "redeliver", "rate": rate, "filter": {
        "endpoint_id": [endpoint["id"]], "status": ["missing"], "start_timestamp": long_ago(),
    }})
}

fn subscribe(app: &TestApp, endpoint: &Value, event_type: &str) {
    app.patch(&endpoint_path(endpoint), &json!({"events": [event_type]}))
        .expect(200);
}

#[test]
fn a_wider_subscription_adds_nothing_to_the_set() {
    let (app, receiver, endpoint) = with_missing();
    let job = make(&app, &slow(&endpoint, 600));
    assert_eq!(job["matched"], 5);
    subscribe(&app, &endpoint, "*");
    let job = ended(&app, &job);
    assert_eq!((&job["matched"], &job["done"]), (&json!(5), &json!(5)));
    assert_eq!(data(&receiver.wait("/late", 5)), [0, 1, 2, 3, 4]);
    let events = app.get("/api/webhooks/events").expect(200);
    assert_eq!(events["meta"]["total"], 5);
}

#[test]
fn messages_that_the_endpoint_does_not_want_any_more_have_changed() {
    let (app, _receiver, endpoint) = with_missing();
    let job = make(&app, &slow(&endpoint, 600));
    subscribe(&app, &endpoint, "other");
    let job = ended(&app, &job);
    let done = job["done"].as_u64().unwrap();
    assert_eq!(job["matched"], 5);
    assert_eq!(job["left_out"]["changed"], 5 - done);
}

#[test]
fn the_messages_of_a_deleted_endpoint_are_counted_as_such() {
    let (app, _receiver, endpoint) = with_missing();
    let job = make(&app, &slow(&endpoint, 1));
    app.delete(&endpoint_path(&endpoint)).expect(204);
    let job = ended(&app, &job);
    let done = job["done"].as_u64().unwrap();
    assert_eq!(job["matched"], 5);
    assert_eq!(job["left_out"]["endpoint_deleted"], 5 - done);
    assert_eq!(job["left_out"]["changed"], 0);
}

#[test]
fn what_another_job_has_made_meanwhile_is_counted() {
    let (app, receiver, endpoint) = with_missing();
    let jobs = [(); 2].map(|()| make(&app, &slow(&endpoint, 600)));
    let jobs = jobs.map(|job| ended(&app, &job));
    // The first job may have let one go before the second was made.
    let count = |job: &Value| job.as_u64().unwrap();
    assert_eq!(jobs[0]["matched"], 5);
    assert!(count(&jobs[1]["matched"]) >= 4, "{}", jobs[1]);
    assert_eq!(count(&jobs[0]["done"]) + count(&jobs[1]["done"]), 5);
    for job in &jobs {
        let changed = count(&job["matched"]) - count(&job["done"]);
        assert_eq!(job["left_out"]["changed"], changed);
    }
    receiver.wait("/late", 5);
    let events = app.get("/api/webhooks/events").expect(200);
    assert_eq!(events["meta"]["total"], 5);
}
