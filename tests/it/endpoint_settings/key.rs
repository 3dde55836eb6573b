//! Keys, and requests that make an endpoint under a key or change the one that has it.

use hookpost::domain::access::Scopes;

use super::*;

#[test]
fn a_request_that_is_repeated_makes_one_endpoint_and_changes_nothing() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let body = endpoint_at(
        &receiver.url("/a"),
        json!({"name": "Orders", "headers": {"x-key": "1"}, "metadata": {"a": "b"}}),
    );
    let first = put(&app, "shop:1", &body).expect(201);
    assert_eq!(
        (&first["key"], &first["enabled"]),
        (&json!("shop:1"), &json!(true))
    );
    let second = put(&app, "shop:1", &body).expect(200);
    assert_eq!(second, first, "not even its time of change");
    // What an answer shows can be sent, too.
    assert_eq!(put(&app, "shop:1", &first).expect(200), first);
    assert_eq!(
        app.get("/api/webhooks/endpoints").expect(200)["meta"]["total"],
        1
    );
}

#[test]
fn what_is_absent_gets_its_default_but_the_secret_stays() {
    let app = TestApp::start();
    let receiver = Receiver::start();
    let all = endpoint_at(
        &receiver.url("/a"),
        json!({
            "name": "Orders", "description": "d", "metadata": {"a": "b"}, "headers": {"x-key": "1"},
            "policy": {"timeout": 3}, "paused": true, "enabled": false,
        }),
    );
    let first = put(&app, "k", &all).expect(201);
    let bare = endpoint_at(&receiver.url("/b"), json!({}));
    let second = put(&app, "k", &bare).expect(200);
    assert_eq!(second["id"], first["id"]);
    assert_eq!(second["secret"], first["secret"]);
    assert_eq!(second["key"], "k");
    let plain = app.endpoint(&receiver.url("/b"));
    for field in [
        "url",
        "name",
        "description",
        "metadata",
        "headers",
        "policy",
        "paused",
        "enabled",
        "state",
        "disabled_reason",
    ] {
        assert_eq!(second[field], plain[field], "{field}");
    }
    // Another secret, or another type, replaces it; the same type does not.
    let typed = endpoint_at(&receiver.url("/b"), json!({"secret_type": "ed25519"}));
    let third = put(&app, "k", &typed).expect(200);
    assert_ne!(third["secret"], first["secret"]);
    assert_eq!(
        put(&app, "k", &typed).expect(200)["secret"],
        third["secret"]
    );
    app.publish("a", &json!(1));
    let received = receiver.wait("/b", 2);
    assert!(
        received
            .iter()
            .all(|it| it.headers.iter().all(|(name, _)| name != "x-key"))
    );
}

#[test]
fn a_key_is_unique_in_its_workspace_and_free_again_after_deletion() {
    let app = TestApp::start();
    let first = make(&app, "https://a.example/", json!({"key": "k"}));
    let body = endpoint_at("https://b.example/", json!({"key": "k"}));
    let taken = app.post("/api/webhooks/endpoints", &app.token, &body);
    assert_eq!(taken.expect(409)["error"], "KeyTaken");
    let second = make(&app, "https://b.example/", json!({}));
    let taken = app.patch(&endpoint_path(&second), &json!({"key": "k"}));
    assert_eq!(taken.expect(409)["error"], "KeyTaken");
    // Its own key is no conflict, and another workspace has its own keys.
    app.patch(&endpoint_path(&first), &json!({"key": "k", "name": "n"}))
        .expect(200);
    let made = app
        .post("/api/workspaces", &app.admin, &json!({"name": "other"}))
        .expect(201);
    let stranger = app.make_token(made["id"].as_str(), Scopes::webhooks());
    let theirs = app
        .post("/api/webhooks/endpoints", &stranger, &body)
        .expect(201);
    assert_ne!(theirs["id"], first["id"]);
    app.delete(&endpoint_path(&first)).expect(204);
    app.patch(&endpoint_path(&second), &json!({"key": "k"}))
        .expect(200);
}

#[test]
fn a_workspace_reaches_no_endpoint_of_another_by_its_key() {
    let app = TestApp::start();
    let made = app
        .post("/api/workspaces", &app.admin, &json!({"name": "other"}))
        .expect(201);
    let stranger = app.make_token(made["id"].as_str(), Scopes::webhooks());
    let body = endpoint_at("https://b.example/", json!({"key": "k"}));
    let theirs = app
        .post("/api/webhooks/endpoints", &stranger, &body)
        .expect(201);
    let ours = put(&app, "k", &endpoint_at("https://a.example/", json!({}))).expect(201);
    assert_ne!(ours["id"], theirs["id"]);
    let path = endpoint_path(&theirs);
    assert_eq!(
        app.get_as(&stranger, &path).expect(200)["url"],
        "https://b.example/"
    );
    for (token, own) in [(&app.token, &ours), (&stranger, &theirs)] {
        let found = app.get_as(token, "/api/webhooks/endpoints?key=k");
        let found = found.expect(200);
        assert_eq!(found["data"].as_array().map(Vec::len), Some(1));
        assert_eq!(found["data"][0]["id"], own["id"]);
    }
}

#[test]
fn endpoints_are_found_by_their_keys() {
    let app = TestApp::start();
    for key in ["a", "b:1", ""] {
        make(&app, "https://a.example/", json!({"key": key}));
    }
    for (query, keys) in [
        ("key=a", vec!["a"]),
        ("key=b%3A1&key=a", vec!["b:1", "a"]),
        ("key=A", vec![]),
        ("key=", vec!["", "b:1", "a"]),
    ] {
        let found = app.get(&format!("/api/webhooks/endpoints?{query}"));
        let found = found.expect(200);
        let found = found["data"].as_array().unwrap().iter();
        let found: Vec<_> = found.map(|it| it["key"].as_str().unwrap()).collect();
        assert_eq!(found, keys, "{query}");
    }
}

#[test]
fn an_endpoint_that_is_sent_back_as_it_was_got_changes_nothing_whatever_signs() {
    let app = TestApp::start();
    for secret_type in ["hmac", "ed25519"] {
        let new = endpoint_at("https://a.example/", json!({"secret_type": secret_type}));
        let made = put(&app, secret_type, &new).expect(201);
        assert_eq!(put(&app, secret_type, &made).expect(200), made);
    }
    let public = app.get("/api/webhooks/endpoints").expect(200)["data"][0]["secret"].clone();
    let other = endpoint_at("https://a.example/", json!({"secret": public}));
    put(&app, "new", &other).expect(422);
}

#[test]
fn a_public_key_or_a_hidden_header_of_no_endpoint_is_refused() {
    let app = TestApp::start();
    let hidden = endpoint_at("https://a.example/", json!({"headers": {"X-Key": "***"}}));
    let refused = put(&app, "k", &hidden).expect(422);
    assert_eq!(
        refused["detail"][0]["loc"],
        json!(["body", "headers", "X-Key"])
    );
    assert_eq!(
        app.get("/api/webhooks/endpoints").expect(200)["meta"]["total"],
        0
    );
    for key in ["a%20b", "a%2Fb", &"k".repeat(65)] {
        let answer = put(&app, key, &endpoint_at("https://a.example/", json!({})));
        assert!(
            [404, 422].contains(&answer.status),
            "{key}: {}",
            answer.status
        );
    }
}
