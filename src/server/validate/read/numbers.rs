//! The readers of booleans and numbers.

use std::borrow::Cow;
use std::time::Duration;

use super::super::{FieldContext, InputValue, Violation};
use crate::domain::access::EXPIRES_IN_MAX_S;
use crate::domain::json::Kind;
use crate::domain::retention::{
    ArchiveAfter, DELETE_AFTER_MIN_S, DeleteAfter, KEEP_MAX_S, KeepTime, KeepTimeProblem,
};
use crate::domain::signing_secrets::OVERLAP_MAX_S;
use crate::server::schema::{Schema, node};

/// Reads a boolean, in any of the spellings that upstream accepts.
pub(crate) fn boolean(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<bool> {
    const TRUE: [&str; 6] = ["1", "on", "t", "true", "y", "yes"];
    const FALSE: [&str; 6] = ["0", "off", "f", "false", "n", "no"];
    context.accepts(Schema::boolean)?;
    let spelt = |text: &str| {
        let among = |words: [&str; 6]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
        match (among(TRUE), among(FALSE)) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    };
    let truth = match value {
        InputValue::Text(text) => spelt(text),
        InputValue::Json(json) => match json.kind() {
            Kind::Bool => Some(json.raw() == "true"),
            Kind::Text => spelt(&json.lossy_text()),
            Kind::Number => match json.raw().parse::<f64>() {
                Ok(1.0) => Some(true),
                Ok(0.0) => Some(false),
                Ok(number) if number.is_finite() && number.fract() == 0.0 => None,
                _ => return context.refuse(value, Violation::BoolType),
            },
            _ => return context.refuse(value, Violation::BoolType),
        },
    };
    truth.or_else(|| context.refuse(value, Violation::BoolParsing))
}

/// Reads a whole number from 1 on; a number beyond `u64` counts as [`u64::MAX`].
pub(crate) fn positive(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<u64> {
    context.accepts(|| Schema::integer(1, 1))?;
    match integer(value, context)? {
        Integer::From0(number @ 1..) => Some(number),
        _ => context.refuse(value, Violation::GreaterThan(0)),
    }
}

/// A whole number.
enum Integer {
    /// Below zero.
    Negative,
    /// From zero on; a number beyond `u64` is [`u64::MAX`].
    From0(u64),
}

/// Reads a whole number.
fn integer(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<Integer> {
    let (text, other) = match value {
        InputValue::Text(text) => (Cow::Borrowed(text), Violation::IntParsing),
        InputValue::Json(json) => match json.kind() {
            Kind::Text => (json.lossy_text(), Violation::IntParsing),
            Kind::Number => (Cow::Borrowed(json.raw()), Violation::IntFromFloat),
            _ => return context.refuse(value, Violation::IntType),
        },
    };
    whole_number(text.trim()).or_else(|| context.refuse(value, other))
}

/// Parses `12`, `+12` and `12.0`. Exponents are refused: `1e3` as a page is more likely a mistake.
fn whole_number(text: &str) -> Option<Integer> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let digits = match digits.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        Some(_) => return None,
        None => digits,
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Only a number that is too great can fail to parse here.
    let number = digits.parse().unwrap_or(u64::MAX);
    Some(if negative && number > 0 {
        Integer::Negative
    } else {
        Integer::From0(number)
    })
}

/// Returns a reader of a whole number from `min` to `max`.
pub(super) fn within(
    min: u32,
    max: u32,
    example: u32,
) -> impl Fn(InputValue<'_>, &mut FieldContext<'_>) -> Option<u32> {
    let (least, most) = (u64::from(min), u64::from(max));
    move |value, context| {
        context.accepts(|| Schema::integer(least, u64::from(example)).with("maximum", most))?;
        match integer(value, context)? {
            Integer::From0(number) if number > most => {
                context.refuse(value, Violation::LessThanEqual(most))
            }
            Integer::From0(number) if number >= least => u32::try_from(number).ok(),
            _ => context.refuse(value, Violation::GreaterThanEqual(least)),
        }
    }
}

/// Reads a time to live, in seconds.
pub(crate) fn lifetime(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<Duration> {
    context.accepts(|| Schema::integer(1, 30 * 24 * 3600).with("maximum", EXPIRES_IN_MAX_S))?;
    match positive(value, context)? {
        seconds if seconds <= EXPIRES_IN_MAX_S => Some(Duration::from_secs(seconds)),
        _ => context.refuse(value, Violation::LessThanEqual(EXPIRES_IN_MAX_S)),
    }
}

/// Reads the overlap of a rotation of secrets, in seconds.
pub(crate) fn overlap(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<Duration> {
    context.accepts(|| Schema::integer(0, 24 * 3600).with("maximum", OVERLAP_MAX_S))?;
    match integer(value, context)? {
        Integer::Negative => context.refuse(value, Violation::GreaterThanEqual(0)),
        Integer::From0(seconds) if seconds <= OVERLAP_MAX_S => Some(Duration::from_secs(seconds)),
        Integer::From0(_) => context.refuse(value, Violation::LessThanEqual(OVERLAP_MAX_S)),
    }
}

/// Reads the time after which a workspace's payloads are dropped, in seconds.
pub(crate) fn archive_after(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<ArchiveAfter> {
    context.accepts(|| keep_schema(7 * 24 * 3600))?;
    keep_time(value, context)
}

/// Reads the time after which a workspace's messages are deleted, in seconds.
pub(crate) fn delete_after(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<DeleteAfter> {
    context.accepts(|| {
        let too_short = node! { "minimum" => 1_u64, "maximum" => DELETE_AFTER_MIN_S - 1 };
        keep_schema(30 * 24 * 3600).with("not", too_short)
    })?;
    keep_time(value, context)
}

fn keep_schema(example: u64) -> Schema {
    Schema::integer(0, example).with("maximum", KEEP_MAX_S)
}

fn keep_time<const LEAST: u64>(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<KeepTime<LEAST>> {
    let Integer::From0(seconds) = integer(value, context)? else {
        return context.refuse(value, Violation::GreaterThanEqual(0));
    };
    match KeepTime::new(seconds) {
        Ok(time) => Some(time),
        Err(KeepTimeProblem::TooLong) => {
            context.refuse(value, Violation::LessThanEqual(KEEP_MAX_S))
        }
        Err(KeepTimeProblem::TooShort(least)) => {
            let what = format!(
                "0, or at least {least}: with less, a publish that is tried again could be stored a second time"
            );
            context.refuse(value, Violation::Value(what.into()))
        }
    }
}
