//! The page about a request that was refused or failed.

use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde_json::Value;

use super::layout::{html, html_of};
use super::view::Assets;
use crate::domain::access::Scope;
use crate::server::error::ApiError;
use crate::server::request_notes::id_of;
use crate::storage::StoreError;

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage {
    assets: Assets,
    status: u16,
    title: String,
    text: String,
    request_id: String,
}

#[derive(Template)]
#[template(path = "load_again.html")]
struct LoadAgain;

/// Returns the page about an error, with its status and headers.
pub(super) fn page(request: &HttpRequest, error: ApiError) -> HttpResponse {
    let request_id = id_of(request);
    let own = own_text(&error);
    let answer = error.response(&request_id);
    let status = answer.status();
    let (head, body) = answer.into_parts();
    let text = own.unwrap_or_else(|| detail(body));
    let page = FailurePage {
        assets: Assets::new(),
        status: status.as_u16(),
        title: title(status).to_owned(),
        text,
        request_id: request_id.to_string(),
    };
    let mut shown = html_of(status, &page).unwrap_or_else(|_| HttpResponse::new(status));
    for (name, value) in head.headers() {
        if !shown.headers().contains_key(name) {
            shown.headers_mut().insert(name.clone(), value.clone());
        }
    }
    shown
}

/// Returns a page that the browser loads again at once, as a visit that begins at this server.
pub(super) fn load_again() -> HttpResponse {
    html(&LoadAgain).unwrap_or_else(|_| HttpResponse::new(StatusCode::INTERNAL_SERVER_ERROR))
}

fn title(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "Sign in again",
        403 => "Not allowed",
        404 => "Not found",
        409 => "Not possible now",
        413 => "Too large",
        429 => "Too many requests",
        503 => "Not available now",
        507 => "The database is full",
        _ if status.is_client_error() => "The request was refused",
        _ => "Something went wrong",
    }
}

/// Returns the text about an error that reads otherwise in a browser than in a program.
fn own_text(error: &ApiError) -> Option<String> {
    match error {
        ApiError::MissingScope(scopes) => {
            let names: Vec<_> = scopes.iter().map(|scope| scope_name(*scope)).collect();
            let names = names.join(" or ");
            Some(format!(
                "The token that you signed in with lacks the scope {names}."
            ))
        }
        ApiError::AdminOnly => Some("Only an admin token may do this.".to_owned()),
        ApiError::UnknownPath | ApiError::Store(StoreError::NotFound) => Some(
            "There is no such page or object, it was deleted, or your token does not see it."
                .to_owned(),
        ),
        ApiError::TooManyTests => Some(
            "Too many tests of endpoints are under way. Nothing was sent: try again in a second."
                .to_owned(),
        ),
        ApiError::Store(StoreError::EndpointDisabled) => {
            Some("The endpoint is disabled: enable it, then send the event again.".to_owned())
        }
        _ => None,
    }
}

const fn scope_name(scope: Scope) -> &'static str {
    scope.as_str()
}

/// Returns the text of an answer of the API.
fn detail(body: impl MessageBody) -> String {
    let bytes = body.try_into_bytes().unwrap_or_default();
    let json: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let text = ["detail", "error_description"]
        .iter()
        .find_map(|name| json[*name].as_str());
    let first = json["detail"][0]["msg"].as_str();
    text.or(first)
        .unwrap_or("The server has logged why.")
        .to_owned()
}
