//! The reader of event patterns.

use super::super::{FieldContext, InputValue, LocStep, Violation, echo};
use crate::domain::event_pattern::{
    EventPattern, PATTERN_DEPTH_MAX, PATTERN_MAX_BYTES, PatternFault, PatternStep,
};
use crate::domain::json::Value;
use crate::server::schema::{Node, Schema, node};

/// The description of a filter in the OpenAPI document.
const ABOUT: &str = "An event pattern, as Amazon EventBridge has them: what a message must be like, as \
    `{\"type\", \"timestamp\", \"data\", \"tags\"}`. A member is a list of candidates, of which one must match, or an \
    object that goes deeper. `{}`: every message.";

/// Reads the filter of an endpoint. Each fault is reported at its place.
pub(crate) fn filter(
    value: InputValue<'_>,
    context: &mut FieldContext<'_>,
) -> Option<EventPattern> {
    context.accepts(|| {
        let numeric: Vec<Node> = vec![">=".into(), 100_u64.into()];
        let total = Node::List(vec![node! { "numeric" => numeric }]);
        let example = node! { "data" => node! { "total" => total } };
        let about = format!(
            "{ABOUT} At most {PATTERN_MAX_BYTES} bytes, nested at most {PATTERN_DEPTH_MAX} deep."
        );
        Schema::any_object(example).about(&about)
    })?;
    let json = match value {
        InputValue::Json(json) => json,
        InputValue::Text(_) => return context.refuse(value, Violation::NotAnObject),
    };
    match EventPattern::parse(json.raw()) {
        Ok(pattern) => Some(pattern),
        Err(faults) => {
            for fault in faults {
                report(fault, json, context);
            }
            None
        }
    }
}

/// Reports a fault, with the part of the filter that has it.
fn report(fault: PatternFault, filter: Value<'_>, context: &mut FieldContext<'_>) {
    let part = fault
        .place
        .iter()
        .try_fold(filter, part_at)
        .unwrap_or(filter);
    let steps = fault.place.into_iter().map(|step| match step {
        PatternStep::Member(name) => LocStep::Member(echo::shortened(&name).into_owned().into()),
        PatternStep::Item(at) => LocStep::Index(at),
    });
    let violation = Violation::FilterSyntax(fault.expected);
    let _: Option<()> = context
        .inside(steps)
        .refuse(InputValue::Json(part), violation);
}

fn part_at<'a>(value: Value<'a>, step: &PatternStep) -> Option<Value<'a>> {
    let members = value.members();
    let member = match step {
        PatternStep::Member(name) => members.iter().rfind(|member| member.is(name)),
        PatternStep::Item(at) => members.get(*at),
    };
    member.map(|member| member.value)
}
