//! The locations of values in a request, as problems name them.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeSeq, Serializer};

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Path,
    Query,
    Body,
}

impl Section {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Body => "body",
        }
    }
}

/// A step from an object or a list to a value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LocStep {
    /// To the member of an object.
    Member(Cow<'static, str>),
    /// To the item of a list, or to the offset of a syntax error.
    Index(usize),
}

/// The location of a value: a section, a field of it, and the steps from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loc {
    /// The part of the request.
    pub(crate) section: Section,
    /// The list and the place in it of the item that has the field; `None` if the section itself has it.
    pub(crate) of_item: Option<(&'static str, usize)>,
    /// The field; `None` for the section as a whole.
    pub(crate) field: Option<Cow<'static, str>>,
    /// The way from the field to the value.
    steps: Vec<LocStep>,
}

impl Loc {
    /// Returns the location of a field of a section.
    pub(crate) const fn field(section: Section, field: &'static str) -> Self {
        Self {
            section,
            of_item: None,
            field: Some(Cow::Borrowed(field)),
            steps: Vec::new(),
        }
    }

    /// Returns the location of a field that the client named.
    pub(crate) fn sent(section: Section, name: String) -> Self {
        Self {
            section,
            of_item: None,
            field: Some(Cow::Owned(name)),
            steps: Vec::new(),
        }
    }

    /// Returns the location of the whole body.
    pub(crate) const fn body() -> Self {
        Self {
            section: Section::Body,
            of_item: None,
            field: None,
            steps: Vec::new(),
        }
    }

    /// Returns the location of the same field of an item of a list of the body.
    pub(crate) fn of_item(self, item: Option<(&'static str, usize)>) -> Self {
        Self {
            of_item: item,
            ..self
        }
    }

    /// Returns the location of a member of the object here.
    pub(crate) fn of_member(self, member: impl Into<Cow<'static, str>>) -> Self {
        self.then(LocStep::Member(member.into()))
    }

    /// Returns the location of an item of the list here, or of an offset in the text here.
    pub(crate) fn at(self, index: usize) -> Self {
        self.then(LocStep::Index(index))
    }

    /// Returns the location one step further.
    pub(crate) fn then(mut self, step: LocStep) -> Self {
        self.steps.push(step);
        self
    }

    /// Returns the member of the field in which the value is, if the field is an object.
    pub(crate) fn member(&self) -> Option<&str> {
        match self.steps.first() {
            Some(LocStep::Member(name)) => Some(name),
            Some(LocStep::Index(_)) | None => None,
        }
    }

    /// Returns the way from the field to the value, such as `data.total.0`; empty if it is the field itself.
    pub(crate) fn inside_field(&self) -> String {
        let steps = self.steps.iter().map(|step| match step {
            LocStep::Member(name) => name.clone().into_owned(),
            LocStep::Index(index) => index.to_string(),
        });
        steps.collect::<Vec<_>>().join(".")
    }

    /// Reports whether the value is secret: it must not be shown.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self.field.as_deref(), Some("secret" | "headers"))
    }

    /// Returns the rank by which problems are listed: page, limit, path, query, body.
    pub(crate) fn rank(&self) -> u8 {
        match (self.section, self.field.as_deref()) {
            (Section::Query, Some("page")) => 0,
            (Section::Query, Some("limit")) => 1,
            (Section::Path, _) => 2,
            (Section::Query, _) => 3,
            (Section::Body, _) => 4,
        }
    }
}

impl Serialize for Loc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut steps = serializer.serialize_seq(None)?;
        steps.serialize_element(self.section.as_str())?;
        if let Some((list, place)) = self.of_item {
            steps.serialize_element(list)?;
            steps.serialize_element(&place)?;
        }
        if let Some(field) = &self.field {
            steps.serialize_element(field)?;
        }
        for step in &self.steps {
            match step {
                LocStep::Member(name) => steps.serialize_element(name)?,
                LocStep::Index(index) => steps.serialize_element(index)?,
            }
        }
        steps.end()
    }
}
