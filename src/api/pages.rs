//! The pages for people, and the OpenAPI document for programs. None of them needs a token.
//!
//! The pages come from the binary, scripts and styles included; the browser may load nothing from elsewhere.
//! The reference is Swagger UI. A token that is pasted there stays in the memory of the page, and is sent only
//! to this server.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use sha2::{Digest, Sha256};
use swagger_ui_redist::SwaggerUi;

use super::health;
use crate::server::call::Call;
use crate::server::error::ApiError;
use crate::server::static_body::StaticBody;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The function that makes the OpenAPI document. The document lists the routes, and one of the routes has the
/// document, so the application hands it over.
pub(super) struct Document(pub(super) fn() -> &'static str);

const HOME: &str = include_str!("pages/home.html");
const HOME_STYLE: &str = include_str!("pages/home.css");
const REFERENCE: &str = include_str!("pages/reference.html");
const START_SCRIPT: &str = include_str!("pages/start.js");

/// The policy of a page without scripts, whose style is in the page.
static HOME_POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = BASE64.encode(Sha256::digest(HOME_STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// The policy of the reference: scripts and styles of this server only, and requests to it alone. The style of
/// Swagger UI has its icons as `data:` URLs.
const REFERENCE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The policy of what is no page.
const NO_PAGE_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The time for which a browser keeps the files of Swagger UI. Their URLs have the version of the program.
const KEEP: &str = "public, max-age=86400";

/// Returns a response with the headers of everything that browsers show.
fn shown(content_type: &str, policy: &str, body: impl MessageBody + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header(("cross-origin-resource-policy", "same-origin"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(body)
}

/// Returns a response with a file that browsers may keep.
fn kept(call: &Call, content_type: &str, body: &'static [u8]) -> HttpResponse {
    let mut response = shown(content_type, NO_PAGE_POLICY, StaticBody::new(call, body));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(KEEP));
    response
}

/// Handles `GET /`: a small page for browsers, and JSON for all other clients.
pub(super) async fn home(call: Call) -> Result<HttpResponse, ApiError> {
    let accepts = call.headers().get_all(ACCEPT);
    let is_browser = accepts
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html"));
    let is_ready = health::ready(call)
        .await
        .is_ok_and(|response| response.status() == StatusCode::OK);
    let mut response = if is_browser {
        let state = if is_ready { "ready" } else { "not ready" };
        let page = HOME
            .replace("{style}", HOME_STYLE)
            .replace("{version}", VERSION)
            .replace("{state}", state);
        shown("text/html; charset=utf-8", &HOME_POLICY, page)
    } else {
        let about = json!({
            "name": "hookpost",
            "version": VERSION,
            "ready": is_ready,
            "reference": "/docs",
            "openapi": "/api/openapi.json",
        });
        shown("application/json", NO_PAGE_POLICY, about.to_string())
    };
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Handles `GET /docs`: the reference, in which every route can be tried.
pub(super) async fn reference(_call: Call) -> Result<HttpResponse, ApiError> {
    let page = REFERENCE.replace("{version}", VERSION);
    Ok(shown("text/html; charset=utf-8", REFERENCE_POLICY, page))
}

/// Handles `GET /docs/start.js`.
pub(super) async fn start_script(call: Call) -> Result<HttpResponse, ApiError> {
    Ok(kept(
        &call,
        "text/javascript; charset=utf-8",
        START_SCRIPT.as_bytes(),
    ))
}

/// Handles `GET /docs/swagger-ui-bundle.js`.
pub(super) async fn swagger_script(call: Call) -> Result<HttpResponse, ApiError> {
    Ok(kept(
        &call,
        "text/javascript; charset=utf-8",
        swagger_ui("swagger-ui-bundle.js"),
    ))
}

/// Handles `GET /docs/swagger-ui.css`.
pub(super) async fn swagger_style(call: Call) -> Result<HttpResponse, ApiError> {
    Ok(kept(
        &call,
        "text/css; charset=utf-8",
        swagger_ui("swagger-ui.css"),
    ))
}

/// Returns a file of Swagger UI; the tests ask for each of them.
fn swagger_ui(name: &str) -> &'static [u8] {
    let mut files = SwaggerUi::static_files().iter();
    let found = files.find(|(file, _)| file.file_name() == name);
    found.map_or(&[], |(_, bytes)| bytes)
}

/// Handles `GET /api/openapi.json`.
pub(super) async fn document(call: Call) -> Result<HttpResponse, ApiError> {
    let make = call.request.app_data::<Document>();
    let text = make.map(|Document(make)| make()).unwrap_or_default();
    Ok(shown(
        "application/json",
        NO_PAGE_POLICY,
        StaticBody::new(&call, text.as_bytes()),
    ))
}
