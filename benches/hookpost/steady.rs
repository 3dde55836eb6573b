//! Latencies at a steady rate, of a server that does other work beside it.

use std::time::Duration;

use crate::growth::Scene;
use crate::load::events;
use crate::report::Target::AtMost;
use crate::report::{Latencies, Report};

/// The time without a delivery after which the missing ones are given up.
const PATIENCE: Duration = Duration::from_secs(15);

/// The latencies of some time.
#[derive(Default)]
pub(crate) struct Latency {
    pub(crate) accepted: Latencies,
    pub(crate) delivered: Latencies,
    pub(crate) published: u64,
    pub(crate) missing: u64,
}

impl Latency {
    pub(crate) fn add(&mut self, other: Self) {
        self.accepted.add(other.accepted);
        self.delivered.add(other.delivered);
        self.published += other.published;
        self.missing += other.missing;
    }
}

/// Publishes `rate` events a second for `time`, and waits for their deliveries.
pub(crate) fn load(scene: &mut Scene, rate: u64, time: Duration) -> anyhow::Result<Latency> {
    scene.single.phase = scene.receiver.expect(events(rate, time), 1);
    let posted = scene.single.open(rate, time)?;
    let mut tally = scene.receiver.wait(posted.accepted, PATIENCE);
    Ok(Latency {
        published: posted.accepted,
        missing: posted.refused + posted.accepted.saturating_sub(tally.distinct),
        accepted: posted.latencies,
        delivered: std::mem::take(&mut tally.latencies),
    })
}

/// Reports latencies; returns the 99th percentile of those of publishes.
pub(crate) fn show(
    name: &str,
    latency: &mut Latency,
    most_ms: Option<f64>,
    report: &mut Report,
) -> f64 {
    let accepted = &mut latency.accepted;
    let p99_ms = accepted.quantile_ms(0.99);
    report.note(
        format!("{name}: accepted p50"),
        accepted.quantile_ms(0.5),
        "ms",
    );
    let what = format!("{name}: accepted p99");
    match most_ms {
        Some(most) => report.add(what, p99_ms, "ms", AtMost(most)),
        None => report.note(what, p99_ms, "ms"),
    }
    let longest = accepted.quantile_ms(1.0);
    report.note(format!("{name}: accepted, longest"), longest, "ms");
    report.latencies(&format!("{name}: delivered"), &mut latency.delivered);
    report.add(
        format!("{name}: missing"),
        latency.missing as f64,
        "",
        AtMost(0.0),
    );
    p99_ms
}
