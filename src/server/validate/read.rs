//! The readers of fields, one for each kind of value.
//!
//! A reader gets the value that the client sent and the context of its field. It returns a value of the
//! domain, or reports at least one problem to the context and returns `None`. First it says which values it
//! accepts, from the same constants as it checks; the OpenAPI document shows this.

mod endpoint_settings;
mod jobs;
mod messages;
mod numbers;
mod objects;
mod patterns;
mod preview;
mod secrets;
mod tags;
mod times;
mod words;

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde_json::value::RawValue;
use uuid::Uuid;

pub(crate) use self::endpoint_settings::{
    custom_headers, endpoint_key, key_in_path, metadata, policy,
};
pub(crate) use self::jobs::{job_action, job_filter, job_state, rate};
pub(crate) use self::messages::{endpoint_ids, idempotency_key};
pub(crate) use self::numbers::{archive_after, boolean, delete_after, lifetime, overlap, positive};
pub(crate) use self::patterns::filter;
pub(crate) use self::preview::{EndpointDraft, MessageDraft, endpoint_draft, message_draft};
pub(crate) use self::secrets::{given_secret, secret, secret_type};
pub(crate) use self::tags::{tag_filter, tags};
pub(crate) use self::times::{producers_time, time};
use self::words::choice;
pub(crate) use self::words::{code_class, endpoint_state, format, status};
use super::{FieldContext, InputValue, Violation, schema_of, uuid_text};
use crate::domain::access::{COMMENT_MAX, Scope, Scopes};
use crate::domain::endpoint::{DESCRIPTION_MAX, NAME_MAX};
use crate::domain::endpoint_url::{EndpointUrl, MAX_URL_BYTES, UrlProblem};
use crate::domain::event_type::{
    EVENT_TYPE_MAX, EVENT_TYPE_PATTERN, EventType, PUBLISHED_TYPE_PATTERN, SUBSCRIPTION_PATTERN,
    SUBSCRIPTIONS_MAX, Subscription,
};
use crate::domain::invisible::{
    NO_CONTROLS_LINES_PATTERN, NO_CONTROLS_NAME_PATTERN, NO_CONTROLS_PATTERN, first_invisible,
};
use crate::domain::json::Kind;
use crate::domain::message::DATA_DEPTH_MAX;
use crate::domain::network_policy::NetworkPolicy;
use crate::domain::workspace::{NAME_MAX as WORKSPACE_NAME_MAX, NameProblem, WorkspaceName};
use crate::server::schema::{Described, Schema, node};

/// The longest text filter, in characters: as long as the URLs in which the store searches for it.
const FILTER_TEXT_MAX: usize = 2048;
/// The most scopes of a list; only seven are different.
const SCOPES_MAX: usize = 100;

/// Reads any text that is valid Unicode.
fn text<'a>(value: InputValue<'a>, context: &mut FieldContext<'_>) -> Option<Cow<'a, str>> {
    text_or(value, context, Violation::StringType)
}

fn text_or<'a>(
    value: InputValue<'a>,
    context: &mut FieldContext<'_>,
    other: Violation,
) -> Option<Cow<'a, str>> {
    match value.text() {
        Some(Ok(text)) => Some(text),
        Some(Err(_)) => context.refuse(value, Violation::StringUnicode),
        None => context.refuse(value, other),
    }
}

/// Reads a text of at most `max` characters.
fn text_up_to(max: usize, value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<String> {
    let text = text(value, context)?;
    if text.chars().nth(max).is_some() {
        return context.refuse(value, Violation::StringTooLong(max));
    }
    Some(text.into_owned())
}

/// Reads the comment of a token.
pub(crate) fn comment(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<String> {
    context.accepts(|| {
        Schema::text("the shop's checkout")
            .with("maxLength", COMMENT_MAX)
            .with("pattern", NO_CONTROLS_PATTERN)
    })?;
    let text = text_up_to(COMMENT_MAX, value, context)?;
    match first_invisible(&text) {
        None => Some(text),
        Some(character) => context.refuse(value, invisible("a comment", character)),
    }
}

/// Reads the name of an endpoint, which may be empty.
pub(crate) fn endpoint_name(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<String> {
    context.accepts(|| {
        Schema::text("Orders")
            .with("maxLength", NAME_MAX)
            .with("pattern", NO_CONTROLS_PATTERN)
    })?;
    let text = text_up_to(NAME_MAX, value, context)?;
    match first_invisible(&text) {
        None => Some(text),
        Some(character) => context.refuse(value, invisible("a name", character)),
    }
}

/// Reads the description of an endpoint, which may be empty, and may have several lines.
pub(crate) fn description(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<String> {
    context.accepts(|| {
        Schema::text("The warehouse's order intake")
            .with("maxLength", DESCRIPTION_MAX)
            .with("pattern", NO_CONTROLS_LINES_PATTERN)
    })?;
    let text = text_up_to(DESCRIPTION_MAX, value, context)?;
    match first_invisible(&text.replace(['\n', '\t'], " ")) {
        None => Some(text),
        Some(character) => context.refuse(value, invisible("a description", character)),
    }
}

/// Returns the name of a member as a location shows it.
fn shown_name(name: &str) -> String {
    super::echo::shortened(name).into_owned()
}

/// Returns the violation of a text, named `what`, that has an invisible character.
fn invisible(what: &str, character: char) -> Violation {
    let code = u32::from(character);
    let text =
        format!("{what} must not contain characters that cannot be seen, such as U+{code:04X}");
    Violation::Value(text.into())
}

/// Reads a text that lists are searched for, without the white space around it. An empty text is no filter.
pub(crate) fn filter_text(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<String> {
    context.accepts(|| Schema::text("order").with("maxLength", FILTER_TEXT_MAX))?;
    let text = text(value, context)?;
    let trimmed = text.trim();
    if trimmed.chars().nth(FILTER_TEXT_MAX).is_some() {
        return context.refuse(value, Violation::StringTooLong(FILTER_TEXT_MAX));
    }
    Some(trimmed.to_owned())
}

/// Reads the id of an object: a UUID of version 4, in any of its spellings.
pub(crate) fn id(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<Uuid> {
    id_or(value, context, Violation::UuidParsing)
}

/// Reads the id of a workspace. The command line takes names of workspaces, too, so clients also try names.
pub(crate) fn workspace_id(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<Uuid> {
    id_or(value, context, Violation::WorkspaceIdParsing)
}

fn id_or(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
    unreadable: impl FnOnce(String) -> Violation,
) -> Option<Uuid> {
    context.accepts(Uuid::schema)?;
    let text = text_or(value, context, Violation::UuidType)?;
    match Uuid::parse_str(&text) {
        Ok(id) if id.get_version_num() == 4 => Some(id),
        Ok(_) => context.refuse(value, Violation::UuidVersion),
        Err(_) => context.refuse(value, unreadable(uuid_text::why_not(&text))),
    }
}

/// Returns a reader of the URL of an endpoint. The reader accepts what `policy` allows.
pub(crate) fn url(
    policy: &NetworkPolicy,
) -> impl Fn(InputValue<'_>, &mut FieldContext<'_>) -> Option<EndpointUrl> {
    move |value, context| {
        context.accepts(|| {
            Schema::text("https://example.com/webhooks")
                .with("format", "uri")
                .with("maxLength", MAX_URL_BYTES)
        })?;
        let text = text_or(value, context, Violation::UrlType)?;
        let violation = match EndpointUrl::parse(&text, policy) {
            Ok(url) => return Some(url),
            Err(problem) => url_violation(problem),
        };
        context.refuse(value, violation)
    }
}

/// Returns the violation of a text that cannot be the URL of an endpoint.
fn url_violation(problem: UrlProblem) -> Violation {
    match problem {
        UrlProblem::Scheme {
            http_allowed: true, ..
        } => Violation::UrlScheme("'http' or 'https'", None),
        UrlProblem::Scheme { is_http, .. } => {
            Violation::UrlScheme("'https'", is_http.then_some("--allow-http"))
        }
        UrlProblem::Parsing(why) => Violation::UrlParsing(why),
        UrlProblem::TooLong => Violation::UrlTooLong(MAX_URL_BYTES),
        UrlProblem::Userinfo => Violation::Value(
            "URL should not contain a user name or password; for basic auth, set the header \
             `Authorization` in `headers`"
                .into(),
        ),
        UrlProblem::ForbiddenAddress(refused) => Violation::ValueUnlessSet(
            format!("{refused}; use a public address, or have the operator allow this network"),
            "--allow-network",
        ),
    }
}

/// Reads the scopes of a token, at least one.
pub(crate) fn scopes(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<Scopes> {
    let names = Scope::ALL.map(Scope::as_str);
    let scopes = list(value, context, 1..=SCOPES_MAX, |value, context| {
        choice(value, context, &names, Scope::parse, Violation::Enum)
    })?;
    Some(scopes.into_iter().collect())
}

/// Returns the schema of a type. Many programs have no look-ahead, so the length is not in the pattern.
fn type_schema(example: &str, pattern: &str) -> Schema {
    let length = format!("(?=.{{1,{EVENT_TYPE_MAX}}}$)");
    Schema::text(example)
        .with("maxLength", EVENT_TYPE_MAX)
        .with("pattern", pattern.replacen(&length, "", 1))
}

/// Reads the event type of a message that is published.
pub(crate) fn event_type(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<EventType> {
    event_type_that(|event_type| !event_type.is_reserved(), value, context)
}

/// Reads the event type of a test.
pub(crate) fn test_type(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<EventType> {
    event_type_that(EventType::may_be_tested, value, context)
}

/// Reads an event type, also one of those that only the server publishes.
fn any_event_type(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<EventType> {
    event_type_that(|_| true, value, context)
}

fn event_type_that(
    is_allowed: impl Fn(&EventType) -> bool,
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<EventType> {
    context.accepts(|| type_schema("order.created", EVENT_TYPE_PATTERN))?;
    let text = text(value, context)?;
    match EventType::parse(&text) {
        Some(event_type) if is_allowed(&event_type) => Some(event_type),
        Some(_) => context.refuse(value, Violation::StringPattern(PUBLISHED_TYPE_PATTERN)),
        None => context.refuse(value, Violation::StringPattern(EVENT_TYPE_PATTERN)),
    }
}

/// Reads the event types that an endpoint subscribes to.
pub(crate) fn subscriptions(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<Vec<Subscription>> {
    list(value, context, 0..=SUBSCRIPTIONS_MAX, |value, context| {
        context.accepts(|| type_schema("order.*", SUBSCRIPTION_PATTERN))?;
        let text = text(value, context)?;
        match Subscription::parse(&text) {
            Some(subscription) => Some(subscription),
            None => context.refuse(value, Violation::StringPattern(SUBSCRIPTION_PATTERN)),
        }
    })
}

/// Reads a list with so many items, and reports every invalid item.
fn list<T>(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
    items: RangeInclusive<usize>,
    read: impl Fn(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let (section, (min, max)) = (context.section(), items.into_inner());
    context.accepts(|| {
        Schema::list(schema_of(section, &read))
            .with("minItems", min)
            .with("maxItems", max)
    })?;
    let items = match value {
        InputValue::Json(json) if json.kind() == Kind::Array => json.members(),
        _ => return context.refuse(value, Violation::ListType),
    };
    if items.len() > max {
        let what = format!("at most {max} of them are allowed, not {}", items.len());
        return context.refuse(value, Violation::Value(what.into()));
    }
    let mut values = Vec::with_capacity(items.len());
    let mut complete = true;
    for (index, item) in items.into_iter().enumerate() {
        match read(InputValue::Json(item.value), &mut context.item(index)) {
            Some(value) => values.push(value),
            None => complete = false,
        }
    }
    if complete && values.len() < min {
        return context.refuse(value, Violation::ListTooShort(min));
    }
    complete.then_some(values)
}

/// Reads the name of a workspace.
pub(crate) fn workspace_name(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<WorkspaceName> {
    context.accepts(|| {
        Schema::text("shop")
            .with("minLength", 1_u64)
            .with("maxLength", WORKSPACE_NAME_MAX)
            .with("pattern", NO_CONTROLS_NAME_PATTERN)
    })?;
    let text = text(value, context)?;
    let violation = match WorkspaceName::parse(&text) {
        Ok(name) => return Some(name),
        Err(NameProblem::Empty) => Violation::StringTooShort(1),
        Err(NameProblem::TooLong) => Violation::StringTooLong(WORKSPACE_NAME_MAX),
        Err(NameProblem::LooksLikeId) => {
            Violation::Value("a name must not be a UUID: it would be taken for an id".into())
        }
        Err(NameProblem::Invisible(character)) => invisible("a name", character),
    };
    context.refuse(value, violation)
}

/// Reads any JSON that is not nested too deep, and keeps its bytes.
pub(crate) fn any_json(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<Box<RawValue>> {
    context.accepts(|| {
        Schema::any(node! {
            "id" => "ord_1001",
            "amount" => 4200_u64,
            "currency" => "EUR",
        })
    })?;
    let InputValue::Json(json) = value else {
        return context.refuse(value, Violation::StringType);
    };
    if json.depth() > DATA_DEPTH_MAX {
        let what = format!("it may be nested at most {DATA_DEPTH_MAX} deep");
        return context.refuse(value, Violation::Value(what.into()));
    }
    match RawValue::from_string(json.raw().to_owned()) {
        Ok(raw) => Some(raw),
        // The scanner accepts no more than this parser does, so this should never happen.
        Err(_) => context.refuse(value, Violation::JsonInvalid("Expecting value")),
    }
}
