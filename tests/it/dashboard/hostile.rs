//! Requests that no page makes: what they cost, and what they spoil.

use serde_json::json;

use super::Visitor;
use super::world::World;
use crate::fixture::TestApp;

/// More than a page has, and much less than a quadratic one would.
const PAGE_MAX_BYTES: usize = 1 << 20;

#[test]
fn a_query_with_many_filters_makes_no_large_page() {
    let world = World::new();
    let visitor = Visitor::signed_in(&world.app, &world.app.token);
    for part in ["status=failed&", "endpoint_id=x&", "unknown=12345&"] {
        for view in ["view=events&limit=100&", "limit=100&"] {
            let fitting = part.repeat(8000 / part.len());
            let page = visitor.get(&format!("/deliveries?{view}{fitting}"));
            assert!(matches!(page.status, 200 | 422), "{part} {}", page.status);
            assert!(
                page.text.len() < PAGE_MAX_BYTES,
                "{part} {}",
                page.text.len()
            );
            let page = visitor.get(&format!("/deliveries?{view}{}", part.repeat(1000)));
            assert_eq!(page.status, 431, "{part}");
        }
    }
}

#[test]
fn a_new_token_is_shown_to_a_person_only() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    let made = visitor.post("/tokens", &[("comment", "x"), ("scopes", "webhooks:read")]);
    assert_eq!(made.leads_to(), "/tokens");
    for (method, header) in [
        ("GET", ("x-live-update", "1")),
        ("GET", ("sec-purpose", "prefetch")),
        ("GET", ("purpose", "prefetch")),
        ("HEAD", ("accept-language", "en")),
    ] {
        let page = visitor.send(method, "/tokens", &[header], None);
        assert!(!page.expect(200).contains("hookpost_wat_"), "{header:?}");
    }
    assert!(visitor.get("/tokens").expect(200).contains("hookpost_wat_"));
    assert!(!visitor.get("/tokens").expect(200).contains("hookpost_wat_"));
}

#[test]
fn an_admin_whose_chosen_workspace_is_deleted_sees_all_again() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.admin);
    for by_api in [false, true] {
        visitor
            .post("/workspaces", &[("name", "short-lived")])
            .leads_to();
        let list = app.get_as(&app.admin, "/api/workspaces").expect(200);
        let id = list["data"][0]["id"].as_str().unwrap().to_owned();
        visitor.get("/").expect(200);
        if by_api {
            let path = format!("/api/workspaces/{id}");
            let bearer = format!("Bearer {}", app.admin);
            let headers = [("authorization", bearer.as_str())];
            assert_eq!(app.request("DELETE", &path, &headers, None).status, 204);
        } else {
            let path = format!("/workspaces/{id}/delete");
            visitor.post(&path, &[("name", "short-lived")]).leads_to();
        }
        let mut page = visitor.get("/");
        if page.status == 303 {
            page = visitor.get(page.leads_to());
        }
        assert!(page.expect(200).contains("All workspaces"));
    }
}

#[test]
fn a_proxy_with_a_password_of_its_own_is_no_hindrance() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    let basic = [("authorization", "Basic YTpi")];
    visitor.send("GET", "/endpoints", &basic, None).expect(200);
    let bearer = [("authorization", "Bearer garbage")];
    let page = visitor.send("GET", "/endpoints", &bearer, None);
    assert_eq!(page.status, 401);
}

#[test]
fn cookies_of_others_do_not_sign_anybody_out() {
    let app = TestApp::start();
    let mut visitor = Visitor::signed_in(&app, &app.token);
    let own = visitor.cookie.clone().unwrap();
    let name = own.split('=').next().unwrap().to_owned();
    for cookies in [
        format!("user=José; {own}"),
        format!("{name}=planted; {own}"),
        format!("{own}; {name}=planted"),
        format!(" ; x;=y; {own};"),
    ] {
        visitor.cookie = Some(cookies.clone());
        assert_eq!(visitor.get("/endpoints").status, 200, "{cookies}");
    }
    visitor.cookie = Some(format!("x{own}"));
    assert_eq!(visitor.get("/endpoints").status, 303);
}

#[test]
fn the_page_to_sign_in_and_the_files_take_no_other_methods() {
    let app = TestApp::start();
    let visitor = Visitor::stranger(&app);
    let login = visitor.get("/login");
    let style = login.value_after("rel=\"stylesheet\"", "href").unwrap();
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "FOO"] {
        for path in ["/login", style] {
            let page = visitor.send(method, path, &[], None);
            assert_eq!(page.status, 405, "{method} {path}");
        }
    }
    assert_eq!(visitor.send("POST", style, &[], Some(&[])).status, 405);
}

#[test]
fn pages_count_towards_the_rate_limit() {
    let app = TestApp::with_flags(&["--rate-limit", "5"]);
    let visitor = Visitor::signed_in(&app, &app.token);
    // What an open page asks for by itself is not the person's.
    for _ in 0..10 {
        visitor
            .send("GET", "/", &[("x-live-update", "1")], None)
            .expect(200);
    }
    let pages = (0..6).map(|_| visitor.get("/endpoints").status);
    assert!(pages.into_iter().any(|status| status == 429));
    let form = visitor.send(
        "POST",
        "/endpoints/new",
        &[("x-live-update", "1")],
        Some(&[]),
    );
    assert_eq!(form.status, 429);
    app.get("/api/webhooks/endpoints").expect(429);
}

#[test]
fn a_page_cannot_pass_for_a_proxy() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    for name in ["x-forwarded-for", "x-forwarded-host", "forwarded", "via"] {
        let headers = [("host", "evil.example"), (name, "127.0.0.1")];
        let page = visitor.send("GET", "/endpoints", &headers, None);
        assert!(page.expect(403).contains("--trusted-proxy"), "{name}");
    }
    let app = TestApp::with_flags(&["--trusted-proxy", "127.0.0.1"]);
    let visitor = Visitor::signed_in(&app, &app.token);
    let headers = [
        ("host", "hooks.example"),
        ("x-forwarded-for", "203.0.113.7"),
    ];
    visitor
        .send("GET", "/endpoints", &headers, None)
        .expect(200);
}

#[test]
fn a_command_with_hostile_text_runs_nothing_else() {
    let world = World::new();
    let visitor = Visitor::signed_in(&world.app, &world.app.token);
    let data = json!({"a": "'; touch /tmp/PWNED #$(id)`id`"});
    world.app.publish("parcel.lost", &data);
    let events = world.app.get("/api/webhooks/events").expect(200);
    let id = events["data"][0]["id"].as_str().unwrap();
    let page = visitor.get(&format!("/events/{id}"));
    let command = page.expect(200).split("id=\"curl\"").nth(1).unwrap();
    let command = command.split("</pre>").next().unwrap();
    assert!(
        command.contains("&#39;\\&#39;&#39;; touch /tmp/PWNED"),
        "{command}"
    );
    assert!(!command.contains("$&#39;"), "{command}");
}
