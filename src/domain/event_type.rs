//! Event types, and the subscriptions with which an endpoint selects them.

use std::fmt;

use serde::{Serialize, Serializer};

/// The longest event type, in characters.
pub const EVENT_TYPE_MAX: usize = 128;

/// The most subscriptions of one endpoint: all of them are matched at every publish.
pub const SUBSCRIPTIONS_MAX: usize = 100;

/// The pattern of an event type, which the error for a bad one shows.
pub const EVENT_TYPE_PATTERN: &str = r"^(?=.{1,128}$)[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$";

/// The start of the types of operational events, which only the server publishes.
pub const RESERVED_PREFIX: &str = "hookpost.";

/// The type of a test, unless its caller chooses another one. It is reserved, so no message has it.
const TEST_TYPE: &str = "hookpost.test";

/// The pattern of an event type that callers publish, which the error for another one shows.
pub const PUBLISHED_TYPE_PATTERN: &str =
    r"^(?=.{1,128}$)(?!hookpost\.)[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$";

/// The pattern of a subscription, which the error for a bad one shows.
pub const SUBSCRIPTION_PATTERN: &str =
    r"^(?=.{1,128}$)(\*|[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*(\.\*)?)$";

/// The type of a message, such as `order.created`: parts of `a-z A-Z 0-9 _ -` joined by dots.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventType(String);

impl EventType {
    /// Reads an event type; `None` if it does not fit [`EVENT_TYPE_PATTERN`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        well_formed(text).then(|| Self(text.to_owned()))
    }

    /// Returns the type of a test for which its caller chose none.
    #[must_use]
    pub fn test() -> Self {
        Self(TEST_TYPE.to_owned())
    }

    /// Reports whether a test may have this type: any that a message of a caller may have, and that of tests.
    #[must_use]
    pub fn may_be_tested(&self) -> bool {
        !self.is_reserved() || self.0 == TEST_TYPE
    }

    /// Reports whether only the server publishes messages of this type.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(RESERVED_PREFIX)
    }

    /// Takes a stored text, which was parsed before.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the type as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

fn well_formed(text: &str) -> bool {
    text.len() <= EVENT_TYPE_MAX
        && text.split('.').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        })
}

/// The event types that an endpoint receives: one type, `order.*` (all types that begin with `order.`, at any
/// depth), or `*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subscription(String);

impl Subscription {
    /// Reads a subscription; `None` if it does not fit [`SUBSCRIPTION_PATTERN`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text == "*"
            || (text.len() <= EVENT_TYPE_MAX
                && well_formed(text.strip_suffix(".*").unwrap_or(text)));
        fits.then(|| Self(text.to_owned()))
    }

    /// Returns the subscription to every type.
    #[must_use]
    pub fn every_type() -> Self {
        Self("*".to_owned())
    }

    /// Takes a stored text, which was parsed before.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the subscription as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reports whether the subscription selects `event_type`.
    #[must_use]
    pub fn matches(&self, event_type: &EventType) -> bool {
        match self.0.strip_suffix('*') {
            None => self.0 == event_type.0,
            Some(prefix) => event_type.0.starts_with(prefix),
        }
    }
}

impl Serialize for Subscription {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part() -> impl Strategy<Value = String> {
        "[a-zA-Z0-9_-]{1,6}"
    }

    fn event_type() -> impl Strategy<Value = String> {
        prop::collection::vec(part(), 1..5).prop_map(|parts| parts.join("."))
    }

    proptest! {
        #[test]
        fn a_type_is_matched_by_itself_by_its_prefixes_and_by_the_star(text in event_type()) {
            let parsed = EventType::parse(&text).unwrap();
            prop_assert!(Subscription::parse(&text).unwrap().matches(&parsed));
            prop_assert!(Subscription::parse("*").unwrap().matches(&parsed));
            for (at, _) in text.match_indices('.') {
                let prefix = format!("{}.*", &text[..at]);
                prop_assert!(Subscription::parse(&prefix).unwrap().matches(&parsed));
            }
        }

        #[test]
        fn a_wildcard_needs_the_whole_part_and_something_after_it(
            text in event_type(), more in part(), other in event_type(),
        ) {
            let wildcard = Subscription::parse(&format!("{text}.*")).unwrap();
            prop_assert!(!wildcard.matches(&EventType::parse(&text).unwrap()));
            let longer = EventType::parse(&format!("{text}{more}")).unwrap();
            prop_assert!(!wildcard.matches(&longer));
            let other = EventType::parse(&other).unwrap();
            prop_assert_eq!(
                wildcard.matches(&other),
                other.as_str().starts_with(&format!("{text}."))
            );
        }

        #[test]
        fn anything_else_is_refused(text in "\\PC{0,12}") {
            let fits = !text.is_empty() && text.split('.').all(|part| {
                !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
            });
            prop_assert_eq!(EventType::parse(&text).is_some(), fits);
        }
    }

    #[test]
    fn the_length_limit_is_128() {
        assert!(EventType::parse(&"a".repeat(128)).is_some());
        assert!(EventType::parse(&"a".repeat(129)).is_none());
        for bad in [
            "", ".", "a.", ".a", "a..b", "*.a", "a.*.b", "a*", "**", ".*", "a b", "a\n",
        ] {
            assert!(Subscription::parse(bad).is_none(), "{bad:?}");
        }
    }
}
