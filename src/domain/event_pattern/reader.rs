//! The place in a pattern that is being read, and the faults that were found.

use std::borrow::Cow;

use crate::domain::json::{Member, Value};

/// The most faults that are reported: enough to see what is wrong.
const FAULTS_MAX: usize = 20;

/// A step on the way to a part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternStep {
    /// Into the member of an object.
    Member(String),
    /// Into the item of a list.
    Item(usize),
}

/// A fault of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternFault {
    /// The way to the part that has the fault; empty for the whole pattern.
    pub place: Vec<PatternStep>,
    /// The rule that is broken, as a sentence without a full stop.
    pub expected: Cow<'static, str>,
}

/// Reads the parts of a pattern. Each function returns `None` after it has reported a fault.
#[derive(Default)]
pub(super) struct Reader {
    /// The way to the part that is being read.
    place: Vec<PatternStep>,
    pub(super) faults: Vec<PatternFault>,
    /// The candidates so far.
    pub(super) candidates: usize,
}

impl Reader {
    /// Reads all items of a list.
    pub(super) fn each<'v, T>(
        &mut self,
        items: &[Member<'v>],
        read: impl Fn(&mut Self, Value<'v>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut values = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            values.extend(self.inside_item(at, |reader| read(reader, item.value)));
        }
        (values.len() == items.len()).then_some(values)
    }

    pub(super) fn inside_member<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        self.inside(PatternStep::Member(name.to_owned()), read)
    }

    pub(super) fn inside_item<T>(
        &mut self,
        at: usize,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        self.inside(PatternStep::Item(at), read)
    }

    fn inside<T>(
        &mut self,
        step: PatternStep,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        self.place.push(step);
        let value = read(self);
        self.place.pop();
        value
    }

    /// Reports a fault of the part that is being read.
    pub(super) fn fault<T>(&mut self, expected: impl Into<Cow<'static, str>>) -> Option<T> {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(PatternFault {
                place: self.place.clone(),
                expected: expected.into(),
            });
        }
        None
    }
}

/// Returns the members of an object, each name once: in the place of the first, with the value of the last.
pub(super) fn distinct(object: Value<'_>) -> Vec<(String, Value<'_>)> {
    let mut distinct: Vec<(String, Value<'_>)> = Vec::new();
    for member in object.members() {
        let name = member.name();
        match distinct.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = member.value,
            None => distinct.push((name.into_owned(), member.value)),
        }
    }
    distinct
}
