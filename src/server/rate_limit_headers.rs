//! The response headers that show a client its rate limit.

use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpMessage, HttpRequest};

use crate::domain::rate_limit::RateLimitStatus;

/// The requests that the workspace may make at once; after that, as many a minute.
pub(crate) const X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
/// The requests that the workspace may still make right now.
pub(crate) const X_RATELIMIT_REMAINING: HeaderName =
    HeaderName::from_static("x-ratelimit-remaining");
/// The seconds until all requests are allowed again. A duration, not a time, since clients' clocks differ.
pub(crate) const X_RATELIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Writes the headers that show `status`.
pub(crate) fn write_headers(headers: &mut HeaderMap, status: RateLimitStatus) {
    headers.insert(X_RATELIMIT_LIMIT, HeaderValue::from(status.limit));
    headers.insert(X_RATELIMIT_REMAINING, HeaderValue::from(status.remaining));
    headers.insert(
        X_RATELIMIT_RESET,
        HeaderValue::from(whole_seconds(status.full_in)),
    );
}

/// The status of a limit after a request that was counted again, since it counts as several.
struct CountedAgain(RateLimitStatus);

/// Notes the status of a limit after a request was counted again. The headers of its response then show this one.
pub(crate) fn note_counted_again(request: &HttpRequest, status: RateLimitStatus) {
    request.extensions_mut().insert(CountedAgain(status));
}

/// Returns the status of a limit that was noted for a request.
pub(crate) fn counted_again(request: &HttpRequest) -> Option<RateLimitStatus> {
    let extensions = request.extensions();
    extensions.get().map(|&CountedAgain(status)| status)
}

/// Returns a duration in whole seconds, rounded up, so that a client that waits for them waits long enough.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
