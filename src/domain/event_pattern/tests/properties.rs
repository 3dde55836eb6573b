//! Properties of matching that hold for any data, and the bound of its time.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::domain::json::tests::{any_leaf, any_value};

/// Returns the part of a pattern that data matches; `None` if it has no leaf.
fn pattern_of(value: &Value) -> Option<Value> {
    match value {
        Value::Object(members) => {
            let members: Map<String, Value> = members
                .iter()
                .filter(|(name, _)| *name != "$or")
                .filter_map(|(name, value)| Some((name.clone(), pattern_of(value)?)))
                .collect();
            (!members.is_empty()).then_some(Value::Object(members))
        }
        Value::Array(items) => items.iter().find_map(pattern_of),
        leaf => Some(json!([leaf])),
    }
}

/// Changes the leaf of a pattern with this number, counted from the first, to one that no data has.
fn mutate(pattern: &mut Value, number: &mut usize) {
    match pattern {
        Value::Object(members) => members.values_mut().for_each(|it| mutate(it, number)),
        Value::Array(candidates) => {
            if *number == 0 {
                *candidates = vec![json!("a text that no data has")];
            }
            *number = number.wrapping_sub(1);
        }
        _ => {}
    }
}

/// Counts the leaves of a pattern, and reports whether it is small enough.
fn size_of_pattern(pattern: &Value) -> usize {
    match pattern {
        Value::Object(members) => members.values().map(size_of_pattern).sum(),
        _ => 1,
    }
}

proptest! {
    #[test]
    fn data_matches_the_pattern_that_is_made_of_it(value in any_value(), at in any::<prop::sample::Index>()) {
        let Some(pattern) = pattern_of(&value) else { return Ok(()) };
        let leaves = size_of_pattern(&pattern);
        prop_assume!(leaves <= CANDIDATES_MAX);
        let message = TestMessage::new(&value.to_string());
        let mut pattern = json!({ "data": pattern });
        prop_assert!(message.is_matched(&pattern.to_string()));
        let mut changed = at.index(leaves);
        mutate(&mut pattern, &mut changed);
        prop_assert!(!message.is_matched(&pattern.to_string()));
    }

    #[test]
    fn what_matches_no_candidate_matches_anything_but_them(value in any_leaf(), other in any_leaf()) {
        let message = TestMessage::new(&value.to_string());
        let is = message.is_matched(&json!({ "data": [other] }).to_string());
        let is_not = message.is_matched(&json!({ "data": [{ "anything-but": other }] }).to_string());
        prop_assert!(is != is_not);
    }

    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,40}", json in any_value()) {
        let _ = EventPattern::parse(&text);
        let _ = EventPattern::parse(&json.to_string());
        let _ = EventPattern::parse(&json!({ "data": json }).to_string());
    }
}

/// Matches, and returns whether the budget was enough. In any case, it takes no longer than the budget allows.
fn is_within_budget(pattern: &str, data: &str) -> bool {
    let message = TestMessage::new(data);
    let pattern = EventPattern::parse(pattern).unwrap();
    let budget = MatchBudget::default();
    let begun = Instant::now();
    let is_matched = pattern.matches(&message.subject(), &budget);
    // Usually a second, unoptimized; a busy machine may need many.
    assert!(begun.elapsed() < Duration::from_mins(1));
    assert!(is_matched || !budget.is_spent());
    !budget.is_spent()
}

#[test]
fn large_data_takes_a_time_that_the_budget_bounds() {
    let megabyte = 1 << 20;
    let long_text = format!("\"{}\"", "a".repeat(megabyte));
    let wildcard = format!(r#"{{"data":[{{"wildcard":"*{}b*"}}]}}"#, "a*".repeat(2000));
    assert!(is_within_budget(&wildcard, &long_text));
    let many = format!("[{}0]", "0,".repeat(megabyte / 2));
    assert!(is_within_budget(r#"{"data":[1]}"#, &many));
    let hundred = vec![r#"{"wildcard":"*a"}"#; 100].join(",");
    assert!(!is_within_budget(
        &format!(r#"{{"data":[{hundred}]}}"#),
        &many
    ));
    let members = format!("{{{}\"z\":0}}", "\"a\":0,".repeat(megabyte / 6));
    let names: Vec<_> = (0..100)
        .map(|it| format!(r#""{it}":[{{"exists":false}}]"#))
        .collect();
    let names = format!(r#"{{"data":{{{}}}}}"#, names.join(","));
    assert!(!is_within_budget(&names, &members));
    let deep = format!("{}1{}", "[".repeat(megabyte / 2), "]".repeat(megabyte / 2));
    assert!(is_within_budget(r#"{"data":[2]}"#, &deep));
    let deep = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    assert!(is_within_budget(r#"{"data":{"a":{"a":{"a":[2]}}}}"#, &deep));
}

#[test]
fn a_budget_is_for_all_patterns_of_a_message() {
    let data = format!("[{}0]", "0,".repeat(200_000));
    let message = TestMessage::new(&data);
    let pattern = EventPattern::parse(r#"{"data":[1,2,3,4,5,6,7,8,9]}"#).unwrap();
    let budget = MatchBudget::default();
    let results: Vec<bool> = (0..10)
        .map(|_| pattern.matches(&message.subject(), &budget))
        .collect();
    assert!(!results[0]);
    assert!(results[9], "when the budget is spent, all match");
}
