//! What the limits are unless they are set, and what they keep in memory.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::*;
use crate::domain::clock::Clock;

fn from(ip: IpAddr, request: TestRequest) -> TestRequest {
    request.peer_addr(SocketAddr::new(ip, 50_000))
}

#[test]
fn the_defaults_are_those_that_are_documented() {
    let world = World::new();
    let list = world.one(get("/api/webhooks/endpoints", &world.own));
    assert_eq!(list.header("x-ratelimit-limit"), "500");
    assert_eq!(list.header("x-ratelimit-remaining"), "499");
    assert_eq!(list.header("x-ratelimit-reset"), "1");
    let publish = world.post("/api/webhooks/events", r#"{"type":"a","data":1}"#);
    assert_eq!(publish.status, 202);
    assert_eq!(publish.header("x-ratelimit-limit"), "");
    let bad = || from([192, 0, 2, 1].into(), get("/", "bad"));
    let answers = world.send((0..61).map(|_| bad()).collect());
    let refused = |answer: &&Answer| answer.status == 401;
    assert_eq!(answers.iter().filter(refused).count(), 60);
    answers[60].is(429, "TooManyRequests");
    assert_eq!(answers[60].header("retry-after"), "1");
}

#[test]
fn only_tokens_that_may_ask_are_remembered() {
    let world = World::with(&["--publish-rate-limit", "10"]);
    let revoked = token_of(&world, Scopes::all());
    let hash = Token::parse(&revoked).unwrap().hash();
    let id = world.store.find_caller(&hash).unwrap().unwrap().token_id;
    let done = (world.store).revoke_token(Actor::Operator, id, Descendants::Revoked);
    done.wait().unwrap();
    let unknown: Vec<_> = (0..20)
        .map(|_| Token::generate(TokenKind::Workspace).reveal().to_owned())
        .collect();
    for path in ["/api/webhooks/endpoints", "/api/webhooks/events"] {
        for bad in unknown.iter().chain([&revoked]) {
            world.one(post(path, bad)).is(401, "invalid_token");
        }
        world
            .one(post(path, &world.reader))
            .is(403, "insufficient_scope");
        world
            .one(TestRequest::post().uri(path))
            .is(401, "Unauthorized");
    }
    assert_eq!(world.state.limits.remembered(), [0, 0, 0]);
    world.one(get("/api/webhooks/endpoints", &world.reader));
    world.one(get("/api/webhooks/endpoints", &world.own));
    world.post("/api/webhooks/events", "{}");
    assert_eq!(world.state.limits.remembered(), [1, 1, 0], "of a workspace");
    world.one(get("/api/webhooks/endpoints", &world.admin));
    assert_eq!(
        world.state.limits.remembered(),
        [2, 1, 0],
        "of an admin token"
    );
}

#[test]
fn a_flood_from_everywhere_takes_bounded_memory() {
    let world = World::with(&["--auth-failure-limit", "1"]);
    let bad = |network: u128| {
        let ip = Ipv6Addr::from_bits((0x2001 << 112) | (network << 64) | 1);
        let request = from(ip.into(), TestRequest::default()).to_http_request();
        let now = world.clock.monotonic();
        matches!(
            world.state.limits.bad_token(&request, now),
            ApiError::InvalidToken
        )
    };
    assert!(bad(0));
    assert!(!bad(0));
    for network in 1..=25_000 {
        assert!(bad(network));
        assert!(world.state.limits.remembered()[2] <= 10_000);
    }
    assert!(!bad(25_000), "the last ones are remembered");
    assert!(bad(0), "the first ones are not");
}

#[test]
fn a_workspace_with_too_many_reads_is_told_so_and_no_other_is() {
    let world = World::new();
    let path = "/api/webhooks/events";
    let waiting = world.state.readers.fill(world.workspace);
    let refused = world.one(get(path, &world.reader));
    assert_eq!(refused.status, 503);
    let detail = "too many reads of the workspace wait; nothing was stored";
    assert_eq!(
        refused.json(),
        json!({"error": "Unavailable", "detail": detail})
    );
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(world.one(get(path, &world.admin)).status, 200);
    drop(waiting);
    assert_eq!(world.one(get(path, &world.reader)).status, 200);
}
