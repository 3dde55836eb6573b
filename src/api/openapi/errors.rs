//! The errors in the document. Their examples are real responses of [`ApiError`].

use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::http::StatusCode;
use serde_json::Value;

use super::super::access::Access;
use super::super::error::{ApiError, body_for};
use super::super::schema::{Definition, Node, Schema, node};
use super::super::validate::{Input, read};
use super::shared::header_references;
use crate::domain::access::Scope;
use crate::domain::network_policy::NetworkPolicy;
use crate::domain::rate_limit::RateLimitStatus;
use crate::storage::StoreError;

/// The statuses of errors, with the names of their responses and what they mean.
const STATUSES: [(u16, &str, &str); 13] = [
    (
        400,
        "BadRequest",
        "The body cannot be decoded, or has a `content-encoding`. A request that is not valid HTTP gets this status \
         without a body.",
    ),
    (
        401,
        "Unauthorized",
        "No access token, or one that is unknown, expired or revoked.",
    ),
    (
        403,
        "Forbidden",
        "The token lacks the scope, or a web page of another origin asks a server on loopback.",
    ),
    (404, "NotFound", "No such object, or another workspace's."),
    (408, "RequestTimeout", "The body did not arrive in time."),
    (
        409,
        "Conflict",
        "The state of the object does not allow this.",
    ),
    (
        413,
        "PayloadTooLarge",
        "The body is larger than `--max-body-bytes`, or has too many small chunks.",
    ),
    (
        415,
        "UnsupportedMediaType",
        "The content type of the body is not JSON.",
    ),
    (
        422,
        "ValidationError",
        "The input is not valid; `detail` lists every problem.",
    ),
    (
        429,
        "TooManyRequests",
        "Too many requests, too many bytes, or too many bad tokens.",
    ),
    (
        431,
        "HeadTooLarge",
        "Path, query string and headers are too long.",
    ),
    (
        500,
        "InternalServerError",
        "An internal error; the server's log says more.",
    ),
    (
        503,
        "Unavailable",
        "The server cannot do this now. Nothing was stored; try again later.",
    ),
];

/// Returns the statuses of the errors that a route can have.
pub(super) fn statuses(
    access: Access,
    has_body: bool,
    has_id: bool,
    has_input: bool,
) -> impl Iterator<Item = u16> {
    let is_public = access == Access::Public;
    let applies = move |status: u16| match status {
        408 | 413 | 415 => has_body,
        401 | 429 | 500 => !is_public,
        404 => has_id,
        409 => false,
        422 => has_input,
        _ => true,
    };
    STATUSES
        .into_iter()
        .map(|(status, ..)| status)
        .filter(move |status| applies(*status))
}

/// Returns a reference to the response with this status.
pub(super) fn reference(status: u16) -> Node {
    let found = STATUSES.into_iter().find(|(own, ..)| *own == status);
    let (_, name, _) = found.expect("the statuses come from this table");
    node! { "$ref" => format!("#/components/responses/{name}") }
}

/// Returns the response to a request of a route without a body that is not valid HTTP.
pub(super) fn malformed() -> Node {
    node! {
        "description" => "The request is not valid HTTP, such as one whose path and query string have over 65,534 bytes.",
    }
}

/// Returns the responses that routes refer to.
pub(super) fn responses() -> Node {
    let shared = STATUSES.into_iter().filter(|(status, ..)| *status != 409);
    let response =
        |(status, name, _): (u16, &str, &str)| (name.to_owned(), response(status, |_| true));
    Node::Object(shared.map(response).collect())
}

/// Returns the response to a conflict with one of these errors.
pub(super) fn conflict(names: &[&str]) -> Node {
    response(409, |name| names.contains(&name))
}

fn response(status: u16, shown: impl Fn(&str) -> bool) -> Node {
    let found = STATUSES.into_iter().find(|(own, ..)| *own == status);
    let (_, _, about) = found.expect("the statuses come from this table");
    let mut headers = vec!["X-Request-Id"];
    headers.extend(match status {
        401 | 403 => &["WWW-Authenticate"][..],
        429 => &[
            "Retry-After",
            "X-RateLimit-Limit",
            "X-RateLimit-Remaining",
            "X-RateLimit-Reset",
        ],
        503 => &["Retry-After"],
        _ => &[],
    });
    let of_status = examples().into_iter().filter(|(own, ..)| *own == status);
    let shown = of_status.filter(|(_, name, _)| shown(name));
    let shown = shown.map(|(_, name, body)| (name.to_owned(), node! { "value" => body }));
    node! {
        "description" => about,
        "headers" => header_references(&headers),
        "content" => node! {
            "application/json" => node! {
                "schema" => schema(status),
                "examples" => Node::Object(shown.collect()),
            },
        },
    }
}

fn schema(status: u16) -> Schema {
    let [error, authentication, validation, _] = definitions();
    match status {
        401 | 403 => Schema::any_of(vec![
            Schema::reference(&authentication),
            Schema::reference(&error),
        ]),
        422 => Schema::any_of(vec![
            Schema::reference(&validation),
            Schema::reference(&error),
        ]),
        _ => Schema::reference(&error),
    }
}

/// Returns the definitions of the bodies of errors.
pub(super) fn definitions() -> [Definition; 4] {
    let property =
        |name: &str, schema: Schema, about: &str| (name.to_owned(), schema.about(about), true);
    let detail = property(
        "detail",
        Schema::text("Not found"),
        "The error in words, for people.",
    );
    let error = Schema::object(
        "An error.",
        vec![
            property(
                "error",
                Schema::text("ResourceNotFound"),
                "The name of the error.",
            ),
            detail,
        ],
    );
    let description = "The error in words, for people.";
    let authentication = Schema::object(
        "An error of authentication, as in RFC 6750.",
        vec![
            property(
                "error",
                Schema::words(&["invalid_token", "insufficient_scope"]),
                "Its name.",
            ),
            property(
                "error_description",
                Schema::text("The access token is unknown"),
                description,
            ),
        ],
    );
    let step = Schema::any("body".into()).with("type", [Node::from("string"), "integer".into()]);
    let problem = Schema::object(
        "A value of the request that is not valid.",
        vec![
            property(
                "type",
                Schema::text("missing"),
                "The kind of the problem, for programs.",
            ),
            property(
                "loc",
                Schema::list(step).like([Node::from("body"), "url".into()]),
                "The place of the value: `body`, `query` or `path`, the field, and the item of a list.",
            ),
            property(
                "msg",
                Schema::text("Field required"),
                "The problem in words, for people.",
            ),
            property(
                "input",
                Schema::any(Node::Value(Value::Null)),
                "The value that was sent, cut if it is long; secrets are hidden.",
            ),
            (
                "ctx".to_owned(),
                Schema::object("The parameters of `msg`.", Vec::new())
                    .with("additionalProperties", true),
                false,
            ),
        ],
    );
    let problem = ("Problem".to_owned(), problem);
    let validation = Schema::object(
        "An error that lists every problem of the request.",
        vec![
            property(
                "error",
                Schema::words(&["RequestValidationError"]),
                "The name of the error.",
            ),
            property(
                "detail",
                Schema::list(Schema::reference(&problem)),
                "The problems.",
            ),
        ],
    );
    [
        ("Error".to_owned(), error),
        ("AuthenticationError".to_owned(), authentication),
        ("RequestValidationError".to_owned(), validation),
        problem,
    ]
}

/// Returns the status, the name and the body of an example of each error.
fn examples() -> Vec<(u16, &'static str, Value)> {
    let mut examples: Vec<_> = errors()
        .into_iter()
        .map(|(name, error)| {
            let response = error.response("");
            let status = response.status().as_u16();
            let body = response.into_body().try_into_bytes().unwrap_or_default();
            (
                status,
                name,
                serde_json::from_slice(&body).unwrap_or_default(),
            )
        })
        .collect();
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
        ("EventArchived", StoreError::EventArchived.into()),
        ("EndpointDisabled", StoreError::EndpointDisabled.into()),
        ("PayloadTooLarge", ApiError::TooLarge(256 << 10)),
        ("too_many_chunks", ApiError::TooManyChunks),
        ("UnsupportedMediaType", ApiError::MediaType),
        ("RequestValidationError", invalid()),
        ("idempotency_key_invalid", ApiError::IdempotencyKeyInvalid),
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

    /// Says of every error whether the document has it. A new variant does not compile here until somebody
    /// has thought of it.
    fn is_shown(error: &ApiError) -> bool {
        match error {
            ApiError::HeadTooLarge
            | ApiError::Unauthorized
            | ApiError::InvalidToken
            | ApiError::MissingScope(_)
            | ApiError::AdminOnly
            | ApiError::TooManyFailures(_)
            | ApiError::RateLimited(_)
            | ApiError::ForeignOrigin(_)
            | ApiError::TooManyBytes(..)
            | ApiError::TooMuchUnanswered
            | ApiError::UnknownPath
            | ApiError::MediaType
            | ApiError::TooLarge(_)
            | ApiError::TooManyChunks
            | ApiError::Timeout
            | ApiError::Encoding(_)
            | ApiError::Invalid(_)
            | ApiError::IdempotencyKeyInvalid
            | ApiError::Store(_) => true,
            // A document has only the methods of its routes; the other has the name of `UnknownPath`.
            ApiError::MethodNotAllowed(_) | ApiError::MessageNotEvent(_) => false,
        }
    }

    #[test]
    fn every_status_has_an_example_and_every_example_a_status() {
        assert!(errors().iter().all(|(_, error)| is_shown(error)));
        for (status, name, _) in STATUSES {
            assert!(examples().iter().any(|(own, ..)| *own == status), "{name}");
        }
        for (status, name, body) in examples() {
            assert!(STATUSES.iter().any(|(own, ..)| *own == status), "{name}");
            assert!(body["error"].is_string(), "{name}: {body}");
        }
    }
}
