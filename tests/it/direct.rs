//! The tests of messages that name the endpoints that get them.

use serde_json::{Value, json};

use super::fixture::{Answer, TestApp, endpoint_path};
use super::receiver::Receiver;

const NOBODYS: &str = "0190a000-0000-4000-8000-000000000000";

fn publish(app: &TestApp, endpoint_ids: &Value) -> Answer {
    let body = json!({"type": "a", "data": {"n": 1}, "endpoint_ids": endpoint_ids});
    app.post("/api/webhooks/events", &app.token, &body)
}

fn ids(message: &Value) -> Vec<&Value> {
    let events = message["events"].as_array().unwrap();
    let ids = events.iter().map(|event| &event["webhook_endpoint_id"]);
    ids.collect()
}

#[test]
fn only_the_named_endpoints_get_a_message_whatever_they_subscribe_to() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let subscribed = app.endpoint(&receiver.url("/subscribed"));
    let named = app.endpoint_for(&receiver.url("/named"), "raw", &["b"]);
    // No message has this; a message that names its endpoints asks no filter.
    let filter = json!({"filter": {"data": {"n": [-1]}}});
    app.patch(&endpoint_path(&named), &filter).expect(200);
    let slack = app.endpoint_for(&receiver.url("/slack"), "slack", &[]);
    let twice = json!([named["id"], slack["id"], named["id"]]);
    let message = publish(&app, &twice).expect(202);
    // The first event of a rendered format comes first, because it has the body.
    assert_eq!(ids(&message), [&slack["id"], &named["id"]]);
    assert_eq!(message["endpoint_ids"], json!([slack["id"], named["id"]]));
    app.wait_for_events("succeeded", 2);
    assert_eq!(receiver.at("/named").len(), 1);
    assert!(receiver.at("/slack")[0].text().contains("\"text\""));
    assert_eq!(receiver.count("/subscribed"), 0);
    let plain = app.publish("a", &json!(2));
    assert_eq!(plain["endpoint_ids"], Value::Null);
    assert_eq!(ids(&plain), [&subscribed["id"]]);
    let null = publish(&app, &Value::Null).expect(202);
    assert_eq!(ids(&null), [&subscribed["id"]], "null is as if absent");
}

#[test]
fn a_disabled_endpoint_gets_a_skipped_event_that_can_be_sent_later() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let [on, off] = ["/on", "/off"].map(|path| app.endpoint(&receiver.url(path)));
    app.set_enabled(&off, false);
    let message = publish(&app, &json!([off["id"], on["id"]])).expect(202);
    assert_eq!(ids(&message), [&off["id"], &on["id"]]);
    app.wait_for_events("succeeded", 1);
    let skipped = app.wait_for_events("skipped", 1)["data"][0].clone();
    assert_eq!(skipped["webhook_endpoint_id"], off["id"]);
    assert_eq!(skipped["succeeded"], Value::Null);
    assert_eq!(skipped["attempts"], 0);
    let detail = format!("/api/webhooks/messages/{}", message["id"].as_str().unwrap());
    let counts = json!({"pending": 0, "succeeded": 1, "failed": 0, "skipped": 1});
    assert_eq!(app.get(&detail).expect(200)["counts"], counts);
    app.set_enabled(&off, true);
    let again = format!(
        "/api/webhooks/events/{}/redeliver",
        skipped["id"].as_str().unwrap()
    );
    app.post(&again, &app.token, &json!({})).expect(202);
    let received = receiver.wait("/off", 1).remove(0);
    assert_eq!(
        received.header("webhook-id"),
        skipped["id"].as_str().unwrap()
    );
}

#[test]
fn endpoints_that_are_not_of_the_workspace_are_refused_by_their_place() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let known = app.endpoint(&receiver.url("/a"));
    let deleted = app.endpoint(&receiver.url("/b"));
    app.delete(&endpoint_path(&deleted)).expect(204);
    let other = app.post("/api/workspaces", &app.admin, &json!({"name": "other"}));
    let foreign = json!({"workspace_id": other.expect(201)["id"], "url": receiver.url("/c"),
        "format": "raw", "events": ["*"]});
    let foreign = app
        .post("/api/webhooks/endpoints", &app.admin, &foreign)
        .expect(201);
    let named = json!([known["id"], deleted["id"], foreign["id"], NOBODYS]);
    let refused = publish(&app, &named).expect(422);
    let problems = refused["detail"].as_array().unwrap();
    let expected = [&deleted["id"], &foreign["id"], &json!(NOBODYS)];
    assert_eq!(problems.len(), 3, "{refused}");
    for ((problem, id), place) in problems.iter().zip(expected).zip(1..) {
        assert_eq!(problem["type"], "value_error");
        assert_eq!(problem["loc"], json!(["body", "endpoint_ids", place]));
        assert_eq!(&problem["input"], id);
        assert_eq!(problem["msg"], problems[0]["msg"]);
    }
    let list = app.get("/api/webhooks/messages").expect(200);
    assert_eq!(list["meta"]["total"], 0);
    // An admin's message goes to endpoints of the workspace that it names.
    let of_workspace = json!({"type": "a", "data": 1, "workspace_id": app.workspace,
        "endpoint_ids": [foreign["id"]]});
    let refused = app.post("/api/webhooks/events", &app.admin, &of_workspace);
    assert_eq!(
        refused.expect(422)["detail"][0]["loc"],
        json!(["body", "endpoint_ids", 0])
    );
}

#[test]
fn a_message_that_was_sent_directly_is_missing_for_no_endpoint() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let [one, other] = ["/one", "/other"].map(|path| app.endpoint(&receiver.url(path)));
    app.set_enabled(&other, false);
    publish(&app, &json!([one["id"]])).expect(202);
    let missed = app.publish("a", &json!(2));
    app.wait_for_events("succeeded", 2);
    app.set_enabled(&other, true);
    let list = format!(
        "/api/webhooks/messages?missing_for={}",
        other["id"].as_str().unwrap()
    );
    let list = app.get(&list).expect(200);
    assert_eq!(list["meta"]["total"], 1);
    assert_eq!(list["data"][0]["id"], missed["id"]);
    let job = json!({"action": "redeliver", "filter": {
        "endpoint_id": [other["id"]],
        "status": ["missing"],
        "start_timestamp": "2001-01-01T00:00:00Z",
    }});
    let job = app.post("/api/webhooks/jobs", &app.token, &job).expect(202);
    let path = format!("/api/webhooks/jobs/{}", job["id"].as_str().unwrap());
    let job = app.wait_for(&path, |job| job["state"] == "finished");
    assert_eq!((&job["matched"], &job["done"]), (&json!(1), &json!(1)));
    let received = receiver.wait("/other", 1);
    assert!(received[0].text().ends_with(r#""data":2}"#));
    app.wait_for_events("succeeded", 3);
    assert_eq!(receiver.count("/other"), 1);
}

#[test]
fn a_repeated_direct_message_gets_the_first_answer_although_its_endpoint_is_gone() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    let message = json!({"type": "a", "data": 1, "endpoint_ids": [endpoint["id"]],
        "idempotency_key": "key"});
    let body = json!({"messages": [message]});
    let send = || {
        let answer = app.post("/api/webhooks/events/batch", &app.token, &body);
        answer.expect(202)["data"][0].clone()
    };
    let first = send();
    app.delete(&endpoint_path(&endpoint)).expect(204);
    let mut second = send();
    assert_eq!(second["replayed"], true);
    second["replayed"] = json!(false);
    assert_eq!(second, first);
    assert_eq!(first["endpoint_ids"], json!([endpoint["id"]]));
}
