//! The tests of tags.

use std::time::Duration;

use super::*;

fn listed(app: &TestApp, query: &str) -> Vec<Value> {
    let list = app
        .get(&format!("/api/webhooks/messages?{query}"))
        .expect(200);
    let rows = list["data"].as_array().unwrap();
    assert_eq!(list["meta"]["total"], rows.len(), "{query}");
    rows.iter().map(|row| row["id"].clone()).collect()
}

#[test]
fn tags_are_shown_wherever_a_message_is() {
    let app = TestApp::start();
    let tags = json!({"region": "eu", "": "no"});
    let bad = json!({"type": "a", "data": 1, "tags": tags});
    app.post("/api/webhooks/events", &app.token, &bad)
        .expect(422);
    let tags = json!({"region": "eu", "customer": "a:b \"c\" é", "empty": ""});
    let message = publish(&app, &json!(1), &tags);
    assert_eq!(message["tags"], tags);
    let id = message["id"].as_str().unwrap();
    assert_eq!(
        app.get(&format!("/api/webhooks/messages/{id}")).expect(200)["tags"],
        tags
    );
    assert_eq!(
        app.get("/api/webhooks/messages").expect(200)["data"][0]["tags"],
        tags
    );
    let plain = app.publish("a", &json!(1));
    assert_eq!(plain["tags"], json!({}));
    assert_eq!(
        app.get("/api/webhooks/messages").expect(200)["data"][0]["tags"],
        json!({})
    );
}

#[test]
fn a_repeated_publish_has_the_tags_of_the_first() {
    let app = TestApp::start();
    let body = json!({"type": "a", "data": 1, "tags": {"a": "b"}}).to_string();
    let bearer = format!("Bearer {}", app.token);
    let headers = [
        ("content-type", "application/json"),
        ("authorization", &*bearer),
        ("idempotency-key", "k"),
    ];
    let send = || {
        let sent = app.request(
            "POST",
            "/api/webhooks/events",
            &headers,
            Some(body.as_bytes()),
        );
        (
            sent.expect(202),
            sent.header("idempotent-replayed").is_some(),
        )
    };
    let (first, second) = (send(), send());
    assert_eq!((first.1, second.1), (false, true));
    assert_eq!(first.0, second.0);
    assert_eq!(first.0["tags"], json!({"a": "b"}));
}

#[test]
fn messages_are_found_by_their_tags() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint_for(&receiver.url("/a"), "raw", &["order.paid"]);
    let published = [
        json!({"region": "eu", "tier": "gold"}),
        json!({"region": "us", "tier": "gold"}),
        json!({"region": "eu"}),
        json!({}),
        json!({"region": "a:b&c"}),
    ]
    .map(|tags| publish(&app, &json!(1), &tags));
    let unwanted = json!({"type": "other", "data": 1, "tags": {"region": "eu"}});
    let unwanted = app
        .post("/api/webhooks/events", &app.token, &unwanted)
        .expect(202);
    let ids = |numbers: &[usize]| -> Vec<Value> {
        numbers
            .iter()
            .map(|n| published[*n]["id"].clone())
            .collect()
    };
    let with_unwanted = |numbers: &[usize]| [vec![unwanted["id"].clone()], ids(numbers)].concat();
    assert_eq!(listed(&app, "tag=region:eu"), with_unwanted(&[2, 0]));
    assert_eq!(
        listed(&app, "tag=region:eu&tag=region:us"),
        with_unwanted(&[2, 1, 0])
    );
    assert_eq!(listed(&app, "tag=region:eu&tag=tier:gold"), ids(&[0]));
    assert_eq!(
        listed(&app, "tag=tier:gold&event_type=order.paid"),
        ids(&[1, 0])
    );
    assert_eq!(
        listed(&app, "tag=region:eu&event_type=other"),
        with_unwanted(&[])
    );
    assert_eq!(
        listed(&app, "tag=region:eu&unrouted=true"),
        with_unwanted(&[])
    );
    assert_eq!(listed(&app, "tag=region:eu&unrouted=false"), ids(&[2, 0]));
    assert_eq!(listed(&app, "tag=region:a%3Ab%26c"), ids(&[4]));
    assert!(listed(&app, "tag=region:e").is_empty());
    assert!(listed(&app, "tag=eu:region").is_empty());
    assert_eq!(
        listed(&app, "tag=").len(),
        6,
        "an empty field of a form is no filter"
    );
    for query in [
        published[0]["id"].as_str().unwrap(),
        &published[0]["id"].as_str().unwrap()[20..],
    ] {
        assert_eq!(
            listed(&app, &format!("tag=region:eu&query={query}")),
            ids(&[0])
        );
        assert!(listed(&app, &format!("tag=region:us&query={query}")).is_empty());
    }
    let created = |n: usize| {
        let id = published[n]["id"].as_str().unwrap();
        let message = app.get(&format!("/api/webhooks/messages/{id}")).expect(200);
        message["created_at"].as_str().unwrap().to_owned()
    };
    let before = format!("tag=region:eu&end_timestamp={}", created(2));
    assert_eq!(listed(&app, &before), ids(&[0]));
    let page = app
        .get("/api/webhooks/messages?tag=region:eu&limit=1&page=2")
        .expect(200);
    assert_eq!(
        (&page["meta"]["total"], &page["meta"]["searched"]),
        (&json!(3), &json!(6))
    );
    assert_eq!(page["data"][0]["id"], published[2]["id"]);
}

#[test]
fn the_tags_of_another_workspace_are_not_found() {
    let app = TestApp::start();
    publish(&app, &json!(1), &json!({"region": "eu"}));
    let other = app
        .post("/api/workspaces", &app.admin, &json!({"name": "other"}))
        .expect(201);
    let token = app.make_token(
        other["id"].as_str(),
        hookpost::domain::access::Scopes::all(),
    );
    let list = app
        .get_as(&token, "/api/webhooks/messages?tag=region:eu")
        .expect(200);
    assert_eq!(
        (&list["meta"]["total"], &list["meta"]["searched"]),
        (&json!(0), &json!(0))
    );
    let all = app
        .get_as(&app.admin, "/api/webhooks/messages?tag=region:eu")
        .expect(200);
    assert_eq!(all["meta"]["total"], 1);
}

#[test]
fn tags_outlive_the_payload_and_go_with_the_message() {
    let app = TestApp::with_manual_clock(&["--archive-after", "2d", "--delete-after", "5d"]);
    publish(&app, &json!(1), &json!({"region": "eu"}));
    app.advance(Duration::from_hours(3 * 24));
    let list = app.wait_for("/api/webhooks/messages?tag=region:eu", |list| {
        list["data"][0]["is_archived"] == true
    });
    assert_eq!(list["data"][0]["tags"], json!({"region": "eu"}));
    app.advance(Duration::from_hours(3 * 24));
    app.wait_for("/api/webhooks/messages", |list| list["meta"]["total"] == 0);
    let connection = rusqlite::Connection::open(app.database()).unwrap();
    let left: u64 = connection
        .query_row("SELECT count(*) FROM message_tags", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0);
}
