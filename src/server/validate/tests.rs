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
    assert_eq!(body_problem(" null\n"), body_problem(""));
    for (text, input) in [("[]", json!([])), ("\"x\"", json!("x")), ("12", json!(12))] {
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

#[test]
fn a_parameter_that_was_meant_for_another_is_a_problem_of_its_own() {
    let query = "status%5B%5D=a&stauts=b&status[]=c&unknown=d&pgae=e&status=f";
    let mut input = Input::new("", query);
    let _ = input.query("page", read::positive);
    let _ = input.query_list("status", read::status);
    let detail = detail(input.finish());
    let seen: Vec<_> = detail
        .as_array()
        .unwrap()
        .iter()
        .map(|p| format!("{} {} {}", p["loc"], p["input"], p["ctx"]["error"]).replace('"', ""))
        .collect();
    assert_eq!(
        seen,
        [
            "[query,status,0] f null",
            "[query,status[]] a names of parameters have no brackets: use 'status', and repeat it \
             for several values",
            "[query,stauts] b there is no such parameter; did you mean 'status'?",
            "[query,pgae] e there is no such parameter; did you mean 'page'?",
        ]
    );
}

#[test]
fn unknown_parameters_are_reported_up_to_a_number_and_a_length() {
    let names: Vec<String> = (0..1000).map(|at| format!("status[{at}]=x")).collect();
    let long = format!("status[{}]=x&{}", "y".repeat(1000), names.join("&"));
    let mut input = Input::new("", &long);
    let _ = input.query_list("status", read::status);
    let detail = detail(input.finish());
    assert_eq!(detail.as_array().unwrap().len(), UNKNOWN_NAMES_MAX);
    let name = detail[0]["loc"][1].as_str().unwrap();
    assert_eq!(name.chars().count(), 257, "cut");
}

#[test]
fn empty_and_blank_texts_are_no_filters_and_ends_are_trimmed() {
    let query = "url=%20a%20b%09&query=%20&event_type=&event_type=%20x&event_type=%20";
    let mut input = Input::new("", query);
    let url = input.query("url", read::filter_text).unless_empty();
    let blank = input.query("query", read::filter_text).unless_empty();
    let types = input.query_list("event_type", read::filter_text);
    let types = types.unless_empty();
    let ok = input.finish().unwrap();
    assert_eq!(url.take(&ok).as_deref(), Some("a b"));
    assert_eq!(blank.take(&ok), None);
    assert_eq!(types.take(&ok), ["x"]);
    // The limit is that of the text without the white space.
    let long = format!("url={}{}", "%20".repeat(3000), "a".repeat(2048));
    let mut input = Input::new("", &long);
    let url = input.query("url", read::filter_text);
    let ok = input.finish().unwrap();
    assert_eq!(url.take(&ok).map(|text| text.len()), Some(2048));
}
