//! The response headers that show a client its rate limit.

use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::domain::rate_limit::Standing;

/// Requests that the workspace may make at once; from then on, as many a minute.
pub(super) const X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
/// Requests that it may still make right now.
pub(super) const X_RATELIMIT_REMAINING: HeaderName =
    HeaderName::from_static("x-ratelimit-remaining");
/// Seconds until it may make all of them again: a duration, since clients' clocks differ.
pub(super) const X_RATELIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Writes the headers that show `standing`.
pub(super) fn write_headers(headers: &mut HeaderMap, standing: Standing) {
    headers.insert(X_RATELIMIT_LIMIT, HeaderValue::from(standing.limit));
    headers.insert(X_RATELIMIT_REMAINING, HeaderValue::from(standing.remaining));
    headers.insert(
        X_RATELIMIT_RESET,
        HeaderValue::from(whole_seconds(standing.full_in)),
    );
}

/// Whole seconds, rounded up: who waits so long has waited long enough.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
