//! The style and the script of the pages.
//!
//! Their URLs have a part of their hash, so browsers keep them for a year, and a new version has a new URL.

use std::io::Write as _;
use std::sync::LazyLock;

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::server::error::ApiError;

/// The begin of the URLs of files.
const ROOT: &str = "/assets/";

/// A file that pages load.
struct Asset {
    /// Its URL: the name has a part of its hash.
    url: String,
    content_type: &'static str,
    text: &'static str,
    gzip: Vec<u8>,
}

impl Asset {
    fn new(stem: &str, ending: &str, content_type: &'static str, text: &'static str) -> Self {
        let hash = Sha256::digest(text);
        let hash = hash[..6].iter().map(|byte| format!("{byte:02x}"));
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        // Writing into memory does not fail.
        let _ = gzip.write_all(text.as_bytes());
        Self {
            url: format!("{ROOT}{stem}.{}.{ending}", hash.collect::<String>()),
            content_type,
            text,
            gzip: gzip.finish().unwrap_or_default(),
        }
    }
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let text = concat!(
        include_str!("assets/style.css"),
        include_str!("assets/endpoints.css"),
        include_str!("assets/deliveries.css"),
        include_str!("assets/jobs.css"),
    );
    Asset::new("style", "css", "text/css; charset=utf-8", text)
});

static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("assets/script.js");
    Asset::new("script", "js", "text/javascript; charset=utf-8", text)
});

static ICON: LazyLock<Asset> = LazyLock::new(|| {
    let text = include_str!("assets/icon.svg");
    Asset::new("icon", "svg", "image/svg+xml", text)
});

/// Returns the URL of the style.
pub(super) fn style() -> &'static str {
    &STYLE.url
}

/// Returns the URL of the script.
pub(super) fn script() -> &'static str {
    &SCRIPT.url
}

/// Returns the URL of the icon.
pub(super) fn icon() -> &'static str {
    &ICON.url
}

/// Returns a response with the file of this name.
///
/// # Errors
/// [`ApiError::UnknownPath`]
pub(super) fn file(request: &HttpRequest, name: &str) -> Result<HttpResponse, ApiError> {
    let assets = [&*STYLE, &*SCRIPT, &*ICON];
    let found = assets
        .into_iter()
        .find(|asset| asset.url.strip_prefix(ROOT) == Some(name));
    let asset = found.ok_or(ApiError::UnknownPath)?;
    let accepted = request.headers().get(ACCEPT_ENCODING);
    let accepts_gzip = accepted
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.contains("gzip"));
    let mut response = HttpResponse::Ok();
    response
        .content_type(asset.content_type)
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((VARY, "accept-encoding"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(("cross-origin-resource-policy", "same-origin"));
    if accepts_gzip && !asset.gzip.is_empty() {
        response.insert_header((CONTENT_ENCODING, "gzip"));
        return Ok(response.body(asset.gzip.as_slice()));
    }
    Ok(response.body(asset.text))
}
