//! A strict reader of OpenMetrics text: it refuses what the format forbids, as far as this program could write it.

use std::collections::{BTreeMap, BTreeSet};

/// A family of metrics.
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) help: String,
    unit: String,
    /// The labels of its samples, without `le`.
    pub(crate) labels: Vec<String>,
}

/// A whole text.
pub(crate) struct Exposition {
    pub(crate) text: String,
    families: Vec<Family>,
    samples: BTreeMap<String, f64>,
}

impl Exposition {
    /// Returns the families in the order of their names.
    pub(crate) fn families(&self) -> &[Family] {
        &self.families
    }

    /// Returns the names of all samples.
    pub(crate) fn sample_names(&self) -> BTreeSet<&str> {
        let names = self.samples.keys();
        names.map(|series| split(series).0).collect()
    }

    /// Returns the value of a series, given as in the text.
    #[track_caller]
    pub(crate) fn value(&self, series: &str) -> f64 {
        let value = self.samples.get(series);
        *value.unwrap_or_else(|| panic!("{series} is not in {}", self.text))
    }
}

/// Splits a series into its name and the text of its labels.
fn split(series: &str) -> (&str, &str) {
    match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}').expect("a closed brace")),
        None => (series, ""),
    }
}

/// Reads a text, which must be correct.
pub(crate) fn parse(text: &str) -> Exposition {
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    let mut families: Vec<Family> = Vec::new();
    let mut samples = BTreeMap::new();
    for line in body.lines() {
        if let Some(described) = line.strip_prefix("# ") {
            describe(&mut families, described);
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let value: f64 = value.parse().expect("a number");
        let family = families.last_mut().expect("a description comes first");
        check_sample(family, series, value);
        let before = samples.insert(series.to_owned(), value);
        assert_eq!(before, None, "{series} is there twice");
    }
    for family in &families {
        let suffix = format!("_{}", family.unit);
        let has_unit = family.unit.is_empty() || family.name.ends_with(&suffix);
        assert!(has_unit, "{} lacks its unit", family.name);
        assert!(
            !family.help.is_empty() && !family.kind.is_empty(),
            "{}",
            family.name
        );
    }
    check_buckets(&samples);
    let names: BTreeSet<&String> = families.iter().map(|family| &family.name).collect();
    assert_eq!(names.len(), families.len(), "a family is there twice");
    families.sort_by(|a, b| a.name.cmp(&b.name));
    Exposition {
        text: text.to_owned(),
        families,
        samples,
    }
}

fn describe(families: &mut Vec<Family>, line: &str) {
    let mut words = line.splitn(3, ' ');
    let (keyword, name) = (words.next().unwrap(), words.next().expect("a name"));
    let value = words.next().expect("a value").to_owned();
    if families.last().is_none_or(|family| family.name != name) {
        families.push(Family {
            name: name.to_owned(),
            kind: String::new(),
            help: String::new(),
            unit: String::new(),
            labels: Vec::new(),
        });
    }
    let family = families.last_mut().unwrap();
    assert!(family.labels.is_empty(), "{line} comes after samples");
    match keyword {
        "HELP" => family.help = value,
        "TYPE" => {
            assert!(
                ["counter", "gauge", "histogram"].contains(&value.as_str()),
                "{line}"
            );
            family.kind = value;
        }
        "UNIT" => family.unit = value,
        _ => panic!("{line}"),
    }
}

fn check_sample(family: &mut Family, series: &str, value: f64) {
    let (name, labels) = split(series);
    let suffix = name.strip_prefix(&family.name);
    let suffix = suffix.unwrap_or_else(|| panic!("{series} is not of {}", family.name));
    let suffixes: &[&str] = match family.kind.as_str() {
        "counter" => &["_total"],
        "gauge" => &[""],
        _ => &["_bucket", "_sum", "_count"],
    };
    assert!(suffixes.contains(&suffix), "{series} is no {}", family.kind);
    assert!(value.is_finite(), "{series} {value}");
    assert!(family.kind == "gauge" || value >= 0.0, "{series} {value}");
    let mut kept = Vec::new();
    for label in labels.split(',').filter(|label| !label.is_empty()) {
        let (key, quoted) = label.split_once('=').expect("a label has a value");
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.+-".contains(c);
        let value = quoted
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let value = value.expect("a value in quotes");
        assert!(!value.is_empty() && value.chars().all(plain), "{series}");
        assert!(
            key.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
            "{series}"
        );
        if key != "le" {
            kept.push(label);
        }
    }
    family.labels.push(kept.join(","));
}

/// Checks that the buckets of each histogram rise, and that the last one has all.
fn check_buckets(samples: &BTreeMap<String, f64>) {
    let mut buckets: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for (series, count) in samples {
        let (name, labels) = split(series);
        let Some(name) = name.strip_suffix("_bucket") else {
            continue;
        };
        let (bounds, rest): (Vec<&str>, Vec<&str>) = labels
            .split(',')
            .partition(|label| label.starts_with("le="));
        let bound = bounds[0].trim_start_matches("le=").trim_matches('"');
        let count_of = match rest.join(",").as_str() {
            "" => format!("{name}_count"),
            rest => format!("{name}_count{{{rest}}}"),
        };
        let bound: f64 = bound.parse().expect("a bound");
        buckets.entry(count_of).or_default().push((bound, *count));
    }
    assert!(!buckets.is_empty());
    for (count, mut bounds) in buckets {
        bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(
            bounds.is_sorted_by(|a, b| a.1 <= b.1),
            "{count}: {bounds:?}"
        );
        let (last, all) = bounds.last().unwrap();
        assert!(last.is_infinite(), "{count}");
        assert!((all - samples[&count]).abs() < 1e-9, "{count}: {bounds:?}");
    }
}

#[test]
fn a_correct_text_is_read() {
    let read = parse(
        "# HELP a x.\n# TYPE a counter\na_total{b=\"c\"} 3\n# HELP h_seconds x.\n# TYPE h_seconds \
         histogram\n# UNIT h_seconds seconds\nh_seconds_sum 1.5\nh_seconds_count 2\nh_seconds_bucket{le=\"1.0\"} \
         1\nh_seconds_bucket{le=\"+Inf\"} 2\n# EOF\n",
    );
    assert!((read.value("a_total{b=\"c\"}") - 3.0).abs() < 1e-9);
    assert_eq!(read.families().len(), 2);
}

#[test]
fn what_the_format_forbids_is_refused() {
    let histogram = "# HELP h x.\n# TYPE h histogram\n";
    for wrong in [
        "# HELP a x.\n# TYPE a gauge\na 1\n".to_owned(),
        "a 1\n# EOF\n".to_owned(),
        "# HELP a x.\n# TYPE a counter\na 1\n# EOF\n".to_owned(),
        "# HELP a x.\n# TYPE a gauge\na 1\na 2\n# EOF\n".to_owned(),
        "# HELP a x.\n# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n".to_owned(),
        "# HELP a x.\n# TYPE a gauge\na{b=\"\"} 1\n# EOF\n".to_owned(),
        "# HELP a x.\n# TYPE a gauge\nb 1\n# EOF\n".to_owned(),
        format!("{histogram}h_sum 1\nh_count 2\nh_bucket{{le=\"+Inf\"}} 1\n# EOF\n"),
        format!("{histogram}h_sum 1\nh_count 2\nh_bucket{{le=\"1\"}} 2\n# EOF\n"),
        format!(
            "{histogram}h_sum 1\nh_count 2\nh_bucket{{le=\"1\"}} 3\nh_bucket{{le=\"+Inf\"}} 2\n# EOF\n"
        ),
    ] {
        let refused = std::panic::catch_unwind(|| parse(&wrong));
        assert!(refused.is_err(), "{wrong}");
    }
}
