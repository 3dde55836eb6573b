//! Limits: the table of limits, and the keywords of schemas.

use std::collections::{BTreeMap, BTreeSet};

use hookpost::domain::event_pattern::{CANDIDATES_MAX, PATTERN_DEPTH_MAX, PATTERN_MAX_BYTES};
use serde_json::Value;

use super::tables::{assert_says, section, table};
use super::{operations, schema};
use crate::contract::DOCUMENT;

/// A place of the document with limits: a schema, or a parameter with `?`, and the names below it.
pub(super) fn place(path: &str) -> &'static Value {
    let mut steps = path.split('.');
    let first = steps.next().unwrap();
    if first == "?" {
        let name = steps.next().unwrap();
        let mut all = operations().into_iter().flat_map(|it| {
            let query = it.parameters("query").into_iter();
            query.chain(it.parameters("header")).collect::<Vec<_>>()
        });
        let found = all.find(|parameter| parameter["name"] == name);
        return steps.fold(&found.unwrap()["schema"], |node, step| &node[step]);
    }
    let name = steps.next().unwrap();
    steps.fold(&schema(first)["properties"][name], |node, step| &node[step])
}

/// The rows of the table, and the places of the document with the same limits.
const PLACES: [(&str, &[&str]); 19] = [
    (
        "entries in `events`",
        &[
            "WebhookEndpointCreate.events",
            "WebhookEndpointUpdate.events",
        ],
    ),
    (
        "event type",
        &[
            "MessagePublish.type",
            "BatchMessagePublish.type",
            "MessageTest.type",
            "WebhookEndpointCreate.events.items",
            "WebhookEndpointUpdate.events.items",
        ],
    ),
    (
        "URL",
        &["WebhookEndpointCreate.url", "WebhookEndpointUpdate.url"],
    ),
    (
        "`secret`",
        &[
            "WebhookEndpointCreate.secret",
            "WebhookEndpointUpdate.secret",
            "WebhookEndpointRotate.secret",
        ],
    ),
    (
        "`overlap` of a rotation",
        &["WebhookEndpointRotate.overlap"],
    ),
    (
        "name of an endpoint",
        &["WebhookEndpointCreate.name", "WebhookEndpointUpdate.name"],
    ),
    (
        "description of an endpoint",
        &[
            "WebhookEndpointCreate.description",
            "WebhookEndpointUpdate.description",
        ],
    ),
    (
        "key of an endpoint",
        &["WebhookEndpointCreate.key", "WebhookEndpointUpdate.key"],
    ),
    (
        "`Idempotency-Key`, `idempotency_key`",
        &["?.Idempotency-Key", "BatchMessagePublish.idempotency_key"],
    ),
    (
        "`endpoint_ids` of a message",
        &[
            "MessagePublish.endpoint_ids",
            "BatchMessagePublish.endpoint_ids",
        ],
    ),
    ("messages of a batch", &["BatchPublish.messages"]),
    ("rows on a page", &["?.limit"]),
    (
        "values of one filter",
        &[
            "?.endpoint_id",
            "?.message_id",
            "?.workspace_id",
            "?.event_type",
            "?.key",
            "?.tag",
            "?.status",
            "?.state",
            "JobCreate.filter.properties.endpoint_id",
            "JobCreate.filter.properties.event_type",
            "JobCreate.filter.properties.status",
        ],
    ),
    (
        "text of a filter",
        &[
            "?.query",
            "?.url",
            "?.event_type.items",
            "?.key.items",
            "?.tag.items",
            "JobCreate.filter.properties.event_type.items",
        ],
    ),
    ("`rate` of a job", &["JobCreate.rate"]),
    (
        "`event_ids` of a job",
        &["JobCreate.filter.properties.event_ids"],
    ),
    (
        "name of a workspace",
        &["WorkspaceCreate.name", "WorkspaceUpdate.name"],
    ),
    (
        "comment of a token",
        &[
            "WorkspaceAccessTokenCreate.comment",
            "WorkspaceAccessTokenUpdate.comment",
        ],
    ),
    (
        "entries in `scopes`",
        &[
            "WorkspaceAccessTokenCreate.scopes",
            "WorkspaceAccessTokenUpdate.scopes",
        ],
    ),
];

/// The rows that [`numbers`](super::numbers) compares.
const OTHER_ROWS: [&str; 19] = [
    "`metadata` of an endpoint",
    "`headers` of an endpoint",
    "`filter` of an endpoint",
    "`tags` of a message",
    "`archive_after` of a workspace",
    "`delete_after` of a workspace",
    "`expires_in`",
    "nesting of `data`",
    "message of a batch",
    "events of a batch of several messages",
    "old secrets of an endpoint",
    "request body",
    "path, query string and headers",
    "endpoints of a workspace",
    "running jobs of a workspace",
    "access tokens of a workspace",
    "requests of a workspace per minute",
    "bytes published in a workspace per minute",
    "bad tokens from an address per minute",
];

/// Returns the numbers of a text; a comma may separate thousands.
pub(super) fn numbers(text: &str) -> Vec<u64> {
    let text = text.replace(", by", " by");
    let mut found = Vec::new();
    for word in text.split([' ', '(']) {
        if let Ok(number) = word.replace(',', "").parse() {
            found.push(number);
        }
    }
    found
}

/// Returns the table of limits.
pub(super) fn rows() -> BTreeMap<&'static str, &'static str> {
    let rows = table(section("Limits"), "").into_iter();
    rows.map(|row| (row[0], row[1])).collect()
}

/// Returns a keyword of a schema, with the one for lists or texts: `minItems` or `minLength`.
pub(super) fn bound(schema: &'static Value, which: &str) -> Option<u64> {
    let words = match which {
        "min" => ["minLength", "minItems", "minimum"],
        _ => ["maxLength", "maxItems", "maximum"],
    };
    let found = words
        .into_iter()
        .find_map(|keyword| schema[keyword].as_u64());
    found.filter(|number| *number > 0)
}

#[test]
fn the_table_of_limits_is_the_same() {
    let rows = rows();
    for (row, places) in PLACES {
        let text = rows.get(row).unwrap_or_else(|| panic!("{row} is missing"));
        let written = numbers(text);
        let (least, most) = match written[..] {
            [most] => (None, most),
            [least, most] | [least, most, _] => (Some(least), most),
            _ => panic!("{row}: {text}"),
        };
        for path in places {
            let schema = place(path);
            assert_eq!(bound(schema, "min"), least, "{path}: {text}");
            if row == "rows on a page" {
                let beyond = format!("more than {most} counts as {most}");
                assert_says("Lists", &beyond);
                let limit = operations().into_iter().find_map(|it| {
                    let mut query = it.parameters("query").into_iter();
                    query.find(|parameter| parameter["name"] == "limit")
                });
                let about = limit.unwrap()["description"].as_str().unwrap();
                assert!(about.contains(&beyond), "{about}");
                assert_eq!(
                    schema["default"].as_u64(),
                    written.get(2).copied(),
                    "{text}"
                );
                assert_eq!(bound(schema, "max"), None, "{path}");
            } else {
                assert_eq!(bound(schema, "max"), Some(most), "{path}: {text}");
            }
        }
    }
    let known = PLACES.iter().map(|(row, _)| *row);
    let known: BTreeSet<_> = known.chain(OTHER_ROWS).collect();
    assert_eq!(rows.keys().copied().collect::<BTreeSet<_>>(), known);
}

#[test]
fn the_table_of_policies_is_the_same() {
    for body in ["WebhookEndpointCreate", "WebhookEndpointUpdate"] {
        let members = &place(&format!("{body}.policy"))["properties"];
        let rows = table(section("Policy"), "member");
        assert_eq!(rows.len(), members.as_object().unwrap().len());
        for row in rows {
            let name = row[0].trim_matches('`');
            let schema = &members[name];
            let number = if name == "retry_schedule" {
                assert_eq!(bound(schema, "max"), numbers(row[4]).first().copied());
                &schema["items"]
            } else {
                schema
            };
            let limits = [number["minimum"].as_u64(), number["maximum"].as_u64()];
            let written = [row[2], row[3]].map(|cell| numbers(cell).first().copied());
            assert_eq!(limits, written, "{name}");
        }
    }
}

#[test]
fn objects_of_texts_have_the_limits_of_the_table() {
    let rows = rows();
    for (row, field) in [
        (
            "`metadata` of an endpoint",
            "WebhookEndpointCreate.metadata",
        ),
        ("`headers` of an endpoint", "WebhookEndpointCreate.headers"),
        ("`tags` of a message", "MessagePublish.tags"),
    ] {
        let schema = place(field);
        let limits = [
            schema["maxProperties"].as_u64(),
            schema["propertyNames"]["minLength"].as_u64(),
            schema["propertyNames"]["maxLength"].as_u64(),
            schema["additionalProperties"]["maxLength"].as_u64(),
        ];
        let written = numbers(rows[row]).into_iter().map(Some);
        assert!(written.take(4).eq(limits), "{row}: {limits:?}");
    }
}

#[test]
fn a_filter_has_the_limits_of_the_table() {
    let rows = rows();
    let (bytes, most) = (PATTERN_MAX_BYTES / 1024, CANDIDATES_MAX);
    let expected = format!("{bytes} KiB, {most} candidates, nested {PATTERN_DEPTH_MAX} deep");
    assert_eq!(rows["`filter` of an endpoint"], expected);
    let about = place("WebhookEndpointCreate.filter")["description"]
        .as_str()
        .unwrap();
    assert!(
        about.contains("8192 bytes, nested at most 16 deep"),
        "{about}"
    );
}

/// Collects the places of a schema that have a limit.
fn limited(node: &'static Value, at: &str, found: &mut BTreeSet<String>) {
    if bound(node, "min").is_some() || bound(node, "max").is_some() {
        found.insert(at.to_owned());
    }
    if node["items"].is_object() {
        limited(&node["items"], &format!("{at}.items"), found);
    }
    for (name, member) in node["properties"].as_object().into_iter().flatten() {
        limited(member, &format!("{at}.properties.{name}"), found);
    }
}

#[test]
fn every_limit_of_requests_is_in_the_table() {
    let mut found = BTreeSet::new();
    for (name, body) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        let is_body = ["Create", "Update", "Publish", "Rotate", "Test"]
            .iter()
            .any(|end| name.ends_with(end));
        for (field, property) in body["properties"].as_object().into_iter().flatten() {
            if is_body {
                limited(property, &format!("{name}.{field}"), &mut found);
            }
        }
    }
    for operation in operations() {
        let query = operation.parameters("query").into_iter();
        for parameter in query.chain(operation.parameters("header")) {
            let name = parameter["name"].as_str().unwrap();
            limited(&parameter["schema"], &format!("?.{name}"), &mut found);
        }
    }
    // These are compared by themselves.
    assert!(found.remove("?.page"));
    for body in ["WorkspaceCreate", "WorkspaceUpdate"] {
        for field in ["archive_after", "delete_after"] {
            assert!(found.remove(&format!("{body}.{field}")));
        }
    }
    assert!(found.remove("WorkspaceAccessTokenCreate.expires_in"));
    // The section on policies has a table of its own.
    found.retain(|place| !place.contains(".policy."));
    let known = PLACES.iter().flat_map(|(_, places)| *places);
    assert_eq!(found, known.map(|path| (*path).to_owned()).collect());
}
