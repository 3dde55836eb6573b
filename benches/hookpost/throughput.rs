//! Throughput and latency.

use std::time::Duration;

use anyhow::Context;

use crate::Options;
use crate::load::{Stream, events};
use crate::machine::Process;
use crate::receiver::Receiver;
use crate::report::Report;
use crate::report::Target::{AtLeast, AtMost};
use crate::server::Server;

/// The time without a delivery after which the missing ones are given up.
const PATIENCE: Duration = Duration::from_secs(15);

/// The result of a closed loop.
pub(crate) struct Through {
    pub(crate) published_per_second: f64,
    pub(crate) delivered_per_second: f64,
    pub(crate) missing: u64,
    pub(crate) repeated: u64,
}

/// Publishes `count` events in a closed loop, each for `fanout` endpoints, and waits for all of them.
pub(crate) fn through(
    stream: &mut Stream,
    receiver: &Receiver,
    count: u64,
    fanout: u64,
) -> anyhow::Result<Through> {
    stream.phase = receiver.expect(count, fanout);
    let start_us = crate::load::now_us();
    let posted = stream.closed(0..count)?;
    let expected = posted.accepted * fanout;
    let tally = receiver.wait(expected, PATIENCE);
    let seconds = tally.last_us.saturating_sub(start_us) as f64 / 1e6;
    Ok(Through {
        published_per_second: posted.per_second(),
        delivered_per_second: tally.distinct as f64 / seconds,
        missing: expected.saturating_sub(tally.distinct),
        repeated: tally.repeated,
    })
}

/// An empty server, one workspace, and so many endpoints that get everything.
fn scene(
    options: &Options,
    receiver: &Receiver,
    endpoints: u64,
) -> anyhow::Result<(tempfile::TempDir, Server, Stream)> {
    let folder = options.folder()?;
    let server = Server::start(&folder.path().join("hookpost.db"))?;
    let mut workspace = server.admin()?.workspace("throughput")?;
    for slot in 0..endpoints {
        workspace.endpoint(&receiver.url("ok", slot), &["*"])?;
    }
    let stream = Stream {
        api: server.addr,
        tokens: vec![workspace.token],
        types: vec!["order.created".to_owned()],
        phase: 0,
    };
    Ok((folder, server, stream))
}

pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    for (name, fanout, count, least) in [
        ("one endpoint", 1, 400_000, 14_000.0),
        ("fan-out to 10", 10, 60_000, 20_000.0),
    ] {
        let count = if options.quick { count / 4 } else { count };
        let receiver = Receiver::start(None)?;
        let (folder, server, mut stream) = scene(options, &receiver, fanout)?;
        let through = through(&mut stream, &receiver, count, fanout)?;
        let rate = through.delivered_per_second;
        report.add(format!("{name}: delivered"), rate, "/s", AtLeast(least));
        let missing = through.missing as f64;
        report.add(format!("{name}: missing"), missing, "", AtMost(0.0));
        let repeated = through.repeated as f64;
        report.add(format!("{name}: sent twice"), repeated, "", AtMost(0.0));
        if let Some(raw) = report.raw {
            for (limit, value) in [
                ("the client", raw.client_per_second),
                ("SQLite", raw.messages_per_second),
            ] {
                let part = 100.0 * rate / value;
                report.note(format!("{name}: of what {limit} does alone"), part, "%");
            }
        }
        costs(name, count * fanout, server.process(), report);
        if let (1, Some(raw)) = (fanout, report.raw) {
            let what = format!("{name}: processor time of its parts alone");
            report.note(what, raw.parts_us, "µs");
        }
        server.stop()?;
        let size = std::fs::metadata(folder.path().join("hookpost.db")).context("no database")?;
        let bytes = size.len() as f64 / (count * fanout) as f64;
        report.add(
            format!("{name}: file per delivered event"),
            bytes,
            "bytes",
            AtMost(750.0),
        );
    }
    Ok(())
}

fn costs(name: &str, delivered: u64, process: Process, report: &mut Report) {
    let peak = process.peak_mb();
    report.add(
        format!("{name}: resident memory, peak"),
        peak,
        "MB",
        AtMost(40.0),
    );
    let cpu_us = process.cpu().as_micros() as f64 / delivered as f64;
    report.note(format!("{name}: processor time per delivery"), cpu_us, "µs");
    let waits = process.waits() / delivered as f64;
    report.note(format!("{name}: waits of threads per delivery"), waits, "");
}

pub(crate) fn latency(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let time = Duration::from_secs(if options.quick { 10 } else { 30 });
    let receiver = Receiver::start(None)?;
    let (_folder, server, mut stream) = scene(options, &receiver, 1)?;
    for rate in [200, 1000] {
        open(&mut stream, &receiver, rate, time, 6.0, report)?;
    }
    server.stop()
}

/// Publishes at a rate, and reports how soon events were accepted and delivered.
pub(crate) fn open(
    stream: &mut Stream,
    receiver: &Receiver,
    rate: u64,
    time: Duration,
    p99_ms: f64,
    report: &mut Report,
) -> anyhow::Result<()> {
    stream.phase = receiver.expect(events(rate, time), 1);
    let mut posted = stream.open(rate, time)?;
    let mut tally = receiver.wait(posted.accepted, PATIENCE);
    let name = format!("{rate}/s");
    let accepted = &mut posted.latencies;
    report.add(
        format!("{name}: accepted p50"),
        accepted.quantile_ms(0.5),
        "ms",
        AtMost(1.0),
    );
    report.note(
        format!("{name}: accepted p99"),
        accepted.quantile_ms(0.99),
        "ms",
    );
    let delivered = &mut tally.latencies;
    report.add(
        format!("{name}: delivered p50"),
        delivered.quantile_ms(0.5),
        "ms",
        AtMost(3.0),
    );
    report.add(
        format!("{name}: delivered p99"),
        delivered.quantile_ms(0.99),
        "ms",
        AtMost(p99_ms),
    );
    let missing = posted.accepted.saturating_sub(tally.distinct) + posted.refused;
    report.add(format!("{name}: missing"), missing as f64, "", AtMost(0.0));
    Ok(())
}
