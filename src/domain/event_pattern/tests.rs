//! The language: what matches, what does not, and what is no pattern.

mod faults;
mod properties;
mod structure;
mod vectors;

use serde_json::value::RawValue;

use super::*;
use crate::domain::event_type::EventType;
use crate::domain::json::Tree;
use crate::domain::tags::Tags;

/// A message of the type `order.created` with the tag `region: eu`.
struct TestMessage {
    event_type: EventType,
    data: Box<RawValue>,
    tree: Tree,
    tags: Tags,
}

impl TestMessage {
    fn new(data: &str) -> Self {
        let mut tags = Tags::default();
        tags.set("region".to_owned(), "eu".to_owned());
        Self {
            event_type: EventType::parse("order.created").unwrap(),
            data: RawValue::from_string(data.to_owned()).unwrap(),
            tree: Tree::of(data),
            tags,
        }
    }

    fn subject(&self) -> Subject<'_> {
        Subject {
            event_type: &self.event_type,
            timestamp: "2026-01-31T12:00:00Z",
            data: &self.data,
            tree: &self.tree,
            tags: &self.tags,
        }
    }

    /// Matches a pattern, and checks that there is a reason if and only if it does not match.
    fn is_matched(&self, pattern: &str) -> bool {
        let pattern = EventPattern::parse(pattern).unwrap();
        let budget = MatchBudget::default();
        let is_matched = pattern.matches(&self.subject(), &budget);
        assert!(!budget.is_spent());
        assert_eq!(pattern.mismatch(&self.subject()).is_none(), is_matched);
        is_matched
    }

    fn why_not(&self, pattern: &str) -> Option<String> {
        let pattern = EventPattern::parse(pattern).unwrap();
        pattern.mismatch(&self.subject()).map(|path| path.join("."))
    }
}

#[test]
fn all_members_of_a_message_can_be_matched() {
    let message = TestMessage::new(r#"{"amount":5}"#);
    for (pattern, expected) in [
        (r#"{"type":["order.created"]}"#, true),
        (r#"{"type":[{"prefix":"order."}]}"#, true),
        (r#"{"type":["order.deleted"]}"#, false),
        (r#"{"timestamp":[{"prefix":"2026-01"}]}"#, true),
        (r#"{"timestamp":[{"prefix":"2025-"}]}"#, false),
        (r#"{"tags":{"region":["eu","us"]}}"#, true),
        (r#"{"tags":{"region":["us"]}}"#, false),
        (r#"{"tags":{"tier":["gold"]}}"#, false),
        (r#"{"tags":{"tier":[{"exists":false}]}}"#, true),
        (r#"{"tags":{"region":{"inside":["eu"]}}}"#, false),
        (r#"{"tags":[{"exists":true}]}"#, false),
        (r#"{"data":{"amount":[5]},"tags":{"region":["eu"]}}"#, true),
        (r#"{"data":{"amount":[5]},"tags":{"region":["us"]}}"#, false),
        (r#"{"data":[{"exists":false}]}"#, true),
        ("{}", true),
    ] {
        assert_eq!(message.is_matched(pattern), expected, "{pattern}");
    }
    assert!(TestMessage::new("5").is_matched(r#"{"data":[5]}"#));
    assert!(TestMessage::new("[4,5]").is_matched(r#"{"data":[5]}"#));
}

#[test]
fn everything_is_the_empty_pattern_however_it_is_written() {
    for text in ["{}", " { } ", "{\n}"] {
        let pattern = EventPattern::parse(text).unwrap();
        assert!(pattern.matches_everything());
        assert_eq!(pattern, EventPattern::default());
        assert_eq!((pattern.as_str(), pattern.to_stored()), ("{}", ""));
    }
    assert!(EventPattern::from_stored("").matches_everything());
}

#[test]
fn a_pattern_is_stored_and_shown_as_it_was_sent() {
    let text = "{ \"data\": {\"b\": [1.0], \"a\": [\"\\u00e9\"]} }";
    let pattern = EventPattern::parse(&format!(" {text}\n")).unwrap();
    assert_eq!((pattern.as_str(), pattern.to_stored()), (text, text));
    assert_eq!(EventPattern::from_stored(text), pattern);
    assert_eq!(serde_json::to_string(&pattern).unwrap(), text);
}

#[test]
fn a_stored_text_that_is_no_pattern_matches_nothing() {
    let message = TestMessage::new("{}");
    for text in ["{", "5", r#"{"data":5}"#] {
        let pattern = EventPattern::from_stored(text);
        assert!(!pattern.matches_everything());
        assert!(!pattern.matches(&message.subject(), &MatchBudget::default()));
        assert_eq!(pattern.mismatch(&message.subject()), Some(Vec::new()));
        assert!(serde_json::to_string(&pattern).is_ok());
    }
}

#[test]
fn the_reason_is_the_first_member_that_does_not_match() {
    let message = TestMessage::new(
        r#"{"amount":5,"buyer":{"country":"de"},"items":[{"sku":"a","n":1},{"sku":"b","n":2}],"one":[{"n":1}]}"#,
    );
    for (pattern, why) in [
        (r#"{"type":["a"],"data":{"amount":[6]}}"#, "type"),
        (r#"{"data":{"amount":[6]}}"#, "data.amount"),
        (
            r#"{"data":{"amount":[5],"buyer":{"country":["fr"]}}}"#,
            "data.buyer.country",
        ),
        (r#"{"data":{"buyer":{"city":["Bonn"]}}}"#, "data.buyer.city"),
        (
            r#"{"data":{"seller":{"city":["Bonn"]}}}"#,
            "data.seller.city",
        ),
        (r#"{"data":{"items":{"sku":["a"],"n":[2]}}}"#, "data.items"),
        (r#"{"data":{"one":{"n":[2]}}}"#, "data.one.n"),
        (
            r#"{"data":{"$or":[{"amount":[6]},{"buyer":["x"]}]}}"#,
            "data.$or",
        ),
        (
            r#"{"$or":[{"type":["x"]},{"tags":{"region":["x"]}}]}"#,
            "$or",
        ),
        (r#"{"tags":{"region":["us"]}}"#, "tags.region"),
    ] {
        assert_eq!(message.why_not(pattern).as_deref(), Some(why), "{pattern}");
    }
    assert_eq!(
        message.why_not(r#"{"data":{"items":{"sku":["a"],"n":[1]}}}"#),
        None
    );
}
