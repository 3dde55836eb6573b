//! The API over a real store, without a socket: the order of refusals, the shape of answers, and
//! what the framework would answer by itself.

mod connections;
#[path = "../../tests/it/keys.rs"]
mod keys;
mod limits;
mod shares;
mod socket;
mod streams;
mod world;

use std::time::Duration;

use actix_web::test::TestRequest;
use serde_json::{Value, json};

use self::world::{Answer, World, bearer, get, post, run, token};
use super::error::ApiError;
use crate::domain::access::{Actor, Scope, Scopes, Token, TokenKind};
use crate::storage::{Descendants, Store};

#[test]
fn refusals_come_in_the_order_of_the_contract() {
    let world = World::new();
    let unknown = Token::generate(TokenKind::Workspace);
    for path in ["/api/webhooks/endpoints", "/v1/nowhere", "/nowhere", "/"] {
        for bad in [unknown.reveal(), "garbage"] {
            let refused = world.one(TestRequest::put().uri(path).insert_header(bearer(bad)));
            refused.is(401, "invalid_token");
            let challenge = refused.header("www-authenticate");
            assert!(challenge.starts_with("Bearer realm=\"hookpost\", error=\"invalid_token\""));
        }
    }
    world
        .one(TestRequest::get().uri("/api/nowhere"))
        .is(404, "ResourceNotFound");
    let wrong = world.one(TestRequest::put().uri("/api/webhooks/endpoints/"));
    wrong.is(405, "MethodNotAllowed");
    assert_eq!(wrong.header("allow"), "POST, GET, HEAD");
    let anonymous = world.one(TestRequest::post().uri("/api/webhooks/endpoints?token=x"));
    assert_eq!(
        anonymous.json(),
        json!({"error": "Unauthorized", "detail": "Unauthorized"})
    );
    assert_eq!(
        anonymous.header("www-authenticate"),
        "Bearer realm=\"hookpost\""
    );
    let text = ("content-type", "text/plain");
    let lacking = world.one(post("/v1/webhooks/endpoints", &world.reader).insert_header(text));
    lacking.is(403, "insufficient_scope");
    assert!(
        lacking
            .header("www-authenticate")
            .ends_with("scope=\"webhooks:write\"")
    );
    let url = "/api/webhooks/endpoints";
    let long = vec![b' '; 300_000];
    world
        .one(
            post(url, &world.own)
                .insert_header(text)
                .set_payload(long.clone()),
        )
        .is(415, "UnsupportedMediaType");
    let gzip = ("content-encoding", "gzip");
    world
        .one(post(url, &world.own).insert_header(gzip).set_payload(long))
        .is(413, "PayloadTooLarge");
    world
        .one(post(url, &world.own).insert_header(gzip).set_payload("{}"))
        .is(400, "BadRequest");
    world
        .post(url, b"{\"a\":\"\xff\"}".to_vec())
        .is(400, "BadRequest");
    world.post(url, "{}").is(422, "RequestValidationError");
    let id = "/api/webhooks/endpoints/2f1e0c9a-5b6d-4c3e-8a7b-0123456789ab";
    world.one(get(id, &world.own)).is(404, "ResourceNotFound");
}

#[test]
fn an_endpoint_lives_its_life() {
    let world = World::new();
    let body = r#"{"url":" https://A.example/x ","format":"raw","events":["order.*"],"unknown":1}"#;
    let created = world.post("/api/webhooks/endpoints", body);
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
    assert_eq!(endpoint["workspace_id"], world.workspace.to_string());
    assert_eq!(created.header("cache-control"), "no-store");
    let url = format!(
        "/v1/webhooks/endpoints/{}/",
        endpoint["id"].as_str().unwrap()
    );
    let patch = |body: Value| {
        TestRequest::patch()
            .uri(&url)
            .insert_header(bearer(&world.own))
            .set_json(body)
    };
    let secret = TestRequest::patch()
        .uri(&format!("{}secret", &url))
        .insert_header(bearer(&world.own))
        .set_payload("not JSON");
    let answers = world.send(vec![
        get(&url, &world.reader),
        patch(endpoint.clone()),
        patch(json!({})),
        patch(json!({"enabled": "off", "url": null})),
        secret,
        TestRequest::delete()
            .uri(&url)
            .insert_header(bearer(&world.own)),
        get(&url, &world.own),
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
fn a_publish_is_answered_once_per_key() {
    let world = World::new();
    let body = r#"{"type":"a.b","data":1e400,"timestamp":"2026-01-31 12:00:00+01:00"}"#;
    let keyed = |key: &str, body: &str| {
        post("/api/webhooks/events", &world.own)
            .insert_header(("idempotency-key", key.to_owned()))
            .set_payload(body.to_owned())
    };
    let answers = world.send(vec![
        keyed("k", body),
        keyed("k", body),
        keyed("k", r#"{"type":"a.b","data":2}"#),
        keyed("not a key", body),
    ]);
    assert_eq!(answers[0].status, 202);
    assert_eq!(answers[0].json()["timestamp"], "2026-01-31 12:00:00+01:00");
    assert_eq!(answers[0].json()["events"], json!([]));
    assert_eq!(answers[0].header("idempotent-replayed"), "");
    assert_eq!(answers[1].body, answers[0].body);
    assert_eq!(answers[1].header("idempotent-replayed"), "true");
    answers[2].is(422, "idempotency_key_reused");
    answers[3].is(422, "idempotency_key_invalid");
    world.state.stop_publishing();
    let refused = world.post("/api/webhooks/events", body);
    refused.is(503, "Unavailable");
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(
        refused.json()["detail"],
        "the server is stopping; nothing was stored"
    );
    world
        .one(TestRequest::get().uri("/readyz"))
        .is(503, "Unavailable");
}

#[test]
fn workspaces_are_named_by_admins_and_implied_by_their_tokens() {
    let world = World::new();
    let url = "/api/webhooks/events";
    let publish = |token: &str, workspace: Option<String>| {
        let body = json!({"type": "a", "data": null, "workspace_id": workspace});
        world.one(post(url, token).set_json(body))
    };
    let other = "2f1e0c9a-5b6d-4c3e-8a7b-0123456789ab".to_owned();
    let own = world.workspace.to_string();
    assert_eq!(publish(&world.own, None).status, 202);
    assert_eq!(publish(&world.own, Some(own.clone())).status, 202);
    let detail = |answer: Answer| answer.json()["detail"][0].clone();
    let refused = detail(publish(&world.own, Some(other.clone())));
    assert_eq!(refused["type"], "workspace_token");
    assert_eq!(refused["loc"], json!(["body", "workspace_id"]));
    assert_eq!(publish(&world.admin, Some(own)).status, 202);
    let missing =
        detail(world.one(post(url, &world.admin).set_json(json!({"type": "a", "data": 1}))));
    assert_eq!(missing["type"], "missing");
    let unknown = detail(publish(&world.admin, Some(other.clone())));
    assert_eq!(
        (&unknown["type"], &unknown["input"]),
        (&json!("value_error"), &json!(other))
    );

    let body = json!({"name": "beta"});
    world
        .one(post("/api/workspaces", &world.own).set_json(&body))
        .is(403, "insufficient_scope");
    assert_eq!(
        world
            .one(post("/v1/workspaces", &world.admin).set_json(&body))
            .status,
        201
    );
    world
        .one(post("/v1/workspaces", &world.admin).set_json(&body))
        .is(409, "NameTaken");
    let seen = world.one(get(
        "/api/workspaces?limit=500&page=99999999999999999999",
        &world.own,
    ));
    assert_eq!(
        seen.json()["meta"],
        json!({"total": 1, "page": u64::MAX, "per_page": 100, "pages": 1})
    );
    assert_eq!(seen.json()["data"], json!([]));
}

#[test]
fn tokens_are_made_used_and_revoked_at_once() {
    let world = World::new();
    let url = "/api/workspace-access-tokens";
    let made = world.post(
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
        .insert_header(bearer(&world.own))
        .set_json(json!({"scopes": ["webhooks:publish"]}));
    let used = || get("/api/webhooks/events/x", &token);
    let revoked = TestRequest::delete()
        .uri(&one)
        .insert_header(bearer(&world.own));
    let answers = world.send(vec![used(), narrowed, used(), revoked, used()]);
    let statuses: Vec<_> = answers.iter().map(|a| a.status.as_u16()).collect();
    assert_eq!(statuses, [422, 200, 403, 204, 401]);

    let scopes = [Scope::TokensWrite].into_iter().collect();
    let narrow = token_of(&world, scopes);
    let greedy = json!({"comment": "", "scopes": ["webhooks:read"]});
    let refused = world.one(post(url, &narrow).set_json(greedy));
    refused.is(403, "insufficient_scope");
    assert!(
        refused
            .header("www-authenticate")
            .ends_with("scope=\"webhooks:read\"")
    );

    world.state.flush_last_used().unwrap().wait().unwrap();
    assert!(world.state.flush_last_used().is_none());
    let list = world.one(get(url, &world.own)).json();
    let own = list["data"].as_array().unwrap().iter();
    assert!(own.filter(|t| t["last_used_at"] != Value::Null).count() >= 2);

    world.clock.advance(Duration::from_hours(2));
    world.one(get(url, &world.own)).is(401, "invalid_token");
}

fn token_of(world: &World, scopes: Scopes) -> String {
    token(&*world.store, Some(world.workspace), scopes)
}

#[test]
fn what_is_revoked_elsewhere_ends_within_a_second() {
    let world = World::new();
    let used = || get("/api/webhooks/endpoints/x", &world.reader);
    world.one(used()).is(422, "RequestValidationError");
    let caller = Token::parse(&world.reader).unwrap().hash();
    let id = world.store.find_caller(&caller).unwrap().unwrap().token_id;
    let revoked = (world.store).revoke_token(Actor::Operator, id, Descendants::Revoked);
    revoked.wait().unwrap();
    let since = std::time::Instant::now();
    while world.one(used()).status != 401 {
        assert!(since.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn who_finds_all_reading_connections_taken_is_told_to_come_back() {
    let world = World::new();
    let list = || get("/api/webhooks/endpoints", &world.own);
    let taken = world.store.take_all_readers();
    let refused = world.one(list());
    refused.is(503, "Unavailable");
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(
        refused.json()["detail"],
        "the query took too long; nothing was stored"
    );
    drop(taken);
    assert_eq!(world.one(list()).status, 200);
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
    let world = World::new();
    let open = world.one(preflight("https://app.example"));
    assert_eq!(open.status, 200);
    assert_eq!(open.header("access-control-allow-origin"), "*");
    assert_eq!(open.header("access-control-allow-credentials"), "");
    let refused = world.one(
        TestRequest::get()
            .uri("/v1/workspaces")
            .insert_header(("origin", "https://x.example")),
    );
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("access-control-allow-origin"), "*");

    let world = World::with(&["--cors-origin", "https://app.example/"]);
    let own = world.one(preflight("https://app.example"));
    assert_eq!(
        own.header("access-control-allow-origin"),
        "https://app.example"
    );
    let foreign = world.one(preflight("https://x.example"));
    assert_eq!(foreign.status, 400);
    assert_eq!(foreign.header("access-control-allow-origin"), "");
    foreign.is(400, "BadRequest");
}

#[test]
fn a_long_head_is_told_so() {
    let world = World::new();
    let long = ("x-long", "a".repeat(70_000));
    world
        .one(get("/nowhere", &world.own).insert_header(long))
        .is(431, "RequestHeaderFieldsTooLarge");
    let path = format!("/api/webhooks/deliveries?query={}", "a".repeat(3000));
    world
        .one(get(&path, &world.own))
        .is(422, "RequestValidationError");
}

#[test]
fn probes_are_open_to_all() {
    let world = World::new();
    for path in ["/healthz", "/readyz", "/readyz/"] {
        assert_eq!(world.one(TestRequest::get().uri(path)).status, 200);
        assert_eq!(world.one(get(path, "garbage")).status, 200);
    }
}
