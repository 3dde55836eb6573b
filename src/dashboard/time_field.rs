//! Fields for times: what a browser sends has no zone, and is in UTC here.

/// Reports whether a text is a date and a time without a zone, as a browser's field for times sends it.
fn lacks_zone(text: &str) -> bool {
    let Some((date, clock)) = text.split_once('T') else {
        return false;
    };
    let consists = |text: &str, of: &[u8]| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || of.contains(&byte))
    };
    consists(date, b"-") && consists(clock, b":.")
}

/// Returns a time as the API reads it: one without a zone is in UTC.
pub(super) fn with_zone(text: &str) -> String {
    if lacks_zone(text) {
        format!("{text}Z")
    } else {
        text.to_owned()
    }
}

/// Returns a time as a field for times shows it: in UTC, without `Z`.
pub(super) fn without_zone(text: &str) -> &str {
    match text.strip_suffix('Z') {
        Some(time) if lacks_zone(time) => time,
        _ => text,
    }
}

/// Returns the type of the field for a time. The API takes more spellings than a browser's field can show.
pub(super) fn field_type(text: &str) -> &'static str {
    let time = without_zone(text);
    if time.is_empty() || lacks_zone(time) {
        "datetime-local"
    } else {
        "text"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_zone_is_in_utc() {
        assert_eq!(with_zone("2026-03-01T12:00"), "2026-03-01T12:00Z");
        for other in [
            "2026-03-01T12:00Z",
            "2026-03-01T12:00+02:00",
            "1700000000",
            "",
        ] {
            assert_eq!(with_zone(other), other);
        }
        assert_eq!(without_zone("2026-03-01T12:00:05Z"), "2026-03-01T12:00:05");
        assert_eq!(field_type(""), "datetime-local");
        assert_eq!(field_type("2026-03-01T12:00Z"), "datetime-local");
        assert_eq!(field_type("1700000000"), "text");
    }
}
