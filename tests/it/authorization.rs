//! The tests of every route with every scope and every kind of caller, generated from the table of routes.

use hookpost::api::{self, Access};
use hookpost::domain::access::{Actor, Scope, Scopes, Token, TokenKind};
use hookpost::storage::Descendants;
use serde_json::json;
use std::time::Duration;

use super::fixture::TestApp;

/// The path of a route with an id that exists nowhere.
fn concrete(path: &str) -> String {
    path.replace("{id}", "0190a000-0000-4000-8000-000000000000")
}

fn ask(
    app: &TestApp,
    base: &str,
    route: &api::RouteInfo,
    token: Option<&str>,
) -> super::fixture::Answer {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", "application/json")];
    if let Some(bearer) = &bearer {
        headers.push(("authorization", bearer));
    }
    let body = (route.method != "GET" && route.method != "DELETE").then_some(&b"[]"[..]);
    app.request(
        route.method.as_str(),
        &format!("{base}{}", concrete(route.path)),
        &headers,
        body,
    )
}

#[test]
fn each_route_takes_its_scopes_and_no_others() {
    let app = TestApp::with_manual_clock(&[]);
    let expiring = app.make_expiring_token(
        Some(&app.workspace),
        Scopes::all(),
        Some(Duration::from_mins(1)),
    );
    app.advance(Duration::from_secs(61));
    let revoked = app.make_token(Some(&app.workspace), Scopes::all());
    let list = app
        .get("/api/workspace-access-tokens?limit=100")
        .expect(200);
    let newest = list["data"][0]["id"].as_str().unwrap();
    app.delete(&format!("/api/workspace-access-tokens/{newest}"))
        .expect(204);
    let unknown = Token::generate(TokenKind::Workspace).reveal().to_owned();
    let by_scope: Vec<(Scope, String)> = Scope::ALL
        .into_iter()
        .map(|scope| {
            (
                scope,
                app.make_token(Some(&app.workspace), [scope].into_iter().collect()),
            )
        })
        .collect();
    let mut checked = 0;
    for route in api::table() {
        for base in api::BASES {
            let base = if route.access == Access::Public {
                ""
            } else {
                base
            };
            let say = |answer: &super::fixture::Answer| {
                format!(
                    "{} {base}{}: {} {}",
                    route.method, route.path, answer.status, answer.text
                )
            };
            for bad in [&expiring, &revoked, &unknown, "nonsense"] {
                let answer = ask(&app, base, &route, Some(bad));
                if route.access == Access::Public {
                    assert_eq!(answer.status, 200, "{}", say(&answer));
                } else {
                    assert_eq!(answer.status, 401, "{}", say(&answer));
                    assert_eq!(answer.json()["error"], "invalid_token");
                    assert!(
                        answer
                            .header("www-authenticate")
                            .unwrap()
                            .contains("error=\"invalid_token\"")
                    );
                }
                checked += 1;
            }
            let scopes = match route.access {
                Access::Public => continue,
                Access::AnyOf(scopes) | Access::Admin(scopes) => scopes,
            };
            let answer = ask(&app, base, &route, None);
            assert_eq!(answer.status, 401, "{}", say(&answer));
            assert_eq!(
                answer.json(),
                json!({"error": "Unauthorized", "detail": "Unauthorized"})
            );
            assert_eq!(
                answer.header("www-authenticate"),
                Some("Bearer realm=\"hookpost\"")
            );
            for (scope, token) in &by_scope {
                let answer = ask(&app, base, &route, Some(token));
                let allowed = scopes.contains(scope) && matches!(route.access, Access::AnyOf(_));
                if allowed {
                    assert!(
                        !matches!(answer.status, 401 | 403) && answer.status < 500,
                        "{scope:?} {}",
                        say(&answer)
                    );
                } else {
                    assert_eq!(answer.status, 403, "{scope:?} {}", say(&answer));
                    assert_eq!(answer.json()["error"], "insufficient_scope");
                }
                checked += 1;
            }
            let answer = ask(&app, base, &route, Some(&app.admin));
            assert!(
                !matches!(answer.status, 401 | 403) && answer.status < 500,
                "{}",
                say(&answer)
            );
        }
    }
    assert!(checked > 300, "{checked}");
}

#[test]
fn another_workspaces_objects_cannot_be_told_from_random_ids() {
    let app = TestApp::start();
    let receiver = super::receiver::Receiver::start();
    let endpoint = app.endpoint(&receiver.url("/a"));
    let message = app.publish("a", &json!(1));
    let [event, message] = [&message["events"][0]["id"], &message["id"]];
    let [event, message] = [event, message].map(|id| id.as_str().unwrap().to_owned());
    app.wait_for_events("succeeded", 1);
    let tokens = app.get("/api/workspace-access-tokens").expect(200);
    let other = app
        .post("/api/workspaces", &app.admin, &json!({"name": "other"}))
        .expect(201);
    let other = other["id"].as_str().unwrap();
    let foreign = app.make_token(Some(other), Scopes::all());
    let bearer = format!("Bearer {foreign}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let endpoint = endpoint["id"].as_str().unwrap();
    let token = tokens["data"][0]["id"].as_str().unwrap();
    let random = "0190a000-0000-4000-8000-000000000000";
    for (method, path, id) in [
        ("GET", "/api/webhooks/endpoints/ID", endpoint),
        ("PATCH", "/api/webhooks/endpoints/ID", endpoint),
        ("DELETE", "/api/webhooks/endpoints/ID", endpoint),
        ("PATCH", "/api/webhooks/endpoints/ID/secret", endpoint),
        ("POST", "/api/webhooks/endpoints/ID/test", endpoint),
        ("GET", "/api/webhooks/events/ID", event.as_str()),
        ("POST", "/api/webhooks/events/ID/redeliver", event.as_str()),
        ("GET", "/api/webhooks/messages/ID", message.as_str()),
        (
            "DELETE",
            "/api/webhooks/messages/ID/payload",
            message.as_str(),
        ),
        ("GET", "/api/workspaces/ID", app.workspace.as_str()),
        ("PATCH", "/api/workspaces/ID", app.workspace.as_str()),
        ("PATCH", "/api/workspace-access-tokens/ID", token),
        ("DELETE", "/api/workspace-access-tokens/ID", token),
    ] {
        let body = (method == "PATCH")
            .then_some(&b"{\"name\":\"x\",\"comment\":\"x\",\"enabled\":false}"[..]);
        let theirs = app.request(method, &path.replace("ID", id), &headers, body);
        let nobodys = app.request(method, &path.replace("ID", random), &headers, body);
        assert_eq!(theirs.status, 404, "{method} {path} {}", theirs.text);
        assert_eq!(theirs.text, nobodys.text, "{method} {path}");
    }
    for list in [
        "webhooks/endpoints",
        "webhooks/events",
        "webhooks/deliveries",
        "webhooks/messages",
    ] {
        let seen = app.get_as(&foreign, &format!("/api/{list}")).expect(200);
        assert_eq!(seen["meta"]["total"], 0, "{list}");
        let named = format!("/api/{list}?workspace_id={}", app.workspace);
        assert_eq!(
            app.get_as(&foreign, &named).expect(200)["meta"]["total"],
            0,
            "{list}"
        );
    }
    let unchanged = app
        .get(&format!("/api/webhooks/endpoints/{endpoint}"))
        .expect(200);
    assert_eq!(unchanged["modified_at"], json!(null));
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one line per refusal, in their order"
)]
fn refusals_come_in_the_stated_order() {
    let app = TestApp::start();
    let weak = app.make_token(
        Some(&app.workspace),
        [Scope::WebhooksRead].into_iter().collect(),
    );
    let ask = |method: &str, path: &str, token: Option<&str>, content: &str, body: &[u8]| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("content-type", content)];
        if let Some(bearer) = &bearer {
            headers.push(("authorization", bearer));
        }
        app.request(method, path, &headers, Some(body))
    };
    let big = vec![b' '; 300_000];
    assert_eq!(
        ask("POST", "/api/nowhere", Some("bad"), "text/x", &big).status,
        401
    );
    assert_eq!(
        ask("POST", "/api/nowhere", None, "text/x", &big).status,
        404
    );
    let wrong_method = ask("PUT", "/api/webhooks/endpoints", None, "text/x", &big);
    assert_eq!(wrong_method.status, 405);
    let allow = wrong_method.header("allow").unwrap();
    assert!(
        ["GET", "POST"].iter().all(|method| allow.contains(method)),
        "{allow}"
    );
    assert_eq!(
        ask("POST", "/api/webhooks/endpoints", None, "text/x", b"{").status,
        401
    );
    assert_eq!(
        ask(
            "POST",
            "/api/webhooks/endpoints",
            Some(&weak),
            "text/x",
            b"{"
        )
        .status,
        403
    );
    assert_eq!(
        ask(
            "POST",
            "/api/webhooks/endpoints",
            Some(&app.token),
            "text/x",
            &big
        )
        .status,
        415
    );
    assert_eq!(
        ask(
            "POST",
            "/api/webhooks/endpoints",
            Some(&app.token),
            "application/json",
            &big
        )
        .status,
        413
    );
    assert_eq!(
        ask(
            "POST",
            "/api/webhooks/endpoints",
            Some(&app.token),
            "application/json",
            b"\xff"
        )
        .status,
        400
    );
    assert_eq!(
        ask(
            "POST",
            "/api/webhooks/endpoints",
            Some(&app.token),
            "application/json",
            b"{"
        )
        .status,
        422
    );
    let path = "/api/webhooks/endpoints/0190a000-0000-4000-8000-000000000000";
    assert_eq!(
        ask(
            "PATCH",
            path,
            Some(&app.token),
            "application/json",
            b"{\"url\":1}"
        )
        .status,
        422
    );
    assert_eq!(
        ask("PATCH", path, Some(&app.token), "application/json", b"{}").status,
        404
    );
}

#[test]
fn a_trailing_slash_is_the_same_route_and_v1_is_an_alias() {
    let app = TestApp::start();
    let plain = app.get("/api/webhooks/endpoints").expect(200);
    for path in [
        "/api/webhooks/endpoints/",
        "/v1/webhooks/endpoints",
        "/v1/webhooks/endpoints/",
    ] {
        assert_eq!(app.get(path).expect(200), plain, "{path}");
    }
}

#[test]
fn revoking_acts_within_a_second() {
    let app = TestApp::start();
    let token = app.make_token(Some(&app.workspace), Scopes::webhooks());
    app.get_as(&token, "/api/webhooks/endpoints").expect(200);
    let list = app.get("/api/workspace-access-tokens").expect(200);
    let id = uuid::Uuid::parse_str(list["data"][0]["id"].as_str().unwrap()).unwrap();
    // Past the API, as the command line does.
    app.store
        .revoke_token(Actor::Operator, id, Descendants::Revoked)
        .wait()
        .unwrap();
    let end = std::time::Instant::now() + Duration::from_secs(1);
    while app.get_as(&token, "/api/webhooks/endpoints").status != 401 {
        assert!(std::time::Instant::now() < end);
    }
}
