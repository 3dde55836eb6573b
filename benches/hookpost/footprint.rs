//! The footprint: the size of the binary, the time of a start, and the memory of an idle server.

use crate::Options;
use crate::report::Report;
use crate::report::{Latencies, Target::AtMost};
use crate::server::{self, Server};

const STARTS: usize = 20;

pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let size = std::fs::metadata(server::binary())?.len();
    report.add("binary, stripped", size as f64 / 1e6, "MB", AtMost(18.0));
    let mut starts = Latencies::default();
    let mut idle_mb = 0.0_f64;
    for _ in 0..STARTS {
        let folder = options.folder()?;
        let server = Server::start(&folder.path().join("hookpost.db"))?;
        starts.push(u64::try_from(server.ready_after.as_micros())?);
        idle_mb = idle_mb.max(server.process().resident_mb());
        server.stop()?;
    }
    report.add(
        "ready on an empty database, median",
        starts.quantile_ms(0.5),
        "ms",
        AtMost(100.0),
    );
    report.add("resident memory, idle", idle_mb, "MB", AtMost(20.0));
    Ok(())
}
