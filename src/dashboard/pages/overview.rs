//! The overview: what was delivered, what waits, and the endpoints that need attention.

use std::borrow::Borrow;

use actix_web::HttpResponse;
use askama::Template;

use crate::dashboard::chart::{AttemptsChart, LatencyChart, bucket_in_words, range_in_words};
use crate::dashboard::layout::{Layout, Section, html};
use crate::dashboard::trouble::Trouble;
use crate::dashboard::view::{Count, Millis, rate};
use crate::dashboard::visit::Visit;
use crate::domain::access::Scope;
use crate::domain::chart::{Chart, ChartRange, ChartScope};
use crate::domain::overview::Overview;
use crate::server::error::ApiError;

/// A link to the same page with another range.
pub(crate) struct RangeLink {
    pub(crate) range: &'static str,
    pub(crate) words: &'static str,
    pub(crate) is_current: bool,
}

/// Returns the links to all ranges.
pub(crate) fn range_links(current: ChartRange) -> Vec<RangeLink> {
    let link = |range: ChartRange| RangeLink {
        range: range.as_str(),
        words: range_in_words(range),
        is_current: range == current,
    };
    ChartRange::ALL.into_iter().map(link).collect()
}

/// Returns the range that a page shows: that of the parameter `range`, or a day.
pub(crate) fn range_of(visit: &Visit) -> ChartRange {
    let query = visit.query();
    let asked = query.get("range").and_then(ChartRange::parse);
    asked.unwrap_or(ChartRange::Day)
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    layout: Layout,
    ranges: Vec<RangeLink>,
    chart: Chart,
    overview: Overview,
    troubled: Vec<Trouble>,
    may_create: bool,
}

impl OverviewPage {
    fn attempts(&self) -> AttemptsChart<'_> {
        AttemptsChart(&self.chart)
    }

    fn latency(&self) -> LatencyChart<'_> {
        LatencyChart(&self.chart)
    }

    fn range(&self) -> &'static str {
        range_in_words(self.chart.range)
    }

    fn bucket(&self) -> &'static str {
        bucket_in_words(self.chart.range)
    }

    fn attempted(&self) -> u64 {
        self.chart.total.succeeded + self.chart.total.failed
    }

    fn rate(&self) -> String {
        rate(self.chart.total.succeeded, self.chart.total.failed)
    }

    fn disabled(&self) -> u64 {
        let counts = &self.overview.endpoints;
        counts.manual + counts.gone + counts.failing
    }

    fn has_endpoints(&self) -> bool {
        self.overview.endpoints.enabled + self.disabled() > 0
    }

    fn count(number: impl Borrow<u64>) -> Count {
        Count(*number.borrow())
    }

    fn p50(&self) -> Option<Millis> {
        self.chart.total.p50_ms.map(|ms| Millis(ms.into()))
    }

    fn p99(&self) -> Option<Millis> {
        self.chart.total.p99_ms.map(|ms| Millis(ms.into()))
    }
}

/// Handles `GET /`.
pub(crate) async fn show(visit: Visit) -> Result<HttpResponse, ApiError> {
    if !visit.sees_webhooks() {
        return super::welcome::show(visit).await;
    }
    let (visibility, workspace, now) = (visit.visibility(), visit.workspace(), visit.now());
    let range = range_of(&visit);
    let scope = workspace.map_or(ChartScope::All, ChartScope::Workspace);
    let (chart, overview) = visit
        .read(move |store| {
            Ok((
                store.chart(visibility, scope, range, now)?,
                store.overview(visibility, workspace, now)?,
            ))
        })
        .await?;
    let layout = Layout::new(&visit, Section::Overview, "Overview").await?;
    let troubled = overview.troubled.iter().map(Trouble::new);
    html(&OverviewPage {
        troubled: troubled.collect(),
        ranges: range_links(range),
        may_create: visit.may(Scope::WebhooksWrite),
        layout,
        chart,
        overview,
    })
}
