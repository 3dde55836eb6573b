//! The cost of a large database: the same measurements on an empty one and on one with ten million stored
//! deliveries over 1,000 endpoints, which the server made itself.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};

use crate::http::Api;
use crate::load::Stream;
use crate::machine::WalWatch;
use crate::receiver::Receiver;
use crate::report::Report;
use crate::report::Target::{AtLeast, AtMost};
use crate::server::Server;
use crate::throughput::{self, Through};
use crate::{Options, lists};

const WORKSPACES: u64 = 100;
/// Of each workspace; a message for all of them makes as many events.
const ENDPOINTS: u64 = 10;
/// The types of messages for all endpoints of a workspace.
const TYPES: [&str; 5] = [
    "order.created",
    "order.paid",
    "order.shipped",
    "order.cancelled",
    "order.refunded",
];
/// The number of steps in which the database grows.
const STEPS: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(30);
/// Clients that search at the same time.
const READERS: usize = 4;
/// Publishes a second while others read.
const BESIDE_READER: u64 = 1000;

/// A server with all its endpoints, and the messages for them.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) receiver: Receiver,
    pub(crate) admin: Api,
    /// To all endpoints of one workspace after another.
    all: Stream,
    /// To one endpoint after another.
    pub(crate) single: Stream,
}

impl Scene {
    pub(crate) fn start(database: &Path) -> anyhow::Result<Self> {
        Self::start_with(database, &[])
    }

    /// Starts a server with further arguments.
    pub(crate) fn start_with(database: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let server = Server::start_with(database, arguments)?;
        let mut admin = server.admin()?;
        let known = admin.get("/webhooks/endpoints?limit=1")?;
        // The endpoints of a database that is used again go on where they went.
        let known = known["data"][0]["url"].as_str().map(port).transpose()?;
        let receiver = Receiver::start(known)?;
        let mut tokens = Vec::new();
        for n in 0..WORKSPACES {
            let mut workspace = admin.workspace(&format!("growth-{n}"))?;
            for slot in (0..ENDPOINTS).filter(|_| known.is_none()) {
                let own = format!("to.{slot}");
                workspace.endpoint(&receiver.url("flaky", slot), &["order.*", &own])?;
            }
            tokens.push(workspace.token);
        }
        let stream = |types: Vec<String>| Stream {
            api: server.addr,
            tokens: tokens.clone(),
            types,
            phase: 0,
        };
        Ok(Self {
            all: stream(TYPES.map(str::to_owned).to_vec()),
            single: stream((0..ENDPOINTS).map(|slot| format!("to.{slot}")).collect()),
            server,
            receiver,
            admin,
        })
    }

    fn rates(&mut self, options: &Options) -> anyhow::Result<[Through; 2]> {
        let count = if options.quick { 40_000 } else { 200_000 };
        let single = throughput::through(&mut self.single, &self.receiver, count, 1)?;
        let count = count / ENDPOINTS;
        let all = throughput::through(&mut self.all, &self.receiver, count, ENDPOINTS)?;
        Ok([single, all])
    }
}

fn port(url: &str) -> anyhow::Result<u16> {
    let port = url::Url::parse(url)?.port();
    port.context("an endpoint of this database has no port")
}

pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let deliveries = if options.quick {
        200_000
    } else {
        options.deliveries
    };
    let folder = options.folder()?;
    let own = folder.path().join("grown.db");
    let database: &PathBuf = options.database.as_ref().unwrap_or(&own);

    let mut empty = Scene::start(&folder.path().join("empty.db"))?;
    let before = empty.rates(options)?;
    drop(empty);

    if !database.exists() {
        fill(database, deliveries, report)?;
    }
    let mut scene = Scene::start(database)?;
    let ready_s = scene.server.ready_after.as_secs_f64();
    report.note("ready on the large database", ready_s, "s");
    let stored = scene.admin.total("/webhooks/deliveries?limit=1")?;
    report.note("stored deliveries", stored, "");

    let after = scene.rates(options)?;
    compare("single", &before[0], &after[0], report);
    compare("fan-out to 10", &before[1], &after[1], report);
    let time = Duration::from_secs(if options.quick { 5 } else { 30 });
    for rate in [200, 1000] {
        throughput::open(&mut scene.single, &scene.receiver, rate, time, 12.0, report)?;
    }
    lists::run(&mut scene.admin, database, report)?;
    beside_lists(&mut scene, options, report)?;
    beside_reader(&mut scene, options, report)?;
    report.note(
        "resident memory, peak",
        scene.server.process().peak_mb(),
        "MB",
    );
    scene.server.stop()
}

fn compare(name: &str, before: &Through, after: &Through, report: &mut Report) {
    for (what, before, after) in [
        (
            "published",
            before.published_per_second,
            after.published_per_second,
        ),
        (
            "delivered",
            before.delivered_per_second,
            after.delivered_per_second,
        ),
    ] {
        report.note(format!("{name}: {what} on an empty database"), before, "/s");
        report.note(format!("{name}: {what} on a large one"), after, "/s");
        let part = 100.0 * after / before;
        report.add(
            format!("{name}: {what}, large / empty"),
            part,
            "%",
            AtLeast(70.0),
        );
    }
    report.add(
        format!("{name}: missing"),
        after.missing as f64,
        "",
        AtMost(0.0),
    );
}

/// Has the server itself deliver this many events.
pub(crate) fn fill(database: &Path, deliveries: u64, report: &mut Report) -> anyhow::Result<()> {
    let scene = Scene::start(database)?;
    let wal = WalWatch::start(database);
    let messages = deliveries / ENDPOINTS;
    let mut all = scene.all;
    all.phase = scene.receiver.expect_flaky(messages, ENDPOINTS);
    let mut accepted = 0;
    for step in 0..STEPS {
        let start = Instant::now();
        let posted = all.closed(step * messages / STEPS..(step + 1) * messages / STEPS)?;
        accepted += posted.accepted;
        // The next step shall not begin with the rest of this one.
        let enough = accepted * ENDPOINTS * 99 / 100;
        drop(scene.receiver.wait(enough, PATIENCE));
        let rate = (posted.accepted * ENDPOINTS) as f64 / start.elapsed().as_secs_f64();
        if step == 0 || step == STEPS - 1 {
            let name = if step == 0 { "first" } else { "last" };
            report.note(format!("filling, {name} tenth: delivered"), rate, "/s");
        }
    }
    let delivered = scene.receiver.wait(accepted * ENDPOINTS, PATIENCE).distinct;
    ensure!(delivered > 0, "nothing was delivered");
    let peak = scene.server.process().peak_mb();
    report.add("filling: resident memory, peak", peak, "MB", AtMost(40.0));
    report.add(
        "filling: write-ahead log, largest",
        wal.stop(),
        "MB",
        AtMost(256.0),
    );
    drop(scene.admin);
    scene.server.stop()?;
    let bytes = std::fs::metadata(database)?.len() as f64 / delivered as f64;
    report.add(
        "file per delivery, ten to a message",
        bytes,
        "bytes",
        AtMost(750.0),
    );
    Ok(())
}

/// Publishes while clients search through deliveries without a pause, each read as long as a read may be.
fn beside_lists(scene: &mut Scene, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let time = Duration::from_secs(if options.quick { 5 } else { 60 });
    let wal = WalWatch::start(&scene.server.database);
    scene.single.phase = scene.receiver.expect(0, 1);
    let end = Instant::now() + time;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let mut api = scene.server.admin()?;
        readers.push(std::thread::spawn(move || {
            while Instant::now() < end {
                // 200, or 503 where a read takes too long.
                api.call("GET", "/webhooks/deliveries?query=nowhere", "")?;
            }
            anyhow::Ok(())
        }));
    }
    let mut posted = scene.single.open(BESIDE_READER, time)?;
    for reader in readers {
        reader.join().map_err(|_| anyhow!("a reader panicked"))??;
    }
    let p99_ms = posted.latencies.quantile_ms(0.99);
    let what = format!("write-ahead log beside {READERS} searches at a time");
    report.add(what, wal.stop(), "MB", AtMost(256.0));
    report.note("accepted p99 beside these, 1,000/s", p99_ms, "ms");
    report.add(
        "refused beside these",
        posted.refused as f64,
        "",
        AtMost(0.0),
    );
    Ok(())
}

/// Publishes while another process reads in one long transaction. The log cannot start over during that time,
/// and grows.
fn beside_reader(scene: &mut Scene, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let time = Duration::from_secs(if options.quick { 5 } else { 60 });
    let reader = rusqlite::Connection::open(&scene.server.database)?;
    reader.execute_batch("BEGIN; SELECT * FROM meta LIMIT 1;")?;
    let wal = WalWatch::start(&scene.server.database);
    scene.single.phase = scene.receiver.expect(0, 1);
    let mut posted = scene.single.open(BESIDE_READER, time)?;
    let p99_ms = posted.latencies.quantile_ms(0.99);
    let what = format!(
        "write-ahead log beside a transaction of {} s",
        time.as_secs()
    );
    report.note(what, wal.stop(), "MB");
    report.note("accepted p99 beside that reader, 1,000/s", p99_ms, "ms");
    report.add(
        "refused beside that reader",
        posted.refused as f64,
        "",
        AtMost(0.0),
    );
    Ok(())
}
