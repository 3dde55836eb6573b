//! Reading a pattern. All faults are reported, each with its place.

use super::candidate::Candidate;
use super::reader::{PatternFault, Reader, distinct};
use super::subject::MEMBERS;
use crate::domain::json::{self, Kind, Value};

/// The longest pattern, in bytes: longer than any that people write, and read in some microseconds.
pub const PATTERN_MAX_BYTES: usize = 8 * 1024;
/// The most candidates of a pattern, which each value of a message may have to be compared with.
pub const CANDIDATES_MAX: usize = 100;
/// The deepest nesting of arrays and objects in a pattern, which bounds the stack that matching takes.
pub const PATTERN_DEPTH_MAX: usize = 16;

/// The name of a member whose value is a list of patterns, of which one must match.
pub(super) const ANY_OF: &str = "$or";

/// An object of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern {
    /// The members that must all match.
    pub(super) members: Vec<(String, Test)>,
    /// The patterns of which one must match, too; empty: there is no such condition.
    pub(super) any_of: Vec<Pattern>,
}

/// A member of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// A pattern for the object here.
    Pattern(Pattern),
    /// The candidates for the leaf here, of which one must match.
    Candidates(Vec<Candidate>),
}

impl Pattern {
    /// Reports whether every message matches.
    pub(super) fn matches_everything(&self) -> bool {
        self.members.is_empty() && self.any_of.is_empty()
    }
}

/// Reads a pattern.
pub(super) fn parse(text: &str) -> Result<Pattern, Vec<PatternFault>> {
    let mut reader = Reader::default();
    let pattern = reader.whole(text);
    match pattern {
        Some(pattern) if reader.faults.is_empty() => Ok(pattern),
        _ => Err(reader.faults),
    }
}

/// The part of a message that a pattern is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// The whole message, whose members are known.
    Message,
    /// Something in it.
    Inside,
}

impl Reader {
    fn whole(&mut self, text: &str) -> Option<Pattern> {
        if text.len() > PATTERN_MAX_BYTES {
            return self.fault(format!(
                "a filter should have at most {PATTERN_MAX_BYTES} bytes, not {}",
                text.len()
            ));
        }
        let Ok(document) = json::scan(text) else {
            return self.fault("a filter should be JSON");
        };
        let value = document.value;
        if value.depth() > PATTERN_DEPTH_MAX {
            return self.fault(format!(
                "a filter should be nested at most {PATTERN_DEPTH_MAX} deep, not {}",
                value.depth()
            ));
        }
        if value.kind() != Kind::Object {
            return self.fault("a filter should be an object");
        }
        let pattern = self.pattern(value, Level::Message);
        if self.candidates > CANDIDATES_MAX {
            return self.fault(format!(
                "a filter should have at most {CANDIDATES_MAX} candidates, not {}",
                self.candidates
            ));
        }
        let pattern = pattern?;
        // Names are the only texts that were not read whole. Other programs must be able to read the filter as well.
        if serde_json::from_str::<serde_json::Value>(text).is_err() {
            return self.fault("a name should have no half of a surrogate pair");
        }
        Some(pattern)
    }

    /// Reads an object of a pattern, member by member. Of members with the same name the last counts.
    fn pattern(&mut self, value: Value<'_>, level: Level) -> Option<Pattern> {
        let mut members = Vec::new();
        let mut any_of = Some(Vec::new());
        let mut is_complete = true;
        for (name, value) in distinct(value) {
            if name == ANY_OF {
                any_of = self.inside_member(&name, |reader| reader.any_of(value, level));
                continue;
            }
            let is_known = level == Level::Inside || MEMBERS.contains(&name.as_str());
            let test = self.inside_member(&name, |reader| {
                if is_known {
                    reader.test(value)
                } else {
                    reader.unknown_member()
                }
            });
            match test {
                Some(test) => members.push((name, test)),
                None => is_complete = false,
            }
        }
        let any_of = any_of?;
        is_complete.then_some(Pattern { members, any_of })
    }

    fn unknown_member<T>(&mut self) -> Option<T> {
        let names = MEMBERS.join(", ");
        self.fault(format!("a message has no such member: it has {names}"))
    }

    /// Reads a pattern inside another one, which is there for something.
    fn inner_pattern(&mut self, value: Value<'_>, level: Level) -> Option<Pattern> {
        if value.kind() != Kind::Object {
            return self.fault("a pattern should be an object");
        }
        let pattern = self.pattern(value, level)?;
        if pattern.matches_everything() {
            return self
                .fault("a pattern should have a member: leave it out if anything is allowed");
        }
        Some(pattern)
    }

    fn any_of(&mut self, value: Value<'_>, level: Level) -> Option<Vec<Pattern>> {
        let items = match value.kind() {
            Kind::Array => value.members(),
            _ => Vec::new(),
        };
        if items.len() < 2 {
            return self.fault("`$or` should be a list of at least two patterns");
        }
        self.each(&items, |reader, item| reader.inner_pattern(item, level))
    }

    fn test(&mut self, value: Value<'_>) -> Option<Test> {
        match value.kind() {
            Kind::Object => self.inner_pattern(value, Level::Inside).map(Test::Pattern),
            Kind::Array => self.candidates(value).map(Test::Candidates),
            _ => self.fault(
                "a member should be a list of candidates, or an object that goes deeper: \
                 put a single value into a list",
            ),
        }
    }
}
