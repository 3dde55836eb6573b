//! The part of a message's data that Discord and Slack messages show.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::domain::json::{self, Kind, Value};

/// The most members of `data` that are shown: quickly read, and within the limits of both services.
const MEMBERS_MAX: usize = 10;

/// The most characters of a name or value that are kept: more than either service shows, and enough for the
/// rules of escaping, which also read the characters that follow.
pub(super) const KEPT_MAX: usize = 2048;

/// The replacement for a lone surrogate: one U+FFFD for each byte that UTF-8 would need for it.
const LONE_SURROGATE: &str = "\u{fffd}\u{fffd}\u{fffd}";

/// A member of `data` with a scalar value, in plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShownMember {
    pub(super) name: String,
    pub(super) value: String,
}

impl ShownMember {
    fn new(name: &str, value: &str) -> Self {
        Self {
            name: kept(name).to_owned(),
            value: kept(value).to_owned(),
        }
    }
}

/// Returns the start of a text, as long as it may be kept.
fn kept(text: &str) -> &str {
    let end = text.char_indices().nth(KEPT_MAX);
    end.map_or(text, |(at, _)| &text[..at])
}

/// The members of `data` that are shown: `id` first, then the other scalars in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub(super) members: Vec<ShownMember>,
    /// The number of all members of `data`, shown or not.
    pub(super) total: usize,
}

impl Summary {
    /// Reads all of `data`, which takes some microseconds for each kilobyte.
    #[must_use]
    pub fn of(data: &RawValue) -> Self {
        let mut items = 0;
        let mut entries = Entries::default();
        let whole = json::walk(data.get(), |member| match member.key() {
            Some(key) => entries.set(plain(key), member.value),
            None => items += 1,
        });
        match whole.map(|whole| (whole, whole.kind())) {
            Ok((_, Kind::Object)) => entries.summary(),
            // Items have no names to show.
            Ok((_, Kind::Array)) | Err(_) => Self {
                members: Vec::new(),
                total: items,
            },
            Ok((scalar, _)) => Self {
                members: vec![ShownMember::new("data", &plain(scalar))],
                total: 1,
            },
        }
    }

    /// Returns a sentence that tells readers how much of the data is shown.
    pub(super) fn coverage(&self) -> String {
        match (self.members.len(), self.total) {
            (_, 0) => "The data is empty.".to_owned(),
            (shown, total) if shown == total => "All of the data is shown.".to_owned(),
            (shown, total) => format!("{shown} of {total} members of the data are shown."),
        }
    }
}

/// The members of an object, in order. Of members with the same name, the last value is kept in the place of
/// the first.
#[derive(Default)]
struct Entries<'a> {
    entries: Vec<(Cow<'a, str>, Value<'a>)>,
    places: HashMap<Cow<'a, str>, usize>,
}

impl<'a> Entries<'a> {
    fn set(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        let next = self.entries.len();
        let place = *self.places.entry(name.clone()).or_insert(next);
        match self.entries.get_mut(place) {
            Some(earlier) => earlier.1 = value,
            None => self.entries.push((name, value)),
        }
    }

    fn summary(&self) -> Summary {
        let scalars = || self.entries.iter().filter(|(_, value)| is_scalar(*value));
        let members = (scalars().filter(|(name, _)| name == "id"))
            .chain(scalars().filter(|(name, _)| name != "id"))
            .take(MEMBERS_MAX)
            .map(|(name, value)| ShownMember::new(name, &plain(*value)))
            .collect();
        Summary {
            members,
            total: self.entries.len(),
        }
    }
}

fn is_scalar(value: Value<'_>) -> bool {
    !matches!(value.kind(), Kind::Array | Kind::Object)
}

/// Returns a scalar as people read it: a string without its quotes, anything else as it is spelled.
fn plain(scalar: Value<'_>) -> Cow<'_, str> {
    match scalar.kind() {
        Kind::Text => scalar.text_with(LONE_SURROGATE),
        _ => Cow::Borrowed(scalar.raw()),
    }
}
