//! The tests of validation: the API reports what is wrong with an input, whatever the input is.

mod bodies;
mod browsers;
mod fields;
mod filters;
mod hostile;
mod jobs;
mod objects;
mod parameters;
mod queries;
mod several;
mod snapshots;
mod targets;
mod tenants;

use serde_json::{Value, json};

use super::fixture::{Answer, TestApp};
use crate::keys::ENDPOINT;

/// An id of version 4 that nothing has.
const NOBODY: &str = "0190a000-0000-4000-8000-000000000000";

/// The problem that a response reports for one value: its type, its message, and the message's numbers and
/// words.
#[derive(Clone, Debug)]
struct Violation {
    kind: &'static str,
    msg: String,
    ctx: Value,
}

/// A fault whose message has no numbers or words of its own.
fn plain(kind: &'static str, msg: &str) -> Violation {
    with_ctx(kind, msg.to_owned(), Value::Null)
}

fn with_ctx(kind: &'static str, msg: String, ctx: Value) -> Violation {
    Violation { kind, msg, ctx }
}

/// A rule that only this service has.
fn value_error(what: &str) -> Violation {
    let msg = format!("Value error, {what}");
    with_ctx("value_error", msg, json!({ "error": what }))
}

fn missing() -> Violation {
    plain("missing", "Field required")
}

fn string_type() -> Violation {
    plain("string_type", "Input should be a valid string")
}

fn string_unicode() -> Violation {
    plain(
        "string_unicode",
        "Input should be a valid string, unable to parse raw data as a unicode string",
    )
}

fn too_short(min: usize) -> Violation {
    let plural = if min == 1 { "" } else { "s" };
    let msg = format!("String should have at least {min} character{plural}");
    with_ctx("string_too_short", msg, json!({ "min_length": min }))
}

fn too_long(max: usize) -> Violation {
    let msg = format!("String should have at most {max} characters");
    with_ctx("string_too_long", msg, json!({ "max_length": max }))
}

fn pattern(pattern: &str) -> Violation {
    let msg = format!("String should match pattern '{pattern}'");
    with_ctx(
        "string_pattern_mismatch",
        msg,
        json!({ "pattern": pattern }),
    )
}

fn one_of(kind: &'static str, expected: &str) -> Violation {
    let msg = format!("Input should be {expected}");
    with_ctx(kind, msg, json!({ "expected": expected }))
}

fn greater_than_0() -> Violation {
    with_ctx(
        "greater_than",
        "Input should be greater than 0".to_owned(),
        json!({ "gt": 0 }),
    )
}

fn int_parsing() -> Violation {
    plain(
        "int_parsing",
        "Input should be a valid integer, unable to parse string as an integer",
    )
}

fn bool_parsing() -> Violation {
    plain(
        "bool_parsing",
        "Input should be a valid boolean, unable to interpret input",
    )
}

fn timezone_aware() -> Violation {
    plain("timezone_aware", "Input should have timezone info")
}

fn datetime_parsing(why: &str) -> Violation {
    let msg = format!("Input should be a valid datetime or date, {why}");
    with_ctx("datetime_from_date_parsing", msg, json!({ "error": why }))
}

fn uuid_parsing(why: &str) -> Violation {
    let msg = format!("Input should be a valid UUID, {why}");
    with_ctx("uuid_parsing", msg, json!({ "error": why }))
}

/// The same problem, if the id should be that of a workspace: a text that is no UUID may be a name.
fn of_workspace(violation: Violation) -> Violation {
    if violation.kind != "uuid_parsing" {
        return violation;
    }
    let why = violation.ctx["error"].as_str().unwrap();
    let msg = format!(
        "Input should be a valid UUID, a workspace's id; GET /workspaces lists them ({why})"
    );
    with_ctx("uuid_parsing", msg, violation.ctx)
}

fn uuid_version() -> Violation {
    with_ctx(
        "uuid_version",
        "UUID version 4 expected".to_owned(),
        json!({ "expected_version": 4 }),
    )
}

/// Texts that are no id, and why.
fn bad_ids() -> Vec<(&'static str, Violation)> {
    let odd = "invalid character: expected an optional prefix of `urn:uuid:` followed by \
               [0-9a-fA-F-], found";
    vec![
        (
            "abc",
            uuid_parsing("invalid length: expected length 32 for simple format, found 3"),
        ),
        ("xyz", uuid_parsing(&format!("{odd} `x` at 1"))),
        (
            "a-b",
            uuid_parsing("invalid group count: expected 5, found 2"),
        ),
        (
            "2f1e0c9a-5b6d-4c3e-8a7b-0123456789abc",
            uuid_parsing("invalid group length in group 4: expected 12, found 13"),
        ),
        ("2f1e0c9a-5b6d-1c3e-8a7b-0123456789ab", uuid_version()),
        ("2f1e0c9a-5b6d-7c3e-8a7b-0123456789ab", uuid_version()),
        ("00000000-0000-0000-0000-000000000000", uuid_version()),
    ]
}

/// The problem that a 422 should list.
fn problem(violation: &Violation, loc: Value, input: Value) -> Value {
    let mut problem = json!({ "type": violation.kind, "msg": violation.msg });
    problem["loc"] = loc;
    problem["input"] = input;
    if !violation.ctx.is_null() {
        problem["ctx"] = violation.ctx.clone();
    }
    problem
}

/// The problems that a 422 lists.
#[track_caller]
fn detail(answer: &Answer) -> Vec<Value> {
    let mut body = answer.expect(422);
    assert_eq!(body["error"], "RequestValidationError");
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    match body["detail"].take() {
        Value::Array(problems) => problems,
        other => panic!("{other}"),
    }
}

/// Asserts that an answer lists these problems, in this order, and nothing else.
#[track_caller]
fn assert_problems(answer: &Answer, expected: &[Value], about: &str) {
    let found = detail(answer);
    assert_eq!(found, expected, "{about}");
}

/// A request with a body as it is, labelled as JSON.
fn send(app: &TestApp, token: &str, method: &str, path: &str, body: Option<&[u8]>) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
    ];
    app.request(method, path, &headers, body)
}

const WORKSPACE: [&str; 7] = [
    "created_at",
    "modified_at",
    "id",
    "name",
    "archive_after",
    "delete_after",
    "operational_events",
];
const TOKEN: [&str; 9] = [
    "created_at",
    "modified_at",
    "id",
    "workspace_id",
    "comment",
    "scopes",
    "expires_at",
    "last_used_at",
    "parent_id",
];
const EVENT: [&str; 13] = [
    "created_at",
    "modified_at",
    "id",
    "last_http_code",
    "succeeded",
    "skipped",
    "payload",
    "type",
    "is_archived",
    "message_id",
    "webhook_endpoint_id",
    "attempts",
    "next_attempt_at",
];
const DELIVERY: [&str; 11] = [
    "created_at",
    "modified_at",
    "id",
    "succeeded",
    "http_code",
    "response",
    "webhook_event",
    "webhook_endpoint_id",
    "attempt",
    "duration_ms",
    "error",
];
const MESSAGE: [&str; 7] = [
    "id",
    "type",
    "timestamp",
    "workspace_id",
    "endpoint_ids",
    "tags",
    "events",
];

/// Asserts that an object has these keys and no others, and that its ids and times look like such.
#[track_caller]
fn assert_shape(object: &Value, keys: &[&str]) {
    let mut found: Vec<_> = object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = keys.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    for (key, value) in object.as_object().unwrap() {
        let Some(text) = value.as_str() else { continue };
        if key.ends_with("_at") {
            assert_time(text);
        } else if key == "id" || key.ends_with("_id") {
            let id = uuid::Uuid::parse_str(text).unwrap();
            assert_eq!(id.get_version_num(), 4, "{key}");
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122, "{key}");
            assert_eq!(id.hyphenated().to_string(), text, "{key}");
        }
    }
}

/// Asserts that a time is RFC 3339 in UTC, with microseconds and a `Z`.
#[track_caller]
fn assert_time(text: &str) {
    let form: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(form, "0000-00-00T00:00:00.000000Z", "{text}");
}

#[track_caller]
fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key].as_str().unwrap()
}
