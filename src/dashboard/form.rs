//! Forms: what a browser sent, as input of the same readers as the API's.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::query::Fields;
use crate::server::validate::Problem;

/// The field with the token of the session, which proves that a page of the dashboard made the form.
pub(super) const FORM_TOKEN: &str = "form_token";

/// The most bytes of a form, except that in which a message is published: the fields of an endpoint are the
/// longest, and have a few kilobytes.
pub(super) const FORM_MAX: usize = 64 << 10;

/// A form of the signed-in session.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) fields: Fields,
}

impl Form {
    /// Returns a JSON object with these text fields. A field that is empty is left out.
    pub(super) fn to_json(&self, names: &[&str]) -> Map<String, Value> {
        let given = names.iter().filter_map(|name| {
            let value = self.fields.get(name)?;
            Some(((*name).to_owned(), Value::from(value)))
        });
        given.collect()
    }
}

/// The problems of a form, by the field that each is shown beside.
#[derive(Clone, Debug, Default)]
pub(super) struct FormProblems(BTreeMap<String, String>);

impl FormProblems {
    /// Sorts the problems of an input by field, or by the member of a field that is an object. Those of no field are under
    /// the empty name.
    pub(super) fn of(problems: &[Problem]) -> Self {
        let mut found = Self::default();
        for problem in problems {
            let field = problem.loc.member().or(problem.loc.field.as_deref());
            let field = field.unwrap_or_default();
            found.add(field, &problem.message());
        }
        found
    }

    /// Sorts the problems of an input by field; the text of one inside a field says where.
    pub(super) fn by_field(problems: &[Problem]) -> Self {
        let mut found = Self::default();
        for problem in problems {
            let field = problem.loc.field.as_deref().unwrap_or_default();
            found.add(field, &problem.message_with_place());
        }
        found
    }

    /// Adds a problem of a field; of two of one field, the first is shown.
    pub(super) fn add(&mut self, field: &str, text: &str) {
        self.0
            .entry(field.to_owned())
            .or_insert_with(|| text.to_owned());
    }

    /// Returns the problem of a field; empty if it has none.
    pub(super) fn of_field(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Returns the problems of fields that the form does not show, and of none.
    pub(super) fn others<'a>(&'a self, shown: &'a [&str]) -> impl Iterator<Item = &'a str> {
        let others = self
            .0
            .iter()
            .filter(|(name, _)| !shown.contains(&name.as_str()));
        others.map(|(_, text)| text.as_str())
    }

    /// Reports whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
