//! The OpenAPI document.
//!
//! It is made from what the code says itself: the table of routes, the readers of the fields, the rendered
//! objects, and the errors. This module only puts these together, and adds words for parameters.

mod error_examples;
mod errors;
mod shared;
mod webhooks;
mod words;

use std::sync::LazyLock;

use self::errors::{reference, statuses};
use super::route_docs::{OtherMembers, RouteDocs, Success};
use super::routes::{RouteInfo, documented};
use crate::domain::trace_context::{TRACEPARENT, TRACESTATE};
use crate::server::access::Access;
use crate::server::call::OF_A_WORKSPACE;
use crate::server::inputs::message_batch::{ITEM_NAME, item_fields};
use crate::server::path::BASES;
use crate::server::schema::{Definition, Node, Property, Schema, node};
use crate::server::validate::{FILTER_VALUES_MAX, FieldDocs, Input, Section};

/// Returns the document, as JSON.
#[must_use]
pub fn document() -> &'static str {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
        serde_json::to_string_pretty(&whole()).expect("the keys of these types are strings") + "\n"
    });
    &DOCUMENT
}

fn whole() -> Node {
    let objects = shared::objects();
    let mut paths: Vec<(String, Vec<(String, Node)>)> = Vec::new();
    let mut bodies = Vec::new();
    for (route, docs) in documented() {
        let base = match route.access {
            Access::Public => "",
            _ => BASES[0],
        };
        let path = format!("{base}{}", route.path);
        let fields = Input::describe(docs.reads);
        bodies.extend(body(docs, &fields, &objects));
        let member = (
            route.method.as_str().to_lowercase(),
            described(&route, docs, &fields, bodies.last()),
        );
        match paths.iter_mut().find(|(own, _)| *own == path) {
            Some((_, members)) => members.push(member),
            None => paths.push((path, vec![member])),
        }
    }
    bodies.push(batch_item(&objects));
    let paths = paths
        .into_iter()
        .map(|(path, members)| (path, Node::Object(members)));
    let schemas = objects
        .into_iter()
        .chain(errors::definitions())
        .chain(bodies);
    let schemas = schemas.chain(webhooks::bodies()).chain(webhooks::parts());
    let schemas = schemas.map(|(name, schema)| (name, schema.into()));
    node! {
        "openapi" => "3.1.0",
        "info" => shared::info(),
        "servers" => [node! { "url" => "/", "description" => "This server" }],
        "tags" => shared::tags(),
        "paths" => Node::Object(paths.collect()),
        "webhooks" => webhooks::webhooks(),
        "components" => node! {
            "schemas" => Node::Object(schemas.collect()),
            "responses" => errors::responses(),
            "headers" => shared::headers(),
            "parameters" => shared::parameters(),
            "securitySchemes" => shared::security_schemes(),
        },
    }
}

/// Returns the description of one route. `body` is the definition of the object that it takes, if any.
fn described(
    route: &RouteInfo,
    docs: &RouteDocs,
    fields: &[FieldDocs],
    body: Option<&Definition>,
) -> Node {
    let mut members = vec![
        ("tags".to_owned(), Node::List(vec![docs.tag.into()])),
        ("operationId".to_owned(), docs.id.into()),
        ("summary".to_owned(), docs.summary.into()),
        ("description".to_owned(), details(route.access, docs).into()),
        ("security".to_owned(), security(route.access)),
    ];
    let mut parameters: Vec<Node> = fields.iter().filter_map(parameter).collect();
    if docs.is_idempotent {
        parameters.push(shared::parameter("Idempotency-Key"));
    }
    if docs.is_publish {
        // The deliveries of a message belong to the client's trace.
        parameters.extend([TRACEPARENT, TRACESTATE].map(shared::parameter));
    }
    parameters.push(shared::parameter("X-Request-Id"));
    members.push(("parameters".to_owned(), parameters.into()));
    if let Some(definition) = body.filter(|(name, _)| name == docs.body) {
        let body = node! {
            "required" => !docs.is_body_optional,
            "content" => json_content(Schema::reference(definition)),
        };
        members.push(("requestBody".to_owned(), body));
    }
    members.push(("responses".to_owned(), responses(route, docs, fields)));
    Node::Object(members)
}

fn details(access: Access, docs: &RouteDocs) -> String {
    let needed = match access {
        Access::Public => "Needs no access token.".to_owned(),
        Access::AnyOf(scopes) | Access::Admin(scopes) => {
            let names: Vec<_> = scopes
                .iter()
                .map(|scope| format!("`{}`", scope.as_str()))
                .collect();
            let kind = match access {
                Access::Admin(_) => "an admin token",
                _ => "an access token",
            };
            format!("Needs {kind} with the scope {}.", names.join(" or "))
        }
    };
    format!("{}\n\n{needed}", docs.details).trim().to_owned()
}

fn security(access: Access) -> Node {
    let (Access::AnyOf(scopes) | Access::Admin(scopes)) = access else {
        return Node::List(Vec::new());
    };
    let each = scopes
        .iter()
        .map(|scope| node! { shared::SECURITY_SCHEME => [scope.as_str().into()] });
    Node::List(each.collect())
}

/// Returns the description of a field of the path or the query.
fn parameter(field: &FieldDocs) -> Option<Node> {
    let place = match field.section {
        Section::Path => "path",
        Section::Query => "query",
        Section::Body => return None,
    };
    let schema = field.schema.clone();
    let schema = if field.repeats {
        Schema::list(schema).with("maxItems", FILTER_VALUES_MAX)
    } else {
        schema
    };
    Some(node! {
        "name" => field.name,
        "in" => place,
        "required" => field.is_required,
        "description" => words::parameter(field.name),
        "schema" => schema,
    })
}

/// Returns the definition of the object that a route takes.
fn body(docs: &RouteDocs, fields: &[FieldDocs], objects: &[Definition]) -> Option<Definition> {
    let own: Vec<_> = fields
        .iter()
        .filter(|field| field.section == Section::Body)
        .collect();
    if own.is_empty() {
        return None;
    }
    let (others, is_strict) = match docs.other_members {
        OtherMembers::Ignored => ("Unknown members are ignored.", false),
        OtherMembers::Refused => ("Unknown members are refused.", true),
    };
    let about = format!("The body of `{}`. {others}", docs.id);
    let mut schema = object_of(docs.body, &about, &own, objects);
    if is_strict {
        schema = schema.with("additionalProperties", false);
    }
    Some((docs.body.to_owned(), schema))
}

/// Returns the definition of a message of a batch.
fn batch_item(objects: &[Definition]) -> Definition {
    let fields = Input::describe(|input| {
        let _ = item_fields(input, OF_A_WORKSPACE);
    });
    let about = "A message of a batch. Unknown members are ignored.";
    let own: Vec<_> = fields.iter().collect();
    let schema = object_of(ITEM_NAME, about, &own, objects);
    (ITEM_NAME.to_owned(), schema)
}

/// Returns the schema of an object that is sent as `body`, with these fields.
fn object_of(body: &str, about: &str, own: &[&FieldDocs], objects: &[Definition]) -> Schema {
    let example = |field: &&&FieldDocs| field.is_required || !own.iter().any(|f| f.is_required);
    let example = own.iter().filter(example);
    let example = example.map(|field| (field.name.to_owned(), field.schema.example()));
    let example = Node::Object(example.collect());
    let properties = own.iter().map(|field| -> Property {
        let text = words::member(body, field.name, objects);
        let schema = field.schema.clone();
        let schema = if field.is_required {
            schema
        } else {
            schema.or_null()
        };
        (
            field.name.to_owned(),
            schema.about(&text),
            field.is_required,
        )
    });
    Schema::object(about, properties.collect()).like(example)
}

fn responses(route: &RouteInfo, docs: &RouteDocs, fields: &[FieldDocs]) -> Node {
    let success = docs.success;
    let mut headers = vec!["X-Request-Id"];
    if route.access != Access::Public {
        headers.extend(shared::RATE_LIMIT_HEADERS);
    }
    // The other answer stores nothing, so that there is nothing to replay.
    let also = docs.also.map(|also| (also, headers.clone()));
    if docs.is_idempotent {
        headers.push("Idempotent-Replayed");
    }
    let mut all: Vec<_> = std::iter::once((success, headers))
        .chain(also)
        .map(|(success, headers)| (success.status.to_string(), succeeds(success, &headers)))
        .collect();
    let has = |section| fields.iter().any(|field| field.section == section);
    for status in statuses(route.access, docs, fields) {
        let response = match status {
            400 if !has(Section::Body) => errors::malformed(),
            409 => errors::conflict(docs.conflicts),
            503 if let Some(body) = docs.unavailable => errors::unavailable(body()),
            status => reference(status),
        };
        all.push((status.to_string(), response));
    }
    Node::Object(all)
}

/// Returns the response to a request that succeeds.
fn succeeds(success: Success, headers: &[&str]) -> Node {
    let mut members = vec![
        ("description".to_owned(), meaning(success.status).into()),
        ("headers".to_owned(), shared::header_references(headers)),
    ];
    if let Some(schema) = success.schema {
        members.push(("content".to_owned(), json_content(schema())));
    }
    Node::Object(members)
}

fn meaning(status: u16) -> &'static str {
    match status {
        201 => "It is created.",
        202 => "It is accepted, and on disk.",
        204 => "It is gone.",
        _ => "It is here.",
    }
}

fn json_content(schema: Schema) -> Node {
    let example = schema.example();
    node! { "application/json" => node! { "schema" => schema, "example" => example } }
}
