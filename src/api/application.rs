//! The API as a part of an actix-web application, and its CORS headers.

use std::sync::Arc;

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::http::header::{
    ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::web::{self, ServiceConfig};

use super::idempotency;
use super::openapi::document;
use super::pages::Document;
use super::routes::dispatch;
use crate::domain::trace_context::{TRACEPARENT, TRACESTATE};
use crate::server::path::BASES;
use crate::server::rate_limit_headers::{
    X_RATELIMIT_LIMIT, X_RATELIMIT_REMAINING, X_RATELIMIT_RESET,
};
use crate::server::request_notes;
use crate::server::state::ServerState;

/// The time for which a browser may keep the response to a preflight.
const PREFLIGHT_AGE_S: usize = 3600;

/// Adds the API to an application. The API also responds to all other paths (401, 404), so add other
/// services first.
pub fn configure(config: &mut ServiceConfig, state: &Arc<ServerState>) {
    config.app_data(web::Data::from(Arc::clone(state)));
    config.app_data(Document(document));
    for base in BASES {
        config.service(
            web::scope(base)
                .wrap(cors(&state.settings.cors_origin))
                .default_service(web::to(dispatch)),
        );
    }
    config.default_service(web::to(dispatch));
}

/// Returns the CORS rules: the origins whose pages may call the API. Credentials are never allowed: a
/// page sends its token itself, and the browser adds none on its own.
fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allowed_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
            request_notes::X_REQUEST_ID,
            HeaderName::from_static(TRACEPARENT),
            HeaderName::from_static(TRACESTATE),
        ])
        .expose_headers([
            request_notes::X_REQUEST_ID,
            idempotency::IDEMPOTENT_REPLAYED,
            RETRY_AFTER,
            WWW_AUTHENTICATE,
            ALLOW,
            X_RATELIMIT_LIMIT,
            X_RATELIMIT_REMAINING,
            X_RATELIMIT_RESET,
        ])
        .max_age(PREFLIGHT_AGE_S);
    if origins.iter().any(|origin| origin == "*") {
        return cors.allow_any_origin().send_wildcard();
    }
    let origins = origins.to_vec();
    cors.allowed_origin_fn(move |origin, _| {
        let allowed = |own: &String| own.trim_end_matches('/').as_bytes() == origin.as_bytes();
        origins.iter().any(allowed)
    })
}
