//! The readers of points in time.

mod unix_time;

use std::borrow::Cow;

use super::super::{FieldContext, InputValue, Violation};
use super::text_or;
use crate::domain::clock::{Timestamp, TimestampProblem};
use crate::server::schema::{Described, Schema};
use crate::server::validate::Section;

/// The greatest length of a text that is parsed as a time, in bytes.
const TIME_MAX: usize = 64;

/// Reads a point in time: RFC 3339 or a common variant of it, or, in the query string, also a Unix time.
pub(crate) fn time(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<Timestamp> {
    let section = context.section();
    context.accepts(|| {
        if section == Section::Body {
            return Timestamp::schema();
        }
        let unix = Schema::any(1_769_860_800_u64.into())
            .with("type", "number")
            .with("minimum", -unix_time::END_MS)
            .with("maximum", unix_time::END_MS);
        Schema::any_of(vec![Timestamp::schema(), unix])
    })?;
    if let InputValue::Text(text) = value
        && let Some(time) = unix_time::parse(text)
    {
        return Some(time);
    }
    read(value, context, |text| {
        Timestamp::parse(&with_plus(value, text))
    })
}

fn read<T>(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
    parse: impl FnOnce(&str) -> Result<T, TimestampProblem>,
) -> Option<T> {
    let text = text_or(value, context, Violation::DatetimeType)?;
    let parsed = if text.len() > TIME_MAX {
        Err(TimestampProblem::Unreadable)
    } else {
        parse(&text)
    };
    let violation = match parsed {
        Ok(parsed) => return Some(parsed),
        Err(TimestampProblem::NoZone) => Violation::TimezoneAware,
        Err(TimestampProblem::Refused(why)) => Violation::DatetimeParsing(why),
        Err(TimestampProblem::Unreadable) if text.trim().len() < 10 => {
            Violation::DatetimeParsing("input is too short")
        }
        Err(TimestampProblem::Unreadable) => {
            Violation::DatetimeParsing("input is not like 2026-01-31T12:00:00Z")
        }
    };
    context.refuse(value, violation)
}

/// Reads a producer's time, and returns it in a spelling that receivers can read, with the producer's offset
/// and fraction.
pub(crate) fn producers_time(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<String> {
    context.accepts(Timestamp::schema)?;
    read(value, context, Timestamp::respell)
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
