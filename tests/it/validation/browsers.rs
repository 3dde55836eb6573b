//! The tests of pages of other origins: they may call the API, but never with a browser's credentials.

use super::*;

#[test]
fn a_preflight_needs_no_token() {
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
            let path = format!(
                "{base}{}",
                route.path.replace("{id}", NOBODY).replace("{key}", "k")
            );
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
fn only_the_configured_origins_are_allowed() {
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

#[test]
fn a_page_of_another_origin_learns_nothing_of_a_server_on_loopback() {
    let app = TestApp::start();
    let own = app.addr.to_string();
    let own_origin = format!("http://{own}");
    let evil = format!("evil.example:{}", app.addr.port());
    let evil_origin = format!("http://{evil}");
    let bearer = format!("Bearer {}", app.token);
    let cross = ("sec-fetch-site", "cross-site");
    for (headers, status) in [
        (&[("sec-fetch-site", "none")][..], 200),
        (
            &[("sec-fetch-site", "same-origin"), ("origin", &own_origin)],
            200,
        ),
        (&[cross], 403),
        (&[("origin", "https://app.example")], 403),
        (&[("origin", "null")], 403),
        (&[("host", &evil), ("origin", &evil_origin)], 403),
        (&[("host", &evil), ("sec-fetch-site", "same-origin")], 403),
        // A program, by whatever name it calls this machine.
        (&[("host", &evil)], 200),
        // A reverse proxy on this machine, which passes its own name.
        (
            &[("host", "hooks.example"), ("via", "1.1 proxy"), cross],
            200,
        ),
        (
            &[
                ("host", "hooks.example"),
                ("x-forwarded-for", "203.0.113.9"),
                cross,
            ],
            200,
        ),
        (&[("authorization", &bearer), cross], 200),
    ] {
        for path in ["/healthz", "/readyz"] {
            let answer = app.request("GET", path, headers, None);
            assert_eq!(answer.status, status, "{path} {headers:?}: {}", answer.text);
            assert_eq!(answer.header("access-control-allow-origin"), None);
            if status == 403 {
                assert_eq!(answer.json()["error"], "Forbidden");
            }
        }
        // Of the API nothing is to be had without a token, and with one it is CORS that says who may.
        let is_other = |header: &&(&str, &str)| header.0 != "authorization";
        let mut with_token: Vec<_> = headers.iter().filter(is_other).copied().collect();
        let without = app.request("GET", "/api/webhooks/events", &with_token, None);
        assert_eq!(without.status, 401, "{headers:?}");
        with_token.push(("authorization", &bearer));
        let with = app.request("GET", "/api/webhooks/events", &with_token, None);
        assert_eq!(with.status, 200, "{headers:?}");
    }
}
