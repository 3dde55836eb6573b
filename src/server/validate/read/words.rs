//! The readers of fields that take one of several words.

use crate::domain::delivery::CodeClass;
use crate::domain::endpoint::Format;
use crate::domain::endpoint_health::EndpointState;
use crate::domain::event::EventStatus;
use crate::server::schema::Described;
use crate::server::validate::problem::expected;
use crate::server::validate::{FieldContext, InputValue, Violation};

/// Reads a format of messages.
pub(crate) fn format(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<Format> {
    let names = Format::ALL.map(Format::as_str);
    choice(value, context, &names, Format::parse, Violation::Enum)
}

/// Reads a class of HTTP status codes, such as `2xx`.
pub(crate) fn code_class(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<CodeClass> {
    let names = CodeClass::ALL.map(CodeClass::as_str);
    choice(value, context, &names, CodeClass::parse, Violation::Literal)
}

/// Reads the status of an event.
pub(crate) fn status(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<EventStatus> {
    let names = EventStatus::ALL.map(EventStatus::as_str);
    choice(value, context, &names, EventStatus::parse, Violation::Enum)
}

/// Reads the state of an endpoint.
pub(crate) fn endpoint_state(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<EndpointState> {
    let names = EndpointState::ALL.map(EndpointState::as_str);
    choice(
        value,
        context,
        &names,
        EndpointState::parse,
        Violation::Enum,
    )
}

/// Reads one of several names. Reports `violation` for any other value, of any type.
pub(super) fn choice<T: Described>(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
    names: &[&'static str],
    parse: impl Fn(&str) -> Option<T>,
    violation: impl Fn(String) -> Violation,
) -> Option<T> {
    context.accepts(T::schema)?;
    match value.text().and_then(Result::ok).and_then(|t| parse(&t)) {
        Some(parsed) => Some(parsed),
        None => context.refuse(value, violation(expected(names))),
    }
}
