//! The tests of deliveries: the request that a receiver gets, and the record that the API shows of it.

use serde_json::json;
use standardwebhooks::Webhook;

use super::fixture::TestApp;
use super::receiver::{Received, Receiver};

fn webhook_headers(received: &Received) -> ureq::http::HeaderMap {
    let mut headers = ureq::http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, received.header(name).parse().unwrap());
    }
    headers
}

/// The reference library wants the `http` crate's older header map; its own names are all it reads.
fn verifies(key: &[u8], received: &Received, body: &[u8]) -> bool {
    let webhook = Webhook::from_bytes(key.to_vec()).unwrap();
    let timestamp: i64 = received.header("webhook-timestamp").parse().unwrap();
    let signed = webhook
        .sign(received.header("webhook-id"), timestamp, body)
        .unwrap();
    received
        .header("webhook-signature")
        .split(' ')
        .any(|entry| entry == signed)
}

#[test]
fn deliveries_carry_both_signatures_and_the_stated_headers() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a?x=1"));
    let secret = endpoint["secret"].as_str().unwrap();
    app.publish("order.created", &json!({"id": 7}));
    let received = &receiver.wait("/a?x=1", 1)[0];
    assert_eq!(received.header("content-type"), "application/json");
    assert_eq!(
        received.header("user-agent"),
        format!("Hookpost/{}", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(webhook_headers(received).len(), 3);
    let decoded = Webhook::new(secret).unwrap();
    let timestamp: i64 = received.header("webhook-timestamp").parse().unwrap();
    let first = decoded
        .sign(received.header("webhook-id"), timestamp, &received.body)
        .unwrap();
    assert_eq!(
        received.header("webhook-signature").split(' ').next(),
        Some(first.as_str())
    );
    assert!(
        verifies(secret.as_bytes(), received, &received.body),
        "literal key"
    );
    let mut tampered = received.body.clone();
    tampered[3] ^= 1;
    assert!(!verifies(secret.as_bytes(), received, &tampered));
}

#[test]
fn a_new_secret_without_overlap_signs_the_next_attempt() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    let path = format!(
        "/api/webhooks/endpoints/{}",
        endpoint["id"].as_str().unwrap()
    );
    let renewed = app
        .patch(&format!("{path}/secret"), &json!({"overlap": 0}))
        .expect(200);
    assert_ne!(renewed["secret"], endpoint["secret"]);
    app.publish("a", &json!(1));
    let received = receiver.wait("/a", 1);
    assert!(verifies(
        renewed["secret"].as_str().unwrap().as_bytes(),
        &received[0],
        &received[0].body
    ));
    assert!(!verifies(
        endpoint["secret"].as_str().unwrap().as_bytes(),
        &received[0],
        &received[0].body
    ));
    let own = "an-own-secret-of-thirty-two-char";
    app.patch(&path, &json!({"secret": own})).expect(200);
    app.publish("a", &json!(1));
    let received = receiver.wait("/a", 2);
    assert!(!received[1].header("webhook-signature").contains(' '));
    assert!(verifies(own.as_bytes(), &received[1], &received[1].body));
}

#[test]
fn discord_and_slack_get_their_own_bodies_and_keep_them() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    app.endpoint_for(&receiver.url("/discord"), "discord", &["*"]);
    app.endpoint_for(&receiver.url("/slack"), "slack", &["*"]);
    app.endpoint_for(&receiver.url("/slack/too"), "slack", &["*"]);
    let message = app.publish(
        "order.created",
        &json!({"note": "<b>&*_", "id": 7, "deep": {"x": 1}}),
    );
    let discord = &receiver.wait("/discord", 1)[0];
    let body: serde_json::Value = serde_json::from_str(discord.text()).unwrap();
    assert_eq!(body["embeds"][0]["title"], r"order.created");
    let slack = &receiver.wait("/slack", 1)[0];
    let body: serde_json::Value = serde_json::from_str(slack.text()).unwrap();
    assert!(
        body["text"].as_str().unwrap().contains("order.created"),
        "{body}"
    );
    assert!(slack.text().contains("&lt;b&gt;&amp;"), "{body}");
    assert_eq!(receiver.wait("/slack/too", 1)[0].body, slack.body);
    app.wait_for_events("succeeded", 3);
    app.patch(
        &format!("/api/workspaces/{}", app.workspace),
        &json!({"name": "renamed"}),
    )
    .expect(200);
    let events = message["events"].as_array().unwrap();
    for event in events {
        let id = event["id"].as_str().unwrap();
        app.post(
            &format!("/api/webhooks/events/{id}/redeliver"),
            &app.token,
            &json!(null),
        )
        .expect(202);
    }
    assert_eq!(receiver.wait("/discord", 2)[1].body, discord.body);
    assert_eq!(receiver.wait("/slack", 2)[1].body, slack.body);
    assert_eq!(receiver.wait("/slack/too", 2)[1].body, slack.body);
}

#[test]
fn every_attempt_is_recorded_with_what_was_answered() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    receiver.reply("/moved", 302, "location: http://127.0.0.1:1/\r\n");
    receiver.reply("/bad", 400, "");
    app.endpoint(&receiver.url("/moved"));
    app.endpoint(&receiver.url("/bad"));
    // Nobody listens on port 1.
    app.endpoint("http://127.0.0.1:1/");
    app.publish("a", &json!(1));
    let list = app.wait_for("/api/webhooks/deliveries", |list| {
        list["meta"]["total"] == 3
    });
    let mut seen: Vec<(serde_json::Value, serde_json::Value)> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["http_code"].clone(), one["error"].clone()))
        .collect();
    seen.sort_by_key(|(code, _)| code.as_u64());
    assert_eq!(
        seen,
        [
            (json!(null), json!("connect")),
            (json!(302), json!(null)),
            (json!(400), json!(null))
        ]
    );
    for delivery in list["data"].as_array().unwrap() {
        assert_eq!(delivery["succeeded"], false);
        assert_eq!(delivery["attempt"], 1);
        assert_eq!(delivery["webhook_event"]["succeeded"], json!(null));
        assert_eq!(delivery["webhook_event"]["attempts"], 1);
        assert!(delivery["webhook_event"]["next_attempt_at"].is_string());
        if delivery["http_code"].is_null() {
            assert!(delivery["response"].as_str().unwrap().len() > 5);
        } else if delivery["http_code"] == 302 {
            let note = "redirects are not followed; this one points to http://127.0.0.1:1/";
            assert_eq!(delivery["response"], format!("{note}\n\nok"));
        } else {
            assert_eq!(delivery["response"], "ok");
        }
    }
}

/// Characters that RFC 3986 forbids are encoded when a URL is requested; the API shows the form of browsers.
#[test]
fn a_url_is_requested_in_the_form_of_rfc_3986_and_shown_as_it_was_given() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let given = "/a|b[c]^/%2F%7C%zz+?q={a}|[b]^`c`&d=%7C";
    let sent = "/a%7Cb%5Bc%5D%5E/%2F%7C%zz+?q=%7Ba%7D%7C%5Bb%5D%5E%60c%60&d=%7C";
    let endpoint = app.endpoint(&receiver.url(given));
    assert_eq!(endpoint["url"], receiver.url(given));
    app.publish("a", &json!(1));
    assert_eq!(receiver.wait(sent, 1).len(), 1);
    app.wait_for_events("succeeded", 1);
    let path = format!(
        "/api/webhooks/endpoints/{}",
        endpoint["id"].as_str().unwrap()
    );
    assert_eq!(app.get(&path).expect(200)["url"], receiver.url(given));
}

/// The note goes by the format that the endpoint has at the attempt, as that is what its owner can change.
#[test]
fn a_failed_delivery_says_that_the_format_is_not_that_of_the_url() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    receiver.reply("/bad", 400, "");
    let endpoint = app.endpoint_for(&receiver.url("/bad"), "slack", &["*"]);
    app.endpoint_for(&receiver.url("/good"), "slack", &["*"]);
    let message = app.publish("a", &json!(1));
    let list = app.wait_for("/api/webhooks/deliveries", |list| {
        list["meta"]["total"] == 2
    });
    for delivery in list["data"].as_array().unwrap() {
        let response = delivery["response"].as_str().unwrap();
        if delivery["http_code"] == 400 {
            let note = "the endpoint's format is slack, but its URL is not a webhook of Slack: ";
            assert!(response.starts_with(note), "{response}");
            assert!(response.ends_with("\n\nok"), "{response}");
        } else {
            assert_eq!(response, "ok");
        }
    }
    let id = endpoint["id"].as_str().unwrap();
    app.patch(
        &format!("/api/webhooks/endpoints/{id}"),
        &json!({"format": "raw"}),
    )
    .expect(200);
    let events = message["events"].as_array().unwrap();
    let event = events
        .iter()
        .find(|event| event["webhook_endpoint_id"] == endpoint["id"])
        .unwrap();
    let event = event["id"].as_str().unwrap();
    app.post(
        &format!("/api/webhooks/events/{event}/redeliver"),
        &app.token,
        &json!(null),
    )
    .expect(202);
    let list = app.wait_for("/api/webhooks/deliveries", |list| {
        list["meta"]["total"] == 3
    });
    assert_eq!(list["data"][0]["response"], "ok");
}

#[test]
fn without_leave_no_request_goes_to_a_private_address() {
    let app = TestApp::start();
    let policy = |url: &str| {
        let body = json!({"url": url, "format": "raw", "events": []});
        app.post("/api/webhooks/endpoints", &app.token, &body)
    };
    policy("http://127.0.0.1/").expect(201);
    for url in [
        "http://10.0.0.1/",
        "http://[::1]/",
        "http://169.254.169.254/",
        "http://0x0a000001/",
    ] {
        let answer = policy(url).expect(422);
        assert_eq!(answer["detail"][0]["type"], "value_error", "{url}");
        assert_eq!(answer["detail"][0]["loc"], json!(["body", "url"]));
    }
}

#[test]
fn many_changes_of_one_endpoint_at_once_leave_it_whole() {
    let app = TestApp::start();
    let endpoint = app.endpoint("http://127.0.0.1:1/");
    let path = format!(
        "/api/webhooks/endpoints/{}",
        endpoint["id"].as_str().unwrap()
    );
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let changing: Vec<_> = (0..20)
            .map(|at| {
                let (app, path) = (&app, &path);
                scope.spawn(move || match at % 4 {
                    0 => {
                        app.patch(path, &json!({"events": [format!("t{at}")]}))
                            .status
                    }
                    1 => app.patch(&format!("{path}/secret"), &json!(null)).status,
                    2 => app.patch(path, &json!({"enabled": at % 8 == 2})).status,
                    _ if at == 19 => app.delete(path).status,
                    _ => app.get(path).status,
                })
            })
            .collect();
        changing
            .into_iter()
            .map(|one| one.join().unwrap())
            .collect()
    });
    assert_eq!(statuses[19], 204);
    assert!(
        statuses
            .iter()
            .all(|status| matches!(status, 200 | 204 | 404)),
        "{statuses:?}"
    );
    assert_eq!(app.get(&path).status, 404);
    assert_eq!(app.delete(&path).status, 404);
}
