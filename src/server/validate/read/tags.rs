//! The readers of tags.

use super::super::{FieldContext, InputValue, Violation, schema_of};
use super::FILTER_TEXT_MAX;
use crate::domain::invisible::NO_CONTROLS_PATTERN;
use crate::domain::json::Kind;
use crate::domain::tags::{TAG_NAME_MAX, TAG_VALUE_MAX, TAGS_MAX, Tag, TagProblem, Tags};
use crate::server::schema::{Schema, node};

/// Reads the tags of a message: an object of texts.
pub(crate) fn tags(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<Tags> {
    let section = context.section();
    context.accepts(|| {
        Schema::any_object(node! { "region" => "eu" })
            .about("Labels of the message, for filters. Receivers do not get them.")
            .with("additionalProperties", schema_of(section, tag_value))
            .with(
                "propertyNames",
                node! {
                    "minLength" => 1_u64,
                    "maxLength" => TAG_NAME_MAX as u64,
                    "pattern" => TAG_NAME_PATTERN,
                },
            )
            .with("maxProperties", TAGS_MAX)
    })?;
    let members = match value {
        InputValue::Json(json) if json.kind() == Kind::Object => json.members(),
        _ => return context.refuse(value, Violation::NotAnObject),
    };
    if members.len() > TAGS_MAX {
        let what = format!(
            "at most {TAGS_MAX} of them are allowed, not {}",
            members.len()
        );
        return context.refuse(value, Violation::Value(what.into()));
    }
    let mut tags = Tags::NONE;
    let mut is_complete = true;
    for member in members {
        let name = member.name().into_owned();
        let mut context = context.member(super::shown_name(&name));
        let sent = InputValue::Json(member.value);
        let value = match Tag::check_name(&name) {
            Ok(()) => tag_value(sent, &mut context),
            Err(problem) => context.refuse(sent, Violation::Value(name_rule(problem).into())),
        };
        match value {
            Some(value) => tags.set(name, value),
            None => is_complete = false,
        }
    }
    is_complete.then_some(tags)
}

/// Reads the value of a tag.
fn tag_value(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<String> {
    context.accepts(|| {
        Schema::text("eu")
            .with("maxLength", TAG_VALUE_MAX)
            .with("pattern", NO_CONTROLS_PATTERN)
    })?;
    let text = super::text_up_to(TAG_VALUE_MAX, value, context)?;
    match Tag::check_value(&text) {
        Err(TagProblem::Invisible(character)) => {
            context.refuse(value, super::invisible("a tag", character))
        }
        _ => Some(text),
    }
}

/// Returns the rule that the name of a tag breaks.
fn name_rule(problem: TagProblem) -> String {
    match problem {
        TagProblem::Empty | TagProblem::TooLong(_) => {
            format!("the name of a tag has 1 to {TAG_NAME_MAX} characters")
        }
        TagProblem::Separator => {
            "the name of a tag must not contain a colon, which filters have between name and value"
                .to_owned()
        }
        TagProblem::Invisible(character) => {
            let code = u32::from(character);
            format!(
                "the name of a tag must not contain characters that cannot be seen, such as U+{code:04X}"
            )
        }
    }
}

/// The pattern of the name of a tag, for the OpenAPI document; see [`NO_CONTROLS_PATTERN`].
const TAG_NAME_PATTERN: &str = r"^[^:\u0000-\u001F\u007F-\u009F]+$";

/// The pattern of a tag that a list is filtered by, or of none.
const TAG_FILTER_PATTERN: &str = "^$|:";

/// Reads a tag that a list is filtered by: `name:value`. An empty text is no filter.
pub(crate) fn tag_filter(value: InputValue<'_>, context: &mut FieldContext<'_>) -> Option<String> {
    context.accepts(|| {
        Schema::text("region:eu")
            .with("maxLength", FILTER_TEXT_MAX)
            .with("pattern", TAG_FILTER_PATTERN)
    })?;
    let text = super::text_up_to(FILTER_TEXT_MAX, value, context)?;
    if text.is_empty() || Tag::parse(&text).is_some() {
        return Some(text);
    }
    let what = "a tag is written as `name:value`, such as `region:eu`";
    context.refuse(value, Violation::Value(what.into()))
}
