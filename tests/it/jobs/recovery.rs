//! The way back from an outage.

use std::time::Duration;

use hookpost::domain::access::Visibility;
use hookpost::domain::clock::Timestamp;
use hookpost::domain::event_type::EventType;
use hookpost::domain::job::{JobAction, JobFilter, NewJob, SelectedStatus};
use hookpost::domain::message::NewMessage;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{counted, data, finished, long_ago, make};
use crate::fixture::{Answer, TestApp, endpoint_path};
use crate::receiver::Receiver;

/// More messages than one read of a survey finds.
const MORE_THAN_ONE_READ: u64 = 4_100;

fn recovery(endpoint: &Value) -> Value {
    json!({"action": "redeliver", "filter": {
        "endpoint_id": [endpoint["id"]],
        "status": ["skipped", "missing"],
        "start_timestamp": long_ago(),
    }})
}

#[test]
fn what_was_published_while_an_endpoint_was_disabled_comes_in_order_with_one_request() {
    // So few senders make one attempt of an endpoint at a time. More attempts start in order, too, but overlap.
    let app = TestApp::with_flags(&["--max-threads", "8", "--retry-schedule", "1h"]);
    let receiver = Receiver::start();
    receiver.reply("/a", 500, "");
    let endpoint = app.endpoint(&receiver.url("/a"));
    let mut numbers = 0..1000;
    let mut publish = |count: usize| {
        for number in numbers.by_ref().take(count) {
            app.publish("order.paid", &json!(number));
        }
    };
    // Skipped and missing ones take turns, so that they must be merged.
    for outage in 1..=10 {
        app.set_enabled(&endpoint, true);
        publish(4);
        // Three failed attempts make it rest; all four are pending when it is disabled, and so skipped.
        app.wait_for("/api/webhooks/deliveries?limit=1", |list| {
            list["meta"]["total"] == 3 * outage
        });
        app.set_enabled(&endpoint, false);
        // These become no events at all.
        publish(96);
    }
    assert_eq!(numbers.next(), None);
    let before = receiver.count("/a");
    receiver.reply("/a", 200, "");
    let disabled = app.post("/api/webhooks/jobs", &app.token, &recovery(&endpoint));
    assert_eq!(disabled.expect(409)["error"], "EndpointDisabled");
    app.set_enabled(&endpoint, true);
    let expected = json!({"matched": 1000, "complete": true});
    assert_eq!(counted(&app, &recovery(&endpoint)), expected);
    let job = finished(&app, &recovery(&endpoint));
    assert_eq!(
        (&job["matched"], &job["done"]),
        (&json!(1000), &json!(1000))
    );
    let received = receiver.wait("/a", before + 1000);
    let expected: Vec<Value> = (0..1000).map(|number| json!(number)).collect();
    assert_eq!(data(&received[before..]), expected);
    app.wait_for_events("succeeded", 1000);
    // Nothing is left for another one.
    assert_eq!(counted(&app, &recovery(&endpoint))["matched"], 0);
    assert_eq!(finished(&app, &recovery(&endpoint))["done"], 0);
    assert_eq!(receiver.count("/a"), before + 1000);
}

#[test]
fn messages_that_could_not_be_counted_in_time_are_counted_by_the_job() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let workspace = Uuid::parse_str(&app.workspace).unwrap();
    let published: Vec<_> = (0..MORE_THAN_ONE_READ)
        .map(|number| {
            app.store.publish(NewMessage::new(
                workspace,
                EventType::parse("a").unwrap(),
                RawValue::from_string(number.to_string()).unwrap(),
            ))
        })
        .collect();
    for message in published {
        message.wait().unwrap();
    }
    receiver.hold("/late");
    let endpoint = app.endpoint(&receiver.url("/late"));
    let filter = JobFilter {
        workspace_id: Some(workspace),
        endpoints: vec![Uuid::parse_str(endpoint["id"].as_str().unwrap()).unwrap()],
        statuses: vec![SelectedStatus::Missing],
        after: Some(Timestamp::from_micros(1)),
        ..JobFilter::default()
    };
    let survey = app
        .store
        .survey_job(Visibility::Workspace(workspace), &filter, Duration::ZERO)
        .unwrap();
    assert!(!survey.is_complete && survey.matched < MORE_THAN_ONE_READ);
    let new = NewJob {
        workspace_id: Some(workspace),
        action: JobAction::Redeliver,
        filter,
        rate: None,
        idempotency: None,
    };
    let job = app.store.create_job(new, survey).wait().unwrap().job;
    assert_eq!(job.matched, None);
    let path = format!("/api/webhooks/jobs/{}", job.id);
    assert_eq!(app.get(&path).expect(200)["matched"], Value::Null);
    // What the endpoint does not want any more is counted as well.
    app.wait_for(&path, |job| job["done"] == 100);
    let change = json!({"events": ["other"]});
    app.patch(&endpoint_path(&endpoint), &change).expect(200);
    receiver.let_go("/late");
    let job = app.wait_for(&path, |job| job["state"] == "finished");
    assert_eq!(job["matched"], MORE_THAN_ONE_READ);
    assert_eq!(job["done"], 100);
    assert_eq!(job["left_out"]["changed"], MORE_THAN_ONE_READ - 100);
}

#[test]
fn a_recovered_message_has_its_own_timestamp_and_the_format_of_today() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint_for(&receiver.url("/slack"), "slack", &["order.*"]);
    app.set_enabled(&endpoint, false);
    let message = json!({
        "type": "order.paid", "timestamp": "2020-02-02T02:02:02Z", "data": {"id": "ord_7"},
    });
    let published = app
        .post("/api/webhooks/events", &app.token, &message)
        .expect(202);
    app.publish("other", &json!(1));
    app.set_enabled(&endpoint, true);
    let job = finished(&app, &recovery(&endpoint));
    assert_eq!(job["done"], 1, "not subscribed to the other one: {job}");
    app.wait_for_events("succeeded", 1);
    let received = receiver.at("/slack");
    let body = received[0].text().to_owned();
    assert!(body.contains("ord\\_7") || body.contains("ord_7"), "{body}");
    assert!(body.contains("2020-02-02"), "{body}");
    let events = app.get(&format!(
        "/api/webhooks/events?message_id={}",
        published["id"].as_str().unwrap()
    ));
    let events = events.expect(200);
    assert_eq!(events["meta"]["total"], 1);
    assert_eq!(events["data"][0]["id"], received[0].header("webhook-id"));
    assert_eq!(events["data"][0]["payload"], body);
    assert_eq!(events["data"][0]["attempts"], 1);
    let raw = app.endpoint_for(&receiver.url("/raw"), "raw", &["order.paid"]);
    assert_eq!(finished(&app, &recovery(&raw))["done"], 1);
    let received = receiver.wait("/raw", 1);
    let expected =
        r#"{"type":"order.paid","timestamp":"2020-02-02T02:02:02Z","data":{"id":"ord_7"}}"#;
    assert_eq!(received[0].text(), expected);
}

#[test]
fn a_message_that_every_endpoint_has_is_not_missing_and_an_archived_one_neither() {
    let app = TestApp::with_manual_clock(&["--archive-after", "1h"]);
    let receiver = Receiver::start();
    let first = app.endpoint(&receiver.url("/first"));
    for number in 0..3 {
        app.publish("a", &json!(number));
    }
    receiver.wait("/first", 3);
    app.wait_for_events("succeeded", 3);
    assert_eq!(counted(&app, &recovery(&first))["matched"], 0);
    let second = app.endpoint(&receiver.url("/second"));
    assert_eq!(counted(&app, &recovery(&second))["matched"], 3);
    app.advance(Duration::from_hours(3));
    app.publish("a", &json!(3));
    let archived = |event: &Value| event["data"][3]["is_archived"] == true;
    app.wait_for("/api/webhooks/events?limit=100", |events| {
        events["data"].as_array().is_some_and(|all| all.len() >= 4) && archived(events)
    });
    let third = app.endpoint(&receiver.url("/third"));
    assert_eq!(counted(&app, &recovery(&third))["matched"], 1);
    let mut failed = recovery(&first);
    failed["filter"]["status"] = json!(["succeeded"]);
    let job = finished(&app, &failed);
    assert_eq!(job["left_out"]["archived"], 3);
}

/// Asks for a job with an idempotency key.
fn with_key(app: &TestApp, body: &Value, key: &str) -> Answer {
    let bearer = format!("Bearer {}", app.token);
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("idempotency-key", key),
    ];
    let body = body.to_string();
    let body = Some(body.as_bytes());
    app.request("POST", "/api/webhooks/jobs", &headers, body)
}

#[test]
fn a_repeated_request_with_the_same_key_makes_one_job() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    app.publish("a", &json!(1));
    app.wait_for_events("succeeded", 1);
    let again = |body: &Value, key: &str| with_key(&app, body, key);
    let body = json!({"action": "redeliver", "filter": {
        "endpoint_id": [endpoint["id"]], "status": ["succeeded"],
    }});
    let first = again(&body, "one");
    let second = again(&body, "one");
    assert_eq!(first.expect(202)["id"], second.expect(202)["id"]);
    assert_eq!(first.header("idempotent-replayed"), None);
    assert_eq!(second.header("idempotent-replayed"), Some("true"));
    let other = json!({"action": "skip", "filter": {"endpoint_id": [endpoint["id"]]}});
    assert_eq!(
        again(&other, "one").expect(422)["error"],
        "idempotency_key_reused"
    );
    let listed = app.get("/api/webhooks/jobs").expect(200);
    assert_eq!(listed["meta"]["total"], 1);
    super::ended(&app, &first.json());
    receiver.wait("/a", 2);
    assert_ne!(make(&app, &body)["id"], first.json()["id"]);
}

#[test]
fn a_repeated_request_gets_its_job_although_the_endpoint_is_disabled_by_then() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    let body = recovery(&endpoint);
    let first = with_key(&app, &body, "one").expect(202);
    app.set_enabled(&endpoint, false);
    let second = with_key(&app, &body, "one");
    assert_eq!(second.expect(202)["id"], first["id"]);
    assert_eq!(second.header("idempotent-replayed"), Some("true"));
    // Another one is refused, and so is a count.
    let other = with_key(&app, &body, "two");
    assert_eq!(other.expect(409)["error"], "EndpointDisabled");
    let mut counted = body;
    counted["dry_run"] = json!(true);
    let counted = app.post("/api/webhooks/jobs", &app.token, &counted);
    assert_eq!(counted.expect(409)["error"], "EndpointDisabled");
    let listed = app.get("/api/webhooks/jobs").expect(200);
    assert_eq!(listed["meta"]["total"], 1);
}
