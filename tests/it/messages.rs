//! The tests of messages as clients see them: the list and its filters, one message with its data, and what an endpoint
//! missed.

use std::time::Duration;

use serde_json::{Value, json};

use super::fixture::{TestApp, wait_until};
use super::receiver::Receiver;

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

/// Returns the ids of the list with a query, after a check that its total is their number.
#[track_caller]
fn listed(app: &TestApp, query: &str) -> Vec<String> {
    let list = app
        .get(&format!("/api/webhooks/messages?{query}"))
        .expect(200);
    let rows = list["data"].as_array().unwrap();
    assert_eq!(list["meta"]["total"], rows.len(), "{query}");
    rows.iter().map(|row| id(row).to_owned()).collect()
}

fn get(app: &TestApp, id: &str) -> Value {
    app.get(&format!("/api/webhooks/messages/{id}")).expect(200)
}

#[test]
fn messages_are_listed_whether_or_not_an_endpoint_wanted_them() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint_for(&receiver.url("/a"), "raw", &["order.*"]);
    let [first, second, third] =
        ["order.paid", "user", "order.sent"].map(|kind| app.publish(kind, &json!({"kind": kind})));
    app.wait_for_events("succeeded", 2);
    assert_eq!(listed(&app, ""), [id(&third), id(&second), id(&first)]);
    assert_eq!(listed(&app, "unrouted=true"), [id(&second)]);
    assert_eq!(listed(&app, "unrouted=false"), [id(&third), id(&first)]);
    assert_eq!(
        listed(&app, "event_type=user&event_type=order.sent"),
        [id(&third), id(&second)]
    );
    let event = id(&first["events"][0]);
    for query in [id(&first), event, &id(&first)[20..]] {
        assert_eq!(listed(&app, &format!("query={query}")), [id(&first)]);
    }
    let page = app.get("/api/webhooks/messages?limit=1&page=2").expect(200);
    assert_eq!(id(&page["data"][0]), id(&second));
    let at = page["data"][0]["created_at"].as_str().unwrap();
    assert_eq!(
        listed(&app, &format!("start_timestamp={at}")),
        [id(&third)],
        "exclusive"
    );
    assert_eq!(
        listed(&app, &format!("end_timestamp={at}")),
        [id(&first)],
        "exclusive"
    );
    let row = &page["data"][0];
    let fields = [
        "created_at",
        "event_count",
        "id",
        "is_archived",
        "tags",
        "timestamp",
        "type",
        "workspace_id",
    ];
    let own: Vec<&String> = row.as_object().unwrap().keys().collect();
    assert_eq!(own, fields);
    assert_eq!(row["event_count"], 0);
    assert_eq!(row["timestamp"], second["timestamp"]);
    let counts = |message: &Value| get(&app, id(message))["counts"].clone();
    let of =
        |succeeded: u64| json!({"pending": 0, "succeeded": succeeded, "failed": 0, "skipped": 0});
    assert_eq!(counts(&first), of(1));
    assert_eq!(counts(&second), of(0));
}

/// Gets a text as it is: some numbers of JSON are too large for the reader that checks other answers.
fn text_of(app: &TestApp, path: &str) -> String {
    let mut answer = ureq::get(format!("http://{}{path}", app.addr))
        .header("authorization", format!("Bearer {}", app.token))
        .call()
        .unwrap();
    answer.body_mut().read_to_string().unwrap()
}

#[test]
fn the_data_of_a_message_has_the_producers_bytes() {
    let app = TestApp::start();
    let long = format!("[{}0]", "\"é\\u0000\", ".repeat(18_000));
    let datas = [
        "0",
        r#"{"data":{"b":1.0,"a":1e400,"b":"\ud83d\ude00" ,"n":12345678901234567890123}}"#,
        r#"",\"data\":}""#,
        &long,
    ];
    for data in datas {
        let body = format!(r#"{{"type":"a","data":{data}}}"#);
        let bearer = format!("Bearer {}", app.token);
        let headers = [
            ("content-type", "application/json"),
            ("authorization", &*bearer),
        ];
        let published = app.request(
            "POST",
            "/api/webhooks/events",
            &headers,
            Some(body.as_bytes()),
        );
        let message = published.expect(202);
        let path = format!("/api/webhooks/messages/{}", id(&message));
        let text = text_of(&app, &path);
        let (_, after) = text.split_once(",\"data\":").unwrap();
        assert!(
            after.strip_suffix('}') == Some(data),
            "{} of {} bytes",
            text.len(),
            data.len()
        );
        assert!(text.contains("\"is_archived\":false"));
    }
}

#[test]
fn a_message_that_no_endpoint_wanted_is_kept_as_long_as_others() {
    let app = TestApp::with_manual_clock(&["--archive-after", "3d"]);
    let message = app.publish("unwanted", &json!(7));
    let patch = json!({"archive_after": 2 * 86_400});
    let other = app.post("/api/workspaces", &app.admin, &json!({"name": "short"}));
    let other = other.expect(201);
    let path = format!("/api/workspaces/{}", id(&other));
    let bearer = format!("Bearer {}", app.admin);
    let headers = [
        ("content-type", "application/json"),
        ("authorization", &*bearer),
    ];
    let patched = app.request("PATCH", &path, &headers, Some(patch.to_string().as_bytes()));
    patched.expect(200);
    let new = json!({"workspace_id": id(&other), "type": "unwanted", "data": 8});
    let shorter = app
        .post("/api/webhooks/events", &app.admin, &new)
        .expect(202);
    app.advance(Duration::from_hours(47));
    let archived = |message: &Value| {
        let path = format!("/api/webhooks/messages/{}", id(message));
        let found = app.get_as(&app.admin, &path).expect(200);
        assert_eq!(found["is_archived"], found["data"].is_null());
        found["is_archived"] == true
    };
    assert!(!archived(&message) && !archived(&shorter));
    app.advance(Duration::from_hours(2));
    wait_until("the shorter time", || archived(&shorter));
    assert!(!archived(&message));
    app.advance(Duration::from_hours(24));
    wait_until("the longer time", || archived(&message));
}

#[test]
fn what_an_endpoint_missed_is_listed_until_it_has_an_event() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let before = app.publish("a", &json!(1));
    let endpoint = app.endpoint_for(&receiver.url("/a"), "raw", &["a"]);
    app.publish("a", &json!(2));
    let path = format!("/api/webhooks/endpoints/{}", id(&endpoint));
    app.patch(&path, &json!({"enabled": false})).expect(200);
    let meanwhile = app.publish("a", &json!(3));
    let other = app.publish("b", &json!(4));
    let missed = || listed(&app, &format!("missing_for={}", id(&endpoint)));
    assert_eq!(missed(), [id(&meanwhile), id(&before)]);
    app.patch(&path, &json!({"enabled": true, "events": ["*"]}))
        .expect(200);
    assert_eq!(missed(), [id(&other), id(&meanwhile), id(&before)]);
    let query = format!("missing_for={}", id(&endpoint));
    let list = app
        .get(&format!("/api/webhooks/messages?{query}"))
        .expect(200);
    assert_eq!(list["meta"]["searched"], 4, "all of the workspace");
    assert_eq!(list["meta"].get("searched_back_to"), None);
    let at = get(&app, id(&before))["created_at"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        listed(&app, &format!("{query}&start_timestamp={at}&event_type=a")),
        [id(&meanwhile)]
    );
    assert_eq!(
        listed(&app, &format!("{query}&query={}", id(&other))),
        [id(&other)]
    );
    assert_eq!(listed(&app, &format!("{query}&unrouted=false")).len(), 0);
    app.delete(&path).expect(204);
    assert_eq!(missed().len(), 0);
}
