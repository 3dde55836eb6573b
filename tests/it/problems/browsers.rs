//! What pages of other origins may do: ask, but never with credentials.

use super::*;

#[test]
fn browsers_are_answered_before_anybody_is_asked_for_a_token() {
    let app = TestApp::start();
    let preflight = |path: &str, method: &str, headers: &str| {
        let asked = [
            ("origin", "https://app.example"),
            ("access-control-request-method", method),
            ("access-control-request-headers", headers),
        ];
        app.request("OPTIONS", path, &asked, None)
    };
    for route in hookpost::api::table() {
        if route.access == hookpost::api::Access::Public {
            continue;
        }
        for base in hookpost::api::BASES {
            let path = format!("{base}{}", route.path.replace("{id}", NOBODY));
            let headers = "authorization, Content-Type, idempotency-key";
            let answer = preflight(&path, route.method.as_str(), headers);
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            let listed = |name: &str| answer.header(name).unwrap().to_ascii_lowercase();
            let methods = listed("access-control-allow-methods");
            assert!(
                methods.contains(&route.method.as_str().to_ascii_lowercase()),
                "{methods}"
            );
            let headers = listed("access-control-allow-headers");
            for header in ["authorization", "content-type", "idempotency-key"] {
                assert!(headers.contains(header), "{headers}");
            }
        }
    }
    let refused = preflight("/api/webhooks/events", "POST", "x-anything-else");
    assert_eq!(refused.expect(400)["error"], "BadRequest");
    // What is refused later can be read by the page as well.
    for (path, token, status) in [
        ("/v1/webhooks/events", "", 401),
        ("/api/nowhere", "", 404),
        ("/api/webhooks/events?page=0", app.token.as_str(), 422),
        ("/api/webhooks/events", app.token.as_str(), 200),
    ] {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("origin", "https://app.example")];
        if !token.is_empty() {
            headers.push(("authorization", &bearer));
        }
        let answer = app.request("GET", path, &headers, None);
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("*"),
            "{path}"
        );
        let exposed = answer.header("access-control-expose-headers").unwrap();
        assert!(
            exposed.to_ascii_lowercase().contains("retry-after"),
            "{exposed}"
        );
    }
    let probe = app.request(
        "GET",
        "/healthz",
        &[("origin", "https://app.example")],
        None,
    );
    assert_eq!(probe.header("access-control-allow-origin"), None);
}

#[test]
fn only_the_named_origins_are_let_in() {
    let app = TestApp::with_flags(&["--cors-origin", "https://a.example,https://b.example"]);
    for (origin, allowed) in [
        ("https://a.example", true),
        ("https://b.example", true),
        ("https://c.example", false),
        ("http://a.example", false),
        ("https://a.example.evil.example", false),
        ("null", false),
    ] {
        let asked = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
        ];
        let answer = app.request("OPTIONS", "/api/webhooks/events", &asked, None);
        assert_eq!(answer.status, if allowed { 200 } else { 400 }, "{origin}");
        let expected = allowed.then_some(origin);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            expected,
            "{origin}"
        );
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}
