//! Parameters of the query and headers of requests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::operations;
use super::tables::{assert_says, section, table};
use crate::contract::resolved;

/// A filter as both say it.
#[derive(Debug, Default, PartialEq)]
struct Filter {
    repeats: bool,
    /// The words that it takes, if they are listed; of a range `A … B` only the ends.
    words: Vec<&'static str>,
}

type Filters = BTreeMap<&'static str, Filter>;

/// Returns the filters in a cell: names in backquotes, with a `+` if they may be repeated, and words in brackets.
fn written(cell: &'static str) -> Filters {
    let mut filters: Vec<(&'static str, Filter)> = Vec::new();
    let mut depth = 0_i32;
    for (index, part) in cell.split('`').enumerate() {
        if index % 2 == 0 {
            if let Some((_, last)) = filters.last_mut()
                && part.starts_with('+')
            {
                last.repeats = true;
            }
            depth += i32::try_from(part.matches('(').count()).unwrap();
            depth -= i32::try_from(part.matches(')').count()).unwrap();
        } else if depth == 0 {
            filters.push((part, Filter::default()));
        } else {
            filters.last_mut().unwrap().1.words.push(part);
        }
    }
    filters.into_iter().collect()
}

fn documented(parameters: &[&'static Value], is_range: impl Fn(&str) -> bool) -> Filters {
    let filters = parameters.iter().map(|parameter| {
        let name = parameter["name"].as_str().unwrap();
        let schema = &parameter["schema"];
        let repeats = schema["type"] == "array";
        assert_eq!(parameter["required"], false, "{name}");
        let item = resolved(if repeats { &schema["items"] } else { schema });
        let words = item["enum"].as_array().into_iter().flatten();
        let mut words: Vec<_> = words.map(|word| word.as_str().unwrap()).collect();
        if item["type"] == "boolean" {
            words = vec!["true", "false"];
        }
        if is_range(name) {
            words = vec![words[0], words.last().unwrap()];
        }
        (name, Filter { repeats, words })
    });
    filters.collect()
}

#[test]
fn filters_are_the_same() {
    let rows = table(section("Lists"), "list");
    let mut lists = BTreeSet::new();
    for operation in operations() {
        let parameters = operation.parameters("query");
        let (pages, filters): (Vec<_>, Vec<_>) = parameters
            .into_iter()
            .partition(|it| it["name"] == "page" || it["name"] == "limit");
        if pages.is_empty() {
            continue;
        }
        assert_eq!(pages.len(), 2, "{}", operation.path);
        let noun = operation.path.rsplit(['/', '-']).next().unwrap();
        let row = rows.iter().find(|row| row[0] == noun);
        let cell = row.unwrap_or_else(|| panic!("{noun}"))[1];
        let written = if cell == "none" {
            Filters::new()
        } else {
            written(cell)
        };
        let is_range = |name: &str| cell.contains(&format!("`{name}` (`2xx` … `5xx`)"));
        assert_eq!(written, documented(&filters, is_range), "{noun}");
        lists.insert(noun);
    }
    assert_eq!(lists, rows.iter().map(|row| row[0]).collect());
}

#[test]
fn parameters_of_the_path_and_headers_are_the_same() {
    for operation in operations() {
        let in_path = operation.parameters("path");
        let has_id = operation.path.contains('{');
        assert_eq!(in_path.len(), usize::from(has_id), "{}", operation.path);
        let headers = operation.parameters("header");
        let names: Vec<_> = headers
            .iter()
            .map(|it| it["name"].as_str().unwrap())
            .collect();
        let expected = match operation.node["operationId"].as_str().unwrap() {
            "events_publish" => &[
                "Idempotency-Key",
                "traceparent",
                "tracestate",
                "X-Request-Id",
            ][..],
            "events_publish_batch" => &["traceparent", "tracestate", "X-Request-Id"],
            "jobs_create" => &["Idempotency-Key", "X-Request-Id"],
            _ => &["X-Request-Id"],
        };
        assert_eq!(names, expected, "{}", operation.path);
        assert!(headers.iter().all(|header| header["required"] == false));
        let id = headers.last().unwrap();
        let taken = "1 to 128 letters, digits and `._:=+/@-`";
        assert!(id["description"].as_str().unwrap().contains(taken));
        assert_says("Basics", taken);
        if let [key, trace, state, _] = headers[..] {
            for header in [trace, state] {
                let about = header["description"].as_str().unwrap();
                assert!(about.contains("that is not valid is ignored"), "{about}");
            }
            assert_says("Publishing", "one that is not valid is ignored");
            let longest = "512 characters";
            assert!(state["description"].as_str().unwrap().contains(longest));
            assert_says("Publishing", longest);
            assert_eq!(key["schema"]["pattern"], "^[!-~]+$");
            assert_says(
                "Publishing",
                "visible ASCII characters, makes a publish safe to repeat",
            );
            let hours = "kept for 24 hours";
            assert_says("Publishing", hours);
            assert!(key["description"].as_str().unwrap().contains(hours));
        }
    }
}
