//! Reads a request, collecting everything that is wrong with it.
//!
//! A handler states what it wants, field by field; each statement gives a [`Field`], which opens
//! only with the proof that nothing was wrong ([`Input::finish`]). So no handler can use half a
//! request, and a client hears of all problems at once, in the order page, limit, path, query, body.
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
//! What a field may hold is said by the readers in [`read`]; how a problem is worded, in `problem`.
//! Nothing here panics on any input, recurses by the input's depth, or answers at a length that the
//! sender chooses.

mod echo;
mod problem;
pub(crate) mod read;
mod uuid_text;

use std::borrow::Cow;

pub(crate) use self::problem::{Fault, Loc, Problem, Section};
use crate::domain::json::{self, Kind, Member};
pub(crate) use crate::domain::json::{LoneSurrogate, Value};

/// The most values of one multi-value filter: each becomes a scan of its own.
pub(crate) const FILTER_VALUES_MAX: usize = 100;

/// What one answer echoes at most, in bytes: there can be some hundred problems, each with an input.
const ECHOES_MAX_BYTES: usize = 16 * 1024;

/// A value as it came: of the body, or a text of the path or the query.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Given<'a> {
    Json(Value<'a>),
    Text(&'a str),
}

impl<'a> Given<'a> {
    /// Its text; `None` if it is not a string at all.
    pub(crate) fn text(self) -> Option<Result<Cow<'a, str>, LoneSurrogate>> {
        match self {
            Self::Text(text) => Some(Ok(Cow::Borrowed(text))),
            Self::Json(value) if value.kind() == Kind::Text => Some(value.text()),
            Self::Json(_) => None,
        }
    }
}

/// Where a reader stands, and where it reports to.
pub(crate) struct Place<'r> {
    problems: &'r mut Vec<Problem>,
    loc: Loc,
}

impl Place<'_> {
    /// Reports that `given` will not do. `None`, so that a reader can end with it.
    pub(crate) fn refuse<T>(&mut self, given: Given<'_>, fault: Fault) -> Option<T> {
        let input = match given {
            Given::Json(value) => echo::echo(value, self.loc.is_secret()),
            Given::Text(text) => echo::echo_text(text),
        };
        self.problems.push(Problem {
            loc: self.loc,
            fault,
            input,
        });
        None
    }

    /// The place of an item of the list that stands here.
    pub(crate) fn item(&mut self, index: usize) -> Place<'_> {
        Place {
            problems: self.problems,
            loc: self.loc.at(index),
        }
    }
}

/// A value that was read, or a problem that was reported.
#[derive(Debug)]
#[must_use]
pub(crate) struct Field<T>(Option<T>);

/// Proof that everything asked of an [`Input`] was there and would do.
#[derive(Debug)]
pub(crate) struct Checked(());

impl<T> Field<T> {
    /// The value.
    pub(crate) fn take(self, _: &Checked) -> T {
        self.0
            .expect("a field without a value has reported a problem, so there is no proof")
    }
}

impl<T> Field<Option<T>> {
    /// A field that was not sent.
    pub(crate) const fn absent() -> Self {
        Self(Some(None))
    }

    /// The same, with `default` for what was not sent.
    pub(crate) fn or(self, default: T) -> Field<T> {
        Field(self.0.map(|value| value.unwrap_or(default)))
    }
}

/// A request that is being read.
#[derive(Debug, Default)]
pub(crate) struct Input<'a> {
    path: &'a str,
    query: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    body: Option<Value<'a>>,
    members: Vec<Member<'a>>,
    problems: Vec<Problem>,
}

impl<'a> Input<'a> {
    /// A request with this `{id}` in its path and this query string, neither of them decoded.
    pub(crate) fn new(path: &'a str, query: &'a str) -> Self {
        Self {
            path,
            // Broken percent-encoding is taken literally, bytes that are no UTF-8 become U+FFFD.
            query: url::form_urlencoded::parse(query.as_bytes()).collect(),
            ..Self::default()
        }
    }

    /// Takes the body, which should be a JSON object.
    pub(crate) fn json(&mut self, text: &'a str) {
        // RFC 8259, section 8.1: parsers may ignore a byte order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.is_empty() {
            return self.report(Loc::body(), Fault::Missing, echo::null());
        }
        match json::scan(text) {
            Err(error) => {
                // Counted in characters, as upstream does.
                let offset = text.get(..error.at).unwrap_or(text).chars().count();
                let loc = Loc::body().at(offset);
                self.report(loc, Fault::JsonInvalid(error.why), echo::empty_object());
            }
            Ok(document) if document.value.kind() == Kind::Object => {
                self.body = Some(document.value);
                self.members = document.members;
            }
            Ok(document) => {
                // An object that was encoded twice is a text, and its secret is somewhere in it.
                let is_text = document.value.kind() == Kind::Text;
                let secret = is_text && document.value.lossy_text().contains("secret");
                let input = echo::echo(document.value, secret);
                self.report(Loc::body(), Fault::NotAnObject, input);
            }
        }
    }

    /// A field of the body that must be there.
    pub(crate) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Given<'_>, &mut Place<'_>) -> Option<T>,
    ) -> Field<T> {
        if let Some(value) = self.member(name) {
            return Field(self.body_field(name, value, read));
        }
        // Without a body to have fields, its absence has been reported already.
        if let Some(body) = self.body {
            let loc = Loc::field(Section::Body, name);
            self.report(loc, Fault::Missing, echo::echo(body, false));
        }
        Field(None)
    }

    /// A field of the body that may be absent or null.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Given<'_>, &mut Place<'_>) -> Option<T>,
    ) -> Field<Option<T>> {
        match self.member(name) {
            Some(value) if value.kind() != Kind::Null => {
                Field(self.body_field(name, value, read).map(Some))
            }
            _ => Field(Some(None)),
        }
    }

    /// A field of the body that must be there if `is_required`, and else may be absent or null.
    pub(crate) fn field<T>(
        &mut self,
        name: &'static str,
        is_required: bool,
        read: impl FnOnce(Given<'_>, &mut Place<'_>) -> Option<T>,
    ) -> Field<Option<T>> {
        if is_required {
            Field(self.required(name, read).0.map(Some))
        } else {
            self.optional(name, read)
        }
    }

    /// The `{id}` of the path.
    pub(crate) fn path<T>(
        &mut self,
        read: impl FnOnce(Given<'_>, &mut Place<'_>) -> Option<T>,
    ) -> Field<T> {
        let given = Given::Text(self.path);
        Field(read(
            given,
            &mut self.place(Loc::field(Section::Path, "id")),
        ))
    }

    /// A parameter of the query string; if it is repeated, the last one counts.
    pub(crate) fn query<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Given<'_>, &mut Place<'_>) -> Option<T>,
    ) -> Field<Option<T>> {
        let Some((_, text)) = self.query.iter().rfind(|(key, _)| key == name) else {
            return Field(Some(None));
        };
        let mut place = Place {
            problems: &mut self.problems,
            loc: Loc::field(Section::Query, name),
        };
        Field(read(Given::Text(text), &mut place).map(Some))
    }

    /// A parameter of the query string that may be repeated, up to [`FILTER_VALUES_MAX`] times.
    pub(crate) fn query_list<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(Given<'_>, &mut Place<'_>) -> Option<T>,
    ) -> Field<Vec<T>> {
        let mut place = Place {
            problems: &mut self.problems,
            loc: Loc::field(Section::Query, name),
        };
        let given: Vec<_> = self.query.iter().filter(|(key, _)| key == name).collect();
        if given.len() > FILTER_VALUES_MAX {
            let fault = Fault::ListTooLong(FILTER_VALUES_MAX, given.len());
            return Field(place.refuse(Given::Text(&given[0].1), fault));
        }
        let mut values = Vec::with_capacity(given.len());
        let mut complete = true;
        for (index, (_, text)) in given.into_iter().enumerate() {
            match read(Given::Text(text), &mut place.item(index)) {
                Some(value) => values.push(value),
                None => complete = false,
            }
        }
        Field(complete.then_some(values))
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Every problem, in the order of the contract.
    pub(crate) fn finish(mut self) -> Result<Checked, Vec<Problem>> {
        if self.problems.is_empty() {
            return Ok(Checked(()));
        }
        self.problems.sort_by_key(|problem| problem.loc.rank());
        let mut echoed = 0;
        for problem in &mut self.problems {
            echoed += problem.input.get().len();
            if echoed > ECHOES_MAX_BYTES {
                problem.input = echo::cut();
            }
        }
        Err(self.problems)
    }

    /// The value of a field of the body. Of a repeated key the last one counts.
    fn member(&self, name: &str) -> Option<Value<'a>> {
        let member = self.members.iter().rfind(|member| member.is(name))?;
        Some(member.value)
    }

    fn body_field<T>(
        &mut self,
        name: &'static str,
        value: Value<'_>,
        read: impl FnOnce(Given<'_>, &mut Place<'_>) -> Option<T>,
    ) -> Option<T> {
        let mut place = self.place(Loc::field(Section::Body, name));
        read(Given::Json(value), &mut place)
    }

    fn place(&mut self, loc: Loc) -> Place<'_> {
        Place {
            problems: &mut self.problems,
            loc,
        }
    }

    fn report(&mut self, loc: Loc, fault: Fault, input: Box<serde_json::value::RawValue>) {
        self.problems.push(Problem { loc, fault, input });
    }
}

impl Problem {
    /// A problem that only the store could find, with a value of ours as its input.
    pub(crate) fn found_later(loc: Loc, fault: Fault, input: Option<&str>) -> Self {
        Self {
            loc,
            fault,
            input: input.map_or_else(echo::null, echo::echo_text),
        }
    }
}

#[cfg(test)]
mod tests;
