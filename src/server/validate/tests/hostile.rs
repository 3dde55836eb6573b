//! Property tests: no input makes a reader panic, or makes a response that is not JSON.

use proptest::prelude::*;
use serde_json::Value;

use super::super::{Input, read};
use crate::domain::network_policy::NetworkPolicy;

/// Reads the same input with every reader.
fn exercise(path: &str, query: &str, body: &str) -> String {
    let policy = NetworkPolicy::default();
    let mut input = Input::new(path, query);
    input.json(body);
    let _ = input.path(read::id);
    for name in ["a", "b"] {
        let _ = input.query(name, read::positive);
        let _ = input.query(name, read::time);
        let _ = input.query(name, read::boolean);
        let _ = input.query_list(name, read::status);
        let _ = input.optional(name, read::url(&policy));
        let _ = input.optional(name, read::secret);
        let _ = input.optional(name, read::subscriptions);
        let _ = input.optional(name, read::scopes);
        let _ = input.optional(name, read::boolean);
        let _ = input.optional(name, read::lifetime);
        let _ = input.optional(name, read::producers_time);
        let _ = input.optional(name, read::event_type);
        let _ = input.optional(name, read::workspace_name);
        let _ = input.optional(name, read::comment);
        let _ = input.required(name, read::any_json);
    }
    match input.finish() {
        Ok(_) => String::new(),
        Err(problems) => serde_json::to_string(&problems).unwrap(),
    }
}

fn value() -> impl Strategy<Value = String> {
    let scalar = prop::sample::select(vec![
        "1",
        "-0",
        "1e400",
        "null",
        "true",
        "\"\"",
        "\"a\"",
        r#""\ud800""#,
        r#""\u0000""#,
        "0.5",
        "\"2026-01-31\"",
        "99999999999999999999",
    ]);
    scalar
        .prop_map(str::to_owned)
        .prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|items| format!("[{}]", items.join(" ,"))),
                prop::collection::vec(("[abs]|secret", inner), 0..4).prop_map(|members| {
                    let members: Vec<_> = members
                        .into_iter()
                        .map(|(key, value)| format!("\"{key}\": {value}"))
                        .collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        })
}

proptest! {
    #[test]
    fn no_input_panics(path in any::<String>(), query in "[ab=&%+\\PC]{0,40}", body in any::<String>()) {
        exercise(&path, &query, &body);
    }

    #[test]
    fn answers_to_json_are_json_and_data_keeps_its_bytes(a in value(), b in value()) {
        let body = format!(" {{\"a\" :{a} ,\"b\":\t{b}}}");
        let answer = exercise("", "", &body);
        if !answer.is_empty() {
            serde_json::from_str::<Value>(&answer).unwrap();
        }
        let mut input = Input::new("", "");
        input.json(&body);
        let data = input.required("a", read::any_json);
        let ok = input.finish().unwrap();
        prop_assert_eq!(data.take(&ok).get().to_owned(), a);
    }
}
