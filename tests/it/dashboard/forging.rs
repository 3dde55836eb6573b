//! The tests of forms that no page of the session has made, and of requests under another host's name.

use super::world::{RULES, World, fields};
use super::{FormFields, Page, Visitor};

/// Sends a form to every page that takes one. Returns the answers.
fn forge(
    world: &World,
    visitor: &Visitor<'_>,
    form_token: Option<&str>,
    headers: FormFields<'_>,
) -> Vec<(&'static str, Page)> {
    let fields = fields(world);
    let mut form: Vec<_> = fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    form.extend(form_token.map(|token| ("form_token", token)));
    let posts = RULES.iter().filter(|rule| rule.method == "POST");
    let send = |rule: &super::world::Rule| {
        let path = world.path(rule);
        (rule.path, visitor.send("POST", &path, headers, Some(&form)))
    };
    posts.map(send).collect()
}

#[track_caller]
fn assert_refused(
    world: &World,
    visitor: &Visitor<'_>,
    form_token: Option<&str>,
    headers: FormFields<'_>,
) {
    let before = world.everything();
    let answers = forge(world, visitor, form_token, headers);
    assert!(answers.len() > 10);
    for (path, answer) in answers {
        assert_eq!(answer.status, 403, "{path} {headers:?}: {}", answer.text);
    }
    assert_eq!(world.everything(), before);
    visitor.get("/").expect(200);
}

#[test]
fn a_form_needs_the_token_of_its_session() {
    let world = World::new();
    let visitor = Visitor::signed_in(&world.app, &world.app.admin);
    let other = Visitor::signed_in(&world.app, &world.app.admin);
    assert_ne!(visitor.form_token, other.form_token);
    let same = [("sec-fetch-site", "same-origin")];
    for token in [None, Some(""), Some("x"), Some(other.form_token.as_str())] {
        assert_refused(&world, &visitor, token, &same);
    }
}

#[test]
fn a_form_of_another_origin_is_refused_although_it_knows_the_token() {
    let world = World::new();
    let visitor = Visitor::signed_in(&world.app, &world.app.admin);
    let token = Some(visitor.form_token.as_str());
    let port = world.app.addr.port();
    let other_scheme = format!("https://127.0.0.1.evil.example:{port}");
    let other_port = format!("http://127.0.0.1:{}", port ^ 1);
    for headers in [
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
        [("sec-fetch-site", "none")],
        [("origin", "https://evil.example")],
        [("origin", "null")],
        [("origin", &other_scheme)],
        [("origin", &other_port)],
    ] {
        assert_refused(&world, &visitor, token, &headers);
    }
}

#[test]
fn a_page_of_another_origin_cannot_sign_somebody_in() {
    let world = World::new();
    let form = [("token", world.app.token.as_str())];
    let visitor = Visitor::stranger(&world.app);
    for headers in [
        [("sec-fetch-site", "cross-site")],
        [("origin", "https://evil.example")],
    ] {
        let answer = visitor.send("POST", "/login", &headers, Some(&form));
        assert_eq!(answer.status, 403);
        assert_eq!(answer.header("set-cookie"), None);
    }
}

#[test]
fn a_form_without_a_session_leads_to_the_sign_in() {
    let world = World::new();
    let visitor = Visitor::stranger(&world.app);
    let before = world.everything();
    let same = [("sec-fetch-site", "same-origin")];
    for (path, answer) in forge(&world, &visitor, Some("x"), &same) {
        assert_eq!(answer.status, 303, "{path}");
        assert_eq!(answer.header("location"), Some("/login"));
    }
    assert_eq!(world.everything(), before);
}

#[test]
fn a_host_that_is_another_name_for_this_machine_is_refused() {
    let world = World::new();
    let visitor = Visitor::signed_in(&world.app, &world.app.token);
    let port = world.app.addr.port();
    let evil = format!("evil.example:{port}");
    let rebound = [("host", evil.as_str())];
    let before = world.everything();
    for rule in RULES.iter().filter(|rule| rule.method == "GET") {
        let page = visitor.send("GET", &world.path(rule), &rebound, None);
        assert_eq!(page.status, 403, "{}", rule.path);
        assert!(!page.text.contains(&world.endpoint));
    }
    for path in ["/login", "/login?code=x"] {
        assert_eq!(visitor.send("GET", path, &rebound, None).status, 403);
    }
    for (path, page) in forge(&world, &visitor, Some(&visitor.form_token), &rebound) {
        assert_eq!(page.status, 403, "{path}");
    }
    assert_eq!(world.everything(), before);
    let localhost = format!("localhost:{port}");
    visitor
        .send("GET", "/", &[("host", &localhost)], None)
        .expect(200);
}

#[test]
fn a_link_of_another_site_reaches_its_page() {
    let world = World::new();
    // The browser leaves the cookie out when another site's link leads here: the page loads itself again.
    let visitor = Visitor::stranger(&world.app);
    let link = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    let page = visitor.send("GET", "/deliveries", &link, None);
    assert!(page.expect(200).contains("http-equiv=\"refresh\""));
    // What is shown inside another page, or read by it, is refused.
    for (name, value) in [("sec-fetch-dest", "iframe"), ("sec-fetch-mode", "cors")] {
        let mut headers = link;
        headers.iter_mut().find(|(own, _)| *own == name).unwrap().1 = value;
        let page = visitor.send("GET", "/deliveries", &headers, None);
        assert_eq!(page.status, 403, "{name}: {value}");
    }
    let evil = format!("evil.example:{}", world.app.addr.port());
    let mut rebound = link.to_vec();
    rebound.push(("host", &evil));
    let page = visitor.send("GET", "/deliveries", &rebound, None);
    assert_eq!(page.status, 403);
}
