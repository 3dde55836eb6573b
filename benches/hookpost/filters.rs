//! The cost of filters for publishing: the rate of a closed loop with one endpoint, and the same beside endpoints that
//! have a filter. No filter matches, so both loops deliver the same.

use serde_json::{Value, json};

use crate::Options;
use crate::load::Stream;
use crate::receiver::Receiver;
use crate::report::Report;
use crate::report::Target::AtMost;
use crate::server::Server;
use crate::throughput::through;

/// The endpoints with a filter.
const FILTERS: u64 = 100;

/// The messages of a loop.
const MESSAGES: u64 = 200_000;

/// The turns of both loops: the machine may be slower in one minute than in the next.
const TURNS: usize = 3;

/// Returns a filter that no message of the loop matches.
fn filter(number: u64) -> Value {
    match number % 4 {
        0 => json!({"data": {"mark": [{"numeric": ["<", 0]}]}}),
        1 => json!({"data": {"pad": ["a", "b", {"prefix": "no"}, {"wildcard": "x*y"}]}}),
        2 => json!({"tags": {"region": ["eu", "us"]}}),
        _ => json!({"$or": [{"data": {"id": [number]}}, {"data": {"kind": [{"exists": true}]}}]}),
    }
}

/// Publishes to one endpoint beside so many with filters. Returns the rate, and the processor time of a publish in
/// microseconds.
fn publish(options: &Options, filters: u64) -> anyhow::Result<(f64, f64)> {
    let receiver = Receiver::start(None)?;
    let folder = options.folder()?;
    let server = Server::start(&folder.path().join("hookpost.db"))?;
    let mut workspace = server.admin()?.workspace("filters")?;
    workspace.endpoint(&receiver.url("ok", 0), &["*"])?;
    for number in 0..filters {
        let url = receiver.url("ok", 1 + number);
        workspace.filtered_endpoint(&url, &["order.*"], &filter(number))?;
    }
    let mut stream = Stream {
        api: server.addr,
        tokens: vec![workspace.token],
        types: vec!["order.created".to_owned()],
        phase: 0,
    };
    let count = if options.quick {
        MESSAGES / 8
    } else {
        MESSAGES
    };
    let through = through(&mut stream, &receiver, count, 1)?;
    anyhow::ensure!(
        through.missing == 0 && through.repeated == 0,
        "a filter has matched, or a delivery is missing"
    );
    let cpu_us = server.process().cpu().as_micros() as f64 / count as f64;
    server.stop()?;
    Ok((through.published_per_second, cpu_us))
}

pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let (mut without, mut with) = ((0.0_f64, 0.0), (0.0_f64, 0.0));
    for _ in 0..if options.quick { 1 } else { TURNS } {
        for (filters, best) in [(0, &mut without), (FILTERS, &mut with)] {
            let measured = publish(options, filters)?;
            if measured.0 > best.0 {
                *best = measured;
            }
        }
    }
    report.note("no filter: published", without.0, "/s");
    report.note(format!("{FILTERS} filters: published"), with.0, "/s");
    let lost = 100.0 * (1.0 - with.0 / without.0);
    report.add(
        format!("{FILTERS} filters: slower by"),
        lost,
        "%",
        AtMost(10.0),
    );
    report.note("no filter: processor time per publish", without.1, "µs");
    report.note(
        format!("{FILTERS} filters: processor time per publish"),
        with.1,
        "µs",
    );
    Ok(())
}
