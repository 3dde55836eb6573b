//! The documents and the files for Prometheus and Grafana: each metric that they name exists, and the table of the
//! guide has all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::open_metrics::{Exposition, Family};
use super::{FLAGS, scrape};
use crate::fixture::TestApp;

/// The line after which the guide is made, not written.
const MARK: &str = "<!-- The rest is made from the metrics of a server: INSTA_UPDATE=always cargo test --test it metrics:: -->";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Returns the names of metrics in a text: words with the prefix of a family.
fn named(text: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_name(c));
    let is_metric = |word: &&str| word.starts_with("hookpost_") || word.starts_with("process_");
    words.filter(is_metric).collect()
}

/// Asserts that all metrics named in a text exist, and that there are some.
fn check(file: &str, text: &str, exposition: &Exposition) {
    let known = exposition.sample_names();
    let named = named(text);
    let unknown: Vec<_> = named.iter().filter(|name| !known.contains(*name)).collect();
    assert!(unknown.is_empty(), "{file} names {unknown:?}");
    assert!(named.len() > 5, "{file} names only {named:?}");
}

/// Returns all queries in a dashboard.
fn queries<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match field.as_str() {
                    Some(text) if key == "expr" || key == "query" || key == "definition" => {
                        found.push(text);
                    }
                    _ => queries(field, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

#[test]
fn rules_and_dashboard_name_only_metrics_that_exist_and_leave_none_out() {
    let app = TestApp::with_flags(&FLAGS);
    let exposition = scrape(&app);
    let rules = read("deploy/prometheus/alerts.yml");
    check("alerts.yml", &rules, &exposition);
    let tests = read("tests/operating/prometheus/alerts_test.yml");
    check("alerts_test.yml", &tests, &exposition);
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/hookpost.json")).unwrap();
    let mut found = Vec::new();
    queries(&dashboard, &mut found);
    let queries = found.join("\n");
    check("hookpost.json", &queries, &exposition);
    let shown = named(&queries);
    for family in exposition.families() {
        let name = family.name.as_str();
        let is_shown = shown.iter().any(|shown| shown.starts_with(name));
        assert!(is_shown, "the dashboard shows no {name}");
    }
    assert!(named("rate(hookpost_x_total{a=\"b\"}[5m])").contains("hookpost_x_total"));
}

#[test]
fn every_rule_says_what_it_means_and_what_to_do_and_is_tested() {
    let rules = read("deploy/prometheus/alerts.yml");
    let tests = read("tests/operating/prometheus/alerts_test.yml");
    let guide = read("docs/guides/metrics.md");
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 10);
    for alert in alerts {
        let name = alert.lines().next().unwrap().trim();
        for key in ["expr:", "severity:", "summary:", "description:"] {
            assert_eq!(alert.matches(key).count(), 1, "{name} lacks {key}");
        }
        assert!(tests.contains(name), "{name} is not tested");
        assert!(guide.contains(name), "{name} is not in the guide");
    }
}

#[test]
fn every_query_of_the_dashboard_uses_its_data_source() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/hookpost.json")).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(variables[0]["type"], "datasource");
    assert_eq!(variables[0]["name"], "datasource");
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(
            ids.insert(panel["id"].as_u64().unwrap()),
            "an id is there twice"
        );
        for target in panel["targets"].as_array().into_iter().flatten() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{panel}");
        }
    }
    assert!(panels.len() > 20);
}

/// Returns the name by which a family is queried.
fn queried(family: &Family) -> String {
    let suffix = if family.kind == "counter" {
        "_total"
    } else {
        ""
    };
    format!("{}{suffix}", family.name)
}

/// Returns the values of each label of a family.
fn labels(family: &Family) -> String {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for labels in &family.labels {
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (key, value) = label.split_once('=').unwrap();
            values
                .entry(key)
                .or_default()
                .insert(value.trim_matches('"'));
        }
    }
    let mut text = Vec::new();
    for (key, values) in values {
        let values: Vec<String> = match key {
            "version" => vec!["its version".to_owned()],
            _ => values.iter().map(|value| format!("`{value}`")).collect(),
        };
        text.push(format!("`{key}`: {}", values.join(", ")));
    }
    text.join("<br>")
}

#[test]
fn the_table_of_the_guide_has_every_family() {
    let app = TestApp::with_flags(&FLAGS);
    let mut made = "\n\n| name | type | labels | |\n|---|---|---|---|\n".to_owned();
    for family in scrape(&app).families() {
        let (name, labels) = (queried(family), labels(family));
        let _ = writeln!(
            made,
            "| `{name}` | {} | {labels} | {} |",
            family.kind, family.help
        );
    }
    let guide = read("docs/guides/metrics.md");
    let (written, rest) = guide.split_once(MARK).expect("the mark is there");
    if rest != made && std::env::var_os("INSTA_UPDATE").is_some_and(|value| value == "always") {
        std::fs::write(
            path("docs/guides/metrics.md"),
            format!("{written}{MARK}{made}"),
        )
        .unwrap();
    } else {
        assert_eq!(
            rest, made,
            "INSTA_UPDATE=always cargo test --test it metrics::"
        );
    }
}
