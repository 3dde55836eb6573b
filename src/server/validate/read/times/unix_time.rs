//! Unix times in a query string, as [upstream](super::super::super) reads them: a number of seconds, or of
//! milliseconds if it is large; either may have a fraction.

use crate::domain::clock::Timestamp;

/// The greatest number that is one of seconds (in the year 2603); a greater one is of milliseconds. Upstream
/// draws the line here.
const SECONDS_MAX: i64 = 20_000_000_000;

/// The end of the year 9999, in milliseconds. RFC 3339 has no later times, so a greater number is a mistake,
/// such as a time in microseconds.
pub(super) const END_MS: i64 = 253_402_300_800_000;

/// The lengths of dates and times in digits alone: `2026`, `202601`, `20260131`, and with minutes or seconds.
/// As a Unix time, such a text would be in 1970, in 1976 or after 2600.
const DATE_LENGTHS: [usize; 5] = [4, 6, 8, 12, 14];

/// Reads a Unix time; `None` if the text is none, or is more likely a date without hyphens. Digits beyond
/// microseconds are dropped.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (digits, ""),
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || is_like_a_date(text) {
        return None;
    }
    let whole: i64 = whole.parse().ok().filter(|whole| *whole <= END_MS)?;
    let (unit, decimals) = if whole > SECONDS_MAX {
        (1_000, 3)
    } else {
        (1_000_000, 6)
    };
    let fraction: String = fraction
        .chars()
        .chain("000000".chars())
        .take(decimals)
        .collect();
    let micros = whole * unit + fraction.parse::<i64>().ok()?;
    Some(Timestamp::from_micros(if negative {
        -micros
    } else {
        micros
    }))
}

fn is_like_a_date(text: &str) -> bool {
    DATE_LENGTHS.contains(&text.len())
        && (text.starts_with("19") || text.starts_with("20"))
        && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_seconds_or_milliseconds() {
        for (text, micros) in [
            ("0", 0),
            ("12", 12_000_000),
            ("1700000000", 1_700_000_000_000_000),
            (" 1700000000.123 ", 1_700_000_000_123_000),
            ("1700000000.1234567", 1_700_000_000_123_456),
            ("1700000000.0", 1_700_000_000_000_000),
            ("-1.5", -1_500_000),
            ("20000000000", 20_000_000_000_000_000),
            ("1700000000123", 1_700_000_000_123_000),
            ("1700000000123.4567", 1_700_000_000_123_456),
        ] {
            assert_eq!(parse(text), Some(Timestamp::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn other_texts_and_dates_in_digits_are_no_unix_times() {
        for text in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "1e9",
            "0x1",
            "--1",
            "+1",
            "1 2",
            "NaN",
            "inf",
            "1_0",
            "٣",
            "2026",
            "202601",
            "20260131",
            "202601311200",
            "20260131120000",
            "19991231",
            "1700000000000000",
            "99999999999999999999999",
            "2026-01-31",
            "17:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
