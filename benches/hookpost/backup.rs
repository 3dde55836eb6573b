//! The cost of a backup for the server beside it: latencies at a steady rate with no backup, and with one.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::Options;
use crate::growth::{self, Scene};
use crate::machine::{Process, WalWatch};
use crate::report::Report;
use crate::server::binary;
use crate::steady::{Latency, load, show};

/// Publishes a second.
const RATE: u64 = 2000;
/// The load comes in slices, until the backup has ended; all of a slice is delivered before the next.
const SLICE: Duration = Duration::from_secs(5);
/// The slices after the end of a backup: in that time, the server moves what has gathered in its log.
const AFTER: u32 = 2;
/// The most slices of one backup.
const SLICES_MAX: u32 = 240;

pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let folder = options.folder()?;
    let own = folder.path().join("grown.db");
    let database: &PathBuf = options.database.as_ref().unwrap_or(&own);
    if !database.exists() {
        let deliveries = if options.quick {
            200_000
        } else {
            options.deliveries
        };
        growth::fill(database, deliveries, report)?;
    }
    let mut scene = Scene::start(database)?;
    let bytes = std::fs::metadata(database)?.len() as f64;
    report.note("database", bytes / 1e6, "MB");

    let slices = if options.quick { 2 } else { 6 };
    // The first seconds after a start are no measure.
    in_slices(&mut scene, || Ok(0), 1)?;
    let mut alone = in_slices(&mut scene, || Ok(0), slices)?;
    show("no backup", &mut alone, None, report);
    let p99_ms = alone.accepted.quantile_ms(0.99);
    for (name, flags) in [
        ("backup", &[][..]),
        ("with --compress", &["--compress"]),
        ("with --rate 64MiB", &["--rate", "64MiB"]),
    ] {
        let target = folder.path().join("copy");
        let wal = WalWatch::start(database);
        let mut tool = Tool::start(database, &target, flags)?;
        let mut latency = in_slices(&mut scene, || tool.step(), 0)?;
        show(name, &mut latency, Some(2.0 * p99_ms), report);
        let seconds = tool.seconds.context("it has not ended")?;
        report.note(format!("{name}: time"), seconds, "s");
        let size = std::fs::metadata(&target)?.len() as f64 / 1e6;
        report.note(format!("{name}: size"), size, "MB");
        report.note(format!("{name}: peak memory"), tool.peak_mb, "MB");
        report.note(
            format!("{name}: write-ahead log, largest"),
            wal.stop(),
            "MB",
        );
        std::fs::remove_file(&target)?;
    }
    scene.server.stop()
}

/// Publishes in slices: `least` of them, and then as many as `more` says.
fn in_slices(
    scene: &mut Scene,
    mut more: impl FnMut() -> anyhow::Result<u32>,
    least: u32,
) -> anyhow::Result<Latency> {
    let mut latency = Latency::default();
    let mut left = least.max(more()?);
    for _ in 0..SLICES_MAX {
        if left == 0 {
            break;
        }
        latency.add(load(scene, RATE, SLICE)?);
        left = (left - 1).max(more()?);
    }
    Ok(latency)
}

/// A backup under way.
struct Tool {
    child: Child,
    /// By its own words.
    seconds: Option<f64>,
    after: u32,
    peak_mb: f64,
}

impl Tool {
    fn start(database: &Path, target: &Path, flags: &[&str]) -> anyhow::Result<Self> {
        let child = Command::new(binary())
            .arg("backup")
            .arg(target)
            .args(flags)
            .arg("--database")
            .arg(database)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the backup")?;
        Ok(Self {
            child,
            seconds: None,
            after: AFTER,
            peak_mb: f64::NAN,
        })
    }

    /// Returns the number of slices that must follow.
    fn step(&mut self) -> anyhow::Result<u32> {
        let peak_mb = Process(self.child.id()).peak_mb();
        if peak_mb.is_finite() {
            self.peak_mb = peak_mb;
        }
        if self.seconds.is_none() {
            let Some(status) = self.child.try_wait()? else {
                return Ok(self.after + 1);
            };
            ensure!(status.success(), "the backup ended with {status}");
            let mut text = String::new();
            let output = self.child.stdout.as_mut().context("it has no output")?;
            output.read_to_string(&mut text)?;
            let seconds = text
                .split(" in ")
                .nth(1)
                .and_then(|rest| rest.split(' ').next());
            self.seconds = Some(
                seconds
                    .context("it does not say how long it took")?
                    .parse()?,
            );
        }
        Ok(0)
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
