//! Responses of errors: JSON with the name of the error, and the header that RFC 6750 wants.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use serde_json::json;

use super::name::ErrorName;
use crate::domain::access::Scope;
use crate::server::validate::Problem;

/// An error whose body has a name and a `detail` in words.
pub(super) struct Plain(pub(super) ErrorName, pub(super) Cow<'static, str>);

/// Returns a 404 without the reason.
pub(super) fn not_found() -> Plain {
    Plain(ErrorName::ResourceNotFound, "Not found".into())
}

/// Returns a 500 without the reason, which is logged.
pub(super) fn internal() -> Plain {
    Plain(
        ErrorName::InternalServerError,
        "Internal Server Error".into(),
    )
}

impl Plain {
    /// Returns the response.
    pub(super) fn response(self) -> HttpResponse {
        let Self(name, detail) = self;
        json_body(name, &json!({ "error": name.as_str(), "detail": detail }))
    }
}

/// Returns a 401 to a token that is not accepted.
pub(super) fn invalid_token() -> HttpResponse {
    oauth(
        ErrorName::InvalidToken,
        "The access token is unknown, expired or revoked",
        None,
    )
}

/// Returns a 403 to a token without these scopes.
pub(super) fn missing_scope(scopes: impl IntoIterator<Item = Scope>) -> HttpResponse {
    let names: Vec<_> = scopes.into_iter().map(Scope::as_str).collect();
    oauth(
        ErrorName::InsufficientScope,
        "The access token lacks the scope that this needs",
        Some(&names.join(" ")),
    )
}

/// Returns a 422 with these problems.
pub(super) fn invalid(problems: &[Problem]) -> HttpResponse {
    let name = ErrorName::RequestValidationError;
    json_body(name, &json!({ "error": name.as_str(), "detail": problems }))
}

/// Returns a 403 whose cause is not a missing scope.
pub(super) fn forbidden(description: &str) -> HttpResponse {
    oauth(ErrorName::InsufficientScope, description, None)
}

/// Returns an error of RFC 6750, both in the body and in `WWW-Authenticate`.
fn oauth(name: ErrorName, description: &str, scope: Option<&str>) -> HttpResponse {
    let scope = scope.map_or_else(String::new, |names| format!(", scope=\"{names}\""));
    let error = name.as_str();
    challenge(
        name,
        &json!({ "error": error, "error_description": description }),
        &format!(", error=\"{error}\", error_description=\"{description}\"{scope}"),
    )
}

/// Returns a 401 or 403 with a header `WWW-Authenticate` of these parameters.
pub(super) fn challenge(
    name: ErrorName,
    body: &serde_json::Value,
    parameters: &str,
) -> HttpResponse {
    let value = format!("Bearer realm=\"hookpost\"{parameters}");
    with_header(json_body(name, body), WWW_AUTHENTICATE, &value)
}

fn json_body(name: ErrorName, body: &serde_json::Value) -> HttpResponse {
    HttpResponse::build(name.status())
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(body.to_string())
}

/// Adds a header.
pub(super) fn with_header(
    mut response: HttpResponse,
    name: HeaderName,
    value: &str,
) -> HttpResponse {
    // The value is the server's own text, so it is always valid; if it ever is not, the header is left out.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
