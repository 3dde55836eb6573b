//! The eligibility of an endpoint for a message, and the reason if it does not get it.

use super::event_pattern::{EventPattern, Subject};
use super::event_type::Subscription;

/// The reason why an endpoint does not get a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not subscribed to the type.
    Events,
    /// It is subscribed, but disabled.
    Disabled,
    /// Its filter does not match: the names that lead to the member that does not.
    Filter(Vec<String>),
}

impl Refusal {
    /// Returns the text on the wire: `events`, `disabled`, or the place in the filter, such as `filter.data.amount`.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Events => "events".to_owned(),
            Self::Disabled => "disabled".to_owned(),
            Self::Filter(path) => {
                let path = path.iter().map(String::as_str);
                std::iter::once("filter")
                    .chain(path)
                    .collect::<Vec<_>>()
                    .join(".")
            }
        }
    }
}

/// The conditions of an endpoint that decide whether it gets a message.
#[derive(Clone, Copy, Debug)]
pub struct Eligibility<'a> {
    /// Its subscriptions.
    pub events: &'a [Subscription],
    /// Its filter.
    pub filter: &'a EventPattern,
    /// True if it is disabled.
    pub is_disabled: bool,
}

impl Eligibility<'_> {
    /// Returns the reason why the endpoint does not get a message that is published now; `None` if it does. The first
    /// reason is one that its owner can do most about: a subscription, the endpoint as a whole, the filter.
    #[must_use]
    pub fn refusal(self, subject: &Subject<'_>) -> Option<Refusal> {
        if !self.events.iter().any(|it| it.matches(subject.event_type)) {
            return Some(Refusal::Events);
        }
        if self.is_disabled {
            return Some(Refusal::Disabled);
        }
        self.filter.mismatch(subject).map(Refusal::Filter)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::domain::event_type::EventType;
    use crate::domain::json::Tree;
    use crate::domain::tags::Tags;

    fn why(events: &[&str], filter: &str, is_disabled: bool) -> Option<String> {
        let data = r#"{"amount":5}"#;
        let events: Vec<_> = events
            .iter()
            .filter_map(|it| Subscription::parse(it))
            .collect();
        let eligibility = Eligibility {
            events: &events,
            filter: &EventPattern::parse(filter).unwrap(),
            is_disabled,
        };
        let subject = Subject {
            event_type: &EventType::parse("order.paid").unwrap(),
            timestamp: "2026-01-31T12:00:00Z",
            data: &RawValue::from_string(data.to_owned()).unwrap(),
            tree: &Tree::of(data),
            tags: &Tags::NONE,
        };
        eligibility
            .refusal(&subject)
            .map(|refusal| refusal.to_text())
    }

    #[test]
    fn the_first_reason_is_told() {
        let (matching, other) = (r#"{"data":{"amount":[5]}}"#, r#"{"data":{"amount":[6]}}"#);
        assert_eq!(why(&["order.*"], matching, false), None);
        assert_eq!(why(&["a", "*"], "{}", false), None);
        assert_eq!(why(&["user.*"], other, true).as_deref(), Some("events"));
        assert_eq!(why(&[], matching, false).as_deref(), Some("events"));
        assert_eq!(why(&["*"], other, true).as_deref(), Some("disabled"));
        assert_eq!(
            why(&["*"], other, false).as_deref(),
            Some("filter.data.amount")
        );
    }
}
