//! The time of lists on a large database: every combination of filters, deep pages, text searches.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use rusqlite::{Connection, OpenFlags};

use crate::http::Api;
use crate::report::{Latencies, Report, Target::AtMost};

/// Values are varied so often for each combination.
const SAMPLES: usize = 10;

/// The values of filters: objects and times of this database.
struct Values {
    workspaces: Vec<String>,
    endpoints: Vec<String>,
    start: String,
    end: String,
    delivery: String,
}

impl Values {
    fn read(admin: &mut Api, database: &Path) -> anyhow::Result<Self> {
        let ids = |list: &serde_json::Value, key: &str| -> Vec<String> {
            let rows = list["data"].as_array().into_iter().flatten();
            rows.filter_map(|row| Some(row[key].as_str()?.to_owned()))
                .collect()
        };
        let endpoints = admin.get("/webhooks/endpoints?limit=100")?;
        let newest = admin.get("/webhooks/deliveries?limit=1")?;
        let (start, end) = middle(database)?;
        Ok(Self {
            workspaces: ids(&endpoints, "workspace_id"),
            endpoints: ids(&endpoints, "id"),
            start,
            end,
            delivery: ids(&newest, "id").pop().context("no deliveries")?,
        })
    }

    fn workspace(&self, n: usize) -> &str {
        &self.workspaces[n % self.workspaces.len()]
    }

    fn endpoint(&self, n: usize) -> &str {
        &self.endpoints[n % self.endpoints.len()]
    }

    /// Returns the filters by workspace and endpoint, each with its name.
    fn scopes(&self, n: usize) -> [(&'static str, String); 4] {
        let (one, other) = (self.endpoint(n), self.endpoint(n + 1));
        [
            ("server", String::new()),
            ("workspace", format!("&workspace_id={}", self.workspace(n))),
            ("endpoint", format!("&endpoint_id={one}")),
            (
                "two endpoints",
                format!("&endpoint_id={one}&endpoint_id={other}"),
            ),
        ]
    }

    fn times(&self) -> [(&'static str, String); 3] {
        let (start, end) = (&self.start, &self.end);
        [
            ("", String::new()),
            (", since", format!("&start_timestamp={start}")),
            (
                ", between",
                format!("&start_timestamp={start}&end_timestamp={end}"),
            ),
        ]
    }
}

/// The middle half of the time in which deliveries were made.
fn middle(database: &Path) -> anyhow::Result<(String, String)> {
    let file = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let time = |order: &str| -> rusqlite::Result<i64> {
        let query = format!("SELECT created_at FROM delivery ORDER BY seq {order} LIMIT 1");
        file.query_row(&query, [], |row| row.get(0))
    };
    let (first, last) = (time("ASC")?, time("DESC")?);
    let text = |us: i64| -> anyhow::Result<String> {
        let at = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(us) * 1000)?;
        Ok(at.format(&time::format_description::well_known::Rfc3339)?)
    };
    let quarter = (last - first) / 4;
    Ok((text(first + quarter)?, text(last - quarter)?))
}

const TYPES: [(&str, &str); 3] = [
    ("", ""),
    (", type", "&event_type=order.paid"),
    (
        ", two types",
        "&event_type=order.paid&event_type=order.shipped",
    ),
];
const OUTCOMES: [(&str, &str); 3] = [
    ("", ""),
    (", succeeded", "&succeeded=true"),
    (", not succeeded", "&succeeded=false"),
];
const CLASSES: [(&str, &str); 3] = [
    ("", ""),
    (", 2xx", "&http_code_class=2xx"),
    (", 5xx", "&http_code_class=5xx"),
];
const STATES: [(&str, &str); 5] = [
    ("", ""),
    (", pending", "&status=pending"),
    (", succeeded", "&status=succeeded"),
    (", failed", "&status=failed"),
    (", failed or skipped", "&status=failed&status=skipped"),
];

/// The slowest combination found so far.
#[derive(Default)]
struct Slowest {
    p95_ms: f64,
    name: String,
}

impl Slowest {
    /// Reads the path that `path` returns, for several values.
    fn read(
        &mut self,
        admin: &mut Api,
        name: &str,
        path: impl Fn(usize) -> String,
    ) -> anyhow::Result<()> {
        let mut latencies = Latencies::default();
        for n in 0..SAMPLES {
            let start = Instant::now();
            let path = path(n);
            let (status, body) = admin.call("GET", &path, "")?;
            latencies.push(u64::try_from(start.elapsed().as_micros())?);
            ensure!(status == 200, "{path}: {status} {body}");
        }
        let p95_ms = latencies.quantile_ms(0.95);
        if p95_ms > self.p95_ms {
            self.p95_ms = p95_ms;
            name.clone_into(&mut self.name);
        }
        Ok(())
    }

    fn report(&self, what: &str, most_ms: f64, report: &mut Report) {
        let what = format!("{what} (slowest: {})", self.name);
        report.add(what, self.p95_ms, "ms", AtMost(most_ms));
    }
}

pub(crate) fn run(admin: &mut Api, database: &Path, report: &mut Report) -> anyhow::Result<()> {
    let values = Values::read(admin, database)?;
    for (list, what) in [("deliveries", deliveries()), ("events", events())] {
        let (mut first, mut deep) = (Slowest::default(), Slowest::default());
        for (scope, _) in values.scopes(0) {
            for (time, _) in values.times() {
                for (filter, query) in &what {
                    let name = format!("{scope}{time}{filter}");
                    let path = |page: u32| {
                        let values = &values;
                        move |n: usize| {
                            let value = |all: &[(&str, String)], name: &str| {
                                let found = all.iter().find(|(own, _)| *own == name);
                                found.map(|(_, value)| value.clone()).unwrap_or_default()
                            };
                            let scope = value(&values.scopes(n), scope);
                            let time = value(&values.times(), time);
                            format!("/webhooks/{list}?page={page}{scope}{time}{query}")
                        }
                    };
                    first.read(admin, &name, path(1))?;
                    deep.read(admin, &name, path(1000))?;
                }
            }
        }
        first.report(&format!("{list}, first page, p95"), 50.0, report);
        deep.report(&format!("{list}, page 1,000, p95"), 50.0, report);
    }
    search(admin, &values, report)
}

/// Filters of deliveries beside scope and time, combined in every way.
fn deliveries() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (a, outcome) in OUTCOMES {
        for (b, class) in CLASSES {
            for (c, kind) in TYPES {
                all.push((format!("{a}{b}{c}"), format!("{outcome}{class}{kind}")));
            }
        }
    }
    all
}

/// Filters of events beside scope and time, combined in every way.
fn events() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (a, state) in STATES {
        for (b, kind) in TYPES {
            all.push((format!("{a}{b}"), format!("{state}{kind}")));
        }
    }
    all
}

fn search(admin: &mut Api, values: &Values, report: &mut Report) -> anyhow::Result<()> {
    // Part of an id, more common and less; a code; a text that nothing has.
    for (what, text, most_ms) in [
        ("a whole id", values.delivery.as_str(), 50.0),
        ("two digits", "ab", 500.0),
        ("part of an id", &values.delivery[24..32], 500.0),
        ("a code", "500", 500.0),
        ("nothing that is there", "zzzz", 500.0),
    ] {
        let mut slowest = Slowest::default();
        for list in ["deliveries", "events"] {
            for (scope, _) in values.scopes(0) {
                let name = format!("{list}, {scope}");
                slowest.read(admin, &name, |n| {
                    let scopes = values.scopes(n);
                    let found = scopes.iter().find(|(own, _)| *own == scope);
                    let scope = found.map_or("", |(_, value)| value);
                    format!("/webhooks/{list}?query={text}{scope}")
                })?;
            }
        }
        slowest.report(&format!("query for {what}, p95"), most_ms, report);
    }
    Ok(())
}
