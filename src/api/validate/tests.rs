//! Tests of requests: bodies, absent fields, and several problems at once.

mod hostile;
mod readers;

use serde_json::{Value, json};

use super::read;
use super::*;
use crate::domain::network_policy::NetworkPolicy;

/// Returns the `detail` of a 422 response, as a client reads it.
fn detail(result: Result<Checked, Vec<Problem>>) -> Value {
    match result {
        Ok(_) => json!([]),
        Err(problems) => serde_json::from_str(&serde_json::to_string(&problems).unwrap()).unwrap(),
    }
}

/// Returns the only problem of a field of the body.
fn field<T>(
    name: &'static str,
    json: &str,
    read: impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
) -> Value {
    let body = format!("{{\"{name}\":{json}}}");
    let mut input = Input::new("", "");
    input.json(&body);
    let _ = input.required(name, read);
    let mut detail = detail(input.finish());
    let problems = detail.as_array_mut().unwrap();
    assert_eq!(problems.len(), 1, "{json}: {problems:?}");
    problems.remove(0)
}

/// Reads a field of the body, and asserts that the value is accepted.
fn accepts<T>(
    json: &str,
    read: impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
) -> T {
    let body = format!("{{\"x\":{json}}}");
    let mut input = Input::new("", "");
    input.json(&body);
    let field = input.required("x", read);
    let ok = input
        .finish()
        .map_err(|problems| format!("{json}: {problems:?}"));
    field.take(&ok.unwrap())
}

fn url(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<String> {
    let policy = NetworkPolicy::default();
    read::url(&policy)(value, context).map(|url| url.as_str().to_owned())
}

fn body_problem(text: &str) -> Value {
    let mut input = Input::new("", "");
    input.json(text);
    let _ = input.required("url", url);
    detail(input.finish())
}

#[test]
fn a_body_must_be_a_json_object_and_of_a_repeated_key_the_last_counts() {
    assert_eq!(
        body_problem(""),
        json!([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": null}])
    );
    for (text, input) in [
        ("[]", json!([])),
        ("null", json!(null)),
        ("\"x\"", json!("x")),
        ("12", json!(12)),
    ] {
        assert_eq!(
            body_problem(text),
            json!([{
                "type": "model_attributes_type",
                "loc": ["body"],
                "msg": "Input should be a valid dictionary or object to extract fields from",
                "input": input,
            }])
        );
    }
    assert_eq!(
        body_problem("{\"é\": NaN}"),
        json!([{
            "type": "json_invalid",
            "loc": ["body", 6],
            "msg": "JSON decode error",
            "input": {},
            "ctx": {"error": "Expecting value"},
        }])
    );
    assert_eq!(
        body_problem(r#"{"secret":"a","x":1}"#),
        json!([{
            "type": "missing",
            "loc": ["body", "url"],
            "msg": "Field required",
            "input": {"secret": "**********", "x": 1},
        }])
    );
    assert_eq!(
        body_problem("\u{feff}{\"url\":\"https://a.example\"}"),
        json!([])
    );
    assert_eq!(
        body_problem(r#"{"url":1,"url":"https://a.example"}"#),
        json!([])
    );
    assert_eq!(
        body_problem(r#"{"url":"https://a.example","url":1}"#)[0]["type"],
        "url_type"
    );
}

#[test]
fn everything_is_reported_in_the_order_of_the_contract() {
    let mut input = Input::new("abc", "endpoint_id=x&limit=0&endpoint_id=y&page=z&page=one");
    input.json(r#"{"secret":"s","enabled":"perhaps"}"#);
    let _ = input.required("url", url);
    let _ = input.optional("secret", read::secret);
    let _ = input.optional("enabled", read::boolean);
    let _ = input.path(read::id);
    let _ = input.query_list("endpoint_id", read::id);
    let _ = input.query("limit", read::positive);
    let _ = input.query("page", read::positive);
    let detail = detail(input.finish());
    let seen: Vec<_> = detail
        .as_array()
        .unwrap()
        .iter()
        .map(|p| format!("{} {} {}", p["type"], p["loc"], p["input"]).replace('"', ""))
        .collect();
    assert_eq!(
        seen,
        [
            "int_parsing [query,page] one",
            "greater_than [query,limit] 0",
            "uuid_parsing [path,id] abc",
            "uuid_parsing [query,endpoint_id,0] x",
            "uuid_parsing [query,endpoint_id,1] y",
            "missing [body,url] {enabled:perhaps,secret:**********}",
            "string_too_short [body,secret] **********",
            "bool_parsing [body,enabled] perhaps",
        ]
    );
}

#[test]
fn absent_and_null_change_nothing() {
    let mut input = Input::new("", "");
    input.json(r#"{"url":null,"unknown":1}"#);
    let given = input.optional("url", url);
    let absent = input.optional("secret", read::secret);
    let ok = input.finish().unwrap();
    assert_eq!(given.take(&ok), None);
    assert_eq!(absent.take(&ok), None);
}

#[test]
fn a_filter_has_a_greatest_number_of_values() {
    let query = "event_type=a&".repeat(101);
    let mut input = Input::new("", &query);
    let _ = input.query_list("event_type", read::filter_text);
    let detail = detail(input.finish());
    assert_eq!(detail[0]["type"], "too_long");
    assert_eq!(detail.as_array().unwrap().len(), 1);
}
