//! Handlers of the probes: `/healthz` (the process runs) and `/readyz` (it can do its work).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::json;

use super::call::Call;
use super::error::ApiError;
use super::objects;
use crate::storage::{StoreError, Unavailable};

/// Handles `GET /healthz`: any response means that the process runs.
pub(super) async fn live(_call: Call) -> Result<HttpResponse, ApiError> {
    Ok(ok())
}

/// Handles `GET /readyz`: 200 if the store can read and write, every part of the application runs, and the
/// server is not stopping; else 503.
pub(super) async fn ready(call: Call) -> Result<HttpResponse, ApiError> {
    if call.state.is_stopping() {
        return Err(StoreError::Unavailable(Unavailable::Stopping).into());
    }
    if let Err(reason) = (call.state.readiness)() {
        let body = json!({ "error": "Unavailable", "detail": reason });
        let mut response = objects::json(StatusCode::SERVICE_UNAVAILABLE, &body);
        let retry_after = actix_web::http::header::HeaderValue::from_static("5");
        let name = actix_web::http::header::RETRY_AFTER;
        response.headers_mut().insert(name, retry_after);
        return Ok(response);
    }
    match call.read(|store| store.check()).await {
        // The fault may pass, like that of a disk, and load balancers look for status 503.
        Err(ApiError::Store(StoreError::Internal(text))) => {
            tracing::error!(error = text, "the store is not ready");
            Err(StoreError::Unavailable(Unavailable::DiskError).into())
        }
        checked => checked.map(|()| ok()),
    }
}

fn ok() -> HttpResponse {
    objects::json(StatusCode::OK, &json!({ "status": "ok" }))
}
