//! The middleware around every request. It gives each response an id and a line in the log, and each
//! error a body of JSON, also where actix-web itself made the response.
//!
//! The line has the path, but never the query string or a header, so that no token gets into the log.
//! A path is logged only up to the first segment that may be a credential, put there by mistake.
//!
//! Lines about refused requests have a limit, because anyone can cause them: see [`line_limit`].

mod line_limit;

use std::borrow::Cow;
use std::sync::PoisonError;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage};
use rand::RngExt;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

pub(super) use self::line_limit::LineLimit;
use super::state::ApiState;
use super::{error, request_metrics};
use crate::domain::access::TokenKind;
use crate::domain::secret::WHSEC_PREFIX;

/// The header with the id of a request, for clients that report a problem.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request: 16 hexadecimal digits.
pub(super) struct RequestId(String);

impl RequestId {
    fn generate() -> Self {
        Self(format!("{:016x}", rand::rng().random::<u64>()))
    }

    /// Returns the id as text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Runs a request: gives it an id, and logs it when the response is known.
pub(super) async fn each_request<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let id = RequestId::generate();
    let header = HeaderValue::from_str(id.as_str());
    request.extensions_mut().insert(id);
    let mut response = next.call(request).await?.map_into_boxed_body();
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        response = as_json(response);
    }
    if let Ok(header) = header {
        log(&response, &header, started);
        request_metrics::count(&response);
        response.headers_mut().insert(X_REQUEST_ID, header);
    }
    Ok(response)
}

/// Gives an error that actix-web made a JSON body like those of the API's own errors.
fn as_json(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let json = HeaderValue::from_static("application/json");
    if response.headers().get(CONTENT_TYPE) == Some(&json) {
        return response;
    }
    response.map_body(|head, _| {
        head.headers_mut().insert(CONTENT_TYPE, json);
        BoxBody::new(error::body_for(head.status))
    })
}

fn log(response: &ServiceResponse<BoxBody>, id: &HeaderValue, started: Instant) {
    let request = response.request();
    let (method, path) = (named(request.method()), shown(request.path()));
    let status = response.status().as_u16();
    let request_id = id.to_str().unwrap_or_default();
    let took_us = started.elapsed().as_micros();
    let is_limited = response.status() == StatusCode::TOO_MANY_REQUESTS;
    let is_refusal = response.status().is_client_error() && !is_limited;
    let is_admitted = is_admitted(request.app_data::<Data<ApiState>>(), is_refusal);
    // Most requests are publishes that succeed: they are logged only at level debug.
    if response.status().is_server_error() {
        tracing::warn!(request_id, %method, %path, status, took_us, "request");
    } else if is_limited {
        // A client over its rate limit must not fill the log either.
        tracing::debug!(request_id, %method, %path, status, took_us, "request");
    } else if is_refusal && is_admitted {
        tracing::info!(request_id, %method, %path, status, took_us, "request");
    } else if !is_refusal {
        tracing::debug!(request_id, %method, %path, status, took_us, "request");
    }
}

/// Logs how many lines were left out before, if any were, and reports whether the limit admits a further line.
fn is_admitted(state: Option<&Data<ApiState>>, is_refusal: bool) -> bool {
    let Some(state) = state else {
        return true;
    };
    let now = Instant::now();
    let limit = &state.refusal_lines;
    let mut limit = limit.lock().unwrap_or_else(PoisonError::into_inner);
    let left_out = limit.take_left_out(now);
    let is_admitted = !is_refusal || limit.admits(now);
    drop(limit);
    if left_out > 0 {
        tracing::info!(left_out, "lines about refused requests were left out");
    }
    is_admitted
}

/// Returns the name of a method of the HTTP standard, else "unknown": a client can put anything there,
/// also a credential.
fn named(method: &Method) -> &str {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
        Method::CONNECT,
    ];
    if known.contains(method) {
        method.as_str()
    } else {
        "unknown"
    }
}

/// The longest path that is logged whole, in bytes: twice the longest path of a route.
const PATH_MAX: usize = 160;

/// The length from which on a path segment may be a credential: the shortest signing secret. Access
/// tokens are longer.
const CREDENTIAL_MIN: usize = 32;

/// Returns the part of a path that is logged: up to the first segment that may be a credential. An id is
/// as long as a credential, but is recognised by its form.
fn shown(path: &str) -> Cow<'_, str> {
    let mut end = 0;
    for segment in path.split_inclusive('/') {
        let bare = segment.trim_end_matches('/');
        let is_id = bare.len() == Hyphenated::LENGTH && Uuid::parse_str(bare).is_ok();
        // No route has a character that needs encoding, and an encoded text could hide a credential.
        if bare.contains('%')
            || bare.len() >= CREDENTIAL_MIN && !is_id
            || CREDENTIAL_PREFIXES
                .iter()
                .any(|prefix| bare.contains(prefix))
            || end + segment.len() > PATH_MAX
        {
            return format!("{}…", &path[..end]).into();
        }
        end += segment.len();
    }
    path.into()
}

/// The prefixes of credentials: a slash within one could leave a segment shorter than [`CREDENTIAL_MIN`].
const CREDENTIAL_PREFIXES: [&str; 3] = [
    WHSEC_PREFIX,
    TokenKind::Workspace.prefix(),
    TokenKind::Admin.prefix(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_that_is_not_known_is_not_shown() {
        assert_eq!(named(&Method::PATCH), "PATCH");
        for other in ["hookpost_wat_x", "PROPFIND", "get"] {
            let method = Method::from_bytes(other.as_bytes()).unwrap();
            assert_eq!(named(&method), "unknown");
        }
    }

    #[test]
    fn a_path_is_shown_up_to_what_may_be_a_credential() {
        let id = "0190a2b4-0000-4000-8000-000000000001";
        for path in [
            "/".to_owned(),
            "/api/webhooks/endpoints".to_owned(),
            format!("/api/webhooks/endpoints/{id}/secret/"),
            "/api/no/such//path/at-all".to_owned(),
        ] {
            assert_eq!(shown(&path), path);
        }
        let own = "x".repeat(CREDENTIAL_MIN);
        for (path, expected) in [
            (format!("/api/{own}/y"), "/api/…"),
            (format!("/{}", id.replace('-', "")), "/…"),
            (
                "/api/webhooks/endpoints/whsec_ab/cd".to_owned(),
                "/api/webhooks/endpoints/…",
            ),
            ("/v1/hookpost_wat_x".to_owned(), "/v1/…"),
            ("/v1/%77hsec_ab/cd".to_owned(), "/v1/…"),
            ("hookpost_adm_x".to_owned(), "…"),
            ("/a".repeat(5000), &format!("{}/…", "/a".repeat(79))),
        ] {
            assert_eq!(shown(&path), expected);
        }
    }
}
