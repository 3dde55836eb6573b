//! What every response has, whoever made it: an id, a line in the log, and JSON if it is an error.
//!
//! The line has the path, never the query string or a header, so no token gets into the log.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use rand::RngExt;

use super::error;

/// The header that names a request, for those who ask about one.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names a request: 16 hexadecimal digits.
pub(super) struct RequestId(String);

impl RequestId {
    fn generate() -> Self {
        Self(format!("{:016x}", rand::rng().random::<u64>()))
    }

    /// The id as text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Goes around every request.
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
        response.headers_mut().insert(X_REQUEST_ID, header);
    }
    Ok(response)
}

/// Gives an error that the framework made a body like those of our own.
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
    let (method, path) = (request.method(), request.path());
    let status = response.status().as_u16();
    let request_id = id.to_str().unwrap_or_default();
    let took_us = started.elapsed().as_micros();
    // Most requests are publishes that work: not a line each, unless somebody wants them.
    if response.status().is_server_error() {
        tracing::warn!(request_id, %method, path, status, took_us, "request");
    } else if response.status() == StatusCode::TOO_MANY_REQUESTS {
        // Who is held back must not fill the log instead.
        tracing::debug!(request_id, %method, path, status, took_us, "request");
    } else if response.status().is_client_error() {
        tracing::info!(request_id, %method, path, status, took_us, "request");
    } else {
        tracing::debug!(request_id, %method, path, status, took_us, "request");
    }
}
