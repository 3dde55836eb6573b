//! The readers of points in time.

use std::borrow::Cow;

use super::super::{FieldContext, InputValue, Violation};
use super::text_or;
use crate::domain::clock::{Timestamp, TimestampProblem};

/// The greatest length of a text that is parsed as a time, in bytes.
const TIME_MAX: usize = 64;

/// Reads a point in time.
pub(crate) fn time(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<Timestamp> {
    let text = text_or(value, context, Violation::DatetimeType)?;
    let problem = if text.len() > TIME_MAX {
        TimestampProblem::Unreadable
    } else {
        match Timestamp::parse(&with_plus(value, &text)) {
            Ok(time) => return Some(time),
            Err(problem) => problem,
        }
    };
    let violation = match problem {
        TimestampProblem::NoZone => Violation::TimezoneAware,
        TimestampProblem::Unreadable if text.trim().len() < 10 => {
            Violation::DatetimeParsing("input is too short")
        }
        TimestampProblem::Unreadable => {
            Violation::DatetimeParsing("input is not like 2026-01-31T12:00:00Z")
        }
    };
    context.refuse(value, violation)
}

/// Reads a point in time, and returns it as the client wrote it.
pub(crate) fn time_as_sent(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<String> {
    time(value, context)?;
    value.text()?.ok().map(Cow::into_owned)
}

/// Returns the text with a plus sign before the zone where the query string has a space. A plus sign in a
/// query string means a space, and many clients forget to escape the one before a zone.
fn with_plus<'a>(value: InputValue<'_>, text: &'a str) -> Cow<'a, str> {
    match (value, text.rsplit_once(' ')) {
        (InputValue::Text(_), Some((time, zone)))
            if time.contains(':') && zone.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            Cow::Owned(format!("{time}+{zone}"))
        }
        _ => Cow::Borrowed(text),
    }
}
