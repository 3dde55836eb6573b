//! The readers of an endpoint's key, metadata, custom headers and policy.

use std::collections::BTreeMap;

use super::super::{FieldContext, InputValue, Violation};
use super::numbers::within;
use super::objects::{Others, object};
use super::{invisible, list, text};
use crate::domain::custom_headers::{
    GivenHeaders, GivenValue, HEADER_NAME_MAX, HEADER_VALUE_MAX, HEADERS_MAX, HEADERS_MAX_BYTES,
    check_name, check_value,
};
use crate::domain::endpoint_key::{EndpointKey, KEY_MAX, KEY_OR_NONE_PATTERN, KEY_PATTERN};
use crate::domain::endpoint_policy::{
    CONCURRENCY_MAX, DISABLE_AFTER_MAX, EXPIRE_AFTER_MAX_S, EndpointPolicy, RATE_LIMIT_MAX,
    RETRY_WAIT_MAX_S, RETRY_WAITS_MAX, TIMEOUT_MAX_S,
};
use crate::domain::invisible::{NO_CONTROLS_LINES_PATTERN, NO_CONTROLS_PATTERN, first_invisible};
use crate::domain::json::Kind;
use crate::domain::metadata::{METADATA_MAX, METADATA_NAME_MAX, METADATA_VALUE_MAX, Metadata};
use crate::server::schema::{Schema, node};

/// Reads the key of an endpoint; an empty text is none.
pub(crate) fn endpoint_key(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<EndpointKey> {
    context.accepts(|| {
        Schema::text("customer-42:orders")
            .with("maxLength", KEY_MAX)
            .with("pattern", KEY_OR_NONE_PATTERN)
    })?;
    let text = text(value, context)?;
    if text.chars().nth(KEY_MAX).is_some() {
        return context.refuse(value, Violation::StringTooLong(KEY_MAX));
    }
    match EndpointKey::parse(&text) {
        Some(key) => Some(key),
        None => context.refuse(value, Violation::StringPattern(KEY_OR_NONE_PATTERN)),
    }
}

/// Reads the key of an endpoint in a path.
pub(crate) fn key_in_path(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<EndpointKey> {
    context.accepts(|| {
        Schema::text("customer-42:orders")
            .with("minLength", 1_u64)
            .with("maxLength", KEY_MAX)
            .with("pattern", KEY_PATTERN)
    })?;
    let key = endpoint_key(value, context)?;
    if key.is_none() {
        return context.refuse(value, Violation::StringTooShort(1));
    }
    Some(key)
}

/// Reads metadata: an object of texts.
pub(crate) fn metadata(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<Metadata> {
    context.accepts(|| {
        let name = node! {
            "minLength" => 1_u64, "maxLength" => METADATA_NAME_MAX, "pattern" => NO_CONTROLS_PATTERN,
        };
        let text = node! {
            "type" => "string", "maxLength" => METADATA_VALUE_MAX, "pattern" => NO_CONTROLS_LINES_PATTERN,
        };
        Schema::object("Texts that a program keeps with the endpoint.", Vec::new())
            .with("maxProperties", METADATA_MAX)
            .with("propertyNames", name)
            .with("additionalProperties", text)
            .like(node! { "team" => "payments" })
    })?;
    let mut members = named(value, context, METADATA_MAX)?;
    let mut complete = true;
    let mut entries = Metadata::new();
    while let Some((name, value)) = members.pop_first() {
        let mut context = context.member(super::shown_name(&name));
        let entry =
            entry_name(&name, value, &mut context).and_then(|()| entry_value(value, &mut context));
        complete &= entry.is_some();
        entries.extend(entry.map(|text| (name, text)));
    }
    complete.then_some(entries)
}

fn entry_name(name: &str, value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<()> {
    if name.is_empty() || name.chars().nth(METADATA_NAME_MAX).is_some() {
        let what = format!("a name has 1 to {METADATA_NAME_MAX} characters");
        return context.refuse(value, Violation::Value(what.into()));
    }
    match first_invisible(name) {
        None => Some(()),
        Some(character) => context.refuse(value, invisible("a name", character)),
    }
}

fn entry_value(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<String> {
    let text = super::text_up_to(METADATA_VALUE_MAX, value, context)?;
    match first_invisible(&text.replace(['\n', '\t'], " ")) {
        None => Some(text),
        Some(character) => context.refuse(value, invisible("a value", character)),
    }
}

/// Reads custom headers: an object of texts.
pub(crate) fn custom_headers(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<GivenHeaders> {
    context.accepts(|| {
        let name = node! {
            "minLength" => 1_u64, "maxLength" => HEADER_NAME_MAX, "pattern" => "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$",
        };
        let text = node! {
            "type" => "string", "maxLength" => HEADER_VALUE_MAX, "pattern" => "^([!-~]([ -~]*[!-~])?)?$",
        };
        Schema::object("Headers that every attempt has, by name.", Vec::new())
            .with("maxProperties", HEADERS_MAX)
            .with("propertyNames", name)
            .with("additionalProperties", text)
            .like(node! { "authorization" => "Basic dXNlcjpwYXNzd29yZA==" })
    })?;
    let members = named(value, context, HEADERS_MAX)?;
    let (mut complete, mut bytes) = (true, 0);
    let mut headers: Vec<(String, GivenValue)> = Vec::new();
    for (name, sent) in members {
        let is_double = headers
            .iter()
            .any(|(other, _)| other.eq_ignore_ascii_case(&name));
        let mut context = context.member(super::shown_name(&name));
        let header = header(&name, sent, is_double, &mut context);
        complete &= header.is_some();
        if let Some(text) = header {
            bytes += name.len() + text.len();
            headers.push((name, GivenValue::of(text)));
        }
    }
    if bytes > HEADERS_MAX_BYTES {
        let what = format!("all names and values together have at most {HEADERS_MAX_BYTES} bytes");
        return context.refuse(value, Violation::Value(what.into()));
    }
    complete.then(|| GivenHeaders::new(headers))
}

/// Reads the value of a header, if its name is one.
fn header(
    name: &str,
    value: InputValue<'_>,
    is_double: bool,
    context: &mut FieldContext<'_>,
) -> Option<String> {
    if let Err(problem) = check_name(name) {
        return context.refuse(value, Violation::HeaderName(problem.to_string().into()));
    }
    if is_double {
        let what = "this header is there already, in other letters";
        return context.refuse(value, Violation::HeaderName(what.into()));
    }
    let text = text(value, context)?;
    match check_value(&text) {
        Ok(()) => Some(text.into_owned()),
        Err(problem) => context.refuse(value, Violation::HeaderValue(problem.to_string().into())),
    }
}

/// Reads the members of an object with at most `max` of them, whatever their names are. Of a repeated name the last one
/// counts.
fn named<'a>(
    value: InputValue<'a>,
    context: &mut FieldContext<'_>,
    max: usize,
) -> Option<BTreeMap<String, InputValue<'a>>> {
    let members = match value {
        InputValue::Json(json) if json.kind() == Kind::Object => json.members(),
        _ => return context.refuse(value, Violation::NotAnObject),
    };
    let members = members.into_iter();
    let members: BTreeMap<_, _> = members
        .map(|member| (member.name().into_owned(), InputValue::Json(member.value)))
        .collect();
    if members.len() > max {
        let what = format!("at most {max} of them are allowed, not {}", members.len());
        return context.refuse(value, Violation::Value(what.into()));
    }
    Some(members)
}

/// Reads the policy of an endpoint.
pub(crate) fn policy(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<EndpointPolicy> {
    let about = "The retries and limits of the endpoint, in place of the server's settings. What is absent or null is as the \
                 server has it.";
    object(value, context, about, Others::Refused, |members| {
        let retry_schedule = members.optional(
            "retry_schedule",
            "The waits before the second, third … attempt, in seconds, a fifth more or less; empty: one attempt.",
            |value, context| list(value, context, 0..=RETRY_WAITS_MAX, within(1, RETRY_WAIT_MAX_S, 60)),
        );
        let expire_after = members.optional(
            "expire_after",
            "The longest time of a run, in seconds: then the event has failed.",
            within(1, EXPIRE_AFTER_MAX_S, 86_400),
        );
        let timeout = members.optional(
            "timeout",
            "The longest time of one attempt, in seconds.",
            within(1, TIMEOUT_MAX_S, 10),
        );
        let rate_limit = members.optional(
            "rate_limit",
            "The most attempts that start in a minute, spread evenly. Other events wait; that is no attempt.",
            within(1, RATE_LIMIT_MAX, 600),
        );
        let max_concurrency = members.optional(
            "max_concurrency",
            "The most attempts at the same time; the server's own limit holds as well.",
            within(1, CONCURRENCY_MAX, 4),
        );
        let disable_after = members.optional(
            "disable_after",
            "The endpoint is disabled after so many failed events in a row; 0: never.",
            within(0, DISABLE_AFTER_MAX, 0),
        );
        Some(EndpointPolicy {
            retry_schedule: retry_schedule?,
            expire_after: expire_after?,
            timeout: timeout?,
            rate_limit: rate_limit?,
            max_concurrency: max_concurrency?,
            disable_after: disable_after?,
        })
    })
}
