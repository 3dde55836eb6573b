//! The time of the reads that pages of a dashboard make, on a large database with a history of a month over 1,000
//! endpoints: charts, summaries and overviews, straight from the store.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use hookpost::domain::access::Visibility;
use hookpost::domain::chart::{ChartRange, ChartScope};
use hookpost::domain::clock::{Clock, SystemClock};
use hookpost::storage::sqlite::SqliteSettings;
use hookpost::storage::{EndpointFilter, EventFilter, Page, Store};
use uuid::Uuid;

use crate::Options;
use crate::history::{DAY, History};
use crate::report::Target::AtMost;
use crate::report::{Latencies, Report};
use crate::retention::prepare;

/// The days of the history: as many as the longest chart shows.
const DAYS: u64 = 30;
/// Events that are pending when pages are read.
const PENDING: u64 = 100_000;
/// How often each read is made, for other objects each time.
const SAMPLES: usize = 100;
/// The longest that a read of a page should take.
const MOST_MS: f64 = 50.0;

const FIRST: Page = Page {
    number: 1,
    limit: 100,
};

fn settings() -> SqliteSettings {
    SqliteSettings {
        archive_after: Duration::ZERO,
        delete_after: Duration::ZERO,
        ..SqliteSettings::default()
    }
}

/// Makes a database whose history ends now. The deliveries of the last hour are those of a day, so that charts of
/// all ranges have something to add up.
fn make(database: &Path, deliveries: u64) -> anyhow::Result<()> {
    let types = prepare(database)?;
    let begin = SystemClock::new().now().before(DAY * u32::try_from(DAYS)?);
    let mut history = History::open(database, settings(), &types, begin)?;
    for _ in 1..DAYS {
        history.pass(DAY, deliveries / (DAYS + 1))?;
    }
    for hours in [23, 1] {
        history.pass(Duration::from_hours(hours), deliveries / (DAYS + 1))?;
    }
    history.leave_pending(PENDING)?;
    history.store.close().context("the store does not close")?;
    Ok(())
}

/// Makes a read [`SAMPLES`] times.
fn measure(
    what: &str,
    report: &mut Report,
    read: impl Fn(usize) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut latencies = Latencies::default();
    for n in 0..SAMPLES {
        let start = Instant::now();
        read(n)?;
        latencies.push(u64::try_from(start.elapsed().as_micros())?);
    }
    let p50_ms = latencies.quantile_ms(0.5);
    let p95_ms = latencies.quantile_ms(0.95);
    report.note(format!("{what}, p50"), p50_ms, "ms");
    report.add(format!("{what}, p95"), p95_ms, "ms", AtMost(MOST_MS));
    Ok(())
}

pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let deliveries = if options.quick {
        200_000
    } else {
        options.deliveries
    };
    let folder = options.folder()?;
    let own = folder.path().join("month.db");
    let database: &PathBuf = options.database.as_ref().unwrap_or(&own);
    if !database.exists() {
        let start = Instant::now();
        make(database, deliveries)?;
        let rate = deliveries as f64 / start.elapsed().as_secs_f64();
        report.note("history made: deliveries", rate, "/s");
    }
    let types = [];
    let start = Instant::now();
    let now = SystemClock::new().now();
    let history = History::open(database, settings(), &types, now)?;
    let opened_ms = start.elapsed().as_secs_f64() * 1000.0;
    report.note("store opened after", opened_ms, "ms");
    let store: &dyn Store = &*history.store;
    let filter = EndpointFilter {
        visibility: Visibility::All,
        workspaces: Vec::new(),
        states: Vec::new(),
        keys: Vec::new(),
        url: None,
    };
    let mut endpoints: Vec<Uuid> = Vec::new();
    for number in 1..=10 {
        let page = Page { number, ..FIRST };
        let found = store.list_endpoints(&filter, page, 1 << 20)?;
        endpoints.extend(found.rows.iter().map(|row| row.item.id));
    }
    let endpoint = |n: usize| endpoints[n * 7 % endpoints.len()];
    let workspaces: Vec<Uuid> = store
        .list_workspaces(Visibility::All, FIRST)?
        .items
        .iter()
        .map(|workspace| workspace.id)
        .collect();
    let workspace = |n: usize| workspaces[n % workspaces.len()];

    for range in ChartRange::ALL {
        for name in ["server", "workspace", "endpoint"] {
            let what = format!("chart of {}, {name}", range.as_str());
            measure(&what, report, |n| {
                let scope = match name {
                    "server" => ChartScope::All,
                    "workspace" => ChartScope::Workspace(workspace(n)),
                    _ => ChartScope::Endpoint(endpoint(n)),
                };
                store.chart(Visibility::All, scope, range, now)?;
                Ok(())
            })?;
        }
    }
    for count in [1, 20, 100] {
        measure(&format!("summaries of {count}"), report, |n| {
            let ids: Vec<Uuid> = (n..n + count).map(endpoint).collect();
            store.endpoint_summaries(Visibility::All, &ids, now)?;
            Ok(())
        })?;
    }
    measure("overview, server", report, |_| {
        store.overview(Visibility::All, None, now)?;
        Ok(())
    })?;
    measure("overview, workspace", report, |n| {
        store.overview(Visibility::Workspace(workspace(n)), None, now)?;
        Ok(())
    })?;
    measure("types of events", report, |n| {
        store.event_types(Visibility::All, workspace(n), 100)?;
        Ok(())
    })?;
    let events = EventFilter {
        visibility: Visibility::All,
        workspaces: Vec::new(),
        endpoints: Vec::new(),
        messages: Vec::new(),
        event_types: Vec::new(),
        statuses: Vec::new(),
        after: None,
        before: None,
        code_class: None,
        query: None,
    };
    let newest = store.list_events(&events, FIRST, 1 << 20)?;
    measure("a message", report, |n| {
        let row = &newest.rows[n % newest.rows.len()];
        store.find_message(Visibility::All, row.item.message_id, 1 << 20)?;
        Ok(())
    })?;
    measure("facts", report, |_| {
        store.facts(now).rows.context("rows were not counted")?;
        Ok(())
    })?;
    history.store.close().context("the store does not close")?;
    drop(history);
    crate::pages::run(database, options, report)
}
