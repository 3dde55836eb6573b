//! The tests of signing in and out, and of what ends a session.

use std::time::Duration;

use hookpost::domain::access::{Scopes, Token, TokenKind};

use super::Visitor;
use crate::fixture::TestApp;

#[test]
fn a_token_of_a_workspace_and_one_of_an_admin_sign_in() {
    let app = TestApp::start();
    for (token, sees_system) in [(&app.token, false), (&app.admin, true)] {
        let mut visitor = Visitor::stranger(&app);
        let answer = visitor.sign_in(token);
        assert_eq!(answer.leads_to(), "/");
        let cookie = answer.header("set-cookie").unwrap();
        assert!(cookie.starts_with(&format!("hookpost_{}=", app.addr.port())));
        assert!(cookie.ends_with("; Path=/; Max-Age=604800; HttpOnly; SameSite=Strict"));
        assert!(!cookie.contains(token.as_str()), "the cookie is no token");
        let page = visitor.get("/");
        let page = page.expect(200);
        assert_eq!(page.contains("href=\"/system\""), sees_system, "{page}");
        assert_eq!(page.contains("id=\"switcher\""), sees_system);
        assert!(!page.contains(token.as_str()));
    }
}

#[test]
fn the_cookie_is_secure_behind_a_proxy_with_tls() {
    let app = TestApp::start();
    let visitor = Visitor::stranger(&app);
    let headers = [
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-proto", "https"),
    ];
    let form = [("token", app.token.as_str())];
    let answer = visitor.send("POST", "/login", &headers, Some(&form));
    let cookie = answer.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; SameSite=Strict; Secure"), "{cookie}");
}

#[test]
fn bad_tokens_are_refused_in_words() {
    let app = TestApp::start();
    let unknown = Token::generate(TokenKind::Workspace).reveal().to_owned();
    let mistyped = format!("{}x", app.token);
    for bad in [unknown.as_str(), &mistyped, "nonsense", "\"><b>"] {
        let mut visitor = Visitor::stranger(&app);
        let answer = visitor.sign_in(bad);
        let page = answer.expect(200);
        assert!(page.contains("This token is unknown, expired or revoked."));
        assert!(!page.contains(bad), "a token never comes back");
        assert_eq!(visitor.cookie, None);
    }
    let mut visitor = Visitor::stranger(&app);
    let answer = visitor.sign_in(" ");
    assert!(answer.expect(200).contains("Enter an access token."));
}

#[test]
fn a_copied_token_may_have_spaces_around_it() {
    let app = TestApp::start();
    let mut visitor = Visitor::stranger(&app);
    let answer = visitor.sign_in(&format!(" {}\r\n", app.token));
    assert_eq!(answer.leads_to(), "/");
}

#[test]
fn who_guesses_tokens_waits() {
    // The later flag counts: tests have no limits otherwise.
    let app = TestApp::with_flags(&["--auth-failure-limit=5"]);
    let mut visitor = Visitor::stranger(&app);
    let unknown = Token::generate(TokenKind::Workspace).reveal().to_owned();
    let mut refused = None;
    for _ in 0..20 {
        let answer = visitor.sign_in(&unknown);
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        answer.expect(200);
    }
    let refused = refused.expect("a limit");
    assert!(refused.header("retry-after").is_some());
    assert!(
        refused.text.contains("<h1>Too many requests</h1>"),
        "{}",
        refused.text
    );
}

#[test]
fn strangers_are_led_to_sign_in_and_then_back() {
    let app = TestApp::start();
    let mut visitor = Visitor::stranger(&app);
    assert_eq!(visitor.get("/").leads_to(), "/login");
    let asked = visitor.get("/deliveries?succeeded=false&page=2");
    let login = asked.leads_to();
    assert_eq!(
        login,
        "/login?next=%2Fdeliveries%3Fsucceeded%3Dfalse%26page%3D2"
    );
    let page = visitor.get(login);
    let next = page.value_after("name=\"next\"", "value").unwrap();
    assert_eq!(next, "/deliveries?succeeded=false&#38;page=2");
    let form = [
        ("token", app.token.as_str()),
        ("next", "/deliveries?succeeded=false&page=2"),
    ];
    let answer = visitor.send("POST", "/login", &[], Some(&form));
    assert_eq!(answer.leads_to(), "/deliveries?succeeded=false&page=2");
    visitor.keep_cookie(&answer);
    visitor.get("/deliveries?succeeded=false").expect(200);
}

#[test]
fn signing_in_leads_to_no_other_server() {
    let app = TestApp::start();
    let visitor = Visitor::stranger(&app);
    for next in [
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example",
    ] {
        let form = [("token", app.token.as_str()), ("next", next)];
        let answer = visitor.send("POST", "/login", &[], Some(&form));
        assert_eq!(answer.leads_to(), "/");
    }
}

#[test]
fn signing_out_ends_the_session_at_the_server() {
    let app = TestApp::start();
    let visitor = Visitor::signed_in(&app, &app.token);
    let other = Visitor::signed_in(&app, &app.token);
    let answer = visitor.post("/logout", &[]);
    assert_eq!(answer.leads_to(), "/login");
    assert!(answer.header("set-cookie").unwrap().contains("Max-Age=0"));
    // The old cookie, which somebody may have kept.
    assert_eq!(visitor.get("/").leads_to(), "/login");
    other.get("/").expect(200);
}

#[test]
fn a_session_ends_when_nobody_uses_it() {
    let app = TestApp::with_manual_clock(&[]);
    let visitor = Visitor::signed_in(&app, &app.token);
    app.advance(Duration::from_hours(10) - Duration::from_secs(1));
    visitor.get("/").expect(200);
    app.advance(Duration::from_hours(10));
    assert_eq!(visitor.get("/").leads_to(), "/login");
}

#[test]
fn a_session_ends_after_a_week_of_use() {
    let app = TestApp::with_manual_clock(&[]);
    let visitor = Visitor::signed_in(&app, &app.token);
    for _ in 0..(7 * 24 / 9) {
        app.advance(Duration::from_hours(9));
        visitor.get("/").expect(200);
    }
    app.advance(Duration::from_hours(9));
    assert_eq!(visitor.get("/").leads_to(), "/login");
}

#[test]
fn revoking_a_token_ends_its_sessions_at_once() {
    let app = TestApp::start();
    let token = app.make_token(Some(&app.workspace), Scopes::all());
    let visitor = Visitor::signed_in(&app, &token);
    let other = Visitor::signed_in(&app, &app.token);
    let list = app.get("/api/workspace-access-tokens?limit=1").expect(200);
    let id = list["data"][0]["id"].as_str().unwrap();
    app.delete(&format!("/api/workspace-access-tokens/{id}"))
        .expect(204);
    let revoked = std::time::Instant::now();
    visitor.wait_for("/", |page| page.status == 303);
    assert!(revoked.elapsed() < Duration::from_secs(1));
    other.get("/").expect(200);
}

#[test]
fn an_expired_token_ends_its_sessions() {
    let app = TestApp::with_manual_clock(&[]);
    let hour = Some(Duration::from_hours(1));
    let token = app.make_expiring_token(Some(&app.workspace), Scopes::all(), hour);
    let visitor = Visitor::signed_in(&app, &token);
    app.advance(Duration::from_mins(61));
    assert_eq!(visitor.get("/").leads_to(), "/login");
}

#[test]
fn a_restart_ends_all_sessions() {
    let mut app = TestApp::start();
    let cookie = Visitor::signed_in(&app, &app.token).cookie;
    app.restart();
    let mut visitor = Visitor::stranger(&app);
    // The name of the cookie has the port, which is another one now.
    let value = cookie.as_ref().unwrap().split_once('=').unwrap().1;
    visitor.cookie = Some(format!("hookpost_{}={value}", app.addr.port()));
    assert_eq!(visitor.get("/").leads_to(), "/login");
}

#[test]
fn the_link_of_the_terminal_works_once() {
    let app = TestApp::start();
    let link = app.one_time_path.as_deref().expect("a link");
    let mut visitor = Visitor::stranger(&app);
    // A look at the link, and a browser that loads in advance, leave the code as it is.
    visitor.send("HEAD", link, &[], None).expect(200);
    let advance = [("sec-purpose", "prefetch")];
    visitor.send("GET", link, &advance, None).expect(200);
    let answer = visitor.get(link);
    assert_eq!(answer.leads_to(), "/");
    visitor.keep_cookie(&answer);
    visitor.get("/system").expect(200);
    let again = Visitor::stranger(&app).get(link);
    assert!(again.expect(200).contains("This link was used before"));
    assert_eq!(again.header("set-cookie"), None);
}

#[test]
fn a_code_of_the_terminal_gets_too_old() {
    let app = TestApp::with_manual_clock(&[]);
    let link = app.one_time_path.as_deref().expect("a link");
    app.advance(Duration::from_mins(30));
    let answer = Visitor::stranger(&app).get(link);
    assert!(answer.expect(200).contains("too old"));
    assert_eq!(answer.header("set-cookie"), None);
}

#[test]
fn signing_in_again_ends_the_session_before() {
    let app = TestApp::start();
    let mut visitor = Visitor::signed_in(&app, &app.token);
    let before = visitor.cookie.clone();
    visitor.sign_in(&app.admin).leads_to();
    assert_ne!(visitor.cookie, before);
    visitor.cookie = before;
    assert_eq!(visitor.get("/").leads_to(), "/login");
}
