//! The spellings of a time in RFC 3339, and which of them common parsers refuse.
//!
//! A producer's time is passed on to receivers. Their parsers are stricter than RFC 3339: Go and Java refuse
//! a space in place of the `T`, a small `t` or `z`, and an offset without colon.

/// The most digits of a fraction of a second: Java and .NET refuse more than nanoseconds.
const FRACTION_DIGITS_MAX: usize = 9;

/// The greatest offset from UTC, in hours: Java refuses more. No time zone has more than 14.
const OFFSET_HOURS_MAX: u8 = 18;

/// Rewrites a common variant of RFC 3339 as RFC 3339, without the white space around it; a missing zone stays
/// missing. Numbers are not checked: other texts become texts that a parser refuses, or `None`.
pub(super) fn regular(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.is_ascii() {
        return None;
    }
    let (date, rest) = text.split_at_checked("2026-01-31".len())?;
    let zone_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(zone_at);
    let clock = match clock.strip_prefix(['T', 't', ' ']) {
        None if clock.is_empty() => "00:00:00".to_owned(),
        None => return None,
        Some(clock) if clock.len() == "12:00".len() => format!("{clock}:00"),
        Some(clock) => clock.to_owned(),
    };
    let zone = match zone.len() {
        1 => zone.to_ascii_uppercase(),
        3 => format!("{zone}:00"),
        5 if !zone.contains(':') => format!("{}:{}", &zone[..3], &zone[3..]),
        _ => zone.to_owned(),
    };
    Some(format!("{date}T{clock}{zone}"))
}

/// Returns the reason why parsers of receivers refuse a valid time in the [`regular`] spelling; `None` if they
/// accept it.
pub(super) fn refused_by_receivers(regular: &str) -> Option<&'static str> {
    let clock = regular.get("2026-01-31T".len()..)?;
    let zone_at = clock.find(['Z', '+', '-'])?;
    let (clock, zone) = clock.split_at(zone_at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    // Two digits each, so the order of texts is that of numbers.
    let beyond = zone.get(1..).unwrap_or_default() > format!("{OFFSET_HOURS_MAX}:00").as_str();
    if regular.starts_with("0000") {
        Some("the year must not be 0000")
    } else if clock.ends_with(":60") {
        Some("the second must be below 60")
    } else if fraction.len() > FRACTION_DIGITS_MAX {
        Some("a fraction of a second must have at most 9 digits")
    } else if beyond {
        Some("the offset from UTC must be at most 18:00")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::domain::clock::{Timestamp, TimestampProblem};

    #[test]
    fn variants_of_rfc_3339_become_regular() {
        for (text, expected) in [
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            ("2026-01-01 00:00:00+00:00", "2026-01-01T00:00:00+00:00"),
            ("2026-01-01T00:00:00+0000", "2026-01-01T00:00:00+00:00"),
            ("2026-01-01T00:00:00.50+02", "2026-01-01T00:00:00.50+02:00"),
            ("2026-01-01T12:30-05:30", "2026-01-01T12:30:00-05:30"),
            ("2026-01-01t00:00:00.000z", "2026-01-01T00:00:00.000Z"),
            (" 2026-01-01Z\n", "2026-01-01T00:00:00Z"),
            (
                "2026-01-01T00:00:00.123456789-18:00",
                "2026-01-01T00:00:00.123456789-18:00",
            ),
        ] {
            assert_eq!(Timestamp::respell(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn times_that_receivers_refuse_say_why() {
        for (text, expected) in [
            ("0000-01-01T00:00:00Z", "the year"),
            ("2016-12-31T23:59:60Z", "the second"),
            ("2026-01-01T00:00:00.1234567890Z", "a fraction"),
            ("2026-01-01T00:00:00+18:01", "the offset"),
            ("2026-01-01T00:00:00-23:59", "the offset"),
        ] {
            match Timestamp::respell(text) {
                Err(TimestampProblem::Refused(why)) => assert!(why.starts_with(expected), "{why}"),
                other => panic!("{text}: {other:?}"),
            }
            assert!(Timestamp::parse(text).is_ok(), "as a filter: {text}");
        }
        for text in [
            "2026-01-01x00:00:00Z",
            "2026-01-0100:00:00Z",
            "2026-01-01TZ",
            "2026-01-01  00:00:00Z",
            "2026-01-01 00:00:00 Z",
            "2026-01-01T00:00:00,5Z",
            "2026-01-01T00:00:00+1",
            "2026-01-01T24:00:00Z",
        ] {
            let unreadable = Err(TimestampProblem::Unreadable);
            assert_eq!(Timestamp::respell(text), unreadable, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_respelled_time_is_the_same_time_in_one_form(
            date in "(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])",
            separator in "[Tt ]",
            clock in "([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,9})?)?",
            zone in "[Zz]|[+-](0[0-9]|1[0-7])(:?[0-5][0-9])?",
        ) {
            let text = format!("{date}{separator}{clock}{zone}");
            let spelled = Timestamp::respell(&text).unwrap();
            prop_assert_eq!(Timestamp::parse(&spelled), Timestamp::parse(&text));
            prop_assert_eq!(Timestamp::respell(&spelled), Ok(spelled.clone()));
            let form: String = spelled
                .chars()
                .map(|c| if c.is_ascii_digit() { '0' } else { c })
                .collect();
            prop_assert!(form.starts_with("0000-00-00T00:00:00"), "{}", form);
            prop_assert!(
                ["Z", "+00:00", "-00:00"].iter().any(|zone| form.ends_with(zone)), "{}", form
            );
        }
    }
}
