//! The middleware around every request. It gives each response an id and a line in the log, and each
//! error a body of JSON, also where actix-web itself made the response.
//!
//! The line has the pattern of the route, but never a path with its ids, a query string or a header, so that no
//! token gets into the log. Only a path without a route is logged itself, and only up to the first segment that
//! may be a credential, put there by mistake.
//!
//! Lines about requests that are refused, or that came without a token, have a limit, because anyone can cause
//! them: see [`line_limit`].

mod line_limit;

use std::borrow::Cow;
use std::sync::PoisonError;
use std::time::{Instant, SystemTime};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage};
use tracing::Level;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

pub(crate) use self::line_limit::LineLimit;
use super::request_notes::{CREDENTIAL_PREFIXES, Facts, RequestNotes, X_REQUEST_ID};
use super::state::ServerState;
use super::{error, publish_trace, request_metrics};
use crate::log_queue::{self, REQUESTS, Record, RequestLine};

/// Runs a request: takes or makes its id, and logs it when the response is known.
pub(crate) async fn each_request<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let notes = RequestNotes::begin(request.headers());
    let header = HeaderValue::from_str(notes.id());
    request.extensions_mut().insert(notes);
    let mut response = next.call(request).await?.map_into_boxed_body();
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        response = as_json(response);
    }
    log(&response, started);
    publish_trace::export(&response, started);
    if let Ok(header) = header {
        request_metrics::count(&response);
        response.headers_mut().insert(X_REQUEST_ID, header);
    }
    Ok(response)
}

/// Gives an error that actix-web made a JSON body like those of the API's own errors. Those and the pages of the
/// dashboard stay as they are.
fn as_json(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let json = HeaderValue::from_static("application/json");
    let kind = response.headers().get(CONTENT_TYPE);
    if kind.is_some_and(|kind| kind == json || kind.as_bytes().starts_with(b"text/html")) {
        return response;
    }
    response.map_body(|head, _| {
        head.headers_mut().insert(CONTENT_TYPE, json);
        BoxBody::new(error::body_for(head.status))
    })
}

fn log(response: &ServiceResponse<BoxBody>, started: Instant) {
    let (request, status) = (response.request(), response.status());
    let extensions = request.extensions();
    let Some(notes) = extensions.get::<RequestNotes>() else {
        return;
    };
    let facts = notes.facts();
    let state = request.app_data::<Data<ServerState>>();
    let level = level_of(status, facts);
    // What a client can cause without a token must not fill the log. A failure of the server is always told.
    let is_foreign = status.is_client_error() || !facts.is_authenticated;
    let is_bounded = level == Level::INFO && is_foreign;
    if !is_admitted(state, is_bounded) || !log_queue::is_enabled(REQUESTS, level) {
        return;
    }
    let has_route = facts.route.is_some();
    log_queue::push_record(Record::Request(RequestLine {
        at: SystemTime::now(),
        level,
        request_id: notes.id().clone(),
        method: named(request.method()),
        route: facts.route,
        path: (!has_route).then(|| shown(request.path()).into()),
        status: status.as_u16(),
        duration: started.elapsed(),
        workspace_id: facts.workspace_id,
        client: state.and_then(|state| state.rate_limits.client(request)),
        published: facts.published,
        batch: facts.batch,
    }));
}

/// Returns the level of a request's line. Probes come every few seconds, and a client over its rate limit may
/// send requests as fast as it can; neither is to fill the log.
fn level_of(status: StatusCode, facts: Facts) -> Level {
    if status.is_server_error() {
        Level::WARN
    } else if status == StatusCode::TOO_MANY_REQUESTS || (facts.is_probe && status.is_success()) {
        Level::DEBUG
    } else {
        Level::INFO
    }
}

/// Logs how many lines were left out before, if any were, and reports whether a further line may be
/// written: `is_bounded` if the limit counts it.
fn is_admitted(state: Option<&Data<ServerState>>, is_bounded: bool) -> bool {
    let Some(state) = state else {
        return true;
    };
    let now = Instant::now();
    let limit = &state.refusal_lines;
    let mut limit = limit.lock().unwrap_or_else(PoisonError::into_inner);
    let left_out = limit.take_left_out(now);
    let is_admitted = !is_bounded || limit.admits(now);
    drop(limit);
    if left_out > 0 {
        tracing::info!(left_out, "lines about refused requests were left out");
    }
    is_admitted
}

/// Returns the name of a method of the HTTP standard, else "unknown": a client can put anything there,
/// also a credential.
fn named(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
    ];
    let known = KNOWN.into_iter().find(|known| *known == method.as_str());
    known.unwrap_or("unknown")
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
            // A slash within a credential could leave a segment that is shorter.
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
