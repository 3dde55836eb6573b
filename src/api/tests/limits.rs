//! Tests of the rate limits: their defaults, and their memory.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::App;
use actix_web::dev::Service;
use actix_web::http::StatusCode;
use actix_web::test::init_service;

use super::*;
use crate::api::configure;
use crate::domain::clock::Clock;
use crate::domain::owner::Owner;

fn from(ip: IpAddr, request: TestRequest) -> TestRequest {
    request.peer_addr(SocketAddr::new(ip, 50_000))
}

#[test]
fn the_defaults_are_those_that_are_documented() {
    let api = TestApi::new();
    let list = api.one(get("/api/webhooks/endpoints", &api.own));
    assert_eq!(list.header("x-ratelimit-limit"), "500");
    assert_eq!(list.header("x-ratelimit-remaining"), "499");
    assert_eq!(list.header("x-ratelimit-reset"), "1");
    let publish = api.post("/api/webhooks/events", r#"{"type":"a","data":1}"#);
    assert_eq!(publish.status, 202);
    assert_eq!(publish.header("x-ratelimit-limit"), "");
    let bad = || from([192, 0, 2, 1].into(), get("/nowhere", "bad"));
    let answers = api.send((0..61).map(|_| bad()).collect());
    let refused = |answer: &&Answer| answer.status == 401;
    assert_eq!(answers.iter().filter(refused).count(), 60);
    answers[60].is(429, "TooManyRequests");
    assert_eq!(answers[60].header("retry-after"), "1");
}

#[test]
fn only_allowed_requests_are_remembered() {
    let api = TestApi::with(&["--publish-rate-limit", "10"]);
    let revoked = token_of(&api, Scopes::all());
    let hash = Token::parse(&revoked).unwrap().hash();
    let id = api.store.find_caller(&hash).unwrap().unwrap().token_id;
    let done = (api.store).revoke_token(Actor::Operator, id, Descendants::Revoked);
    done.wait().unwrap();
    let unknown: Vec<_> = (0..20)
        .map(|_| Token::generate(TokenKind::Workspace).reveal().to_owned())
        .collect();
    for path in ["/api/webhooks/endpoints", "/api/webhooks/events"] {
        for bad in unknown.iter().chain([&revoked]) {
            api.one(post(path, bad)).is(401, "invalid_token");
        }
        api.one(post(path, &api.reader))
            .is(403, "insufficient_scope");
        api.one(TestRequest::post().uri(path))
            .is(401, "Unauthorized");
    }
    assert_eq!(api.state.rate_limits.remembered(), [0, 0, 0]);
    api.one(get("/api/webhooks/endpoints", &api.reader));
    api.one(get("/api/webhooks/endpoints", &api.own));
    api.post("/api/webhooks/events", "{}");
    assert_eq!(
        api.state.rate_limits.remembered(),
        [1, 1, 0],
        "of a workspace"
    );
    api.one(get("/api/webhooks/endpoints", &api.admin));
    assert_eq!(
        api.state.rate_limits.remembered(),
        [2, 1, 0],
        "of an admin token"
    );
}

#[test]
fn failures_from_many_networks_take_bounded_memory() {
    let api = TestApi::with(&["--auth-failure-limit", "1"]);
    let bad = |network: u128| {
        let ip = Ipv6Addr::from_bits((0x2001 << 112) | (network << 64) | 1);
        let request = from(ip.into(), TestRequest::default()).to_http_request();
        let now = api.clock.monotonic();
        matches!(
            api.state.rate_limits.bad_token(&request, now),
            ApiError::InvalidToken
        )
    };
    assert!(bad(0));
    assert!(!bad(0));
    for network in 1..=25_000 {
        assert!(bad(network));
        assert!(api.state.rate_limits.remembered()[2] <= 10_000);
    }
    assert!(!bad(25_000), "the last ones are remembered");
    assert!(bad(0), "the first ones are not");
}

#[test]
fn a_workspace_with_too_many_reads_is_told_so_and_no_other_is() {
    let api = TestApi::new();
    let path = "/api/webhooks/events";
    let waiting = api.state.readers.fill(Owner::new(api.workspace));
    let refused = api.one(get(path, &api.reader));
    assert_eq!(refused.status, 503);
    let detail = "too many reads of the workspace wait; nothing was stored";
    assert_eq!(
        refused.json(),
        json!({"error": "Unavailable", "detail": detail})
    );
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(api.one(get(path, &api.admin)).status, 200);
    drop(waiting);
    assert_eq!(api.one(get(path, &api.reader)).status, 200);
}

#[test]
fn readiness_does_not_wait_for_the_tokens_that_others_guess() {
    let api = TestApi::new();
    let _guesses = api.state.readers.take_unauthenticated();
    let answered = run(async {
        let app = App::new().configure(|config| configure(config, &api.state));
        let app = init_service(app).await;
        let ready = app.call(TestRequest::get().uri("/readyz").to_request());
        let answered = tokio::time::timeout(Duration::from_secs(10), ready).await;
        answered.map(|response| response.unwrap().status())
    });
    assert_eq!(answered, Ok(StatusCode::OK));
}
