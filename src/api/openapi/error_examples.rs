//! The examples of errors in the document: real responses of [`ApiError`].

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use serde_json::Value;

use crate::domain::access::Scope;
use crate::domain::job::RUNNING_JOBS_MAX;
use crate::domain::network_policy::NetworkPolicy;
use crate::domain::rate_limit::RateLimitStatus;
use crate::server::error::{ApiError, body_for, unavailable};
use crate::server::validate::{Input, read};
use crate::storage::{StoreError, Unavailable};

/// Returns the status, the name and the body of an example of each error.
pub(super) fn examples() -> Vec<(u16, &'static str, Value)> {
    let example = |name, response: HttpResponse| {
        let status = response.status().as_u16();
        let body = response.into_body().try_into_bytes().unwrap_or_default();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        (status, name, body)
    };
    let errors = errors().into_iter();
    let mut examples: Vec<_> = errors
        .map(|(name, error)| example(name, error.response("")))
        .collect();
    // This one would be logged as well.
    examples.push(example(
        "InsufficientStorage",
        unavailable(Unavailable::SizeLimit),
    ));
    // Internal errors are logged when they become responses.
    let internal = body_for(StatusCode::INTERNAL_SERVER_ERROR);
    let internal = serde_json::from_str(&internal).unwrap_or_default();
    examples.push((500, "InternalServerError", internal));
    examples
}

fn errors() -> Vec<(&'static str, ApiError)> {
    const RETRY_IN: Duration = Duration::from_secs(12);
    let limited = RateLimitStatus {
        limit: 500,
        remaining: 0,
        full_in: Duration::from_mins(1),
        retry_in: Some(RETRY_IN),
    };
    vec![
        (
            "BadRequest",
            ApiError::Encoding("The body is not encoded as UTF-8"),
        ),
        ("Unauthorized", ApiError::Unauthorized),
        ("invalid_token", ApiError::InvalidToken),
        (
            "insufficient_scope",
            ApiError::MissingScope(vec![Scope::WebhooksWrite]),
        ),
        ("admin_only", ApiError::AdminOnly),
        (
            "Forbidden",
            ApiError::ForeignOrigin("Origin must be the server's own"),
        ),
        ("ResourceNotFound", ApiError::UnknownPath),
        ("RequestTimeout", ApiError::Timeout),
        ("NameTaken", StoreError::NameTaken.into()),
        ("KeyTaken", StoreError::KeyTaken.into()),
        ("EventArchived", StoreError::EventArchived.into()),
        ("EndpointDisabled", StoreError::EndpointDisabled.into()),
        ("NotPending", StoreError::NotPending.into()),
        (
            "TooManyJobs",
            StoreError::TooManyJobs(RUNNING_JOBS_MAX).into(),
        ),
        ("PayloadTooLarge", ApiError::TooLarge(256 << 10)),
        ("too_many_chunks", ApiError::TooManyChunks),
        ("UnsupportedMediaType", ApiError::MediaType),
        ("RequestValidationError", invalid()),
        ("idempotency_key_invalid", ApiError::IdempotencyKeyInvalid),
        ("idempotency_key_of_batch", ApiError::IdempotencyKeyOfBatch),
        (
            "idempotency_key_reused",
            StoreError::IdempotencyKeyReused.into(),
        ),
        ("TooManyRequests", ApiError::RateLimited(limited)),
        ("too_many_bytes", ApiError::TooManyBytes(1 << 20, RETRY_IN)),
        ("too_many_failures", ApiError::TooManyFailures(RETRY_IN)),
        ("RequestHeaderFieldsTooLarge", ApiError::HeadTooLarge),
        ("Unavailable", ApiError::TooMuchUnanswered),
    ]
}

/// Returns the error of a real request with two mistakes.
fn invalid() -> ApiError {
    let mut input = Input::new("", "page=0");
    let _ = input.query("page", read::positive);
    input.json(r#"{"url": "ftp://example.com"}"#);
    let _ = input.required("url", read::url(&NetworkPolicy::strict()));
    ApiError::Invalid(input.finish().err().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::error::ErrorName;

    #[test]
    fn every_name_has_an_example_with_its_status() {
        // A document has only the methods of its routes.
        let shown = |name: &ErrorName| *name != ErrorName::MethodNotAllowed;
        let examples = examples();
        for name in ErrorName::ALL.into_iter().filter(shown) {
            let found = examples
                .iter()
                .find(|(.., body)| body["error"] == name.as_str());
            let (status, ..) = found.unwrap_or_else(|| panic!("{name:?}"));
            assert_eq!(*status, name.status().as_u16(), "{name:?}");
        }
        for (status, title, body) in examples {
            let named = |name: &ErrorName| body["error"] == name.as_str();
            let name = ErrorName::ALL.into_iter().find(named);
            let name = name.unwrap_or_else(|| panic!("{title}: {body}"));
            assert_eq!(status, name.status().as_u16(), "{title}");
        }
    }
}
