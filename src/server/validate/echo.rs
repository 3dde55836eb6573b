//! The input that the response to an invalid request repeats: shortened, and without secrets.
//!
//! The response must not be many times as long as the request, and must not carry a secret into a client's
//! log. The strictest JSON parser must be able to read it. So numbers beyond the range of a double become
//! strings, and half a surrogate pair becomes U+FFFD.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::domain::json::{Kind, Value};

/// The text in place of a secret.
pub(crate) const MASKED: &str = "**********";
/// The same as JSON.
const MASK: &str = "\"**********\"";
/// The mark in place of a part that was left out.
const CUT: &str = "…";
/// The longest text that is shown whole, in characters.
const TEXT_MAX: usize = 256;
/// The length, in bytes, from which on the rest of a list or an object is left out.
const BUDGET_BYTES: usize = 2048;
/// The depth from which on lists and objects are left out.
const DEPTH_MAX: usize = 5;

/// Returns a value of the body in the form for a response. `secret` is true for the value of a secret field.
pub(crate) fn echo(value: Value<'_>, secret: bool) -> Box<RawValue> {
    let mut out = String::new();
    if secret {
        out.push_str(MASK);
    } else {
        write(&mut out, value, 0);
    }
    raw(out)
}

/// Returns a text of the path or the query in the form for a response.
pub(crate) fn echo_text(text: &str) -> Box<RawValue> {
    let mut out = String::new();
    write_text(&mut out, text);
    raw(out)
}

/// Returns `null`: there was no value.
pub(crate) fn null() -> Box<RawValue> {
    raw("null".to_owned())
}

/// Returns an empty object, for a body that is not JSON.
pub(crate) fn empty_object() -> Box<RawValue> {
    raw("{}".to_owned())
}

/// Returns the mark of a value that was left out.
pub(super) fn cut() -> Box<RawValue> {
    raw(format!("\"{CUT}\""))
}

fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).expect("it is made of checked pieces of JSON")
}

fn write(out: &mut String, value: Value<'_>, depth: usize) {
    match value.kind() {
        Kind::Null | Kind::Bool => out.push_str(value.raw()),
        Kind::Number => {
            let plain = value.raw().len() <= 64;
            if plain && value.raw().parse::<f64>().is_ok_and(f64::is_finite) {
                out.push_str(value.raw());
            } else {
                write_text(out, value.raw());
            }
        }
        Kind::Text => write_text(out, &value.lossy_text()),
        Kind::Array | Kind::Object if depth == DEPTH_MAX => write_text(out, CUT),
        Kind::Array => {
            write_members(out, value, ['[', ']'], |out, _| write_text(out, CUT), depth);
        }
        Kind::Object => {
            let cut = |out: &mut String, _: &Value<'_>| {
                write_text(out, CUT);
                out.push(':');
                write_text(out, CUT);
            };
            write_members(out, value, ['{', '}'], cut, depth);
        }
    }
}

fn write_members(
    out: &mut String,
    value: Value<'_>,
    [open, close]: [char; 2],
    cut: impl Fn(&mut String, &Value<'_>),
    depth: usize,
) {
    out.push(open);
    for (i, member) in value.members().into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        if out.len() > BUDGET_BYTES {
            cut(out, &member.value);
            break;
        }
        if open == '{' {
            write_text(out, &member.name());
            out.push(':');
        }
        if open == '{' && (member.is("secret") || member.is("headers")) {
            out.push_str(MASK);
        } else {
            write(out, member.value, depth + 1);
        }
    }
    out.push(close);
}

/// Returns a text as it is shown: the end of a long one is cut off.
pub(super) fn shortened(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}{CUT}", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

fn write_text(out: &mut String, text: &str) {
    let json = serde_json::to_string(&shortened(text));
    out.push_str(&json.expect("a string always serialises"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::json::scan;

    fn shown(json: &str) -> String {
        echo(scan(json).unwrap().value, false).get().to_owned()
    }

    #[test]
    fn short_values_are_shown_as_they_came() {
        for json in [
            "null",
            "true",
            "12.50",
            "[1,2]",
            r#"{"b":"é","a":{"x":[]}}"#,
        ] {
            assert_eq!(shown(json), json);
        }
    }

    #[test]
    fn secrets_are_masked_however_their_name_is_spelt() {
        let json = r#"{"secret":"a","x":[{"s\u0065cret":{"b":1}}],"Secret2":"c"}"#;
        assert_eq!(
            shown(json),
            r#"{"secret":"**********","x":[{"secret":"**********"}],"Secret2":"c"}"#
        );
        let masked = echo(scan("123").unwrap().value, true);
        assert_eq!(masked.get(), "\"**********\"");
    }

    #[test]
    fn long_and_odd_values_are_cut_to_something_any_parser_reads() {
        let text = format!("\"{}\"", "é".repeat(1000));
        assert_eq!(shown(&text), format!("\"{}…\"", "é".repeat(256)));
        assert_eq!(shown("1e400"), "\"1e400\"");
        assert_eq!(shown(r#"["\ud800"]"#), "[\"\u{fffd}\"]");
        let long = format!("[{}1]", "\"abcdefgh\",".repeat(10_000));
        assert!(shown(&long).len() < 3000 && shown(&long).ends_with("\"…\"]"));
        let wide = format!("{{{}\"z\":1}}", "\"abcdefgh\":[],".repeat(10_000));
        assert!(shown(&wide).len() < 3000);
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(shown(&deep), "[[[[[\"…\"]]]]]");
        for json in [&long, &wide, &deep] {
            serde_json::from_str::<serde_json::Value>(&shown(json)).unwrap();
        }
    }
}
