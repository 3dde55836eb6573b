//! Filters, tags, and the fields of a preview. Those inside of them have tests of their own.

use super::*;

fn filter_syntax(what: &str) -> Violation {
    let msg = format!("Filter error, {what}");
    with_ctx("filter_syntax", msg, json!({ "error": what }))
}

fn not_an_object() -> Violation {
    plain(
        "model_attributes_type",
        "Input should be a valid dictionary or object to extract fields from",
    )
}

pub(in crate::validation) fn filter() -> Vec<Row> {
    let not_an_object = filter_syntax("a filter should be an object");
    let mut rows = others(
        &["1", "true", "[]", r#""{}""#, r#""\ud800""#],
        &not_an_object,
    );
    let deep = format!("{}{}", "[".repeat(17), "]".repeat(17));
    rows.push(row(
        &deep,
        filter_syntax("a filter should be nested at most 16 deep, not 17"),
    ));
    let long = quoted(&"x".repeat(8191));
    rows.push(row(
        &long,
        filter_syntax("a filter should have at most 8192 bytes, not 8193"),
    ));
    rows
}

pub(in crate::validation) fn tags() -> Vec<Row> {
    let mut rows = others(&["1", "true", "[]", r#""a:b""#], &not_an_object());
    let members: Vec<_> = (0..21).map(|n| format!(r#""{n}":"""#)).collect();
    rows.push(row(
        &format!("{{{}}}", members.join(",")),
        value_error("at most 20 of them are allowed, not 21"),
    ));
    rows
}

/// The endpoint of a preview, or its message.
pub(in crate::validation) fn draft() -> Vec<Row> {
    others(&["null", "1", "true", "[]", r#""a""#], &not_an_object())
}

pub(in crate::validation) fn previewed_id() -> Vec<Row> {
    let uuid_type = plain(
        "uuid_type",
        "UUID input should be a string, bytes or UUID object",
    );
    let mut rows = others(&["7", "false", "[]", "{}"], &uuid_type);
    let ids = bad_ids().into_iter();
    rows.extend(ids.map(|(text, violation)| row(&quoted(text), violation)));
    rows.push(row(r#""\ud800""#, string_unicode()));
    rows
}
