//! The validation of a request: reads its fields, and collects all that is wrong with them.
//!
//! A handler names the fields that it wants; each becomes a [`Field`], whose value the handler can take
//! only with the proof that the whole request is valid ([`Input::finish`]). So no handler can use a part of
//! an invalid request, and a client gets all problems at once, in the order page, limit, path, query, body.
//!
//! ```text
//! let mut input = call.input();
//! input.json(body.text()?);
//! let url = input.required("url", read::url(&policy));
//! let secret = input.optional("secret", read::secret);
//! let ok = input.finish()?;
//! store.create(url.take(&ok), secret.take(&ok))
//! ```
//!
//! The readers in [`read`] say which values a field may have; `problem` has the wording of each problem.
//! [`Input::describe`] runs the same code without a request, to learn which fields it reads.
//! In this folder, *upstream* is the hosted product with whose API this one is compatible. It validates with
//! Pydantic (version 2), a Python library. Clients match on the types and messages of its problems, so both
//! are part of the contract.
//!
//! No input makes this code panic, recurse as deep as the input is nested, or make a response of any length
//! that the client likes.

mod audit;
mod context;
mod echo;
mod field;
mod items;
mod loc;
mod other_members;
mod parameters;
mod problem;
mod problem_kind;
mod problem_list;
pub(crate) mod read;
mod uuid_text;

use std::borrow::Cow;
use std::collections::BTreeSet;

use self::audit::Audit;
pub(crate) use self::context::{FieldContext, FieldDocs, InputValue, schema_of};
pub(crate) use self::echo::MASKED;
pub(crate) use self::field::{Checked, Field};
pub(crate) use self::items::ItemLimits;
pub(crate) use self::loc::{Loc, LocStep, Section};
use self::other_members::{UNKNOWN_NAMES_MAX, no_such_member, other_members};
use self::parameters::Parameter;
pub(crate) use self::problem::{Problem, Violation};
pub(crate) use self::problem_kind::ProblemKind;
use super::schema::Node;
use crate::domain::json::{self, Kind, Member, Value};

/// The most values of one multi-value filter: the store scans once for each.
pub(crate) const FILTER_VALUES_MAX: usize = 100;

/// A request whose fields are being read.
#[derive(Debug, Default)]
pub(crate) struct Input<'a> {
    path: &'a str,
    query: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    body: Option<Value<'a>>,
    members: Vec<Member<'a>>,
    /// The list, and the place in it, of the item that is read in the place of the body; `None`: the body itself is.
    item: Option<(&'static str, usize)>,
    /// The members of the body that were asked for.
    read_members: Vec<&'static str>,
    /// The parameters of the query string that were asked for.
    parameters: Vec<Parameter>,
    problems: Vec<Problem>,
    /// The fields that were asked for, if they are only to be described.
    described: Option<Vec<FieldDocs>>,
    /// The comparison with the description, in builds with debug assertions.
    audit: Audit,
}

impl<'a> Input<'a> {
    /// Returns a request with this `{id}` in its path and this query string, neither of them decoded.
    pub(crate) fn new(path: &'a str, query: &'a str) -> Self {
        Self {
            path,
            // Invalid percent-encoding is taken literally; bytes that are not UTF-8 become U+FFFD.
            query: url::form_urlencoded::parse(query.as_bytes()).collect(),
            ..Self::default()
        }
    }

    /// Returns the fields that `read` reads, in its order.
    pub(crate) fn describe(read: impl FnOnce(&mut Input<'_>)) -> Vec<FieldDocs> {
        let mut input = Input {
            described: Some(Vec::new()),
            ..Input::default()
        };
        read(&mut input);
        input.described.unwrap_or_default()
    }

    /// Adds a field to the description.
    fn asked<T>(
        &mut self,
        (section, name): (Section, &'static str),
        is_required: bool,
        repeats: bool,
        read: impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
    ) {
        let schema = schema_of(section, read);
        self.described.get_or_insert_default().push(FieldDocs {
            section,
            name,
            is_required,
            repeats,
            schema,
        });
    }

    /// Returns the request of a route that describes its input with `reads`. Builds with debug assertions
    /// panic if it reads other fields than described.
    pub(crate) fn of_route(self, reads: Option<fn(&mut Input<'_>)>) -> Self {
        if !cfg!(debug_assertions) {
            return self;
        }
        let described = reads.map(Input::describe);
        Self {
            audit: Audit::new(described.as_deref()),
            ..self
        }
    }

    /// Reads the body, which must be a JSON object.
    pub(crate) fn json(&mut self, text: &'a str) {
        // RFC 8259, section 8.1: parsers may ignore a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.is_empty() {
            return self.report(Loc::body(), Violation::Missing, echo::null());
        }
        match json::scan(text) {
            Err(error) => {
                // Upstream counts characters, not bytes.
                let offset = text.get(..error.at).unwrap_or(text).chars().count();
                let loc = Loc::body().at(offset);
                self.report(loc, Violation::JsonInvalid(error.why), echo::empty_object());
            }
            Ok(document) if document.value.kind() == Kind::Object => {
                self.body = Some(document.value);
                self.members = document.members;
            }
            // Many clients send a null if they have no body to send.
            Ok(document) if document.value.kind() == Kind::Null => {
                self.report(Loc::body(), Violation::Missing, echo::null());
            }
            Ok(document) => {
                // A JSON object that was encoded twice is a string, which may contain a secret.
                let is_text = document.value.kind() == Kind::Text;
                let secret = is_text && document.value.lossy_text().contains("secret");
                let input = echo::echo(document.value, secret);
                self.report(Loc::body(), Violation::NotAnObject, input);
            }
        }
    }

    /// Reads the body, which may be absent, empty or `null`, or must be a JSON object.
    pub(crate) fn optional_json(&mut self, text: &'a str) {
        // The white space of JSON (RFC 8259, section 2).
        let bare = text.trim_matches([' ', '\t', '\n', '\r', '\u{feff}']);
        if !matches!(bare, "" | "null") {
            self.json(text);
        }
    }

    /// Reads a field of the body that is required.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
    ) -> Field<T> {
        if self.described.is_some() {
            self.asked((Section::Body, name), true, false, read);
            return Field(None);
        }
        self.audit.reads(Section::Body, name);
        self.read_members.push(name);
        if let Some(value) = self.member(name) {
            return Field(self.body_field(name, value, read));
        }
        // If the body is not an object, that has been reported already.
        if let Some(body) = self.body {
            let loc = Loc::field(Section::Body, name).of_item(self.item);
            self.report(loc, Violation::Missing, echo::echo(body, false));
        }
        Field(None)
    }

    /// Reads a field of the body that may be absent or null.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
    ) -> Field<Option<T>> {
        if self.described.is_some() {
            self.asked((Section::Body, name), false, false, read);
            return Field(None);
        }
        self.audit.reads(Section::Body, name);
        self.read_members.push(name);
        match self.member(name) {
            Some(value) if value.kind() != Kind::Null => {
                Field(self.body_field(name, value, read).map(Some))
            }
            _ => Field(Some(None)),
        }
    }

    /// Reads a field of the body. It is required, or may be absent or null, as `is_required` says.
    pub(crate) fn field<T>(
        &mut self,
        name: &'static str,
        is_required: bool,
        read: impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
    ) -> Field<Option<T>> {
        if is_required {
            Field(self.required(name, read).0.map(Some))
        } else {
            self.optional(name, read)
        }
    }

    /// Refuses all members of the body that were not read until now. That is for a body in which a misspelt member would
    /// make the request do more than was meant.
    pub(crate) fn refuse_other_members(&mut self) {
        for (name, value) in other_members(&self.members, &self.read_members) {
            let loc = Loc::sent(Section::Body, name).of_item(self.item);
            let mut context = FieldContext::new(&mut self.problems, loc);
            let _: Option<()> = context.refuse(value, no_such_member(&self.read_members));
        }
    }

    /// Reads the id in the path.
    pub(crate) fn path<T>(
        &mut self,
        read: impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
    ) -> Field<T> {
        self.path_part("id", read)
    }

    /// Reads the part of the path with this name.
    pub(crate) fn path_part<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
    ) -> Field<T> {
        if self.described.is_some() {
            self.asked((Section::Path, name), true, false, read);
            return Field(None);
        }
        self.audit.reads(Section::Path, name);
        let part = InputValue::Text(self.path);
        Field(read(
            part,
            &mut self.context(Loc::field(Section::Path, name)),
        ))
    }

    /// Reads a parameter of the query string; if it is repeated, the last one counts.
    pub(crate) fn query<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
    ) -> Field<Option<T>> {
        if self.described.is_some() {
            self.asked((Section::Query, name), false, false, read);
            return Field(None);
        }
        self.audit.reads(Section::Query, name);
        self.parameters.push(Parameter {
            name,
            repeats: false,
        });
        let Some((_, text)) = self.query.iter().rfind(|(key, _)| key == name) else {
            return Field(Some(None));
        };
        let mut context = FieldContext::new(&mut self.problems, Loc::field(Section::Query, name));
        Field(read(InputValue::Text(text), &mut context).map(Some))
    }

    /// Reads a parameter of the query string that has a default.
    pub(crate) fn query_or<T: Copy + Into<Node>>(
        &mut self,
        name: &'static str,
        default: T,
        read: impl Fn(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
    ) -> Field<T> {
        let field = self.query(name, read).or(default);
        if let Some(docs) = self.described.as_mut().and_then(|docs| docs.last_mut()) {
            let schema = docs.schema.clone();
            docs.schema = schema.with("default", default).like(default);
        }
        field
    }

    /// Reads a parameter of the query string that may be repeated, up to [`FILTER_VALUES_MAX`] times.
    pub(crate) fn query_list<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
    ) -> Field<Vec<T>> {
        if self.described.is_some() {
            self.asked((Section::Query, name), false, true, read);
            return Field(None);
        }
        self.audit.reads(Section::Query, name);
        self.parameters.push(Parameter {
            name,
            repeats: true,
        });
        let mut context = FieldContext::new(&mut self.problems, Loc::field(Section::Query, name));
        let sent: Vec<_> = self.query.iter().filter(|(key, _)| key == name).collect();
        if sent.len() > FILTER_VALUES_MAX {
            let violation = Violation::ListTooLong(FILTER_VALUES_MAX, sent.len());
            return Field(context.refuse(InputValue::Text(&sent[0].1), violation));
        }
        let mut values = Vec::with_capacity(sent.len());
        let mut complete = true;
        for (index, (_, text)) in sent.into_iter().enumerate() {
            match read(InputValue::Text(text), &mut context.item(index)) {
                Some(value) => values.push(value),
                None => complete = false,
            }
        }
        Field(complete.then_some(values))
    }

    /// Ends the reading of the request. Parameters that were most likely meant for one of those that were read
    /// are problems, too.
    ///
    /// # Errors
    /// All problems, in the order of the contract.
    pub(crate) fn finish(mut self) -> Result<Checked, Vec<Problem>> {
        self.audit.finish();
        self.report_unknown_parameters();
        if self.problems.is_empty() {
            return Ok(Checked(()));
        }
        self.problems.sort_by_key(|problem| problem.loc.rank());
        Err(Problem::limited(self.problems))
    }

    fn report_unknown_parameters(&mut self) {
        let mut seen = BTreeSet::new();
        for (sent, value) in &self.query {
            if seen.len() == UNKNOWN_NAMES_MAX {
                break;
            }
            if let Some(meant) = parameters::meant(sent, &self.parameters)
                && seen.insert(sent)
            {
                self.problems.push(Problem {
                    loc: Loc::sent(Section::Query, echo::shortened(sent).into_owned()),
                    violation: Violation::Value(meant.hint(sent).into()),
                    input: echo::echo_text(value),
                });
            }
        }
    }

    /// Returns the value of a field of the body. Of a repeated key the last one counts.
    fn member(&self, name: &str) -> Option<Value<'a>> {
        let member = self.members.iter().rfind(|member| member.is(name))?;
        Some(member.value)
    }

    fn body_field<T>(
        &mut self,
        name: &'static str,
        value: Value<'_>,
        read: impl FnOnce(InputValue<'_>, &mut FieldContext<'_>) -> Option<T>,
    ) -> Option<T> {
        let loc = Loc::field(Section::Body, name).of_item(self.item);
        let mut context = self.context(loc);
        read(InputValue::Json(value), &mut context)
    }

    fn context(&mut self, loc: Loc) -> FieldContext<'_> {
        FieldContext::new(&mut self.problems, loc)
    }

    fn report(&mut self, loc: Loc, violation: Violation, input: Box<serde_json::value::RawValue>) {
        self.problems.push(Problem {
            loc,
            violation,
            input,
        });
    }
}

#[cfg(test)]
mod tests;
