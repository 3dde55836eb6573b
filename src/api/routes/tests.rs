//! The tests of the table of routes, and of how a path finds its route.

use super::*;

fn found(method: &Method, path: &str) -> Option<(&'static str, String)> {
    match find(method, path) {
        Found::Route(route, id) => Some((route.path, id.to_owned())),
        _ => None,
    }
}

#[test]
fn every_route_is_found_under_both_bases_and_with_a_trailing_slash() {
    for route in table() {
        let path = route.path.replace("{id}", "some-id");
        let path = path.replace("{key}", "some-id");
        let id = if path == route.path { "" } else { "some-id" };
        let bases = if route.access == Public {
            &[""][..]
        } else {
            &BASES[..]
        };
        for base in bases {
            for end in ["", "/"] {
                assert_eq!(
                    found(&route.method, &format!("{base}{path}{end}")),
                    Some((route.path, id.to_owned())),
                    "{base}{path}{end}"
                );
            }
        }
    }
}

#[test]
fn the_pattern_with_the_longest_text_counts() {
    let by_key = "/webhooks/endpoints/by-key/{key}";
    for key in ["secret", "test", "a:b"] {
        let path = format!("/api/webhooks/endpoints/by-key/{key}");
        assert_eq!(found(&Method::PUT, &path), Some((by_key, key.to_owned())));
        assert_eq!(found(&Method::POST, &path), None, "by-key is no id");
    }
    assert_eq!(found(&Method::GET, "/api/webhooks/events/batch"), None);
}

#[test]
fn other_paths_are_nothing() {
    for path in [
        "",
        "//",
        "/docs/x",
        "/api/docs",
        "/v2/openapi.json",
        "/api",
        "/api/",
        "/apiwebhooks/events",
        "/webhooks/events",
        "/api/healthz",
        "/api/webhooks",
        "/api/webhooks/events//",
        "/api//webhooks/events",
        "/api/webhooks/events/a/b",
        "/api/webhooks/events//redeliver",
        "/api/v1/webhooks/events",
        "/v2/webhooks/events",
    ] {
        assert!(matches!(find(&Method::GET, path), Found::Nothing), "{path}");
    }
}

#[test]
fn a_wrong_method_is_told_all_that_would_do() {
    let allowed = |path| match find(&Method::PUT, path) {
        Found::WrongMethod(methods) => methods
            .iter()
            .map(Method::as_str)
            .collect::<Vec<_>>()
            .join(" "),
        _ => String::new(),
    };
    assert_eq!(
        allowed("/api/webhooks/endpoints/x"),
        "GET HEAD PATCH DELETE"
    );
    assert_eq!(allowed("/v1/webhooks/events/"), "POST GET HEAD");
    assert_eq!(allowed("/v1/webhooks/endpoints/x/secret"), "PATCH");
    assert_eq!(allowed("/readyz"), "GET HEAD");
    assert_eq!(allowed("/api/webhooks/events/batch"), "POST");
    assert_eq!(
        found(&Method::HEAD, "/api/workspaces").map(|f| f.0),
        Some("/workspaces")
    );
}
