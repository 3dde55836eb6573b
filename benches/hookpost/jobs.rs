//! The cost of a job for live traffic: latencies at a steady rate alone, and while a job redelivers a million events,
//! to the endpoint of the job and to another one of the same workspace.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::Options;
use crate::http::Api;
use crate::load::{Stream, events};
use crate::machine::Process;
use crate::receiver::Receiver;
use crate::report::Report;
use crate::report::Target::AtMost;
use crate::server::Server;
use crate::steady::Latency;

/// Publishes a second beside the job, of which each endpoint gets half.
const RATE: u64 = 200;
/// The load comes in slices, until the job has ended; all of a slice is delivered before the next.
const SLICE: Duration = Duration::from_secs(5);
/// The slices without a job.
const ALONE: u32 = 4;
/// The most slices beside one job: two minutes. A job over a million events takes longer.
const SLICES_MAX: u32 = 24;
/// The time without a delivery after which the missing ones are given up.
const PATIENCE: Duration = Duration::from_secs(15);

/// The types of the endpoint of the job, and of the other one.
const TYPES: [&str; 2] = ["order.paid", "order.sent"];

struct Scene {
    server: Server,
    receiver: Receiver,
    admin: Api,
    stream: Stream,
}

impl Scene {
    fn start(options: &Options, folder: &std::path::Path) -> anyhow::Result<Self> {
        let count = if options.quick { 20_000 } else { 1_000_000 };
        let server = Server::start(&folder.join("jobs.db"))?;
        let receiver = Receiver::start(None)?;
        let mut admin = server.admin()?;
        let mut workspace = admin.workspace("jobs")?;
        for (slot, name) in (0..).zip(TYPES) {
            workspace.endpoint(&receiver.url("ok", slot), &[name])?;
        }
        let mut stream = Stream {
            api: server.addr,
            tokens: vec![workspace.token.clone()],
            types: vec![TYPES[0].to_owned()],
            phase: 0,
        };
        stream.phase = receiver.expect(count, 1);
        let posted = stream.closed(0..count)?;
        let tally = receiver.wait(posted.accepted, PATIENCE);
        ensure!(tally.distinct == count, "not all were delivered");
        drop(tally);
        stream.types = TYPES.map(str::to_owned).to_vec();
        Ok(Self {
            server,
            receiver,
            admin: workspace,
            stream,
        })
    }

    /// Publishes a slice, and waits for its deliveries.
    fn slice(&mut self) -> anyhow::Result<Latency> {
        self.stream.phase = self.receiver.expect(events(RATE, SLICE), 1);
        let posted = self.stream.open(RATE, SLICE)?;
        let mut tally = self.receiver.wait(posted.accepted, PATIENCE);
        Ok(Latency {
            published: posted.accepted,
            missing: posted.refused + posted.accepted.saturating_sub(tally.distinct),
            accepted: posted.latencies,
            delivered: std::mem::take(&mut tally.latencies),
        })
    }

    fn job(&mut self, path: &str) -> anyhow::Result<Value> {
        self.admin.get(path)
    }
}

pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let folder = options.folder()?;
    let mut scene = Scene::start(options, folder.path())?;
    // The first seconds after a load are no measure.
    scene.slice()?;
    let mut alone = Latency::default();
    for _ in 0..ALONE {
        alone.add(scene.slice()?);
    }
    let p99_ms = alone.delivered.quantile_ms(0.99);
    report.latencies("no job: delivered", &mut alone.delivered);

    let endpoints = scene.admin.get("/webhooks/endpoints?limit=2")?;
    let first = &endpoints["data"][1]["id"];
    let job =
        json!({"action": "redeliver", "filter": {"endpoint_id": [first], "status": ["succeeded"]}});
    let start = Instant::now();
    let (status, made) = scene
        .admin
        .call("POST", "/webhooks/jobs", &job.to_string())?;
    ensure!(status == 202, "{status} {made}");
    let made_ms = start.elapsed().as_secs_f64() * 1000.0;
    report.note("job made after", made_ms, "ms");
    let path = format!("/webhooks/jobs/{}", made["id"].as_str().context("no id")?);
    let mut beside = Latency::default();
    let mut done = 0.0;
    for _ in 0..SLICES_MAX {
        let slice = scene.slice()?;
        let found = scene.job(&path)?;
        done = found["done"].as_f64().unwrap_or_default();
        if found["state"] != "running" {
            break;
        }
        // The last slice is not beside the job all the time.
        beside.add(slice);
    }
    let seconds = start.elapsed().as_secs_f64();
    report.note("job: events let go", done, "");
    report.note("job: events a second, at least", done / seconds, "/s");
    let beside_ms = beside.delivered.quantile_ms(0.99);
    report.latencies("beside the job: delivered", &mut beside.delivered);
    report.add(
        "beside the job: delivered p99, in multiples",
        beside_ms / p99_ms,
        "",
        AtMost(2.0),
    );
    report.add(
        "missing",
        (alone.missing + beside.missing) as f64,
        "",
        AtMost(0.0),
    );
    let peak_mb = Process(scene.server.process().0).peak_mb();
    report.note("peak memory", peak_mb, "MB");
    scene.server.stop()
}
