//! Every row of the contract's table, and several problems at once.

mod hostile;

use serde_json::{Value, json};
use uuid::Uuid;

use super::read;
use super::*;
use crate::domain::network_policy::NetworkPolicy;

/// The 422's `detail`, as a client reads it.
fn detail(result: Result<Checked, Vec<Problem>>) -> Value {
    match result {
        Ok(_) => json!([]),
        Err(problems) => serde_json::from_str(&serde_json::to_string(&problems).unwrap()).unwrap(),
    }
}

/// The only problem of a field of the body.
fn field<T>(
    name: &'static str,
    json: &str,
    read: impl FnOnce(Given<'_>, &mut Place<'_>) -> Option<T>,
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

/// Asserts type, location, message, input and context of a field's only problem.
macro_rules! refuses {
    ($read:expr, $name:literal: $json:expr, $kind:literal, $msg:expr, $ctx:tt) => {
        let given: &str = $json;
        let problem = field($name, given, $read);
        assert_eq!(problem["type"], $kind, "{given}");
        assert_eq!(problem["msg"], $msg, "{given}");
        assert_eq!(problem["loc"], json!(["body", $name]), "{given}");
        assert_eq!(
            problem.get("ctx").cloned().unwrap_or_default(),
            json!($ctx),
            "{given}"
        );
    };
}

/// A value that is accepted.
fn accepts<T>(json: &str, read: impl FnOnce(Given<'_>, &mut Place<'_>) -> Option<T>) -> T {
    let body = format!("{{\"x\":{json}}}");
    let mut input = Input::new("", "");
    input.json(&body);
    let field = input.required("x", read);
    let ok = input
        .finish()
        .map_err(|problems| format!("{json}: {problems:?}"));
    field.take(&ok.unwrap())
}

fn url(given: Given<'_>, place: &mut Place<'_>) -> Option<String> {
    let policy = NetworkPolicy::default();
    read::url(&policy)(given, place).map(|url| url.as_str().to_owned())
}

fn body_problem(text: &str) -> Value {
    let mut input = Input::new("", "");
    input.json(text);
    let _ = input.required("url", url);
    detail(input.finish())
}

#[test]
fn bodies() {
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
fn urls() {
    refuses!(url, "url": "1", "url_type", "URL input should be a string or URL", null);
    refuses!(url, "url": "null", "url_type", "URL input should be a string or URL", null);
    refuses!(url, "url": "\"ftp://a.example\"", "url_scheme", "URL scheme should be 'https'",
        {"expected_schemes": "'https'"});
    refuses!(url, "url": "\"\"", "url_parsing", "Input should be a valid URL, input is empty",
        {"error": "input is empty"});
    let long = format!("\"https://a.example/{}\"", "a".repeat(2100));
    refuses!(url, "url": &long, "url_too_long", "URL should have at most 2083 characters",
        {"max_length": 2083});
    assert_eq!(
        field("url", "\"https://u@a.example\"", url)["type"],
        "value_error"
    );
    refuses!(url, "url": r#""\ud800""#, "string_unicode",
        "Input should be a valid string, unable to parse raw data as a unicode string", null);
}

#[test]
fn secrets_are_never_echoed() {
    refuses!(read::secret, "secret": "\"short\"", "string_too_short",
        "String should have at least 32 characters", {"min_length": 32});
    let long = format!("\"{}\"", "x".repeat(257));
    refuses!(read::secret, "secret": &long, "string_too_long",
        "String should have at most 256 characters", {"max_length": 256});
    refuses!(read::secret, "secret": "[1]", "string_type", "Input should be a valid string", null);
    let key = format!("\"whsec_{}\"", "!".repeat(40));
    for bad in ["\"short\"", &long, "[1]", &key, r#""\ud800""#] {
        assert_eq!(
            field("secret", bad, read::secret)["input"],
            "**********",
            "{bad}"
        );
    }
    let msg = field("secret", &key, read::secret)["msg"].clone();
    assert!(
        msg.as_str()
            .unwrap()
            .starts_with("Value error, a secret that starts with whsec_")
    );
}

#[test]
fn choices_and_lists() {
    let msg = "Input should be 'raw', 'discord' or 'slack'";
    for bad in ["\"Raw\"", "5", "null", "{}", r#""\ud800""#] {
        refuses!(read::format, "format": bad, "enum", msg,
            {"expected": "'raw', 'discord' or 'slack'"});
    }
    refuses!(read::subscriptions, "events": "\"*\"", "list_type",
        "Input should be a valid list", null);
    refuses!(read::scopes, "scopes": "[]", "too_short",
        "List should have at least 1 item after validation, not 0",
        {"field_type": "List", "min_length": 1, "actual_length": 0});
    let many = format!("[{}\"*\"]", "\"*\",".repeat(100));
    refuses!(read::subscriptions, "events": &many, "value_error",
        "Value error, at most 100 of them are allowed, not 101",
        {"error": "at most 100 of them are allowed, not 101"});

    let mut input = Input::new("", "");
    input.json(r#"{"events":["a.b", "a..b", 7, "*"],"scopes":["webhooks:read","all"]}"#);
    let _ = input.required("events", read::subscriptions);
    let _ = input.required("scopes", read::scopes);
    let detail = detail(input.finish());
    assert_eq!(detail[0]["type"], "string_pattern_mismatch");
    assert_eq!(detail[0]["loc"], json!(["body", "events", 1]));
    let msg = detail[0]["msg"].as_str().unwrap();
    assert!(msg.starts_with("String should match pattern '^"), "{msg}");
    assert_eq!(detail[0]["input"], "a..b");
    assert_eq!(detail[1]["type"], "string_type");
    assert_eq!(detail[1]["loc"], json!(["body", "events", 2]));
    assert_eq!(detail[2]["loc"], json!(["body", "scopes", 1]));
    assert_eq!(detail[2]["type"], "enum");
    assert_eq!(detail.as_array().unwrap().len(), 3);
}

#[test]
fn booleans_have_many_spellings() {
    for yes in [
        "true", "1", "1.0", "1e0", "\"true\"", "\"T\"", "\"Yes\"", "\"y\"", "\"ON\"", "\"1\"",
    ] {
        assert!(accepts(yes, read::boolean), "{yes}");
    }
    for no in [
        "false",
        "0",
        "0.0",
        "-0",
        "\"False\"",
        "\"f\"",
        "\"no\"",
        "\"N\"",
        "\"off\"",
        "\"0\"",
    ] {
        assert!(!accepts(no, read::boolean), "{no}");
    }
    let msg = "Input should be a valid boolean, unable to interpret input";
    for bad in [
        "2",
        "-1",
        "2.0",
        "\"\"",
        "\" true\"",
        "\"maybe\"",
        r#""\ud800""#,
    ] {
        refuses!(read::boolean, "enabled": bad, "bool_parsing", msg, null);
    }
    for bad in ["null", "[]", "{}", "0.5", "1e400"] {
        refuses!(read::boolean, "enabled": bad, "bool_type", "Input should be a valid boolean", null);
    }
}

#[test]
fn ids() {
    let good = "2f1e0c9a-5b6d-4c3e-8a7b-0123456789ab";
    let bare = "2F1E0C9A5B6D4C3E8A7B0123456789AB";
    for id in [good, bare] {
        assert_eq!(
            accepts(&format!("\"{id}\""), read::id),
            Uuid::parse_str(good).unwrap()
        );
    }
    refuses!(read::id, "workspace_id": "\"abc\"", "uuid_parsing",
        "Input should be a valid UUID, invalid length: expected length 32 for simple format, found 3",
        {"error": "invalid length: expected length 32 for simple format, found 3"});
    refuses!(read::id, "workspace_id": "7", "uuid_type",
        "UUID input should be a string, bytes or UUID object", null);
    let version_1 = format!("\"{}\"", good.replace("-4c3e", "-1c3e"));
    refuses!(read::id, "workspace_id": &version_1, "uuid_version", "UUID version 4 expected",
        {"expected_version": 4});
}

#[test]
fn times() {
    for good in ["2026-01-31T12:00:00Z", "2026-01-31 12:00:00.5+02:00"] {
        let sent = accepts(&format!("\"{good}\""), read::time_as_sent);
        assert_eq!(sent, good, "kept as sent");
    }
    refuses!(read::time_as_sent, "timestamp": "\"2026-01-31T12:00:00\"", "timezone_aware",
        "Input should have timezone info", null);
    refuses!(read::time_as_sent, "timestamp": "\"soon\"", "datetime_from_date_parsing",
        "Input should be a valid datetime or date, input is too short",
        {"error": "input is too short"});
    refuses!(read::time_as_sent, "timestamp": "1700000000", "datetime_type",
        "Input should be a valid datetime", null);
    let long = format!("\"2026-01-31T12:00:00.{}Z\"", "0".repeat(100));
    assert_eq!(
        field("timestamp", &long, read::time)["type"],
        "datetime_from_date_parsing"
    );

    let mut input = Input::new(
        "",
        "a=2026-01-31T12:00:00+02:00&b=2026-01-31%2012:00:00Z&c=2026-01-31+12:00:00",
    );
    let a = input.query("a", read::time);
    let b = input.query("b", read::time);
    let _ = input.query("c", read::time);
    let problems = input.finish().unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].fault, Fault::TimezoneAware);
    let hour_2 = 2 * 3_600_000_000;
    assert_eq!(
        b.0.unwrap().unwrap().micros() - a.0.unwrap().unwrap().micros(),
        hour_2
    );
}

#[test]
fn numbers() {
    for (text, number) in [
        ("1", 1),
        (" 7 ", 7),
        ("+3", 3),
        ("5.00", 5),
        ("9223372036854775807", 9_223_372_036_854_775_807),
        ("99999999999999999999999", u64::MAX),
    ] {
        assert_eq!(accepts(&format!("\"{text}\""), read::positive), number);
        let json = text.trim().trim_start_matches('+');
        assert_eq!(accepts(json, read::positive), number);
    }
    for bad in ["0", "-1", "-0", "\"0\"", "-99999999999999999999999"] {
        refuses!(read::positive, "expires_in": bad, "greater_than",
            "Input should be greater than 0", {"gt": 0});
    }
    for bad in [
        "\"\"",
        "\"x\"",
        "\"1e3\"",
        "\"1.5\"",
        "\"٣\"",
        "\"--1\"",
        "\".0\"",
        r#""\ud800""#,
    ] {
        refuses!(read::positive, "expires_in": bad, "int_parsing",
            "Input should be a valid integer, unable to parse string as an integer", null);
    }
    refuses!(read::positive, "expires_in": "1.5", "int_from_float",
        "Input should be a valid integer, got a number with a fractional part", null);
    refuses!(read::positive, "expires_in": "true", "int_type",
        "Input should be a valid integer", null);
    assert_eq!(
        field("expires_in", "3162240001", read::lifetime)["type"],
        "less_than_equal"
    );
}

#[test]
fn data_keeps_its_bytes_and_has_a_greatest_depth() {
    for data in [
        "1e400",
        "123456789012345678901234567890",
        r#"{ "b":1, "a":2, "b":3 }"#,
        r#""\ud800\u0000 é""#,
        "null",
    ] {
        assert_eq!(accepts(data, read::any_json).get(), data);
    }
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(accepts(&nested(128), read::any_json).get(), nested(128));
    for depth in [129, 100_000] {
        let problem = field("data", &nested(depth), read::any_json);
        assert_eq!(problem["type"], "value_error");
        assert_eq!(
            problem["msg"],
            "Value error, it may be nested at most 128 deep"
        );
    }
}

#[test]
fn names_and_filters() {
    refuses!(read::workspace_name, "name": "\" \"", "string_too_short",
        "String should have at least 1 character", {"min_length": 1});
    let long = format!("\"{}\"", "é".repeat(65));
    refuses!(read::workspace_name, "name": &long, "string_too_long",
        "String should have at most 64 characters", {"max_length": 64});
    for bad in ["\"2f1e0c9a-5b6d-4c3e-8a7b-0123456789ab\"", r#""a\u0000b""#] {
        assert_eq!(
            field("name", bad, read::workspace_name)["type"],
            "value_error"
        );
    }
    let long = format!("\"{}\"", "a".repeat(2049));
    refuses!(read::filter_text, "url": &long, "string_too_long",
        "String should have at most 2048 characters", {"max_length": 2048});
    refuses!(read::code_class, "http_code_class": "\"2XX\"", "literal_error",
        "Input should be '2xx', '3xx', '4xx' or '5xx'",
        {"expected": "'2xx', '3xx', '4xx' or '5xx'"});
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
