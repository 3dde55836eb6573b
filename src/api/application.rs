//! The API as a part of an actix-web application, and its CORS headers.

use std::sync::Arc;

use actix_cors::Cors;
use actix_web::http::Method;
use actix_web::http::header::{
    ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::web::{self, ServiceConfig};

use super::rate_limit_headers::{X_RATELIMIT_LIMIT, X_RATELIMIT_REMAINING, X_RATELIMIT_RESET};
use super::routes::{BASES, dispatch};
use super::state::ApiState;
use super::{events, request_log};

/// How long a browser may remember the answer to a preflight.
const PREFLIGHT_AGE_S: usize = 3600;

/// Puts the API into an application. Requests to other paths are answered as well (401, 404), so
/// whatever else the application serves has to be put in before.
pub fn configure(config: &mut ServiceConfig, state: &Arc<ApiState>) {
    config.app_data(web::Data::from(Arc::clone(state)));
    for base in BASES {
        config.service(
            web::scope(base)
                .wrap(cors(&state.settings.cors_origin))
                .default_service(web::to(dispatch)),
        );
    }
    config.default_service(web::to(dispatch));
}

/// Who may call from a browser. Never with credentials: a token is sent by whoever has it, never by
/// the browser on its own.
fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PATCH,
            Method::DELETE,
        ])
        .allowed_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([
            request_log::X_REQUEST_ID,
            events::IDEMPOTENT_REPLAYED,
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
