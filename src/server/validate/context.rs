//! The value of a field as the client sent it, and the context in which a reader reads it.

use std::borrow::Cow;

use super::echo;
use super::loc::{Loc, LocStep, Section};
use super::problem::{Problem, Violation};
use crate::domain::json::{Kind, LoneSurrogate, Value};
use crate::server::schema::Schema;

/// A value as the client sent it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InputValue<'a> {
    /// A value of the body.
    Json(Value<'a>),
    /// A text of the path or the query.
    Text(&'a str),
}

impl<'a> InputValue<'a> {
    /// Returns its text; `None` if it is not a string.
    pub(crate) fn text(self) -> Option<Result<Cow<'a, str>, LoneSurrogate>> {
        match self {
            Self::Text(text) => Some(Ok(Cow::Borrowed(text))),
            Self::Json(json) if json.kind() == Kind::Text => Some(json.text()),
            Self::Json(_) => None,
        }
    }
}

/// The field that a reader reads, and the list to which it reports problems.
///
/// Every reader first says what it accepts ([`FieldContext::accepts`]). The OpenAPI document is made by calling
/// the readers in a context that only wants to know this.
pub(crate) struct FieldContext<'r> {
    problems: &'r mut Vec<Problem>,
    loc: Loc,
    /// The place for the schema, if only the schema is wanted.
    wanted: Option<&'r mut Option<Schema>>,
}

impl<'r> FieldContext<'r> {
    /// Returns the context of a field at `loc`.
    pub(super) fn new(problems: &'r mut Vec<Problem>, loc: Loc) -> Self {
        Self {
            problems,
            loc,
            wanted: None,
        }
    }

    /// Says which values the reader accepts. Returns `None` if nothing else is wanted, so that the reader ends
    /// there.
    pub(crate) fn accepts(&mut self, schema: impl FnOnce() -> Schema) -> Option<()> {
        let Some(place) = &mut self.wanted else {
            return Some(());
        };
        **place = Some(schema());
        None
    }

    /// Returns the part of the request in which the field is.
    pub(crate) fn section(&self) -> Section {
        self.loc.section
    }

    /// Reports that `value` is not valid. Returns `None`, so that a reader can end with this call.
    pub(crate) fn refuse<T>(&mut self, value: InputValue<'_>, violation: Violation) -> Option<T> {
        let input = match value {
            InputValue::Json(json) => echo::echo(json, self.loc.is_secret()),
            InputValue::Text(text) => echo::echo_text(text),
        };
        self.problems.push(Problem {
            loc: self.loc.clone(),
            violation,
            input,
        });
        None
    }

    /// Returns the context of a member, if the field is an object.
    pub(crate) fn member(&mut self, name: impl Into<Cow<'static, str>>) -> FieldContext<'_> {
        FieldContext::new(self.problems, self.loc.clone().of_member(name))
    }

    /// Returns the context of a value inside the field, some steps further.
    pub(crate) fn inside(&mut self, steps: impl IntoIterator<Item = LocStep>) -> FieldContext<'_> {
        let loc = steps.into_iter().fold(self.loc.clone(), Loc::then);
        FieldContext::new(self.problems, loc)
    }

    /// Returns the context of an item, if the field is a list.
    pub(crate) fn item(&mut self, index: usize) -> FieldContext<'_> {
        FieldContext::new(self.problems, self.loc.clone().at(index))
    }
}

/// Returns the schema of the values that a reader accepts in a part of a request.
pub(crate) fn schema_of<T>(
    section: Section,
    read: impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
) -> Schema {
    let (mut problems, mut schema) = (Vec::new(), None);
    let mut context = FieldContext {
        problems: &mut problems,
        loc: Loc::field(section, ""),
        wanted: Some(&mut schema),
    };
    let _ = read(InputValue::Text(""), &mut context);
    schema.expect("every reader says what it accepts; a test makes the whole document")
}

/// The description of a field that a request may have.
#[derive(Clone, Debug)]
pub(crate) struct FieldDocs {
    /// The part of the request.
    pub(crate) section: Section,
    /// Its name.
    pub(crate) name: &'static str,
    /// True if a request without it is refused.
    pub(crate) is_required: bool,
    /// True for a parameter that may be repeated.
    pub(crate) repeats: bool,
    /// The values that it may have.
    pub(crate) schema: Schema,
}
