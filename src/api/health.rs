//! Handlers of the probes: `/healthz` (the process runs) and `/readyz` (it can do its work).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::json;

use super::call::Call;
use super::error::{ApiError, ErrorName};
use super::objects;
use super::route_docs::{RouteDocs, Success};
use super::schema::{Schema, object};
use crate::storage::{StoreError, Unavailable};

object! {
    /// The answer of a server that is well.
    pub(crate) struct HealthJson = "Health" {
        /// Always `ok`.
        status: &'static str = Schema::open_words(&["ok"]),
    }
}

const TAG: &str = "probes";

/// The description of `GET /healthz`.
pub(super) static LIVE: RouteDocs = RouteDocs {
    summary: "Ask whether the server runs",
    ..RouteDocs::new(TAG, "healthz_get", Success::json::<HealthJson>(200))
};

/// The description of `GET /readyz`.
pub(super) static READY: RouteDocs = RouteDocs {
    summary: "Ask whether the server can store and deliver",
    ..RouteDocs::new(TAG, "readyz_get", Success::json::<HealthJson>(200))
};

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
        let name = ErrorName::Unavailable;
        let body = json!({ "error": name.as_str(), "detail": reason });
        let mut response = objects::json(name.status(), &body);
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
    objects::json(StatusCode::OK, &HealthJson { status: "ok" })
}
