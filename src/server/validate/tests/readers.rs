//! Tests of the readers: for each kind of value, what is accepted, and each row of the contract's table of
//! problems.

use serde_json::json;
use uuid::Uuid;

use super::*;

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

#[test]
fn a_url_that_cannot_be_used_says_why() {
    refuses!(url, "url": "1", "url_type", "URL input should be a string or URL", null);
    refuses!(url, "url": "null", "url_type", "URL input should be a string or URL", null);
    refuses!(url, "url": "\"ftp://a.example\"", "url_scheme", "URL scheme should be 'https'",
        {"expected_schemes": "'https'"});
    refuses!(url, "url": "\"\"", "url_parsing", "Input should be a valid URL, input is empty",
        {"error": "input is empty"});
    let long = format!("\"https://a.example/{}\"", "a".repeat(2100));
    refuses!(url, "url": &long, "url_too_long", "URL should have at most 2083 characters",
        {"max_length": 2083});
    refuses!(url, "url": "\"https://u@a.example\"", "value_error",
        "Value error, URL should not contain a user name or password; for basic auth, set the header `Authorization` in `headers`",
        {"error": "URL should not contain a user name or password; for basic auth, set the header `Authorization` in `headers`"});
    refuses!(url, "url": "\"https://127.0.0.1\"", "value_error",
        "Value error, the address 127.0.0.1 is not allowed: loopback (RFC 1122); use a public \
         address, or have the operator allow this network",
        {"error": "the address 127.0.0.1 is not allowed: loopback (RFC 1122); use a public \
                   address, or have the operator allow this network",
         "setting": "--allow-network"});
    refuses!(url, "url": "\"http://a.example\"", "url_scheme", "URL scheme should be 'https'",
        {"expected_schemes": "'https'", "setting": "--allow-http"});
    let with_http = NetworkPolicy {
        allow_http: true,
        ..NetworkPolicy::default()
    };
    refuses!(read::url(&with_http), "url": "\"ws://a.example\"", "url_scheme",
        "URL scheme should be 'http' or 'https'", {"expected_schemes": "'http' or 'https'"});
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
fn choices_name_what_is_allowed_and_lists_report_each_item() {
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
fn an_id_is_a_uuid_of_version_4_in_any_spelling() {
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
fn a_time_needs_a_zone_and_a_plus_sign_may_be_a_space() {
    for (sent, passed_on) in [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        (
            "2026-01-31 12:00:00.50+0200",
            "2026-01-31T12:00:00.50+02:00",
        ),
    ] {
        let time = accepts(&format!("\"{sent}\""), read::producers_time);
        assert_eq!(time, passed_on);
    }
    refuses!(read::producers_time, "timestamp": "\"0000-01-01T00:00:00Z\"",
        "datetime_from_date_parsing",
        "Input should be a valid datetime or date, the year must not be 0000",
        {"error": "the year must not be 0000"});
    refuses!(read::producers_time, "timestamp": "\"2026-01-31T12:00:00\"", "timezone_aware",
        "Input should have timezone info", null);
    refuses!(read::producers_time, "timestamp": "\"soon\"", "datetime_from_date_parsing",
        "Input should be a valid datetime or date, input is too short",
        {"error": "input is too short"});
    refuses!(read::producers_time, "timestamp": "1700000000", "datetime_type",
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
    assert_eq!(problems[0].violation, Violation::TimezoneAware);
    let hour_2 = 2 * 3_600_000_000;
    assert_eq!(
        b.0.unwrap().unwrap().micros() - a.0.unwrap().unwrap().micros(),
        hour_2
    );
}

#[test]
fn a_positive_number_may_be_a_text_but_has_no_exponent() {
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
fn names_filters_and_code_classes_have_limits() {
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
