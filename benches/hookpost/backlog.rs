//! A million pending events: ten receivers take requests and do not answer, then a restart, then they
//! answer again.

use std::time::{Duration, Instant};

use crate::Options;
use crate::load::Stream;
use crate::machine::WalWatch;
use crate::receiver::Receiver;
use crate::report::Report;
use crate::report::Target::{AtLeast, AtMost};
use crate::server::Server;

const ENDPOINTS: u64 = 10;
/// The number of steps in which the backlog grows.
const STEPS: u64 = 10;
/// The part of the backlog whose drain is measured. Attempts that the restart cut off are retried on their
/// schedule, later.
const PART_DRAINED: f64 = 0.999;
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let count: u64 = if options.quick { 200_000 } else { 1_000_000 };
    let receiver = Receiver::start(None)?;
    let folder = options.folder()?;
    let server = Server::start(&folder.path().join("hookpost.db"))?;
    let database = server.database.clone();
    let wal = WalWatch::start(&database);
    let mut workspace = server.admin()?.workspace("backlog")?;
    let types: Vec<String> = (0..ENDPOINTS).map(|n| format!("to.{n}")).collect();
    for (n, kind) in (0..).zip(&types) {
        workspace.endpoint(&receiver.url("gate", n), &[kind])?;
    }
    receiver.open_gate(false);
    let stream = Stream {
        api: server.addr,
        tokens: vec![workspace.token.clone()],
        types,
        phase: receiver.expect(count, 1),
    };

    let pending = pile_up(&stream, count, report)?;
    report.add(
        "resident memory, peak",
        server.process().peak_mb(),
        "MB",
        AtMost(100.0),
    );
    drop(workspace);
    server.stop()?;

    let server = Server::start(&database)?;
    let ready_s = server.ready_after.as_secs_f64();
    report.add("ready after a restart", ready_s, "s", AtMost(1.0));
    drain(&receiver, pending, report);
    report.add(
        "resident memory after the drain, peak",
        server.process().peak_mb(),
        "MB",
        AtMost(100.0),
    );
    report.add("write-ahead log, largest", wal.stop(), "MB", AtMost(256.0));
    server.stop()
}

/// Publishes all of it; returns how many events were accepted.
fn pile_up(stream: &Stream, count: u64, report: &mut Report) -> anyhow::Result<u64> {
    let mut pending = 0;
    let mut rates = Vec::new();
    for step in 0..STEPS {
        let posted = stream.closed(step * count / STEPS..(step + 1) * count / STEPS)?;
        rates.push(posted.per_second());
        pending += posted.accepted;
    }
    report.note("pending events", pending as f64, "");
    report.note("publishes, first tenth", rates[0], "/s");
    let last = rates[rates.len() - 1];
    report.note("publishes, last tenth", last, "/s");
    let slowest = rates.iter().copied().fold(f64::INFINITY, f64::min);
    report.note("publishes, slowest tenth", slowest, "/s");
    report.add(
        "publishes, last tenth / first",
        100.0 * last / rates[0],
        "%",
        AtLeast(80.0),
    );
    Ok(pending)
}

fn drain(receiver: &Receiver, pending: u64, report: &mut Report) {
    let before = receiver.tally().distinct;
    let start = Instant::now();
    receiver.open_gate(true);
    let enough = (pending as f64 * PART_DRAINED) as u64;
    let tally = receiver.wait(enough, PATIENCE);
    let rate = (tally.distinct - before) as f64 / start.elapsed().as_secs_f64();
    report.add("drained after a restart", rate, "/s", AtLeast(15_000.0));
    report.note(
        "not delivered by then",
        (pending - tally.distinct) as f64,
        "",
    );
    report.note(
        "sent twice, attempts cut off by the stop included",
        tally.repeated as f64,
        "",
    );
}
