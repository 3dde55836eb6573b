//! The tests of the limit on failed authentications of an address; valid tokens are never refused by it.

use std::time::Duration;

use hookpost::domain::access::{Scopes, Token, TokenKind};
use serde_json::json;

use super::*;

const FORWARDED: &str = "x-forwarded-for";

fn unknown() -> String {
    Token::generate(TokenKind::Workspace).reveal().to_owned()
}

/// Three bad tokens a minute, on a clock that stands still.
fn start(flags: &[&str]) -> TestApp {
    TestApp::with_manual_clock(&[&["--auth-failure-limit", "3"], flags].concat())
}

/// The status of a bad token that comes with this `X-Forwarded-For`.
fn bad_from(app: &TestApp, forwarded: &str) -> u16 {
    list_as(app, &unknown(), (FORWARDED, forwarded)).status
}

/// Uses up what the clients that are named so have.
#[track_caller]
fn use_up(app: &TestApp, forwarded: &str) {
    for _ in 0..3 {
        assert_eq!(bad_from(app, forwarded), 401, "{forwarded}");
    }
    assert_eq!(bad_from(app, forwarded), 429, "{forwarded}");
}

#[test]
fn the_fourth_bad_token_in_a_minute_is_told_to_wait() {
    let app = start(&[]);
    let revoked = app.make_token(Some(&app.workspace), Scopes::all());
    let id = newest(&app);
    app.delete(&format!("/api/workspace-access-tokens/{id}"))
        .expect(204);
    let elsewhere = "/api/nowhere";
    app.get_as("nonsense", LIST).expect(401);
    app.get_as(&unknown(), elsewhere).expect(401);
    app.get_as(&revoked, LIST).expect(401);
    for (bad, path) in [
        ("nonsense", LIST),
        (&unknown(), LIST),
        (&revoked, elsewhere),
        (&unknown(), "/elsewhere"),
    ] {
        let answer = app.get_as(bad, path);
        assert_eq!(
            answer.expect(429),
            json!({
                "error": "TooManyRequests",
                "detail": "Too many bad access tokens came from your address: \
                           a valid one is still let in",
            })
        );
        assert_eq!(answer.header("retry-after"), Some("20"));
        assert_eq!(answer.header("www-authenticate"), None);
        assert_eq!(answer.header("x-ratelimit-limit"), None);
    }
    app.advance(Duration::from_millis(19_999));
    let early = app.get_as("nonsense", LIST);
    early.expect(429);
    assert_eq!(early.header("retry-after"), Some("1"));
    app.advance(Duration::from_millis(1));
    app.get_as("nonsense", LIST).expect(401);
    app.get_as("nonsense", LIST).expect(429);
}

#[test]
fn a_valid_token_is_accepted_from_a_throttled_address() {
    let app = start(&[]);
    use_up(&app, "");
    let new = app.make_token(Some(&app.workspace), Scopes::webhooks());
    for token in [&app.token, &new, &app.admin] {
        app.get_as(token, LIST).expect(200);
    }
    app.publish("a", &json!(1));
    // Nor is anybody who does not try one.
    list(&app, &[]).expect(401);
    app.request("GET", "/api/nowhere", &[], None).expect(404);
    app.get_as("nonsense", "/healthz").expect(200);
    app.get_as("nonsense", "/readyz").expect(200);
    app.get_as("nonsense", LIST).expect(429);
}

#[test]
fn a_client_cannot_name_its_own_address() {
    let app = start(&[]);
    use_up(&app, "198.51.100.1");
    for other in ["198.51.100.2", "2001:db8::1", "127.0.0.1", "unknown", ""] {
        assert_eq!(bad_from(&app, other), 429, "{other}");
    }
    let app = start(&["--trusted-proxy", "192.0.2.0/24"]);
    use_up(&app, "198.51.100.1");
    assert_eq!(bad_from(&app, "198.51.100.2"), 429, "not that proxy");
}

#[test]
fn a_trusted_proxy_names_the_address_of_the_client() {
    let app = start(&["--trusted-proxy", "127.0.0.0/8,10.0.0.1"]);
    use_up(&app, "198.51.100.1");
    assert_eq!(bad_from(&app, "198.51.100.2"), 401, "another client");
    list_as(&app, &app.token, (FORWARDED, "198.51.100.1")).expect(200);
    // A client can put anything in front of what the proxies write, but not behind.
    for spoofed in [
        "203.0.113.9, 198.51.100.1",
        "127.0.0.1, 198.51.100.1",
        "nonsense, 198.51.100.1",
        "198.51.100.1, 10.0.0.1",
        "203.0.113.9, 198.51.100.1, 10.0.0.1, 127.0.0.9",
        "198.51.100.1:51234",
        "::ffff:198.51.100.1",
    ] {
        assert_eq!(bad_from(&app, spoofed), 429, "{spoofed}");
    }
    let bearer = format!("Bearer {}", unknown());
    let lines = [
        ("authorization", bearer.as_str()),
        (FORWARDED, "203.0.113.9"),
        (FORWARDED, "198.51.100.1"),
    ];
    list(&app, &lines).expect(429);
    // Without a client that can be read, it is the proxy's own matter.
    use_up(&app, "198.51.100.2, unknown");
    assert_eq!(bad_from(&app, ""), 429);
}

#[test]
fn a_network_of_ipv6_counts_as_one() {
    let app = start(&["--trusted-proxy", "127.0.0.1"]);
    use_up(&app, "2001:db8:1:2::1");
    assert_eq!(bad_from(&app, "2001:db8:1:2:ffff:eeee:dddd:cccc"), 429);
    assert_eq!(bad_from(&app, "[2001:db8:1:2::2]:443"), 429);
    assert_eq!(bad_from(&app, "2001:db8:1:3::1"), 401);
}
