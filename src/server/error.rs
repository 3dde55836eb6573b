//! The errors of the API, and the only place where errors become responses.
//!
//! Every error is JSON, `{"error": NAME, "detail": …}`; the errors of authentication follow RFC 6750.
//! Internal errors are logged here, once, with the id of the request, and their text is never sent.

mod from_store;
mod name;
mod reply;

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{ALLOW, RETRY_AFTER};
use actix_web::http::{ConnectionType, Method, StatusCode};
use serde_json::json;
use thiserror::Error;
use uuid::Uuid;

use self::from_store::{from_store, unknown_workspace};
pub(crate) use self::from_store::{retry_after_s, unavailable};
pub(crate) use self::name::{ErrorName, Shape};
use self::reply::{
    Plain, challenge, forbidden, internal, invalid, invalid_token, missing_scope, not_found,
    with_header,
};
use super::rate_limit_headers::{whole_seconds, write_headers};
use super::validate::{Loc, Problem};
use crate::domain::access::Scope;
use crate::domain::rate_limit::RateLimitStatus;
use crate::storage::{StoreError, Unavailable};

/// The time after which a refused test may be tried again: most attempts take less.
const TEST_RETRY_IN: Duration = Duration::from_secs(1);

/// The reason why a request was refused or failed.
#[derive(Debug, Error)]
pub(crate) enum ApiError {
    /// The head of the request is too long.
    #[error("the request's head is too long")]
    HeadTooLarge,
    /// No bearer token in the request.
    #[error("no usable bearer token")]
    Unauthorized,
    /// The bearer token is unknown, expired or revoked.
    #[error("the access token is unknown, expired or revoked")]
    InvalidToken,
    /// The token lacks a scope; it needs one of these, or all if it gives them to another token.
    #[error("the access token lacks a scope")]
    MissingScope(Vec<Scope>),
    /// The request needs an admin token.
    #[error("only an admin token may do this")]
    AdminOnly,
    /// Too many invalid tokens came from the client's address. After this time the next one gets a 401 again;
    /// a valid token works at any time.
    #[error("too many failed authentications from the client's address")]
    TooManyFailures(Duration),
    /// The tokens of a workspace, or an admin token, made too many requests.
    #[error("the workspace made too many requests")]
    RateLimited(RateLimitStatus),
    /// A browser made the request for a page of another origin; the text names the rule that it breaks.
    #[error("asked by a page of another origin: {0}")]
    ForeignOrigin(&'static str),
    /// The workspace published more bytes than its limit a minute; this request fits after that time.
    #[error("the workspace published too many bytes")]
    TooManyBytes(u64, Duration),
    /// Too many tests of endpoints are under way. Nothing was sent.
    #[error("too many tests are under way")]
    TooManyTests,
    /// The requests of a workspace without a response hold more memory than its share. Nothing of this one
    /// was stored.
    #[error("the workspace has too many bytes of unanswered requests")]
    TooMuchUnanswered,
    /// No such path.
    #[error("unknown path")]
    UnknownPath,
    /// No event has this id, but a message of the caller has it.
    #[error("the id of a message in place of that of an event")]
    MessageNotEvent(Uuid),
    /// The path exists, but only with these methods.
    #[error("method not allowed")]
    MethodNotAllowed(Vec<Method>),
    /// The content type of the body is not JSON.
    #[error("the body is not JSON")]
    MediaType,
    /// The body is longer than this limit, in bytes.
    #[error("the body is longer than {0} bytes")]
    TooLarge(usize),
    /// The body came in too many chunks for its size.
    #[error("the body has too many chunks")]
    TooManyChunks,
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    Timeout,
    /// The body cannot be decoded, for this reason.
    #[error("unreadable body: {0}")]
    Encoding(&'static str),
    /// The input has these problems.
    #[error("invalid request")]
    Invalid(Vec<Problem>),
    /// The header `Idempotency-Key` is not valid.
    #[error("invalid idempotency key")]
    IdempotencyKeyInvalid,
    /// A batch has the header `Idempotency-Key`.
    #[error("an idempotency key for a whole batch")]
    IdempotencyKeyOfBatch,
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Vec<Problem>> for ApiError {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Invalid(problems)
    }
}

impl ApiError {
    /// Returns the error of an id in this place of the body that no workspace has.
    pub(crate) fn unknown_workspace(loc: Loc, id: Uuid) -> Self {
        Self::Invalid(vec![unknown_workspace(loc, id)])
    }

    /// Returns the response. `request_id` is logged with the text that is not sent. Neither this nor `plain` has an
    /// arm for all other variants, so a new one does not compile without a name, which the document then has.
    pub(crate) fn response(self, request_id: &str) -> HttpResponse {
        match self {
            Self::Unauthorized => {
                let name = ErrorName::Unauthorized;
                let body = json!({ "error": name.as_str(), "detail": "Unauthorized" });
                challenge(name, &body, "")
            }
            Self::InvalidToken => invalid_token(),
            Self::MissingScope(scopes) => missing_scope(scopes),
            Self::AdminOnly => forbidden("Only an admin token (hookpost_adm_...) may do this"),
            Self::MethodNotAllowed(methods) => {
                let plain = Plain(ErrorName::MethodNotAllowed, "Method Not Allowed".into());
                let methods: Vec<_> = methods.iter().map(Method::as_str).collect();
                with_header(plain.response(), ALLOW, &methods.join(", "))
            }
            Self::ForeignOrigin(why) => {
                let detail = format!("This server is for this machine only: {why}");
                Plain(ErrorName::Forbidden, detail.into()).response()
            }
            Self::TooManyFailures(retry_in) => too_many(
                "Too many bad access tokens came from your address: a valid one is still let in"
                    .into(),
                retry_in,
            ),
            Self::RateLimited(status) => {
                let detail = format!(
                    "The access tokens of a workspace may make {} requests a minute together: come back after Retry-After seconds",
                    status.limit
                );
                let mut response = too_many(detail, status.retry_in.unwrap_or_default());
                write_headers(response.headers_mut(), status);
                response
            }
            Self::TooManyBytes(limit, retry_in) => too_many(
                format!(
                    "This workspace may publish {limit} bytes a minute: come back after Retry-After seconds"
                ),
                retry_in,
            ),
            Self::TooManyTests => too_many(
                "Too many tests of endpoints are under way; nothing was sent: come back after Retry-After seconds"
                    .into(),
                TEST_RETRY_IN,
            ),
            Self::TooMuchUnanswered => {
                let seconds = retry_after_s(Unavailable::QueueFull).to_string();
                with_header(self.plain().response(), RETRY_AFTER, &seconds)
            }
            Self::TooManyChunks => {
                let mut response = self.plain().response();
                response
                    .head_mut()
                    .set_connection_type(ConnectionType::Close);
                response
            }
            Self::Invalid(problems) => invalid(&problems),
            Self::Store(error) => from_store(error, request_id),
            Self::UnknownPath
            | Self::MessageNotEvent(_)
            | Self::HeadTooLarge
            | Self::MediaType
            | Self::TooLarge(_)
            | Self::Timeout
            | Self::Encoding(_)
            | Self::IdempotencyKeyInvalid
            | Self::IdempotencyKeyOfBatch => self.plain().response(),
        }
    }

    /// Returns the name and the text of an error that has no more.
    fn plain(&self) -> Plain {
        match self {
            Self::UnknownPath => not_found(),
            Self::MessageNotEvent(id) => {
                let detail = format!(
                    "Not found: this is the id of a message; GET /webhooks/events?message_id={id} lists its events"
                );
                Plain(ErrorName::ResourceNotFound, detail.into())
            }
            Self::HeadTooLarge => Plain(
                ErrorName::RequestHeaderFieldsTooLarge,
                "The path, query string and headers are too long".into(),
            ),
            Self::MediaType => Plain(
                ErrorName::UnsupportedMediaType,
                "The body must be JSON (content-type: application/json)".into(),
            ),
            Self::TooLarge(limit) => Plain(
                ErrorName::PayloadTooLarge,
                format!("The body may have at most {limit} bytes").into(),
            ),
            Self::TooManyChunks => Plain(
                ErrorName::PayloadTooLarge,
                "The body has too many chunks for its size: send Content-Length, or chunks of at least 64 bytes".into(),
            ),
            Self::Timeout => Plain(
                ErrorName::RequestTimeout,
                "The body did not arrive in time".into(),
            ),
            Self::TooMuchUnanswered => Plain(
                ErrorName::Unavailable,
                "The requests of this workspace that are not answered yet take too much memory; nothing was stored: come back after Retry-After seconds".into(),
            ),
            Self::Encoding(why) => Plain(ErrorName::BadRequest, (*why).into()),
            Self::IdempotencyKeyInvalid => Plain(
                ErrorName::IdempotencyKeyInvalid,
                "Idempotency-Key must be one header of 1 to 255 visible ASCII characters".into(),
            ),
            Self::IdempotencyKeyOfBatch => Plain(
                ErrorName::IdempotencyKeyInvalid,
                "A batch takes no Idempotency-Key: give each message its own idempotency_key".into(),
            ),
            // `response` has arms for these.
            Self::Unauthorized
            | Self::InvalidToken
            | Self::MissingScope(_)
            | Self::AdminOnly
            | Self::TooManyFailures(_)
            | Self::RateLimited(_)
            | Self::ForeignOrigin(_)
            | Self::TooManyBytes(..)
            | Self::TooManyTests
            | Self::MethodNotAllowed(_)
            | Self::Invalid(_)
            | Self::Store(_) => internal(),
        }
    }
}

fn too_many(detail: String, retry_in: Duration) -> HttpResponse {
    let plain = Plain(ErrorName::TooManyRequests, detail.into());
    let seconds = whole_seconds(retry_in).to_string();
    with_header(plain.response(), RETRY_AFTER, &seconds)
}

/// Returns the JSON for an error that actix-web made, chosen by its status.
pub(crate) fn body_for(status: StatusCode) -> String {
    let name = ErrorName::of_status(status).as_str();
    let detail = status.canonical_reason().unwrap_or(name);
    json!({ "error": name, "detail": detail }).to_string()
}
