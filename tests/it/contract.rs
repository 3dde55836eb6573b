//! The check of the API's answers against the OpenAPI document. The fixture makes it for every answer that it
//! sees.
//!
//! Objects and lists of words are closed here: a key or a word that the document does not have is an error,
//! although clients must accept new ones. A keyword that this check does not know is an error, too.

use std::sync::LazyLock;

use hookpost::domain::clock::Timestamp;
use serde_json::{Value, json};

use super::fixture::Answer;

/// The document.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(hookpost::api::document()).unwrap());

/// The keywords that say nothing about whether a value fits. Only `pattern` could be checked.
const ANNOTATIONS: [&str; 4] = ["description", "examples", "default", "pattern"];

/// Returns the part of the document that a reference names.
pub(crate) fn resolved(mut node: &'static Value) -> &'static Value {
    while let Some(target) = node["$ref"].as_str() {
        let pointer = target.trim_start_matches('#');
        node = DOCUMENT
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{target}"));
    }
    node
}

/// Returns what is wrong with a value; `at` is its place.
pub(crate) fn problems(schema: &'static Value, value: &Value, at: &str) -> Vec<String> {
    let schema = resolved(schema);
    let mut found = Vec::new();
    for (keyword, rule) in schema.as_object().unwrap() {
        let fits = match keyword.as_str() {
            "type" => match rule {
                Value::Array(kinds) => kinds.iter().any(|kind| is_of_type(value, kind)),
                kind => is_of_type(value, kind),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "x-extensible-enum" => !value.is_string() || rule.as_array().unwrap().contains(value),
            "format" => value.as_str().is_none_or(|text| has_format(text, rule)),
            "minimum" => value.as_f64().is_none_or(|it| it >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|it| it <= rule.as_f64().unwrap()),
            "minLength" => size(value).is_none_or(|it| it >= rule.as_u64().unwrap()),
            "maxLength" => size(value).is_none_or(|it| it <= rule.as_u64().unwrap()),
            "minItems" => value
                .as_array()
                .is_none_or(|it| it.len() as u64 >= rule.as_u64().unwrap()),
            "maxItems" => value
                .as_array()
                .is_none_or(|it| it.len() as u64 <= rule.as_u64().unwrap()),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(problems(rule, item, &format!("{at}/{index}")));
                }
                true
            }
            "anyOf" => {
                let each = rule.as_array().unwrap().iter();
                let each: Vec<_> = each.map(|schema| problems(schema, value, at)).collect();
                if !each.iter().any(Vec::is_empty) {
                    found.extend(each.into_iter().flatten());
                }
                true
            }
            "not" => !problems(rule, value, at).is_empty(),
            "properties" => {
                for (key, member) in value.as_object().into_iter().flatten() {
                    match rule.get(key) {
                        Some(schema) => {
                            found.extend(problems(schema, member, &format!("{at}/{key}")));
                        }
                        None if schema["additionalProperties"] == true => {}
                        None if schema["additionalProperties"].is_object() => {
                            let rule = &schema["additionalProperties"];
                            found.extend(problems(rule, member, &format!("{at}/{key}")));
                        }
                        None => found.push(format!("{at}/{key} is not in the document")),
                    }
                }
                true
            }
            "required" => {
                let keys = rule.as_array().unwrap().iter();
                let mut keys = keys.map(|key| key.as_str().unwrap());
                value
                    .as_object()
                    .is_none_or(|object| keys.all(|key| object.contains_key(key)))
            }
            "additionalProperties" => true,
            "propertyNames" => {
                for key in value
                    .as_object()
                    .into_iter()
                    .flat_map(|object| object.keys())
                {
                    found.extend(problems(rule, &json!(key), &format!("the name {at}/{key}")));
                }
                true
            }
            "maxProperties" => value
                .as_object()
                .is_none_or(|it| it.len() as u64 <= rule.as_u64().unwrap()),
            keyword => {
                ANNOTATIONS.contains(&keyword) || panic!("unknown keyword {keyword} at {at}")
            }
        };
        if !fits {
            found.push(format!("{at} is {value}, against {keyword} {rule}"));
        }
    }
    found
}

fn size(value: &Value) -> Option<u64> {
    value.as_str().map(|text| text.chars().count() as u64)
}

fn is_of_type(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        kind => panic!("unknown type {kind}"),
    }
}

fn has_format(text: &str, format: &Value) -> bool {
    match format.as_str().unwrap() {
        "uuid" => uuid::Uuid::parse_str(text).is_ok(),
        "date-time" => Timestamp::parse(text).is_ok(),
        "uri" => url::Url::parse(text).is_ok(),
        format => panic!("unknown format {format}"),
    }
}

/// Returns the operation of a request; `None` if the document has none.
fn operation(method: &str, target: &str) -> Option<&'static Value> {
    let path = target.split('?').next().unwrap();
    let path = path.strip_suffix('/').unwrap_or(path);
    let path = match path.strip_prefix("/v1/") {
        Some(rest) => format!("/api/{rest}"),
        None => path.to_owned(),
    };
    let segments: Vec<_> = path.split('/').collect();
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let (_, item) = paths.iter().find(|(pattern, _)| {
        let pattern: Vec<_> = pattern.split('/').collect();
        let mut pairs = pattern.iter().zip(&segments);
        pattern.len() == segments.len()
            && pairs.all(|(own, sent)| own == sent || (own.starts_with('{') && !sent.is_empty()))
    })?;
    item.get(method.to_ascii_lowercase())
}

/// Asserts that an answer of the API is as the document says.
#[track_caller]
pub(crate) fn check(method: &str, target: &str, answer: &Answer) {
    let is_json = answer.header("content-type") == Some("application/json");
    let about = || format!("{method} {target}: {} {}", answer.status, answer.text);
    let Some(operation) = operation(method, target) else {
        // An unknown path or method: an error like the others.
        if answer.status >= 400 && is_json && !answer.text.is_empty() {
            let body = answer.json();
            let kinds = ["Error", "AuthenticationError"];
            let fits = kinds.iter().any(|kind| {
                let schema = &DOCUMENT["components"]["schemas"][*kind];
                problems(schema, &body, "").is_empty()
            });
            assert!(fits, "{}", about());
        }
        return;
    };
    let response = resolved(&operation["responses"][answer.status.to_string()]);
    assert!(
        response.is_object(),
        "the document has no such status: {}",
        about()
    );
    // A request that is not valid HTTP gets no body.
    if answer.status == 400 && answer.text.is_empty() {
        return;
    }
    let content = &response["content"]["application/json"];
    if content.is_null() {
        assert_eq!(answer.text, "", "{}", about());
        return;
    }
    let body = answer.json();
    let found = problems(&content["schema"], &body, "");
    assert!(found.is_empty(), "{}\n{}", about(), found.join("\n"));
    if answer.status >= 400 {
        let mut examples = content["examples"].as_object().unwrap().values();
        let is_shown = examples.any(|example| example["value"]["error"] == body["error"]);
        assert!(is_shown, "the document has no such error: {}", about());
    }
}
