//! What a field may hold: one reader per kind of value.
//!
//! A reader gets the value as it came and a place to report to, and gives a value of the domain, or
//! `None` after it has reported at least one problem.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::value::RawValue;
use uuid::Uuid;

use super::problem::expected;
use super::{Fault, Given, Place, uuid_text};
use crate::domain::access::{COMMENT_MAX, EXPIRES_IN_MAX_S, Scope, Scopes};
use crate::domain::clock::{Timestamp, TimestampProblem};
use crate::domain::delivery::CodeClass;
use crate::domain::endpoint::{DESCRIPTION_MAX, Format, NAME_MAX};
use crate::domain::endpoint_url::{EndpointUrl, MAX_URL_BYTES, UrlProblem};
use crate::domain::event::EventStatus;
use crate::domain::event_type::{
    EVENT_TYPE_PATTERN, EventType, SUBSCRIPTION_PATTERN, SUBSCRIPTIONS_MAX, Subscription,
};
use crate::domain::json::Kind;
use crate::domain::message::DATA_DEPTH_MAX;
use crate::domain::network_policy::NetworkPolicy;
use crate::domain::secret::{KEY_BYTES, SECRET_MAX, SECRET_MIN, Secret, SecretProblem};
use crate::domain::visible::first_invisible;
use crate::domain::workspace::{NAME_MAX as WORKSPACE_NAME_MAX, NameProblem, WorkspaceName};

/// The longest text filter, in characters: as long as the URLs it is sought in.
const FILTER_TEXT_MAX: usize = 2048;
/// The longest time that is worth reading, in bytes.
const TIME_MAX: usize = 64;
/// The most scopes in a list of them; there are seven.
const SCOPES_MAX: usize = 100;

/// Any text that is Unicode.
fn text<'a>(given: Given<'a>, place: &mut Place<'_>) -> Option<Cow<'a, str>> {
    text_or(given, place, Fault::StringType)
}

fn text_or<'a>(given: Given<'a>, place: &mut Place<'_>, other: Fault) -> Option<Cow<'a, str>> {
    match given.text() {
        Some(Ok(text)) => Some(text),
        Some(Err(_)) => place.refuse(given, Fault::StringUnicode),
        None => place.refuse(given, other),
    }
}

/// A text of at most `max` characters.
fn text_up_to(max: usize, given: Given<'_>, place: &mut Place<'_>) -> Option<String> {
    let text = text(given, place)?;
    if text.chars().nth(max).is_some() {
        return place.refuse(given, Fault::StringTooLong(max));
    }
    Some(text.into_owned())
}

/// What a token is for.
pub(crate) fn comment(given: Given<'_>, place: &mut Place<'_>) -> Option<String> {
    let text = text_up_to(COMMENT_MAX, given, place)?;
    match first_invisible(&text) {
        None => Some(text),
        Some(character) => place.refuse(given, invisible("a comment", character)),
    }
}

/// The name of an endpoint; may be empty.
pub(crate) fn endpoint_name(given: Given<'_>, place: &mut Place<'_>) -> Option<String> {
    let text = text_up_to(NAME_MAX, given, place)?;
    match first_invisible(&text) {
        None => Some(text),
        Some(character) => place.refuse(given, invisible("a name", character)),
    }
}

/// The description of an endpoint; may be empty, and have several lines.
pub(crate) fn description(given: Given<'_>, place: &mut Place<'_>) -> Option<String> {
    let text = text_up_to(DESCRIPTION_MAX, given, place)?;
    match first_invisible(&text.replace(['\n', '\t'], " ")) {
        None => Some(text),
        Some(character) => place.refuse(given, invisible("a description", character)),
    }
}

/// `what` has a character that cannot be seen.
fn invisible(what: &str, character: char) -> Fault {
    let code = u32::from(character);
    let text =
        format!("{what} must not contain characters that cannot be seen, such as U+{code:04X}");
    Fault::Value(text.into())
}

/// What is sought in a list.
pub(crate) fn filter_text(given: Given<'_>, place: &mut Place<'_>) -> Option<String> {
    text_up_to(FILTER_TEXT_MAX, given, place)
}

/// The id of an object: a UUID of version 4, in any of its spellings.
pub(crate) fn id(given: Given<'_>, place: &mut Place<'_>) -> Option<Uuid> {
    let text = text_or(given, place, Fault::UuidType)?;
    match Uuid::parse_str(&text) {
        Ok(id) if id.get_version_num() == 4 => Some(id),
        Ok(_) => place.refuse(given, Fault::UuidVersion),
        Err(_) => place.refuse(given, Fault::UuidParsing(uuid_text::why_not(&text))),
    }
}

/// The URL of an endpoint, as `policy` allows it.
pub(crate) fn url(
    policy: &NetworkPolicy,
) -> impl Fn(Given<'_>, &mut Place<'_>) -> Option<EndpointUrl> {
    move |given, place| {
        let text = text_or(given, place, Fault::UrlType)?;
        let fault = match EndpointUrl::parse(&text, policy) {
            Ok(url) => return Some(url),
            Err(UrlProblem::Scheme { http_allowed: true }) => Fault::UrlScheme("'http' or 'https'"),
            Err(UrlProblem::Scheme {
                http_allowed: false,
            }) => Fault::UrlScheme("'https'"),
            Err(UrlProblem::Parsing(why)) => Fault::UrlParsing(why),
            Err(UrlProblem::TooLong) => Fault::UrlTooLong(MAX_URL_BYTES),
            Err(rule @ (UrlProblem::Userinfo | UrlProblem::ForbiddenAddress(_))) => {
                Fault::Value(rule.to_string().into())
            }
        };
        place.refuse(given, fault)
    }
}

/// A signing secret that a caller brings.
pub(crate) fn secret(given: Given<'_>, place: &mut Place<'_>) -> Option<Secret> {
    let text = text(given, place)?;
    let fault = match Secret::parse(&text) {
        Ok(secret) => return Some(secret),
        Err(SecretProblem::TooShort) => Fault::StringTooShort(SECRET_MIN),
        Err(SecretProblem::TooLong) => Fault::StringTooLong(SECRET_MAX),
        Err(SecretProblem::BadKey) => Fault::Value(
            format!(
                "a secret that starts with whsec_ must go on with base64 of {} to {} bytes",
                KEY_BYTES.start(),
                KEY_BYTES.end()
            )
            .into(),
        ),
    };
    place.refuse(given, fault)
}

/// How messages are rendered.
pub(crate) fn format(given: Given<'_>, place: &mut Place<'_>) -> Option<Format> {
    let names = Format::ALL.map(Format::as_str);
    choice(given, place, Format::parse, || {
        Fault::Enum(expected(&names))
    })
}

/// The hundreds of a status code.
pub(crate) fn code_class(given: Given<'_>, place: &mut Place<'_>) -> Option<CodeClass> {
    let names = CodeClass::ALL.map(CodeClass::as_str);
    choice(given, place, CodeClass::parse, || {
        Fault::Literal(expected(&names))
    })
}

/// Where an event stands.
pub(crate) fn status(given: Given<'_>, place: &mut Place<'_>) -> Option<EventStatus> {
    let names = EventStatus::ALL.map(EventStatus::as_str);
    choice(given, place, EventStatus::parse, || {
        Fault::Enum(expected(&names))
    })
}

/// What a token may do: at least one thing.
pub(crate) fn scopes(given: Given<'_>, place: &mut Place<'_>) -> Option<Scopes> {
    let names = Scope::ALL.map(Scope::as_str);
    let scopes = list(given, place, SCOPES_MAX, |given, place| {
        choice(given, place, Scope::parse, || Fault::Enum(expected(&names)))
    })?;
    if scopes.is_empty() {
        return place.refuse(given, Fault::ListTooShort(1));
    }
    Some(scopes.into_iter().collect())
}

/// One of several names; anything else, of any type, is the same fault.
fn choice<T>(
    given: Given<'_>,
    place: &mut Place<'_>,
    parse: impl Fn(&str) -> Option<T>,
    fault: impl Fn() -> Fault,
) -> Option<T> {
    match given.text().and_then(Result::ok).and_then(|t| parse(&t)) {
        Some(value) => Some(value),
        None => place.refuse(given, fault()),
    }
}

/// The type of a message.
pub(crate) fn event_type(given: Given<'_>, place: &mut Place<'_>) -> Option<EventType> {
    let text = text(given, place)?;
    match EventType::parse(&text) {
        Some(event_type) => Some(event_type),
        None => place.refuse(given, Fault::StringPattern(EVENT_TYPE_PATTERN)),
    }
}

/// Which messages an endpoint wants.
pub(crate) fn subscriptions(given: Given<'_>, place: &mut Place<'_>) -> Option<Vec<Subscription>> {
    list(given, place, SUBSCRIPTIONS_MAX, |given, place| {
        let text = text(given, place)?;
        match Subscription::parse(&text) {
            Some(subscription) => Some(subscription),
            None => place.refuse(given, Fault::StringPattern(SUBSCRIPTION_PATTERN)),
        }
    })
}

/// A list; every item that will not do is reported, unless there are more than `max`.
fn list<T>(
    given: Given<'_>,
    place: &mut Place<'_>,
    max: usize,
    read: impl Fn(Given<'_>, &mut Place<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let items = match given {
        Given::Json(value) if value.kind() == Kind::Array => value.members(),
        _ => return place.refuse(given, Fault::ListType),
    };
    if items.len() > max {
        let what = format!("at most {max} of them are allowed, not {}", items.len());
        return place.refuse(given, Fault::Value(what.into()));
    }
    let mut values = Vec::with_capacity(items.len());
    let mut complete = true;
    for (index, item) in items.into_iter().enumerate() {
        match read(Given::Json(item.value), &mut place.item(index)) {
            Some(value) => values.push(value),
            None => complete = false,
        }
    }
    complete.then_some(values)
}

/// The name of a workspace.
pub(crate) fn workspace_name(given: Given<'_>, place: &mut Place<'_>) -> Option<WorkspaceName> {
    let text = text(given, place)?;
    let fault = match WorkspaceName::parse(&text) {
        Ok(name) => return Some(name),
        Err(NameProblem::Empty) => Fault::StringTooShort(1),
        Err(NameProblem::TooLong) => Fault::StringTooLong(WORKSPACE_NAME_MAX),
        Err(NameProblem::LooksLikeId) => {
            Fault::Value("a name must not be a UUID: it would be taken for an id".into())
        }
        Err(NameProblem::Invisible(character)) => invisible("a name", character),
    };
    place.refuse(given, fault)
}

/// Yes or no, in upstream's many spellings.
pub(crate) fn boolean(given: Given<'_>, place: &mut Place<'_>) -> Option<bool> {
    const TRUE: [&str; 6] = ["1", "on", "t", "true", "y", "yes"];
    const FALSE: [&str; 6] = ["0", "off", "f", "false", "n", "no"];
    let spelt = |text: &str| {
        let among = |words: [&str; 6]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
        match (among(TRUE), among(FALSE)) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    };
    let value = match given {
        Given::Text(text) => spelt(text),
        Given::Json(value) => match value.kind() {
            Kind::Bool => Some(value.raw() == "true"),
            Kind::Text => spelt(&value.lossy_text()),
            Kind::Number => match value.raw().parse::<f64>() {
                Ok(1.0) => Some(true),
                Ok(0.0) => Some(false),
                Ok(number) if number.is_finite() && number.fract() == 0.0 => None,
                _ => return place.refuse(given, Fault::BoolType),
            },
            _ => return place.refuse(given, Fault::BoolType),
        },
    };
    value.or_else(|| place.refuse(given, Fault::BoolParsing))
}

/// A whole number from 1 on; what is beyond `u64` counts as its greatest.
pub(crate) fn positive(given: Given<'_>, place: &mut Place<'_>) -> Option<u64> {
    let (text, other) = match given {
        Given::Text(text) => (Cow::Borrowed(text), Fault::IntParsing),
        Given::Json(value) => match value.kind() {
            Kind::Text => (value.lossy_text(), Fault::IntParsing),
            Kind::Number => (Cow::Borrowed(value.raw()), Fault::IntFromFloat),
            _ => return place.refuse(given, Fault::IntType),
        },
    };
    match whole_number(text.trim()) {
        Some(0) => place.refuse(given, Fault::GreaterThan(0)),
        Some(number) => Some(number),
        None => place.refuse(given, other),
    }
}

/// Reads `12`, `+12` and `12.0`; anything below zero counts as zero. No exponents: `1e3` is not
/// how anybody writes a page.
fn whole_number(text: &str) -> Option<u64> {
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
    // Only a number too great fails to parse now.
    let number = digits.parse().unwrap_or(u64::MAX);
    Some(if negative { 0 } else { number })
}

/// A time to live, in seconds.
pub(crate) fn lifetime(given: Given<'_>, place: &mut Place<'_>) -> Option<Duration> {
    match positive(given, place)? {
        seconds if seconds <= EXPIRES_IN_MAX_S => Some(Duration::from_secs(seconds)),
        _ => place.refuse(given, Fault::LessThanEqual(EXPIRES_IN_MAX_S)),
    }
}

/// A point in time.
pub(crate) fn time(given: Given<'_>, place: &mut Place<'_>) -> Option<Timestamp> {
    let text = text_or(given, place, Fault::DatetimeType)?;
    let problem = if text.len() > TIME_MAX {
        TimestampProblem::Unreadable
    } else {
        match Timestamp::parse(&with_plus(given, &text)) {
            Ok(time) => return Some(time),
            Err(problem) => problem,
        }
    };
    let fault = match problem {
        TimestampProblem::NoZone => Fault::TimezoneAware,
        TimestampProblem::Unreadable if text.trim().len() < 10 => {
            Fault::DatetimeParsing("input is too short")
        }
        TimestampProblem::Unreadable => {
            Fault::DatetimeParsing("input is not like 2026-01-31T12:00:00Z")
        }
    };
    place.refuse(given, fault)
}

/// A point in time as its sender wrote it, which must be readable.
pub(crate) fn time_as_sent(given: Given<'_>, place: &mut Place<'_>) -> Option<String> {
    time(given, place)?;
    given.text()?.ok().map(Cow::into_owned)
}

/// In a query string a plus sign is a space, and nearly everybody forgets to escape the one before
/// a zone.
fn with_plus<'a>(given: Given<'_>, text: &'a str) -> Cow<'a, str> {
    match (given, text.rsplit_once(' ')) {
        (Given::Text(_), Some((time, zone)))
            if time.contains(':') && zone.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            Cow::Owned(format!("{time}+{zone}"))
        }
        _ => Cow::Borrowed(text),
    }
}

/// Any JSON that is not nested too deep, byte for byte.
pub(crate) fn any_json(given: Given<'_>, place: &mut Place<'_>) -> Option<Box<RawValue>> {
    let Given::Json(value) = given else {
        return place.refuse(given, Fault::StringType);
    };
    if value.depth() > DATA_DEPTH_MAX {
        let what = format!("it may be nested at most {DATA_DEPTH_MAX} deep");
        return place.refuse(given, Fault::Value(what.into()));
    }
    match RawValue::from_string(value.raw().to_owned()) {
        Ok(raw) => Some(raw),
        // The scanner is as strict, so this is not reached; if it ever is, the sender is told.
        Err(_) => place.refuse(given, Fault::JsonInvalid("Expecting value")),
    }
}
