//! The problems that a value of a request can have: the table of rules, types and messages.
//! The wording is [upstream's](super), except where upstream has no such problem.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::loc::Loc;
use super::problem_kind::ProblemKind;
use crate::domain::message::BATCH_EVENTS_MAX;

/// A rule that a value breaks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Violation {
    Missing,
    NotAnObject,
    /// The reason, in the words of Python's JSON parser.
    JsonInvalid(&'static str),
    StringType,
    /// The text has half of a surrogate pair.
    StringUnicode,
    /// The least number of characters.
    StringTooShort(usize),
    /// The greatest number of characters.
    StringTooLong(usize),
    /// The regular expression that does not match.
    StringPattern(&'static str),
    ListType,
    /// The least number of items.
    ListTooShort(usize),
    /// The greatest number of items, and the number in the request.
    ListTooLong(usize, usize),
    /// The number of messages of a batch, from the first one on, that make few enough events, and the number in the
    /// request.
    TooManyEvents(usize, usize),
    BoolType,
    BoolParsing,
    IntType,
    IntParsing,
    IntFromFloat,
    /// The bound, which is not itself allowed.
    GreaterThan(u64),
    /// The bound, which is allowed.
    GreaterThanEqual(u64),
    /// The bound, which is allowed.
    LessThanEqual(u64),
    UuidType,
    /// The reason.
    UuidParsing(String),
    /// The text is no workspace's id: the reason.
    WorkspaceIdParsing(String),
    UuidVersion,
    UrlType,
    /// The allowed schemes, and the setting of the server that would allow the one that was sent.
    UrlScheme(&'static str, Option<&'static str>),
    /// The reason.
    UrlParsing(&'static str),
    /// The greatest number of bytes.
    UrlTooLong(usize),
    /// The allowed values.
    Enum(String),
    /// The allowed values.
    Literal(String),
    DatetimeType,
    /// The reason.
    DatetimeParsing(&'static str),
    TimezoneAware,
    IdempotencyKeyReused,
    WorkspaceToken,
    /// The name of a custom header is not allowed: the reason.
    HeaderName(Cow<'static, str>),
    /// The value of a custom header is not allowed: the reason.
    HeaderValue(Cow<'static, str>),
    /// A rule that upstream does not know; the text says what is allowed.
    Value(Cow<'static, str>),
    /// The same, for a rule that a setting of the server, named here, can change.
    ValueUnlessSet(String, &'static str),
    /// A fault of an event pattern; the text says what is allowed.
    FilterSyntax(Cow<'static, str>),
}

impl Violation {
    /// Returns the type of the problem.
    const fn kind(&self) -> ProblemKind {
        match self {
            Self::Missing => ProblemKind::Missing,
            Self::NotAnObject => ProblemKind::ModelAttributesType,
            Self::JsonInvalid(_) => ProblemKind::JsonInvalid,
            Self::StringType => ProblemKind::StringType,
            Self::StringUnicode => ProblemKind::StringUnicode,
            Self::StringTooShort(_) => ProblemKind::StringTooShort,
            Self::StringTooLong(_) => ProblemKind::StringTooLong,
            Self::StringPattern(_) => ProblemKind::StringPatternMismatch,
            Self::ListType => ProblemKind::ListType,
            Self::ListTooShort(_) => ProblemKind::TooShort,
            Self::ListTooLong(..) | Self::TooManyEvents(..) => ProblemKind::TooLong,
            Self::BoolType => ProblemKind::BoolType,
            Self::BoolParsing => ProblemKind::BoolParsing,
            Self::IntType => ProblemKind::IntType,
            Self::IntParsing => ProblemKind::IntParsing,
            Self::IntFromFloat => ProblemKind::IntFromFloat,
            Self::GreaterThan(_) => ProblemKind::GreaterThan,
            Self::GreaterThanEqual(_) => ProblemKind::GreaterThanEqual,
            Self::LessThanEqual(_) => ProblemKind::LessThanEqual,
            Self::UuidType => ProblemKind::UuidType,
            Self::UuidParsing(_) | Self::WorkspaceIdParsing(_) => ProblemKind::UuidParsing,
            Self::UuidVersion => ProblemKind::UuidVersion,
            Self::UrlType => ProblemKind::UrlType,
            Self::UrlScheme(..) => ProblemKind::UrlScheme,
            Self::UrlParsing(_) => ProblemKind::UrlParsing,
            Self::UrlTooLong(_) => ProblemKind::UrlTooLong,
            Self::Enum(_) => ProblemKind::Enum,
            Self::Literal(_) => ProblemKind::LiteralError,
            Self::DatetimeType => ProblemKind::DatetimeType,
            Self::DatetimeParsing(_) => ProblemKind::DatetimeFromDateParsing,
            Self::TimezoneAware => ProblemKind::TimezoneAware,
            Self::IdempotencyKeyReused => ProblemKind::IdempotencyKeyReused,
            Self::WorkspaceToken => ProblemKind::WorkspaceToken,
            Self::HeaderName(_) => ProblemKind::HeaderName,
            Self::HeaderValue(_) => ProblemKind::HeaderValue,
            Self::Value(_) | Self::ValueUnlessSet(..) => ProblemKind::ValueError,
            Self::FilterSyntax(_) => ProblemKind::FilterSyntax,
        }
    }

    /// Returns the message, and the numbers or words in the message by name (Pydantic's `ctx`).
    fn describe(&self) -> (Cow<'static, str>, Option<Value>) {
        let plain = |msg| (Cow::Borrowed(msg), None);
        match self {
            Self::Missing => plain("Field required"),
            Self::NotAnObject => {
                plain("Input should be a valid dictionary or object to extract fields from")
            }
            Self::JsonInvalid(why) => ("JSON decode error".into(), Some(json!({ "error": why }))),
            Self::StringType => plain("Input should be a valid string"),
            Self::StringUnicode => plain(
                "Input should be a valid string, unable to parse raw data as a unicode string",
            ),
            Self::StringTooShort(min) => (
                format!("String should have at least {}", count(*min, "character")).into(),
                Some(json!({ "min_length": min })),
            ),
            Self::StringTooLong(max) => (
                format!("String should have at most {}", count(*max, "character")).into(),
                Some(json!({ "max_length": max })),
            ),
            Self::StringPattern(pattern) => (
                format!("String should match pattern '{pattern}'").into(),
                Some(json!({ "pattern": pattern })),
            ),
            Self::ListType => plain("Input should be a valid list"),
            Self::ListTooShort(min) => (
                format!(
                    "List should have at least {} after validation, not 0",
                    count(*min, "item")
                )
                .into(),
                Some(json!({ "field_type": "List", "min_length": min, "actual_length": 0 })),
            ),
            Self::ListTooLong(max, actual) => (
                format!(
                    "List should have at most {} after validation, not {actual}",
                    count(*max, "item")
                )
                .into(),
                Some(json!({ "field_type": "List", "max_length": max, "actual_length": actual })),
            ),
            Self::TooManyEvents(max, actual) => (
                format!(
                    "Messages that are stored together may make at most {BATCH_EVENTS_MAX} events: send at most {} of \
                     these at a time",
                    count(*max, "item")
                )
                .into(),
                Some(json!({ "field_type": "List", "max_length": max, "actual_length": actual })),
            ),
            Self::BoolType => plain("Input should be a valid boolean"),
            Self::BoolParsing => {
                plain("Input should be a valid boolean, unable to interpret input")
            }
            Self::IntType => plain("Input should be a valid integer"),
            Self::IntParsing => {
                plain("Input should be a valid integer, unable to parse string as an integer")
            }
            Self::IntFromFloat => {
                plain("Input should be a valid integer, got a number with a fractional part")
            }
            Self::GreaterThan(bound) => (
                format!("Input should be greater than {bound}").into(),
                Some(json!({ "gt": bound })),
            ),
            Self::GreaterThanEqual(bound) => (
                format!("Input should be greater than or equal to {bound}").into(),
                Some(json!({ "ge": bound })),
            ),
            Self::LessThanEqual(bound) => (
                format!("Input should be less than or equal to {bound}").into(),
                Some(json!({ "le": bound })),
            ),
            _ => self.describe_format(),
        }
    }

    /// Returns the same as [`Violation::describe`], for values that have a certain form.
    fn describe_format(&self) -> (Cow<'static, str>, Option<Value>) {
        let plain = |msg| (Cow::Borrowed(msg), None);
        match self {
            Self::UuidType => plain("UUID input should be a string, bytes or UUID object"),
            Self::UuidParsing(why) => (
                format!("Input should be a valid UUID, {why}").into(),
                Some(json!({ "error": why })),
            ),
            Self::WorkspaceIdParsing(why) => (
                format!(
                    "Input should be a valid UUID, a workspace's id; GET /workspaces lists them \
                     ({why})"
                )
                .into(),
                Some(json!({ "error": why })),
            ),
            Self::UuidVersion => (
                "UUID version 4 expected".into(),
                Some(json!({ "expected_version": 4 })),
            ),
            Self::UrlType => plain("URL input should be a string or URL"),
            Self::UrlScheme(schemes, setting) => (
                format!("URL scheme should be {schemes}").into(),
                Some(match setting {
                    None => json!({ "expected_schemes": schemes }),
                    Some(setting) => json!({ "expected_schemes": schemes, "setting": setting }),
                }),
            ),
            Self::UrlParsing(why) => (
                format!("Input should be a valid URL, {why}").into(),
                Some(json!({ "error": why })),
            ),
            Self::UrlTooLong(max) => (
                format!("URL should have at most {max} characters").into(),
                Some(json!({ "max_length": max })),
            ),
            Self::Enum(expected) | Self::Literal(expected) => (
                format!("Input should be {expected}").into(),
                Some(json!({ "expected": expected })),
            ),
            Self::DatetimeType => plain("Input should be a valid datetime"),
            Self::DatetimeParsing(why) => (
                format!("Input should be a valid datetime or date, {why}").into(),
                Some(json!({ "error": why })),
            ),
            Self::TimezoneAware => plain("Input should have timezone info"),
            Self::IdempotencyKeyReused => {
                plain("This key was used with another message: use a new one")
            }
            Self::WorkspaceToken => {
                plain("A workspace token acts for its own workspace only: leave workspace_id out")
            }
            Self::Value(what) | Self::HeaderName(what) | Self::HeaderValue(what) => (
                format!("Value error, {what}").into(),
                Some(json!({ "error": what })),
            ),
            Self::ValueUnlessSet(what, setting) => (
                format!("Value error, {what}").into(),
                Some(json!({ "error": what, "setting": setting })),
            ),
            Self::FilterSyntax(what) => (
                format!("Filter error, {what}").into(),
                Some(json!({ "error": what })),
            ),
            _ => plain("Value error"),
        }
    }
}

fn count(number: usize, of: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {of}{plural}")
}

/// Returns the allowed names as a text, such as `'raw', 'discord' or 'slack'`.
pub(crate) fn expected(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// An entry in the `detail` of a 422.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// The location of the value.
    pub(crate) loc: Loc,
    /// The rule that the value breaks.
    pub(crate) violation: Violation,
    /// The value that was sent, shortened and without secrets.
    pub(crate) input: Box<RawValue>,
}

impl Problem {
    /// Returns the rule that is broken as a sentence for a person, who sees the value beside it.
    pub(crate) fn message(&self) -> String {
        let (text, _) = self.violation.describe();
        let mut prefixes = ["Value error, ", "Filter error, "].into_iter();
        let text = prefixes
            .find_map(|it| text.strip_prefix(it))
            .unwrap_or(&text);
        let mut letters = text.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string());
        first.unwrap_or_default() + letters.as_str()
    }

    /// Returns the same, after the place inside the field if the value is not the whole field.
    pub(crate) fn message_with_place(&self) -> String {
        match self.loc.inside_field() {
            place if place.is_empty() => self.message(),
            place => format!("{place}: {}", self.message()),
        }
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (msg, ctx) = self.violation.describe();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", self.violation.kind().as_str())?;
        map.serialize_entry("loc", &self.loc)?;
        map.serialize_entry("msg", &msg)?;
        map.serialize_entry("input", &self.input)?;
        if let Some(ctx) = ctx {
            map.serialize_entry("ctx", &ctx)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_read_as_a_sentence() {
        assert_eq!(expected(&["raw", "b", "c"]), "'raw', 'b' or 'c'");
        assert_eq!(expected(&["a"]), "'a'");
        assert_eq!(count(1, "item"), "1 item");
    }
}
