//! The errors in the document: which routes have them, their headers, and their bodies.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::route_docs::RouteDocs;
use super::error_examples::examples;
use super::shared::{RATE_LIMIT_HEADERS, header_references};
use crate::server::access::Access;
use crate::server::error::{ErrorName, Shape};
use crate::server::schema::{Definition, Node, Schema, node};
use crate::server::validate::{FieldDocs, ProblemKind, Section};

/// The statuses of errors, with the names of their responses and what they mean.
const STATUSES: [(u16, &str, &str); 14] = [
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
        "Path, query string and headers are too long. A request with over 128 KiB of them, or with more than 96 \
         headers, gets this status without a body.",
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
    (
        507,
        "InsufficientStorage",
        "The database has reached its largest size, and has nothing that may be deleted. Nothing was stored.",
    ),
];

/// Returns the statuses of the errors that a route can have.
pub(super) fn statuses(access: Access, docs: &RouteDocs, fields: &[FieldDocs]) -> BTreeSet<u16> {
    let of_route = |name: &ErrorName| is_possible(*name, access, docs, fields);
    let names = ErrorName::ALL.into_iter().filter(of_route);
    names.map(|name| name.status().as_u16()).collect()
}

/// Reports whether a route can have an error with this name. A new name does not compile before it has an arm.
fn is_possible(name: ErrorName, access: Access, docs: &RouteDocs, fields: &[FieldDocs]) -> bool {
    let is_public = access == Access::Public;
    let has = |section| fields.iter().any(|field| field.section == section);
    match name {
        ErrorName::BadRequest
        | ErrorName::Forbidden
        | ErrorName::RequestHeaderFieldsTooLarge
        | ErrorName::Unavailable => true,
        ErrorName::Unauthorized
        | ErrorName::InvalidToken
        | ErrorName::InsufficientScope
        | ErrorName::TooManyRequests
        | ErrorName::InternalServerError => !is_public,
        // An endpoint that a body names is looked up, too.
        ErrorName::ResourceNotFound => {
            let names_endpoint =
                |field: &FieldDocs| field.section == Section::Body && field.name == "endpoint_id";
            has(Section::Path) || fields.iter().any(names_endpoint)
        }
        ErrorName::RequestTimeout
        | ErrorName::PayloadTooLarge
        | ErrorName::UnsupportedMediaType => has(Section::Body),
        ErrorName::RequestValidationError => !fields.is_empty(),
        ErrorName::IdempotencyKeyInvalid | ErrorName::IdempotencyKeyReused => docs.is_idempotent,
        ErrorName::InsufficientStorage => docs.is_publish,
        ErrorName::NameTaken
        | ErrorName::KeyTaken
        | ErrorName::EventArchived
        | ErrorName::EndpointDisabled
        | ErrorName::NotPending
        | ErrorName::TooManyJobs => docs.conflicts.contains(&name),
        // A document has only the methods of its routes.
        ErrorName::MethodNotAllowed => false,
    }
}

/// Returns a reference to the response with this status.
pub(super) fn reference(status: u16) -> Node {
    let (_, name, _) = of_status(status);
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
pub(super) fn conflict(names: &[ErrorName]) -> Node {
    response(409, |shown| names.iter().any(|name| name.as_str() == shown))
}

/// Returns the response of a route that cannot work now, with a body of its own.
pub(super) fn unavailable((schema, example): (Schema, Value)) -> Node {
    let (_, _, about) = of_status(503);
    node! {
        "description" => about,
        "headers" => headers(503),
        "content" => node! {
            "application/json" => node! {
                "schema" => schema,
                "examples" => node! {
                    "Unavailable" => node! { "value" => Node::Value(example) },
                },
            },
        },
    }
}

fn of_status(status: u16) -> (u16, &'static str, &'static str) {
    let found = STATUSES.into_iter().find(|(own, ..)| *own == status);
    found.expect("the statuses come from this table")
}

fn response(status: u16, shown: impl Fn(&str) -> bool) -> Node {
    let (_, _, about) = of_status(status);
    let of_status = examples().into_iter().filter(|(own, ..)| *own == status);
    let shown = of_status.filter(|(_, name, _)| shown(name));
    let shown = shown.map(|(_, name, body)| (name.to_owned(), node! { "value" => body }));
    node! {
        "description" => about,
        "headers" => headers(status),
        "content" => node! {
            "application/json" => node! {
                "schema" => schema(status),
                "examples" => Node::Object(shown.collect()),
            },
        },
    }
}

/// Returns the headers of errors with a status.
fn headers(status: u16) -> Node {
    let mut headers = vec!["X-Request-Id"];
    match status {
        401 | 403 => headers.push("WWW-Authenticate"),
        429 | 503 | 507 => headers.push("Retry-After"),
        _ => {}
    }
    // These are found before a request is counted.
    if ![401, 403, 431].contains(&status) {
        headers.extend(RATE_LIMIT_HEADERS);
    }
    header_references(&headers)
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
                Schema::open_words(&names_of(Shape::Plain)).like("ResourceNotFound"),
                "The name of the error. A newer server may have more names.",
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
                Schema::open_words(&names_of(Shape::Authentication)),
                "The name of the error. A newer server may have more names.",
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
                Schema::open_words(&ProblemKind::ALL.map(ProblemKind::as_str)),
                "The type of the problem, for programs. A newer server may have more types.",
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
                // This word says which form the body has, so it stays alone.
                Schema::words(&names_of(Shape::Validation)),
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

/// Returns the names of the errors whose bodies have this form.
fn names_of(shape: Shape) -> Vec<&'static str> {
    let names = ErrorName::ALL.into_iter();
    let names = names.filter(|name| name.shape() == shape);
    names.map(ErrorName::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::routes::documented;
    use super::*;
    use crate::server::validate::Input;

    #[test]
    fn every_name_is_possible_on_some_route() {
        for name in ErrorName::ALL {
            let mut routes = documented();
            let is_shown = routes.any(|(route, docs)| {
                is_possible(name, route.access, docs, &Input::describe(docs.reads))
            });
            assert_eq!(is_shown, name != ErrorName::MethodNotAllowed, "{name:?}");
        }
    }
}
