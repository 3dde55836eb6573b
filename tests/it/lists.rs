//! The tests of lists: order, pages, filters and totals.

mod walking;

use hookpost::domain::access::Scope;
use serde_json::{Value, json};

use super::fixture::TestApp;
use super::receiver::Receiver;

fn ids(list: &Value) -> Vec<String> {
    let items = list["data"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn pages_are_newest_first_and_their_totals_exact() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint(&receiver.url("/a"));
    let mut published: Vec<String> = (0..25)
        .map(|n| {
            app.publish("a", &json!(n))["events"][0]["id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    published.reverse();
    app.wait_for_events("succeeded", 25);
    let first = app.get("/api/webhooks/events").expect(200);
    assert_eq!(
        first["meta"],
        json!({"total": 25, "page": 1, "per_page": 10, "pages": 3})
    );
    assert_eq!(ids(&first), published[..10]);
    let third = app.get("/api/webhooks/events?page=3&limit=10").expect(200);
    assert_eq!(ids(&third), published[20..]);
    let all = app.get("/api/webhooks/events?limit=1000").expect(200);
    assert_eq!(all["meta"]["per_page"], 100);
    assert_eq!(ids(&all), published);
    for page in ["4", "9223372036854775807"] {
        let past = app
            .get(&format!("/api/webhooks/events?page={page}"))
            .expect(200);
        assert_eq!(past["data"], json!([]));
        assert_eq!(past["meta"]["total"], 25);
    }
    let deliveries = app.get("/api/webhooks/deliveries?limit=100").expect(200);
    assert_eq!(deliveries["meta"]["total"], 25);
    let times: Vec<&str> = deliveries["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["created_at"].as_str().unwrap())
        .collect();
    assert!(times.windows(2).all(|pair| pair[0] > pair[1]));
}

#[test]
fn filters_narrow_deliveries_and_events() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    receiver.reply("/bad", 500, "");
    let good = app.endpoint_for(&receiver.url("/good"), "raw", &["order.*"]);
    let bad = app.endpoint_for(&receiver.url("/bad"), "raw", &["order.b"]);
    let (good, bad) = (good["id"].as_str().unwrap(), bad["id"].as_str().unwrap());
    app.publish("order.a", &json!(1));
    let second = app.publish("order.b", &json!(2));
    app.wait_for("/api/webhooks/deliveries", |list| {
        list["meta"]["total"] == 3
    });
    let event = second["events"][0]["id"].as_str().unwrap();
    let total = |path: &str| {
        app.get(&format!("/api/webhooks/{path}")).expect(200)["meta"]["total"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(total(&format!("deliveries?endpoint_id={good}")), 2);
    assert_eq!(
        total(&format!("deliveries?endpoint_id={good}&endpoint_id={bad}")),
        3
    );
    assert_eq!(total("deliveries?succeeded=no"), 1);
    assert_eq!(total("deliveries?succeeded=1"), 2);
    assert_eq!(total("deliveries?http_code_class=5xx"), 1);
    assert_eq!(total("deliveries?http_code_class=3xx"), 0);
    assert_eq!(total("deliveries?event_type=order.a"), 1);
    assert_eq!(total("deliveries?event_type=order.a&event_type=order.b"), 3);
    assert_eq!(total(&format!("deliveries?event_id={event}")), 1);
    assert_eq!(
        total(&format!(
            "deliveries?query={}",
            event.to_uppercase().replace('-', "")
        )),
        1
    );
    assert_eq!(total(&format!("deliveries?query={}", &event[20..])), 1);
    assert_eq!(total("deliveries?start_timestamp=2001-01-01T00:00:00Z"), 3);
    assert_eq!(total("deliveries?end_timestamp=2001-01-01T00:00:00Z"), 0);
    assert_eq!(total("events?status=succeeded"), 2);
    assert_eq!(total("events?status=pending"), 1);
    assert_eq!(total("events?status=pending&status=succeeded"), 3);
    assert_eq!(total(&format!("events?endpoint_id={bad}")), 1);
    assert_eq!(total("events?event_type=order.b"), 2);
    assert_eq!(total("endpoints?url=GOOD"), 1);
    assert_eq!(total("endpoints?url=%25"), 0);
    let newest = app.get("/api/webhooks/deliveries?limit=1").expect(200);
    let at = newest["data"][0]["created_at"].as_str().unwrap();
    assert_eq!(
        total(&format!("deliveries?start_timestamp={at}")),
        0,
        "exclusive"
    );
    assert_eq!(
        total(&format!("deliveries?end_timestamp={at}")),
        2,
        "exclusive"
    );
}

#[test]
fn a_deleted_endpoint_leaves_its_history() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    let id = endpoint["id"].as_str().unwrap();
    let event = app.publish("a", &json!(1))["events"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    app.wait_for_events("succeeded", 1);
    let gone = app.delete(&format!("/api/webhooks/endpoints/{id}"));
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    assert_eq!(
        app.get(&format!("/api/webhooks/endpoints/{id}")).status,
        404
    );
    assert_eq!(
        app.get("/api/webhooks/endpoints").expect(200)["meta"]["total"],
        0
    );
    assert_eq!(
        app.get("/api/webhooks/events").expect(200)["meta"]["total"],
        1
    );
    let path = format!("/api/webhooks/deliveries?endpoint_id={id}");
    assert_eq!(app.get(&path).expect(200)["meta"]["total"], 1);
    let again = app.post(
        &format!("/api/webhooks/events/{event}/redeliver"),
        &app.token,
        &json!({}),
    );
    assert_eq!(again.status, 404);
}

#[test]
fn the_id_of_a_message_filters_and_is_told_from_that_of_an_event() {
    const NOBODY: &str = "0190a000-0000-4000-8000-000000000000";
    let app = TestApp::start();
    let receiver = Receiver::start();
    for path in ["/a", "/b"] {
        app.endpoint_for(&receiver.url(path), "raw", &["a"]);
    }
    let messages = ["a", "a", "a", "unwanted"].map(|kind| app.publish(kind, &json!(1)));
    app.wait_for_events("succeeded", 6);
    let id = |message: &Value| message["id"].as_str().unwrap().to_owned();
    let [first, second, _, unwanted] = messages.each_ref().map(id);
    for list in ["events", "deliveries"] {
        let total = |query: &str| {
            let list = app.get(&format!("/api/webhooks/{list}?{query}"));
            list.expect(200)["meta"]["total"].clone()
        };
        assert_eq!(total(&format!("message_id={first}")), 2);
        let both = format!("message_id={first}&message_id={second}");
        assert_eq!(total(&both), 4);
        assert_eq!(total(&format!("{both}&message_id={first}")), 4);
        assert_eq!(total(&format!("message_id={NOBODY}")), 0);
        assert_eq!(total(&format!("message_id={unwanted}")), 0);
        assert_eq!(total(&format!("message_id={first}&event_type=b")), 0);
    }
    let listed = app.get(&format!("/api/webhooks/events?message_id={first}"));
    for event in listed.expect(200)["data"].as_array().unwrap() {
        assert_eq!(event["message_id"], first);
    }
    let scopes = [Scope::WebhooksRead, Scope::WebhooksWrite];
    let other = app.post("/api/workspaces", &app.admin, &json!({"name": "other"}));
    let other = other.expect(201);
    let other = other["id"].as_str();
    let stranger = app.make_token(other, scopes.into_iter().collect());
    let event = messages[0]["events"][0]["id"].as_str().unwrap();
    app.get(&format!("/api/webhooks/events/{event}"))
        .expect(200);
    let plain = json!({"error": "ResourceNotFound", "detail": "Not found"});
    for (id, is_message) in [
        (&first, true),
        (&unwanted, true),
        (&NOBODY.to_owned(), false),
    ] {
        let path = format!("/api/webhooks/events/{id}");
        let again = format!("{path}/redeliver");
        let told = json!({
            "error": "ResourceNotFound",
            "detail": format!(
                "Not found: this is the id of a message; \
                 GET /webhooks/events?message_id={id} lists its events"
            ),
        });
        let expected = if is_message { &told } else { &plain };
        for token in [&app.token, &app.admin] {
            assert_eq!(&app.get_as(token, &path).expect(404), expected);
            let answer = app.post(&again, token, &json!(null));
            assert_eq!(&answer.expect(404), expected);
        }
        assert_eq!(app.get_as(&stranger, &path).expect(404), plain);
        let answer = app.post(&again, &stranger, &json!(null));
        assert_eq!(answer.expect(404), plain);
    }
}
