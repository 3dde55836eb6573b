//! The parts of the document that all routes share.

use super::super::choices::choices;
use super::super::endpoint_object::SeenEndpoint;
use super::super::health::{CheckJson, HealthJson, NotReadyJson, ReadyJson};
use super::super::job_objects::JobDryRun;
use super::super::message_objects::{
    BatchMessage, EventCountsJson, MessageDetailJson, MessageEventJson, PublishedBatch,
};
use super::super::objects::{CreatedToken, Render};
use super::super::pagination::{MetaJson, list_definition};
use super::super::previews::PreviewJson;
use crate::domain::access::AccessToken;
use crate::domain::delivery::Delivery;
use crate::domain::event::Event;
use crate::domain::job::{Job, JobFilter, LeftOut};
use crate::domain::message::{IDEMPOTENCY_KEY_MAX, Message, StoredMessage};
use crate::domain::trace_context::{TRACEPARENT, TRACESTATE, TRACESTATE_MAX};
use crate::domain::workspace::Workspace;
use crate::server::request_notes::{REQUEST_ID_MARKS, REQUEST_ID_MAX};
use crate::server::schema::{Definition, Node, Schema, node};

/// The name of the security scheme.
pub(super) const SECURITY_SCHEME: &str = "accessToken";

/// The headers of every answer to a request that was counted.
pub(super) const RATE_LIMIT_HEADERS: [&str; 3] = [
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
];

/// Returns the definitions of the objects that responses have, and of the words in their fields.
pub(super) fn objects() -> Vec<Definition> {
    let mut objects = vec![
        Message::definition(),
        MessageEventJson::definition(),
        BatchMessage::definition(),
        PublishedBatch::definition(),
        Event::definition(),
        list_definition::<Event>(),
        StoredMessage::definition(),
        list_definition::<StoredMessage>(),
        MessageDetailJson::definition(),
        EventCountsJson::definition(),
        SeenEndpoint::definition(),
        list_definition::<SeenEndpoint>(),
        Delivery::definition(),
        list_definition::<Delivery>(),
        Job::definition(),
        JobFilter::definition(),
        LeftOut::definition(),
        JobDryRun::definition(),
        PreviewJson::definition(),
        list_definition::<Job>(),
        Workspace::definition(),
        list_definition::<Workspace>(),
        AccessToken::definition(),
        CreatedToken::definition(),
        list_definition::<AccessToken>(),
        MetaJson::definition(),
        HealthJson::definition(),
        CheckJson::definition(),
        ReadyJson::definition(),
        NotReadyJson::definition(),
    ];
    objects.extend(choices());
    objects
}

/// Returns the title, the version and the licence.
pub(super) fn info() -> Node {
    node! {
        "title" => "Hookpost",
        "version" => env!("CARGO_PKG_VERSION"),
        "summary" => env!("CARGO_PKG_DESCRIPTION"),
        "description" =>
            "Publish a message, and every endpoint that subscribes to its type gets it as a signed webhook.\n\n\
             Routes are under `/api`; `/v1` is another name for it. Ids are UUIDs of version 4. Times are RFC 3339 \
             in UTC. Unknown members of bodies are ignored, except in a new job. `HEAD` works wherever `GET` does.\n\n\
             A newer server may add members to responses, and words to the lists in `x-extensible-enum`. Clients \
             should accept both.",
        "license" => node! { "name" => "MIT OR Apache-2.0", "identifier" => env!("CARGO_PKG_LICENSE") },
    }
}

/// Returns the groups of routes.
pub(super) fn tags() -> Node {
    let tag =
        |(name, description): (&str, &str)| node! { "name" => name, "description" => description };
    let tags = [
        (
            "events",
            "Publishing messages; events, each of which is one message for one endpoint.",
        ),
        ("messages", "What was published, with or without events."),
        ("endpoints", "The URLs that receive webhooks."),
        (
            "jobs",
            "Redelivering or skipping many events with one request.",
        ),
        ("deliveries", "The attempts to send events."),
        ("workspaces", "Tenants."),
        ("workspace access tokens", "The credentials of clients."),
        (
            "probes",
            "Whether the server runs, and whether it can work.",
        ),
    ];
    Node::List(tags.into_iter().map(tag).collect())
}

/// Returns the headers of responses.
pub(super) fn headers() -> Node {
    let header = |(name, about, schema): (&str, &str, Schema)| {
        (
            name.to_owned(),
            node! { "description" => about, "schema" => schema },
        )
    };
    let headers = [
        (
            "X-Request-Id",
            "The id of the request, which the server's log shows too: the client's own, or a new one.",
            Schema::text("9f86d081884c7d65"),
        ),
        (
            "X-RateLimit-Limit",
            "The whole budget of the workspace, in requests. Absent if there is no limit.",
            Schema::integer(1, 500),
        ),
        (
            "X-RateLimit-Remaining",
            "The requests that can be made right now.",
            Schema::integer(0, 499),
        ),
        (
            "X-RateLimit-Reset",
            "The seconds until the budget is full again, if no more requests come.",
            Schema::integer(0, 1),
        ),
        (
            "Retry-After",
            "The seconds after which to try again.",
            Schema::integer(0, 5),
        ),
        (
            "WWW-Authenticate",
            "The scheme, the error, and the scope that would be enough (RFC 6750).",
            Schema::text("Bearer realm=\"hookpost\""),
        ),
        (
            "Idempotent-Replayed",
            "`true` if the answer repeats that of an earlier request with the same key.",
            Schema::open_words(&["true"]),
        ),
    ];
    Node::Object(headers.into_iter().map(header).collect())
}

/// Returns references to headers.
pub(super) fn header_references(names: &[&str]) -> Node {
    let reference = |name: &&str| {
        let target = format!("#/components/headers/{name}");
        ((*name).to_owned(), node! { "$ref" => target })
    };
    Node::Object(names.iter().map(reference).collect())
}

/// Returns a reference to a header of requests.
pub(super) fn parameter(name: &str) -> Node {
    node! { "$ref" => format!("#/components/parameters/{name}") }
}

/// Returns the headers of requests.
pub(super) fn parameters() -> Node {
    node! {
        "Idempotency-Key" => node! {
            "name" => "Idempotency-Key",
            "in" => "header",
            "required" => false,
            "description" =>
                "A key of the request, kept for 24 hours. The same key with the same body gets the first result \
                 again, and nothing is published or made twice; with another body it is refused.",
            "schema" => Schema::text("order-1001-paid")
                .with("minLength", 1_u64)
                .with("maxLength", IDEMPOTENCY_KEY_MAX)
                .with("pattern", "^[!-~]+$"),
        },
        "X-Request-Id" => node! {
            "name" => "X-Request-Id",
            "in" => "header",
            "required" => false,
            "description" => format!(
                "An id of the client's for the request: 1 to {REQUEST_ID_MAX} letters, digits and \
                 `{REQUEST_ID_MARKS}`. The answer and the server's log have it. In place of any other text, or of \
                 one that looks like a credential, the server makes an id."
            ),
            "schema" => Schema::text("order-1001-publish-1"),
        },
        TRACEPARENT => node! {
            "name" => TRACEPARENT,
            "in" => "header",
            "required" => false,
            "description" =>
                "The trace of the client (W3C Trace Context). Each delivery of the message is sent with the same \
                 trace, and a parent id of its own. One that is not valid is ignored.",
            "schema" => Schema::text(TRACEPARENT_EXAMPLE),
        },
        TRACESTATE => node! {
            "name" => TRACESTATE,
            "in" => "header",
            "required" => false,
            "description" => format!(
                "What tracing systems add to `traceparent`. It is sent on, up to {TRACESTATE_MAX} characters; one \
                 that is not valid is ignored."
            ),
            "schema" => tracestate(),
        },
    }
}

/// A trace and its parent.
const TRACEPARENT_EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Returns the schema of a trace and its parent, as deliveries have them. In a request any text is taken, since
/// one that is not valid is ignored.
pub(super) fn traceparent() -> Schema {
    Schema::text(TRACEPARENT_EXAMPLE).with("pattern", "^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$")
}

/// Returns the schema of what tracing systems add to a trace.
pub(super) fn tracestate() -> Schema {
    Schema::text("congo=t61rcWkgMzE")
}

/// Returns the ways to authenticate.
pub(super) fn security_schemes() -> Node {
    node! {
        SECURITY_SCHEME => node! {
            "type" => "http",
            "scheme" => "bearer",
            "description" =>
                "A workspace token (`hookpost_wat_…`), which acts for one workspace, or an admin token \
                 (`hookpost_adm_…`). `hookpost token create` makes one. A route needs one of the scopes that \
                 it names.",
        },
    }
}
