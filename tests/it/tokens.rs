//! The tests of access tokens that are stolen, ended, or used too often.

mod families;
mod guesses;
mod limit;
mod rates;
mod revoking;
#[cfg(unix)]
mod settings;
mod throttling;
mod volumes;

use hookpost::domain::access::{Actor, Scope};
use hookpost::storage::Descendants;
use serde_json::{Value, json};
use uuid::Uuid;

use super::fixture::{Answer, TestApp};

const LIST: &str = "/api/webhooks/endpoints";
const PUBLISH: &str = "/api/webhooks/events";
const TOKENS: &str = "/api/workspace-access-tokens";

/// A token that was made over the API.
#[derive(Clone)]
struct Made {
    id: String,
    token: String,
    object: Value,
}

/// Has a token ask for another one.
fn mint(app: &TestApp, token: &str, body: &Value) -> Answer {
    app.post(TOKENS, token, body)
}

/// Has a token make another one with all scopes that a token can have.
#[track_caller]
fn child(app: &TestApp, token: &str) -> Made {
    child_with(app, token, &Scope::ALL)
}

#[track_caller]
fn child_with(app: &TestApp, token: &str, scopes: &[Scope]) -> Made {
    let scopes: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    let mut body = json!({"comment": "", "scopes": scopes});
    if token == app.admin {
        body["workspace_id"] = json!(app.workspace);
    }
    made(&mint(app, token, &body).expect(201))
}

fn made(answer: &Value) -> Made {
    let object = answer["workspace_access_token"].clone();
    Made {
        id: object["id"].as_str().unwrap().to_owned(),
        token: answer["token"].as_str().unwrap().to_owned(),
        object,
    }
}

/// A request about one token, with a query string or without.
fn about(app: &TestApp, by: &str, method: &str, id_and_query: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {by}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    let body = (method == "PATCH").then(|| body.to_string());
    let path = format!("{TOKENS}/{id_and_query}");
    app.request(method, &path, &headers, body.as_ref().map(String::as_bytes))
}

fn revoke(app: &TestApp, by: &str, id_and_query: &str) -> Answer {
    about(app, by, "DELETE", id_and_query, &Value::Null)
}

/// One token, as the list shows it to another.
#[track_caller]
fn listed(app: &TestApp, by: &str, id: &str) -> Value {
    let all = app.get_as(by, &format!("{TOKENS}?limit=100")).expect(200);
    let mut data = all["data"].as_array().unwrap().iter();
    let found = data.find(|object| object["id"] == id);
    found
        .unwrap_or_else(|| panic!("{id} is not in {all}"))
        .clone()
}

/// True if a token is let in.
fn is_alive(app: &TestApp, token: &str) -> bool {
    let answer = app.get_as(token, "/api/workspaces");
    assert!([200, 401].contains(&answer.status), "{}", answer.text);
    answer.status == 200
}

/// A GET of a list with these headers.
fn list(app: &TestApp, headers: &[(&str, &str)]) -> Answer {
    app.request("GET", LIST, headers, None)
}

/// The same with a token and one header more.
fn list_as(app: &TestApp, token: &str, header: (&str, &str)) -> Answer {
    list(
        app,
        &[("authorization", &format!("Bearer {token}")), header],
    )
}

/// The id of the token that was made last.
fn newest(app: &TestApp) -> Uuid {
    let tokens = app
        .get_as(&app.admin, "/api/workspace-access-tokens")
        .expect(200);
    tokens["data"][0]["id"].as_str().unwrap().parse().unwrap()
}

/// Revokes past the API, as the command line does.
fn revoke_elsewhere(app: &TestApp, id: Uuid) {
    let revoked = (app.store).revoke_token(Actor::Operator, id, Descendants::Revoked);
    revoked.wait().unwrap();
}
