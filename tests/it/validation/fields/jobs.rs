//! The fields of jobs.

use super::*;

pub(in crate::validation) fn job_action() -> Vec<Row> {
    let violation = one_of("enum", "'redeliver' or 'skip'");
    let bad = [
        "null",
        "1",
        "true",
        "[]",
        "{}",
        r#""""#,
        r#""Skip""#,
        r#""\ud800""#,
    ];
    others(&bad, &violation)
}

pub(in crate::validation) fn job_filter() -> Vec<Row> {
    let not_an_object = plain(
        "model_attributes_type",
        "Input should be a valid dictionary or object to extract fields from",
    );
    let mut rows = others(&["null", "1", "true", "[]", r#""failed""#], &not_an_object);
    rows.push(row("{}", missing()));
    rows
}

pub(in crate::validation) fn rate() -> Vec<Row> {
    let mut rows = not_integers();
    rows.extend(others(
        &["0", "-1", "-0", r#""0""#, r#""-5""#],
        &greater_than_0(),
    ));
    rows.extend(beyond(60_000));
    rows
}
