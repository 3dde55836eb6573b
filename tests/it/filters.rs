//! The tests of filters and tags as clients and receivers see them.

mod preview;
mod tags;

use serde_json::{Value, json};

use super::fixture::{TestApp, endpoint_path};
use super::receiver::{Received, Receiver};

/// Makes an endpoint with a filter.
fn filtered(app: &TestApp, url: &str, filter: &Value) -> Value {
    let new = json!({"url": url, "format": "raw", "events": ["order.*"], "filter": filter});
    let made = app.post("/api/webhooks/endpoints", &app.token, &new);
    made.expect(201)
}

/// Publishes `order.paid` with tags.
fn publish(app: &TestApp, data: &Value, tags: &Value) -> Value {
    let message = json!({"type": "order.paid", "data": data, "tags": tags});
    let published = app.post("/api/webhooks/events", &app.token, &message);
    published.expect(202)
}

/// Returns the ids of the endpoints that a message goes to.
fn recipients(message: &Value) -> Vec<&Value> {
    let events = message["events"].as_array().unwrap();
    events.iter().map(|it| &it["webhook_endpoint_id"]).collect()
}

fn data_of(received: &Received) -> Value {
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    body["data"].clone()
}

#[test]
fn an_endpoint_gets_what_its_events_and_its_filter_want() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let all = filtered(&app, &receiver.url("/all"), &json!({}));
    let dear = json!({"data": {"total": [{"numeric": [">=", 100]}]}, "tags": {"region": ["eu"]}});
    let dear = filtered(&app, &receiver.url("/dear"), &dear);
    let refunds =
        json!({"$or": [{"type": ["order.refunded"]}, {"data": {"items": {"kind": ["refund"]}}}]});
    let refunds = filtered(&app, &receiver.url("/refunds"), &refunds);
    let (eu, us) = (json!({"region": "eu"}), json!({"region": "us"}));

    let cheap = publish(&app, &json!({"total": 99.9}), &eu);
    assert_eq!(recipients(&cheap), [&all["id"]]);
    let abroad = publish(&app, &json!({"total": 100}), &us);
    assert_eq!(recipients(&abroad), [&all["id"]]);
    let wanted = publish(&app, &json!({"total": 1e2}), &eu);
    assert_eq!(recipients(&wanted), [&all["id"], &dear["id"]]);
    let refund = publish(
        &app,
        &json!({"items": [{"kind": "sale"}, {"kind": "refund"}]}),
        &us,
    );
    assert_eq!(recipients(&refund), [&all["id"], &refunds["id"]]);
    let other = app.publish("user.created", &json!({"total": 500}));
    assert!(recipients(&other).is_empty(), "the events come first");

    assert_eq!(
        data_of(&receiver.wait("/dear", 1)[0]),
        json!({"total": 100.0})
    );
    receiver.wait("/refunds", 1);
    receiver.wait("/all", 4);
    for path in ["/all", "/dear", "/refunds"] {
        for one in receiver.at(path) {
            assert!(!one.text().contains("tags"), "{}", one.text());
            assert!(
                one.headers
                    .iter()
                    .all(|(_, value)| !value.contains("region"))
            );
        }
    }
    assert_eq!(receiver.count("/dear"), 1);
    assert_eq!(receiver.count("/refunds"), 1);
}

#[test]
fn a_filter_is_shown_and_changed_as_a_whole_and_applies_from_then_on() {
    let mut app = TestApp::start();
    let receiver = Receiver::start();
    let plain = app.endpoint(&receiver.url("/plain"));
    assert_eq!(plain["filter"], json!({}));
    let endpoint = filtered(&app, &receiver.url("/a"), &json!({"data": {"n": [1]}}));
    let path = endpoint_path(&endpoint);
    let change = |app: &TestApp, change: &Value| {
        let changed = app.patch(&path, change).expect(200);
        assert_eq!(app.get(&path).expect(200)["filter"], changed["filter"]);
        changed["filter"].clone()
    };
    let goes = |app: &TestApp, n: u64| {
        let message = app.publish("order.paid", &json!({"n": n}));
        recipients(&message).contains(&&endpoint["id"])
    };
    assert!(goes(&app, 1) && !goes(&app, 2));
    for unchanged in [json!({"filter": null}), json!({"name": "A"}), json!({})] {
        assert_eq!(change(&app, &unchanged), json!({"data": {"n": [1]}}));
    }
    let shown = app.get(&path).expect(200);
    assert_eq!(
        app.patch(&path, &shown).expect(200)["filter"],
        shown["filter"]
    );
    assert!(goes(&app, 1) && !goes(&app, 2));
    assert_eq!(
        change(&app, &json!({"filter": {"data": {"n": [2]}}})),
        json!({"data": {"n": [2]}})
    );
    assert!(!goes(&app, 1) && goes(&app, 2));
    app.restart();
    assert!(!goes(&app, 1) && goes(&app, 2), "after a restart");
    assert_eq!(change(&app, &json!({"filter": {}})), json!({}));
    assert!(goes(&app, 1) && goes(&app, 3));
}

#[test]
fn a_filter_keeps_the_bytes_of_its_spelling() {
    let app = TestApp::start();
    let bearer = format!("Bearer {}", app.token);
    let headers = [
        ("content-type", "application/json"),
        ("authorization", &*bearer),
    ];
    let filter = r#"{"type": [ "a" ],"data":{"b":[1.0,1e2,18446744073709551615],"a":["\u00e9"]}}"#;
    let body = format!(
        r#"{{"url":"https://a.example/","format":"raw","events":["*"],"filter":{filter}}}"#
    );
    let made = app.request(
        "POST",
        "/api/webhooks/endpoints",
        &headers,
        Some(body.as_bytes()),
    );
    assert_eq!(made.status, 201, "{}", made.text);
    assert!(made.text.contains(filter), "{}", made.text);
}

#[test]
fn every_format_has_its_body_though_some_endpoints_are_left_out() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let make = |path: &str, format: &str, filter: Value| {
        let new =
            json!({"url": receiver.url(path), "format": format, "events": ["*"], "filter": filter});
        let made = app.post("/api/webhooks/endpoints", &app.token, &new);
        made.expect(201);
    };
    // The body of each format is stored with the first event that has it, which must be among the first two.
    make("/first", "discord", json!({"data": {"n": [2]}}));
    make("/slack", "slack", json!({"data": {"n": [2]}}));
    for number in 0..3 {
        make(&format!("/raw/{number}"), "raw", json!({}));
    }
    for number in 0..3 {
        make(&format!("/discord/{number}"), "discord", json!({}));
    }
    let message = app.publish("order.paid", &json!({"n": 1}));
    assert_eq!(recipients(&message).len(), 6);
    let first = receiver.wait("/discord/0", 1)[0].body.clone();
    for number in 1..3 {
        assert_eq!(
            receiver.wait(&format!("/discord/{number}"), 1)[0].body,
            first
        );
    }
    app.wait_for_events("succeeded", 6);
    let events = app.get("/api/webhooks/events?limit=100").expect(200);
    for event in events["data"].as_array().unwrap() {
        assert!(event["payload"].is_string(), "{event}");
    }
    assert_eq!(receiver.count("/first") + receiver.count("/slack"), 0);
}

#[test]
fn a_large_message_is_filtered_as_a_small_one() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = filtered(
        &app,
        &receiver.url("/a"),
        &json!({"data": {"items": {"n": [7000]}}}),
    );
    let items = |last: u64| -> Value {
        let items: Vec<Value> = (0..last)
            .map(|n| json!({"n": n, "pad": "0123456789"}))
            .collect();
        json!({"items": items})
    };
    // The first one is read by the writer, since the workspace is not in its cache yet; the others are not.
    for (last, expected) in [(7001, true), (7001, true), (7000, false)] {
        let message = publish(&app, &items(last), &json!({}));
        let goes = recipients(&message) == [&endpoint["id"]];
        assert_eq!(goes, expected, "{last}");
    }
}

#[test]
fn a_filter_that_takes_too_long_lets_a_message_through() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let never: Vec<Value> = (0..99)
        .map(|n| json!({"wildcard": format!("*{n}x")}))
        .collect();
    for _ in 0..3 {
        filtered(&app, &receiver.url("/slow"), &json!({"data": never}));
    }
    let last = filtered(&app, &receiver.url("/last"), &json!({"data": ["b"]}));
    let few = publish(&app, &json!(["a", "a"]), &json!({}));
    assert!(recipients(&few).is_empty());
    let many = publish(&app, &json!(vec!["a"; 60_000]), &json!({}));
    assert!(
        recipients(&many).contains(&&last["id"]),
        "it is sent once too often and not lost"
    );
}

#[test]
fn messages_that_the_filter_wants_now_are_missing() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let published: Vec<Value> = (0..6)
        .map(|n| {
            publish(
                &app,
                &json!({"n": n % 3}),
                &json!({"n": (n % 2).to_string()}),
            )
        })
        .collect();
    let endpoint = filtered(
        &app,
        &receiver.url("/late"),
        &json!({"data": {"n": [1, 2]}}),
    );
    let id = endpoint["id"].as_str().unwrap();
    let missing = |query: &str| {
        let path = format!("/api/webhooks/messages?missing_for={id}{query}");
        let list = app.get(&path).expect(200);
        let rows = list["data"].as_array().unwrap().clone();
        assert_eq!(list["meta"]["total"], rows.len());
        rows.into_iter()
            .map(|row| row["id"].clone())
            .collect::<Vec<_>>()
    };
    let ids = |numbers: &[usize]| -> Vec<Value> {
        numbers
            .iter()
            .map(|n| published[*n]["id"].clone())
            .collect()
    };
    assert_eq!(missing(""), ids(&[5, 4, 2, 1]));
    assert_eq!(missing("&tag=n:1"), ids(&[5, 1]));
    let one = published[4]["id"].as_str().unwrap();
    assert_eq!(missing(&format!("&query={one}")), ids(&[4]));
    let other = published[3]["id"].as_str().unwrap();
    assert!(missing(&format!("&query={other}")).is_empty());
    let change = |filter: Value| {
        app.patch(&endpoint_path(&endpoint), &json!({"filter": filter}))
            .expect(200);
    };
    change(json!({"tags": {"n": ["0"]}}));
    assert_eq!(missing(""), ids(&[4, 2, 0]));
    change(json!({"data": {"n": [1, 2]}}));

    let job = json!({"action": "redeliver", "filter": {
        "endpoint_id": [id], "status": ["missing"], "start_timestamp": "2001-09-09T01:46:40Z",
    }});
    let made = app.post("/api/webhooks/jobs", &app.token, &job).expect(202);
    assert_eq!(made["matched"], 4);
    // They start in order, and overlap.
    let mut got: Vec<Value> = receiver.wait("/late", 4).iter().map(data_of).collect();
    got.sort_by_key(|data| data["n"].as_u64());
    assert_eq!(got, [1, 1, 2, 2].map(|n| json!({"n": n})));
    app.wait_for_events("succeeded", 4);
    assert!(missing("").is_empty());
}

#[test]
fn the_set_of_a_job_is_that_of_the_filter_when_it_was_made() {
    for (later, is_wider) in [(json!({}), true), (json!({"data": {"n": [9]}}), false)] {
        let app = TestApp::start();
        let receiver = Receiver::start();
        for n in 0..10 {
            publish(&app, &json!({"n": n % 2}), &json!({}));
        }
        let endpoint = filtered(&app, &receiver.url("/late"), &json!({"data": {"n": [1]}}));
        let job = json!({"action": "redeliver", "rate": 600, "filter": {
            "endpoint_id": [endpoint["id"]], "status": ["missing"], "start_timestamp": "2001-09-09T01:46:40Z",
        }});
        let job = app.post("/api/webhooks/jobs", &app.token, &job).expect(202);
        assert_eq!(job["matched"], 5);
        app.patch(&endpoint_path(&endpoint), &json!({"filter": later}))
            .expect(200);
        let path = format!("/api/webhooks/jobs/{}", job["id"].as_str().unwrap());
        let job = app.wait_for(&path, |job| job["state"] == "finished");
        assert_eq!(job["matched"], 5, "{job}");
        let (done, changed) = (&job["done"], &job["left_out"]["changed"]);
        assert_eq!(
            done.as_u64().unwrap() + changed.as_u64().unwrap(),
            5,
            "{job}"
        );
        if is_wider {
            assert_eq!(*done, 5);
            let got = receiver.wait("/late", 5);
            assert!(got.iter().all(|one| data_of(one) == json!({"n": 1})));
        } else {
            assert!(changed.as_u64().unwrap() > 0, "{job}");
        }
    }
}
