//! Event patterns: the filters of endpoints on the content of messages.
//!
//! The language is that of the event patterns of Amazon EventBridge. A pattern looks like the messages that it
//! matches, with a list of candidates in the place of each value:
//!
//! ```json
//! { "data": { "state": ["paid", "refunded"], "total": [{ "numeric": [">=", 100] }] } }
//! ```
//!
//! It is matched against `{"type", "timestamp", "data", "tags"}`. All members of a pattern must match, and of a list
//! one candidate. So a pattern is checked in one pass from the outside in: each part of it meets each value of the
//! message at most once, and no part of the language makes that longer, as regular expressions would.
//!
//! A field that is absent matches nothing but `{"exists": false}`. Of an array, one item must match; a pattern with
//! several members inside an array must find them in one and the same item. A field is a *leaf*: text, number, `true`,
//! `false` or `null`. An object, and an array without leaves, counts as absent.

mod candidate;
mod explain;
mod matching;
mod number;
mod parse;
mod read_candidates;
mod reader;
mod subject;

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

pub use self::matching::MatchBudget;
use self::matching::matches;
use self::parse::Pattern;
pub use self::parse::{CANDIDATES_MAX, PATTERN_DEPTH_MAX, PATTERN_MAX_BYTES};
pub use self::reader::{PatternFault, PatternStep};
pub use self::subject::Subject;
pub use crate::domain::json::Tree;

/// A pattern that was checked. A copy of it is cheap.
#[derive(Clone, Default)]
pub struct EventPattern(Option<Arc<Checked>>);

/// A pattern that does not match everything.
struct Checked {
    /// The pattern as it was sent.
    text: String,
    /// `None` if a stored text could not be read: nothing matches.
    pattern: Option<Pattern>,
}

impl EventPattern {
    /// The pattern that matches every message, as it is written.
    pub const EVERYTHING: &str = "{}";

    /// Reads a pattern: JSON with at most [`PATTERN_MAX_BYTES`].
    ///
    /// # Errors
    /// The faults, each with its place: at least one, and the first of many.
    pub fn parse(text: &str) -> Result<Self, Vec<PatternFault>> {
        let pattern = parse::parse(text)?;
        if pattern.matches_everything() {
            return Ok(Self::default());
        }
        let text = text.trim().to_owned();
        let pattern = Some(pattern);
        Ok(Self(Some(Arc::new(Checked { text, pattern }))))
    }

    /// Takes a stored text, which was parsed before; the empty text matches everything. A text that is no pattern,
    /// which a damaged file could have, matches nothing: an endpoint must not get what it does not want.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        Self::parse(text).unwrap_or_else(|_| {
            Self(Some(Arc::new(Checked {
                text: text.to_owned(),
                pattern: None,
            })))
        })
    }

    /// Returns the text for the database: empty if it matches everything.
    #[must_use]
    pub fn to_stored(&self) -> &str {
        self.0.as_ref().map_or("", |checked| &checked.text)
    }

    /// Returns the pattern as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let checked = self.0.as_ref();
        checked.map_or(Self::EVERYTHING, |checked| &checked.text)
    }

    /// Reports whether it matches every message, so that no message needs to be read for it.
    #[must_use]
    pub fn matches_everything(&self) -> bool {
        self.0.is_none()
    }

    /// Reports whether a message matches. When `budget` is used up, a message counts as one that matches: it is sent
    /// once too often and not lost.
    #[must_use]
    pub fn matches(&self, subject: &Subject<'_>, budget: &MatchBudget) -> bool {
        match self.0.as_deref() {
            None => true,
            Some(Checked { pattern: None, .. }) => false,
            Some(Checked {
                pattern: Some(pattern),
                ..
            }) => matches(pattern, subject, budget) || budget.is_spent(),
        }
    }

    /// Returns the names that lead to the first member of the pattern that a message does not match; `None` if it
    /// matches. The path ends where the reason is one member and no deeper. That is for people, and may take as many
    /// steps as the pattern is deep times those of a match.
    #[must_use]
    pub fn mismatch(&self, subject: &Subject<'_>) -> Option<Vec<String>> {
        match self.0.as_deref() {
            None => None,
            Some(Checked { pattern: None, .. }) => Some(Vec::new()),
            Some(Checked {
                pattern: Some(pattern),
                ..
            }) => explain::mismatch(pattern, subject),
        }
    }
}

impl PartialEq for EventPattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for EventPattern {}

impl fmt::Debug for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventPattern({})", self.as_str())
    }
}

impl Serialize for EventPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: Result<&RawValue, _> = serde_json::from_str(self.as_str());
        match raw {
            Ok(raw) => raw.serialize(serializer),
            // A stored text that is not even JSON.
            Err(_) => self.as_str().serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests;
