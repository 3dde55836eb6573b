//! The tests of what every answer of the dashboard has, and of the files that pages load.

use std::io::Read as _;

use serde_json::json;

use super::world::{RULES, World};
use super::{Page, Visitor};
use crate::fixture::TestApp;

/// Checks the headers that keep other pages, caches and injected scripts away.
#[track_caller]
fn assert_guarded(page: &Page, about: &str) {
    let policy = page.header("content-security-policy").unwrap_or_default();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{about}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{about}: {policy}");
    assert_eq!(
        page.header("x-content-type-options"),
        Some("nosniff"),
        "{about}"
    );
    assert_eq!(page.header("cache-control"), Some("no-store"), "{about}");
    assert_eq!(
        page.header("referrer-policy"),
        Some("same-origin"),
        "{about}"
    );
    assert_eq!(
        page.header("cross-origin-opener-policy"),
        Some("same-origin"),
        "{about}"
    );
    let kind = page.header("content-type").unwrap_or_default();
    assert_eq!(kind, "text/html; charset=utf-8", "{about}");
}

/// Checks that a page has no script or style of its own, which its policy would block.
#[track_caller]
fn assert_plain(page: &str, about: &str) {
    for bad in [
        "<style",
        " style=",
        "javascript:",
        "<script>",
        "<base",
        "<iframe",
    ] {
        assert!(!page.contains(bad), "{about} has {bad}: {page}");
    }
    // A handler in an attribute: ` onclick="…"`.
    for (at, _) in page.match_indices(" on") {
        let word: String = page[at + 1..]
            .chars()
            .take_while(char::is_ascii_alphabetic)
            .collect();
        let next = &page[at + 1 + word.len()..];
        assert!(!next.starts_with("=\""), "{about} has {word}");
    }
    // Every file is one of this server.
    for start in [" src=\"", "<link rel=\"stylesheet\" href=\""] {
        for rest in page.split(start).skip(1) {
            assert!(
                rest.starts_with("/assets/"),
                "{about}: {}",
                &rest[..40.min(rest.len())]
            );
        }
    }
}

#[test]
fn every_page_has_its_guards_and_no_inline_script_or_style() {
    let world = World::new();
    let admin = Visitor::signed_in(&world.app, &world.app.admin);
    let stranger = Visitor::stranger(&world.app);
    for rule in RULES.iter().filter(|rule| rule.method == "GET") {
        if rule.path.ends_with("/payload") {
            continue;
        }
        let page = admin.get(&world.path(rule));
        assert_plain(page.expect(200), rule.path);
        assert_guarded(&page, rule.path);
        let refused = stranger.get(&world.path(rule));
        refused.leads_to();
        assert_ne!(refused.header("cache-control"), Some("public"));
    }
    let errors = [
        ("/login", 200),
        ("/login?code=used", 200),
        ("/endpoints/nonsense", 404),
        ("/events/0190a000-0000-4000-8000-000000000000", 404),
    ];
    for (path, status) in errors {
        let page = admin.get(path);
        assert_plain(page.expect(status), path);
        assert_guarded(&page, path);
    }
}

#[test]
fn a_payload_comes_as_a_file_byte_for_byte() {
    let world = World::new();
    let visitor = Visitor::signed_in(&world.app, &world.app.token);
    let page = visitor.get(&format!("/events/{}/payload", world.event));
    let sent = world.receiver.at("/hook").remove(0);
    page.expect(200);
    assert_eq!(page.bytes, sent.body);
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    let kind = page.header("content-type").unwrap();
    assert!(kind.starts_with("text/plain"), "{kind}");
    let how = page.header("content-disposition").unwrap();
    assert!(how.starts_with("attachment"), "{how}");
}

#[test]
fn pages_take_head() {
    let world = World::new();
    let visitor = Visitor::signed_in(&world.app, &world.app.admin);
    for rule in RULES.iter().filter(|rule| rule.method == "GET") {
        let path = world.path(rule);
        let head = visitor.send("HEAD", &path, &[], None);
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
        let get = visitor.get(&path);
        assert_eq!(head.header("content-type"), get.header("content-type"));
    }
    for (method, path, allow) in [
        ("DELETE", "/endpoints", "GET"),
        ("PUT", "/tokens", "POST"),
        ("GET", "/logout", "POST"),
    ] {
        let answer = visitor.send(method, path, &[], None);
        assert_eq!(answer.status, 405, "{method} {path}");
        assert!(answer.header("allow").unwrap().contains(allow));
    }
}

#[test]
fn files_are_kept_by_browsers_and_compressed() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    let page = visitor.get("/");
    let mut found = 0;
    for (start, kind) in [
        ("<link rel=\"stylesheet\"", "text/css; charset=utf-8"),
        ("<script", "text/javascript; charset=utf-8"),
        ("<link rel=\"icon\"", "image/svg+xml"),
    ] {
        let name = if start == "<script" { "src" } else { "href" };
        let path = page.value_after(start, name).expect(start);
        let stranger = Visitor::stranger(&app);
        let plain = stranger.send("GET", path, &[("accept-encoding", "identity")], None);
        assert!(!plain.expect(200).is_empty());
        assert_eq!(plain.header("content-type"), Some(kind));
        assert_eq!(
            plain.header("cache-control"),
            Some("public, max-age=31536000, immutable")
        );
        assert_eq!(plain.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(plain.header("vary"), Some("accept-encoding"));
        let small = stranger.send("GET", path, &[("accept-encoding", "gzip, br")], None);
        assert_eq!(small.header("content-encoding"), Some("gzip"));
        let mut text = String::new();
        flate2::read::GzDecoder::new(&small.bytes[..])
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, plain.text);
        // The name has the hash: a file of another version is not served under this name.
        let (stem, rest) = path.split_once('.').unwrap();
        let (hash, ending) = rest.split_once('.').unwrap();
        assert_eq!(hash.len(), 12);
        let other = format!("{stem}.{}.{ending}", "0".repeat(12));
        assert_eq!(stranger.get(&other).status, 404);
        found += 1;
    }
    assert_eq!(found, 3);
}

#[test]
fn programs_get_the_answers_of_the_api() {
    let app = TestApp::start();
    // Without a browser's `Accept`, `/` is the API's; and a program's token is no session.
    let root = app.request("GET", "/", &[], None);
    assert_ne!(
        root.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let bearer = format!("Bearer {}", app.token);
    let answer = app.request("GET", "/endpoints", &[("authorization", &bearer)], None);
    assert_eq!(answer.expect(404)["error"], "ResourceNotFound");
}

#[test]
fn the_dashboard_can_be_switched_off() {
    let app = TestApp::with_flags(&["--no-dashboard"]);
    assert_eq!(app.one_time_path, None);
    let visitor = Visitor::stranger(&app);
    // `/` is the API's own page then.
    for rule in RULES.iter().filter(|rule| rule.path != "/") {
        let path = rule.path.replace("{id}", super::world::NOBODY);
        let page = visitor.send(rule.method, &path, &[], None);
        assert!(
            matches!(page.status, 200 | 404 | 405),
            "{path} {}",
            page.status
        );
        let kind = page.header("content-type").unwrap_or_default();
        // The front page of a server without a dashboard is one of the API.
        assert!(!kind.starts_with("text/html") || path == "/", "{path}");
    }
    assert_eq!(visitor.get("/login").status, 404);
    assert_eq!(visitor.get("/assets/style.css").status, 404);
    app.publish("order.paid", &json!({}));
}
