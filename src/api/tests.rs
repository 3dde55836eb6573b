//! Tests of the API over a real store, mostly without a socket: the order of refusals, the shape of
//! responses, and the responses that actix-web would make by itself.

mod chunks;
mod connections;
#[path = "../../tests/it/keys.rs"]
mod keys;
mod limits;
mod shares;
mod socket;
mod streams;
mod test_api;

use std::time::Duration;

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use self::test_api::{Answer, TestApi, bearer, get, post, run, token};
use crate::domain::access::{Actor, Scope, Scopes, Token, TokenKind};
use crate::server::error::ApiError;
use crate::storage::{Descendants, Store};

#[test]
fn refusals_come_in_the_order_of_the_contract() {
    let api = TestApi::new();
    let unknown = Token::generate(TokenKind::Workspace);
    for path in ["/api/webhooks/endpoints", "/v1/nowhere", "/nowhere", "/"] {
        for bad in [unknown.reveal(), "garbage"] {
            let refused = api.one(TestRequest::put().uri(path).insert_header(bearer(bad)));
            refused.is(401, "invalid_token");
            let challenge = refused.header("www-authenticate");
            assert!(challenge.starts_with("Bearer realm=\"hookpost\", error=\"invalid_token\""));
        }
    }
    api.one(TestRequest::get().uri("/api/nowhere"))
        .is(404, "ResourceNotFound");
    let wrong = api.one(TestRequest::put().uri("/api/webhooks/endpoints/"));
    wrong.is(405, "MethodNotAllowed");
    assert_eq!(wrong.header("allow"), "POST, GET, HEAD");
    let anonymous = api.one(TestRequest::post().uri("/api/webhooks/endpoints?token=x"));
    assert_eq!(
        anonymous.json(),
        json!({"error": "Unauthorized", "detail": "Unauthorized"})
    );
    assert_eq!(
        anonymous.header("www-authenticate"),
        "Bearer realm=\"hookpost\""
    );
    let text = ("content-type", "text/plain");
    let lacking = api.one(post("/v1/webhooks/endpoints", &api.reader).insert_header(text));
    lacking.is(403, "insufficient_scope");
    assert!(
        lacking
            .header("www-authenticate")
            .ends_with("scope=\"webhooks:write\"")
    );
    let url = "/api/webhooks/endpoints";
    let long = vec![b' '; 300_000];
    api.one(
        post(url, &api.own)
            .insert_header(text)
            .set_payload(long.clone()),
    )
    .is(415, "UnsupportedMediaType");
    let gzip = ("content-encoding", "gzip");
    api.one(post(url, &api.own).insert_header(gzip).set_payload(long))
        .is(413, "PayloadTooLarge");
    api.one(post(url, &api.own).insert_header(gzip).set_payload("{}"))
        .is(400, "BadRequest");
    api.post(url, b"{\"a\":\"\xff\"}".to_vec())
        .is(400, "BadRequest");
    api.post(url, "{}").is(422, "RequestValidationError");
    let id = "/api/webhooks/endpoints/2f1e0c9a-5b6d-4c3e-8a7b-0123456789ab";
    api.one(get(id, &api.own)).is(404, "ResourceNotFound");
}

#[test]
fn an_endpoint_is_created_changed_and_deleted() {
    let api = TestApi::new();
    let body = r#"{"url":" https://A.example/x ","format":"raw","events":["order.*"],"unknown":1}"#;
    let created = api.post("/api/webhooks/endpoints", body);
    assert_eq!(created.status, 201);
    let endpoint = created.json();
    let text = String::from_utf8(created.body.clone()).unwrap();
    let mut at = 0;
    for key in keys::ENDPOINT {
        let found = text.find(&format!("\"{key}\":")).unwrap();
        assert!(found >= at, "{key} stands in its place");
        at = found;
    }
    assert_eq!(endpoint["url"], "https://a.example/x");
    assert_eq!(endpoint["created_at"], "2023-11-14T22:13:20.000000Z");
    assert_eq!(endpoint["workspace_id"], api.workspace.to_string());
    assert_eq!(created.header("cache-control"), "no-store");
    let url = format!(
        "/v1/webhooks/endpoints/{}/",
        endpoint["id"].as_str().unwrap()
    );
    let patch = |body: Value| {
        TestRequest::patch()
            .uri(&url)
            .insert_header(bearer(&api.own))
            .set_json(body)
    };
    let secret = TestRequest::patch()
        .uri(&format!("{}secret", &url))
        .insert_header(bearer(&api.own))
        .set_payload("null");
    let answers = api.send(vec![
        get(&url, &api.reader),
        patch(endpoint.clone()),
        patch(json!({})),
        patch(json!({"enabled": "off", "url": null})),
        secret,
        TestRequest::delete()
            .uri(&url)
            .insert_header(bearer(&api.own)),
        get(&url, &api.own),
    ]);
    let statuses: Vec<_> = answers.iter().map(|a| a.status.as_u16()).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 204, 404]);
    assert_eq!(answers[0].json(), endpoint);
    assert_eq!(
        answers[2].json()["modified_at"],
        answers[1].json()["modified_at"]
    );
    assert_eq!(answers[3].json()["enabled"], false);
    assert_eq!(answers[3].json()["disabled_reason"], "manual");
    assert_ne!(answers[4].json()["secret"], endpoint["secret"]);
    assert!(answers[5].body.is_empty());
}

#[test]
fn publishes_with_one_key_store_one_message() {
    let api = TestApi::new();
    let body = r#"{"type":"a.b","data":1e400,"timestamp":"2026-01-31 12:00:00+01:00"}"#;
    let keyed = |key: &str, body: &str| {
        post("/api/webhooks/events", &api.own)
            .insert_header(("idempotency-key", key.to_owned()))
            .set_payload(body.to_owned())
    };
    let answers = api.send(vec![
        keyed("k", body),
        keyed("k", body),
        keyed("k", r#"{"type":"a.b","data":2}"#),
        keyed("not a key", body),
    ]);
    assert_eq!(answers[0].status, 202);
    assert_eq!(answers[0].json()["timestamp"], "2026-01-31T12:00:00+01:00");
    assert_eq!(answers[0].json()["events"], json!([]));
    assert_eq!(answers[0].header("idempotent-replayed"), "");
    assert_eq!(answers[1].body, answers[0].body);
    assert_eq!(answers[1].header("idempotent-replayed"), "true");
    answers[2].is(422, "idempotency_key_reused");
    answers[3].is(422, "idempotency_key_invalid");
    api.state.stop_publishing();
    let refused = api.post("/api/webhooks/events", body);
    refused.is(503, "Unavailable");
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(
        refused.json()["detail"],
        "the server is stopping; nothing was stored"
    );
    api.one(TestRequest::get().uri("/readyz"))
        .is(503, "Unavailable");
}

#[test]
fn workspaces_are_named_by_admins_and_implied_by_their_tokens() {
    let api = TestApi::new();
    let url = "/api/webhooks/events";
    let publish = |token: &str, workspace: Option<String>| {
        let body = json!({"type": "a", "data": null, "workspace_id": workspace});
        api.one(post(url, token).set_json(body))
    };
    let other = "2f1e0c9a-5b6d-4c3e-8a7b-0123456789ab".to_owned();
    let own = api.workspace.to_string();
    assert_eq!(publish(&api.own, None).status, 202);
    assert_eq!(publish(&api.own, Some(own.clone())).status, 202);
    let detail = |answer: Answer| answer.json()["detail"][0].clone();
    let refused = detail(publish(&api.own, Some(other.clone())));
    assert_eq!(refused["type"], "workspace_token");
    assert_eq!(refused["loc"], json!(["body", "workspace_id"]));
    assert_eq!(publish(&api.admin, Some(own)).status, 202);
    let missing = detail(api.one(post(url, &api.admin).set_json(json!({"type": "a", "data": 1}))));
    assert_eq!(missing["type"], "missing");
    let unknown = detail(publish(&api.admin, Some(other.clone())));
    assert_eq!(
        (&unknown["type"], &unknown["input"]),
        (&json!("value_error"), &json!(other))
    );

    let body = json!({"name": "beta"});
    api.one(post("/api/workspaces", &api.own).set_json(&body))
        .is(403, "insufficient_scope");
    assert_eq!(
        api.one(post("/v1/workspaces", &api.admin).set_json(&body))
            .status,
        201
    );
    api.one(post("/v1/workspaces", &api.admin).set_json(&body))
        .is(409, "NameTaken");
    let seen = api.one(get(
        "/api/workspaces?limit=500&page=99999999999999999999",
        &api.own,
    ));
    assert_eq!(
        seen.json()["meta"],
        json!({"total": 1, "page": u64::MAX, "per_page": 100, "pages": 1})
    );
    assert_eq!(seen.json()["data"], json!([]));
}

#[test]
fn tokens_are_made_used_and_revoked_at_once() {
    let api = TestApi::new();
    let url = "/api/workspace-access-tokens";
    let made = api.post(
        url,
        r#"{"comment":"ci","scopes":["webhooks:publish","webhooks:read"],"expires_in":60}"#,
    );
    assert_eq!(made.status, 201);
    let token = made.json()["token"].as_str().unwrap().to_owned();
    let object = &made.json()["workspace_access_token"];
    assert_eq!(
        object["scopes"],
        json!(["webhooks:read", "webhooks:publish"])
    );
    assert_eq!(object["expires_at"], "2023-11-14T22:14:20.000000Z");
    let one = format!("{url}/{}", object["id"].as_str().unwrap());
    let narrowed = TestRequest::patch()
        .uri(&one)
        .insert_header(bearer(&api.own))
        .set_json(json!({"scopes": ["webhooks:publish"]}));
    let used = || get("/api/webhooks/events/x", &token);
    let revoked = TestRequest::delete()
        .uri(&one)
        .insert_header(bearer(&api.own));
    let answers = api.send(vec![used(), narrowed, used(), revoked, used()]);
    let statuses: Vec<_> = answers.iter().map(|a| a.status.as_u16()).collect();
    assert_eq!(statuses, [422, 200, 403, 204, 401]);

    let scopes = [Scope::TokensWrite].into_iter().collect();
    let narrow = token_of(&api, scopes);
    let greedy = json!({"comment": "", "scopes": ["webhooks:read"]});
    let refused = api.one(post(url, &narrow).set_json(greedy));
    refused.is(403, "insufficient_scope");
    assert!(
        refused
            .header("www-authenticate")
            .ends_with("scope=\"webhooks:read\"")
    );

    api.state.flush_last_used().unwrap().wait().unwrap();
    assert!(api.state.flush_last_used().is_none());
    let list = api.one(get(url, &api.own)).json();
    let own = list["data"].as_array().unwrap().iter();
    assert!(own.filter(|t| t["last_used_at"] != Value::Null).count() >= 2);

    api.clock.advance(Duration::from_hours(2));
    api.one(get(url, &api.own)).is(401, "invalid_token");
}

fn token_of(api: &TestApi, scopes: Scopes) -> String {
    token(&*api.store, Some(api.workspace), scopes)
}

#[test]
fn a_token_revoked_in_the_store_ends_within_a_second() {
    let api = TestApi::new();
    let used = || get("/api/webhooks/endpoints/x", &api.reader);
    api.one(used()).is(422, "RequestValidationError");
    let caller = Token::parse(&api.reader).unwrap().hash();
    let id = api.store.find_caller(&caller).unwrap().unwrap().token_id;
    let revoked = (api.store).revoke_token(Actor::Operator, id, Descendants::Revoked);
    revoked.wait().unwrap();
    let since = std::time::Instant::now();
    while api.one(used()).status != 401 {
        assert!(since.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn a_list_without_a_free_reading_connection_gets_503() {
    let api = TestApi::new();
    let list = || get("/api/webhooks/endpoints", &api.own);
    let taken = api.store.take_all_readers();
    let refused = api.one(list());
    refused.is(503, "Unavailable");
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(
        refused.json()["detail"],
        "the query took too long; nothing was stored"
    );
    drop(taken);
    assert_eq!(api.one(list()).status, 200);
}

#[test]
fn preflights_need_no_token_and_no_origin_gets_credentials() {
    let preflight = |origin: &'static str| {
        TestRequest::default()
            .method(actix_web::http::Method::OPTIONS)
            .uri("/api/webhooks/events")
            .insert_header(("origin", origin))
            .insert_header(("access-control-request-method", "POST"))
            .insert_header((
                "access-control-request-headers",
                "authorization, content-type, idempotency-key",
            ))
    };
    let api = TestApi::new();
    let open = api.one(preflight("https://app.example"));
    assert_eq!(open.status, 200);
    assert_eq!(open.header("access-control-allow-origin"), "*");
    assert_eq!(open.header("access-control-allow-credentials"), "");
    let refused = api.one(
        TestRequest::get()
            .uri("/v1/workspaces")
            .insert_header(("origin", "https://x.example")),
    );
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("access-control-allow-origin"), "*");

    let api = TestApi::with(&["--cors-origin", "https://app.example/"]);
    let own = api.one(preflight("https://app.example"));
    assert_eq!(
        own.header("access-control-allow-origin"),
        "https://app.example"
    );
    let foreign = api.one(preflight("https://x.example"));
    assert_eq!(foreign.status, 400);
    assert_eq!(foreign.header("access-control-allow-origin"), "");
    foreign.is(400, "BadRequest");
}

#[test]
fn a_head_that_is_too_long_gets_431() {
    let api = TestApi::new();
    let long = ("x-long", "a".repeat(70_000));
    api.one(get("/nowhere", &api.own).insert_header(long))
        .is(431, "RequestHeaderFieldsTooLarge");
    let path = format!("/api/webhooks/deliveries?query={}", "a".repeat(3000));
    api.one(get(&path, &api.own))
        .is(422, "RequestValidationError");
}

#[test]
fn probes_are_open_to_all() {
    let api = TestApi::new();
    for path in ["/healthz", "/readyz", "/readyz/"] {
        assert_eq!(api.one(TestRequest::get().uri(path)).status, 200);
        assert_eq!(api.one(get(path, "garbage")).status, 200);
    }
}

#[test]
fn a_server_that_stops_sends_no_test() {
    let api = TestApi::new();
    let url = "/api/webhooks/endpoints";
    let new = r#"{"url": "https://a.example/", "format": "raw", "events": []}"#;
    let made = api.post(url, new).json();
    let path = format!("{url}/{}/test", made["id"].as_str().unwrap());
    let sent = api.post(&path, "").json();
    assert_eq!(sent["http_code"], 204);
    api.state.stop_publishing();
    api.post(&path, "").is(503, "Unavailable");
}
