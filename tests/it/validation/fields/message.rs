//! The fields of a message.

use super::*;

pub(in crate::validation) fn event_type() -> Vec<Row> {
    let mut rows = others(&["null", "1", "true", "[]", "{}"], &string_type());
    rows.push(row(r#""a\ud800""#, string_unicode()));
    let mismatch = pattern(r"^(?=.{1,128}$)[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$");
    let long = "a".repeat(129);
    for bad in [
        "", ".", "a.", "a..b", "*", "a.*", "a b", "é", "a\n", "\0", &long,
    ] {
        rows.push(row(&quoted(bad), mismatch.clone()));
    }
    rows
}

pub(in crate::validation) fn data() -> Vec<Row> {
    let nested = format!("{}{}", "[".repeat(129), "]".repeat(129));
    vec![row(
        &nested,
        value_error("it may be nested at most 128 deep"),
    )]
}

pub(in crate::validation) fn timestamp() -> Vec<Row> {
    let datetime_type = plain("datetime_type", "Input should be a valid datetime");
    let mut rows = others(&["1700000000", "true", "[]", "{}"], &datetime_type);
    rows.push(row(r#""\ud800""#, string_unicode()));
    for naive in [
        "2026-01-31T12:00:00",
        "2026-01-31 12:00",
        "2026-01-31",
        "2026-01-31T12:00:00.123456",
    ] {
        rows.push(row(&quoted(naive), timezone_aware()));
    }
    let short = datetime_parsing("input is too short");
    rows.extend(others(&[r#""""#, r#""soon""#, r#""12:00Z""#], &short));
    let unlike = datetime_parsing("input is not like 2026-01-31T12:00:00Z");
    let long = format!("2026-01-31T12:00:00.{}Z", "0".repeat(60));
    for garbage in [
        "the day after tomorrow",
        "1700000000000",
        "2026-02-30T12:00:00Z",
        "2026-01-31T25:00:00Z",
        "2026-01-31T12:00:00+99:99",
        "2026-01-31x12:00:00Z",
        "2026-01-3112:00:00Z",
        "2026-01-31T12:00:00,5Z",
        "éééééééééé",
        &long,
    ] {
        rows.push(row(&quoted(garbage), unlike.clone()));
    }
    for (text, why) in [
        ("0000-01-31T12:00:00Z", "the year must not be 0000"),
        ("2016-12-31T23:59:60Z", "the second must be below 60"),
        (
            "2026-01-31T12:00:00.0123456789Z",
            "a fraction of a second must have at most 9 digits",
        ),
        (
            "2026-01-31 12:00:00+1830",
            "the offset from UTC must be at most 18:00",
        ),
    ] {
        rows.push(row(&quoted(text), datetime_parsing(why)));
    }
    rows
}

pub(in crate::validation) fn endpoint_ids() -> Vec<Row> {
    let list_type = plain("list_type", "Input should be a valid list");
    let mut rows = others(&["1", "true", r#""*""#, "{}"], &list_type);
    let none = with_ctx(
        "too_short",
        "List should have at least 1 item after validation, not 0".to_owned(),
        json!({ "field_type": "List", "min_length": 1, "actual_length": 0 }),
    );
    rows.push(row("[]", none));
    let many = vec![quoted(""); 101].join(",");
    let too_many = value_error("at most 100 of them are allowed, not 101");
    rows.push(row(&format!("[{many}]"), too_many));
    for (at, (text, violation)) in bad_ids().into_iter().enumerate() {
        let before = format!("{},", quoted(NOBODY)).repeat(at % 3);
        let list = format!("[{before}{}]", quoted(text));
        rows.push((list, violation, Some(at % 3)));
    }
    rows
}
