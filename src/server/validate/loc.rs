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

/// The location of a value: a section, a field of it, an item of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loc {
    /// The part of the request.
    pub(crate) section: Section,
    /// The list and the place in it of the item that has the field; `None` if the section itself has it.
    pub(crate) of_item: Option<(&'static str, usize)>,
    /// The field; `None` for the section as a whole.
    pub(crate) field: Option<Cow<'static, str>>,
    /// The member of the field, if the field is an object.
    pub(crate) member: Option<Cow<'static, str>>,
    /// The item of a list, or the offset of a syntax error.
    pub(crate) index: Option<usize>,
}

impl Loc {
    /// Returns the location of a field of a section.
    pub(crate) const fn field(section: Section, field: &'static str) -> Self {
        Self {
            section,
            of_item: None,
            field: Some(Cow::Borrowed(field)),
            member: None,
            index: None,
        }
    }

    /// Returns the location of a field that the client named.
    pub(crate) const fn sent(section: Section, name: String) -> Self {
        Self {
            section,
            of_item: None,
            field: Some(Cow::Owned(name)),
            member: None,
            index: None,
        }
    }

    /// Returns the location of the whole body.
    pub(crate) const fn body() -> Self {
        Self {
            section: Section::Body,
            of_item: None,
            field: None,
            member: None,
            index: None,
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
        Self {
            member: Some(member.into()),
            ..self
        }
    }

    /// Returns the location of an item of the list here, or of an offset in the text here.
    pub(crate) fn at(self, index: usize) -> Self {
        Self {
            index: Some(index),
            ..self
        }
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
        if let Some(member) = &self.member {
            steps.serialize_element(member)?;
        }
        if let Some(index) = self.index {
            steps.serialize_element(&index)?;
        }
        steps.end()
    }
}
