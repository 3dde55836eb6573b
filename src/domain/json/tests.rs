//! Agreement with the grammar, offsets of errors, and depth.

use std::borrow::Cow;

use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, Visitor};

use super::scanner::*;
use super::*;

fn error(text: &str) -> (usize, &'static str) {
    let error = scan(text).map(|_| ()).unwrap_err();
    (error.at, error.why)
}

#[test]
fn syntax_errors_name_their_place() {
    for (text, expected) in [
        ("", (0, NO_VALUE)),
        ("  ", (2, NO_VALUE)),
        ("nul", (0, NO_VALUE)),
        ("NaN", (0, NO_VALUE)),
        ("-Infinity", (0, NO_VALUE)),
        ("{", (1, NO_KEY)),
        ("{1:2}", (1, NO_KEY)),
        (r#"{"a""#, (4, NO_COLON)),
        (r#"{"a":"#, (5, NO_VALUE)),
        (r#"{"a":}"#, (5, NO_VALUE)),
        (r#"{"a":1"#, (6, NO_COMMA)),
        (r#"{"a":1,}"#, (7, NO_KEY)),
        (r#"{"a":1]"#, (6, NO_COMMA)),
        ("[1,]", (3, NO_VALUE)),
        ("[1 2]", (3, NO_COMMA)),
        ("[", (1, NO_VALUE)),
        ("01", (1, EXTRA)),
        ("1.", (1, EXTRA)),
        ("1e+", (1, EXTRA)),
        ("-", (0, NO_VALUE)),
        ("{} x", (3, EXTRA)),
        (r#""abc"#, (0, UNTERMINATED)),
        (r#" "a\"#, (1, UNTERMINATED)),
        ("\"a\nb\"", (2, CONTROL)),
        ("\"a\0b\"", (2, CONTROL)),
        (r#""\x""#, (1, ESCAPE)),
        (r#""\u12g4""#, (1, UNICODE_ESCAPE)),
        ("\u{feff}{}", (0, NO_VALUE)),
    ] {
        assert_eq!(error(text), expected, "{text:?}");
    }
}

#[test]
fn members_keep_their_bytes_and_know_their_depth() {
    let text = r#" { "a" : [1, {"b":[]}] , "d\u0061ta": 1e400,"data":"\ud800" } "#;
    let document = scan(text).unwrap();
    let seen: Vec<_> = document
        .members
        .iter()
        .map(|m| (m.name().into_owned(), m.value.raw(), m.value.depth()))
        .collect();
    assert_eq!(
        seen,
        [
            ("a".to_owned(), r#"[1, {"b":[]}]"#, 3),
            ("data".to_owned(), "1e400", 0),
            ("data".to_owned(), r#""\ud800""#, 0),
        ]
    );
    assert_eq!(document.value.depth(), 4);
    assert!(document.members[1].is("data"));
    assert_eq!(document.members[2].value.text(), Err(LoneSurrogate));
    assert_eq!(document.members[2].value.lossy_text(), "\u{fffd}");
    let items = document.members[0].value.members();
    assert_eq!(items.len(), 2);
    assert_eq!(items[1].value.raw(), r#"{"b":[]}"#);
    assert!(scan("[]").unwrap().members.is_empty());
    assert!(scan("{}").unwrap().members.is_empty());
    assert_eq!(scan("[[]]").unwrap().members.len(), 1);
}

#[test]
fn depth_costs_no_stack() {
    let deep = format!("{}{}", "[".repeat(2_000_000), "]".repeat(2_000_000));
    assert_eq!(scan(&deep).unwrap().value.depth(), 2_000_000);
    let cut = "{\"a\":".repeat(500_000);
    assert_eq!(error(&cut), (cut.len(), NO_VALUE));
}

#[test]
fn escapes_are_decoded() {
    let text = r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é""#;
    assert_eq!(
        scan(text).unwrap().value.text().unwrap(),
        "\"\\/\u{8}\u{c}\n\r\té😀é"
    );
    for lone in [r#""\ude00""#, r#""\ud83dx""#, r#""\ud83d\u0041""#] {
        assert_eq!(scan(lone).unwrap().value.text(), Err(LoneSurrogate));
    }
    let kept = scan(r#""\ud83d\u0041""#).unwrap().value.lossy_text();
    assert_eq!(kept, "\u{fffd}A");
}

/// Texts made of JSON's own tokens, which the scanner reads far before it finds an error, if there is one.
fn jsonish() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "1", "-", ".", "e", "0", "true", "null", " ",
        "\\", "\\u", "\\ud800", "é", "\0", "\n", "1e400", "\"k\":",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Names and texts, the same ones again and again.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{0,2}", "\\PC{0,4}", Just("\"\\\n,:]}".to_owned())]
}

/// Values that are neither arrays nor objects, the same ones again and again.
pub(crate) fn any_leaf() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let number = prop_oneof![
        (-2_i64..3).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e3_f64..1e3).prop_map(Value::from),
    ];
    prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => number,
        3 => any_text().prop_map(Value::from),
    ]
}

/// Values of all types.
pub(crate) fn any_value() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    any_leaf().prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any_text(), inner), 0..5)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// A string as bytes: `serde_json` decodes each lone surrogate in it to three bytes.
#[derive(Debug)]
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl Visitor<'_> for Collect {
            type Value = Bytes;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Collect)
    }
}

/// Strings of escapes, many of which are halves of surrogate pairs.
fn escapes() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "\\ud83d", "\\ude00", "\\uD800", "\\uDBFF", "\\udc00", "\\uDFFF", "\\u0041", "\\u0000",
        "\\\"", "\\\\", "\\/", "\\b", "\\n", "u", "d83d", "é", "😀",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

proptest! {
    #[test]
    fn lone_surrogates_are_found_where_serde_finds_them(json in escapes()) {
        let Bytes(bytes) = serde_json::from_str(&json).unwrap();
        let value = scan(&json).unwrap().value;
        let lossy = String::from_utf8_lossy(&bytes);
        prop_assert_eq!(value.text_with("\u{fffd}\u{fffd}\u{fffd}"), lossy);
        let whole = String::from_utf8(bytes);
        prop_assert_eq!(value.text().ok().map(Cow::into_owned), whole.ok());
    }

    #[test]
    fn it_agrees_with_serde_about_what_is_json(text in jsonish()) {
        let ours = scan(&text);
        let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok());
        match ours {
            Ok(document) => {
                prop_assert_eq!(document.value.raw(), text.trim());
                for member in document.members {
                    prop_assert!(scan(member.value.raw()).is_ok());
                    let _ = (member.name(), member.value.lossy_text(), member.value.members());
                }
            }
            Err(error) => prop_assert!(text.is_char_boundary(error.at)),
        }
    }

    #[test]
    fn any_text_is_read_back_from_its_escapes(text in any::<String>()) {
        let json = serde_json::to_string(&text).unwrap();
        let document = scan(&json).unwrap();
        prop_assert_eq!(document.value.raw(), json.as_str());
        prop_assert_eq!(document.value.text().unwrap(), text);
    }
}
