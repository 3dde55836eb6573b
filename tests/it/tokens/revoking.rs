//! The tests of a token that ends while the body of its request arrives: the server does not act on the
//! body.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use hookpost::domain::access::{Scope, Scopes};
use serde_json::{Value, json};

use super::*;
use crate::fixture::PATIENCE;

/// A publish whose body stalls after its first byte.
struct Stalled {
    stream: TcpStream,
    rest: String,
}

impl Stalled {
    /// Returns when the token was let in.
    fn start(app: &TestApp, token: &str) -> Self {
        let body = json!({"type": "a", "data": "late"}).to_string();
        let (first, rest) = body.split_at(1);
        let mut stream = TcpStream::connect(app.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let before = remaining(app, token);
        write!(
            stream,
            "POST {PUBLISH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{first}",
            body.len()
        )
        .unwrap();
        // Each look takes one; the one that this publish takes makes the difference.
        let end = Instant::now() + PATIENCE;
        let mut looks = 1;
        while remaining(app, token) != before - looks - 1 {
            assert!(Instant::now() < end, "the publish is not let in");
            looks += 1;
        }
        Self {
            stream,
            rest: rest.to_owned(),
        }
    }

    /// Sends the rest of the body; the answer's status and body.
    fn finish(mut self) -> (u16, Value) {
        self.stream.write_all(self.rest.as_bytes()).unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).unwrap();
        let _ = self.stream.shutdown(Shutdown::Both);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }
}

/// Returns how many publishes the token has left, after an empty one.
fn remaining(app: &TestApp, token: &str) -> u32 {
    let answer = app.post(PUBLISH, token, &json!({}));
    let left = answer.header("x-ratelimit-remaining");
    left.unwrap_or_else(|| panic!("{}", answer.text))
        .parse()
        .unwrap()
}

fn start() -> (TestApp, String) {
    let app = TestApp::with_manual_clock(&["--publish-rate-limit", "1000000"]);
    let token = app.make_expiring_token(
        Some(&app.workspace),
        Scopes::webhooks(),
        Some(Duration::from_mins(1)),
    );
    (app, token)
}

#[track_caller]
fn assert_refused(app: &TestApp, stalled: Stalled, status: u16, error: &str) {
    app.endpoint("http://127.0.0.1:9/");
    let (answered, body) = stalled.finish();
    assert_eq!((answered, &body["error"]), (status, &json!(error)));
    let events = app.get(PUBLISH).expect(200);
    assert_eq!(events["meta"]["total"], 0, "nothing was published");
}

#[test]
fn a_body_is_refused_if_its_token_is_revoked_while_it_arrives() {
    let (app, token) = start();
    let id = newest(&app);
    let stalled = Stalled::start(&app, &token);
    let path = format!("/api/workspace-access-tokens/{id}");
    app.delete(&path).expect(204);
    assert_refused(&app, stalled, 401, "invalid_token");
}

#[test]
fn a_body_is_refused_if_its_token_is_revoked_elsewhere_while_it_arrives() {
    let (app, token) = start();
    let id = newest(&app);
    let stalled = Stalled::start(&app, &token);
    revoke_elsewhere(&app, id);
    let end = Instant::now() + Duration::from_secs(1);
    while app.get_as(&token, LIST).status != 401 {
        assert!(Instant::now() < end, "revoking acts within a second");
    }
    // From then on it has ended for what is under way, too.
    assert_refused(&app, stalled, 401, "invalid_token");
}

#[test]
fn a_body_is_refused_if_its_token_expires_while_it_arrives() {
    let (app, token) = start();
    let stalled = Stalled::start(&app, &token);
    app.advance(Duration::from_mins(1));
    assert_refused(&app, stalled, 401, "invalid_token");
}

#[test]
fn a_body_is_refused_if_its_token_loses_the_scope_while_it_arrives() {
    let (app, token) = start();
    let id = newest(&app);
    let stalled = Stalled::start(&app, &token);
    let path = format!("/api/workspace-access-tokens/{id}");
    app.patch(&path, &json!({"scopes": [Scope::WebhooksRead.as_str()]}))
        .expect(200);
    assert_refused(&app, stalled, 403, "insufficient_scope");
}

#[test]
fn a_body_is_accepted_if_another_token_is_revoked_while_it_arrives() {
    let (app, other) = start();
    let id = newest(&app);
    let token = app.make_token(Some(&app.workspace), Scopes::webhooks());
    let stalled = Stalled::start(&app, &token);
    let path = format!("/api/workspace-access-tokens/{id}");
    app.delete(&path).expect(204);
    app.get_as(&other, LIST).expect(401);
    let (status, body) = stalled.finish();
    assert_eq!(status, 202, "{body}");
}
