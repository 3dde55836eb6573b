//! Access tokens in the wrong hands, at the wrong time, and too often.

mod guesses;
mod rates;
mod revoking;
mod throttling;

use hookpost::domain::access::Reach;
use uuid::Uuid;

use super::fixture::{Answer, TestApp};

const LIST: &str = "/api/webhooks/endpoints";
const PUBLISH: &str = "/api/webhooks/events";

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
    app.store.revoke_token(Reach::Server, id).wait().unwrap();
}
