//! The cost of retention for the server beside it: latencies while it deletes and while it does not, how fast it
//! deletes, and the size of the file before and after. And a year of a server that keeps 90 days.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use hookpost::domain::clock::{Clock, SystemClock};
use hookpost::storage::sqlite::SqliteSettings;
use rusqlite::{Connection, OpenFlags};

use crate::Options;
use crate::growth::Scene;
use crate::history::{DAY, History};
use crate::lists;
use crate::machine::WalWatch;
use crate::report::Report;
use crate::report::Target::{AtLeast, AtMost};
use crate::steady::{load, show};

/// The days of the history of which retention deletes the older half.
const DAYS: u64 = 100;
/// Publishes a second beside the deletion.
const RATES: [u64; 2] = [1000, 2000];
/// The milliseconds that the deletion may add to the latency of publishes, at the 99th percentile.
const MORE_MS: f64 = 5.0;
/// The time in which retention must come to its end.
const LONGEST: Duration = Duration::from_hours(1);
/// The messages of a day of the year.
const MESSAGES_A_DAY: u64 = 100_000;
/// The largest part of the final file beside a compact copy of it.
const COMPACT: f64 = 1.2;

/// Returns a number of the database.
fn number(database: &Path, sql: &str) -> anyhow::Result<f64> {
    let file = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok(file.query_row(sql, [], |row| row.get(0))?)
}

fn megabytes(database: &Path) -> anyhow::Result<f64> {
    Ok(std::fs::metadata(database)?.len() as f64 / 1e6)
}

/// Makes a database with workspaces, endpoints and their tokens; returns the types of messages for one endpoint.
pub(crate) fn prepare(database: &Path) -> anyhow::Result<Vec<String>> {
    let scene = Scene::start(database)?;
    scene.server.stop()?;
    Ok(scene.single.types)
}

/// Makes a database whose history ends now.
fn make(database: &Path, days: u64, messages: u64) -> anyhow::Result<()> {
    let types = prepare(database)?;
    let forever = SqliteSettings {
        archive_after: Duration::ZERO,
        delete_after: Duration::ZERO,
        ..SqliteSettings::default()
    };
    let begin = SystemClock::new().now().before(DAY * u32::try_from(days)?);
    let mut history = History::open(database, forever, &types, begin)?;
    for _ in 0..days {
        history.pass(DAY, messages / days)?;
    }
    history.store.close().context("the store does not close")?;
    Ok(())
}

pub(crate) fn run(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let deliveries = if options.quick {
        200_000
    } else {
        options.deliveries
    };
    let folder = options.folder()?;
    let own = folder.path().join("old.db");
    let database: &PathBuf = options.database.as_ref().unwrap_or(&own);
    if !database.exists() {
        let start = Instant::now();
        make(database, DAYS, deliveries)?;
        let seconds = start.elapsed().as_secs_f64();
        report.note(
            "history made: deliveries",
            deliveries as f64 / seconds,
            "/s",
        );
    }
    report.note("file before", megabytes(database)?, "MB");
    let half = format!("{}d", DAYS / 2);
    let half = ["--archive-after", "0", "--delete-after", &half];

    let time = Duration::from_secs(if options.quick { 5 } else { 30 });
    let alone = alone(database, time, report)?;
    let count = "SELECT count(*) FROM delivery";
    let before = number(database, count)?;
    let start = Instant::now();
    let mut scene = Scene::start_with(database, &half)?;
    let wal = WalWatch::start(database);
    for (rate, alone_ms) in RATES.into_iter().zip(alone) {
        let (began, left) = (Instant::now(), number(database, count)?);
        let mut latency = load(&mut scene, rate, time)?;
        let added = latency.published as f64;
        let deleted = left + added - number(database, count)?;
        ensure!(deleted > 0.0, "nothing was left to delete");
        let rate_of_deletion = deleted / began.elapsed().as_secs_f64();
        let name = format!("{rate}/s, beside the deletion");
        report.note(
            format!("{name}: deliveries deleted"),
            rate_of_deletion,
            "/s",
        );
        show(&name, &mut latency, Some(alone_ms + MORE_MS), report);
    }
    report.note("write-ahead log, largest", wal.stop(), "MB");
    let (began, left) = (Instant::now(), number(database, count)?);
    wait_until_deleted(database, start)?;
    let gone = left - number(database, count)?;
    let seconds = began.elapsed().as_secs_f64();
    report.note("alone: deliveries deleted", gone / seconds, "/s");
    report.note("deliveries before", before, "");
    report.note("deliveries after", number(database, count)?, "");
    let total = scene.admin.total("/webhooks/deliveries?limit=1")?;
    let missing = (total - number(database, count)?).abs();
    report.add("total of the list, off by", missing, "", AtMost(0.0));
    wait_until_given_back(database, start)?;
    let memory = scene.server.process().peak_mb();
    report.note("resident memory, peak", memory, "MB");
    scene.server.stop()?;
    report.note("file after", megabytes(database)?, "MB");
    compare_with_compact(database, folder.path(), report)
}

/// Measures a server with nothing to delete; returns the 99th percentiles of its publishes.
fn alone(database: &Path, time: Duration, report: &mut Report) -> anyhow::Result<Vec<f64>> {
    let mut scene = Scene::start_with(database, &["--archive-after", "0", "--delete-after", "0"])?;
    let mut alone = Vec::new();
    for rate in RATES {
        let mut latency = load(&mut scene, rate, time)?;
        let name = format!("{rate}/s, nothing to delete");
        alone.push(show(&name, &mut latency, None, report));
    }
    scene.server.stop()?;
    Ok(alone)
}

/// Waits until nothing is left that is old enough, and the list indexes are clean.
fn wait_until_deleted(database: &Path, start: Instant) -> anyhow::Result<()> {
    let limit = SystemClock::new()
        .now()
        .before(DAY * u32::try_from(DAYS / 2)?);
    let left = format!(
        "SELECT (SELECT coalesce(min(created_at), {0}) < {0} FROM message)
              + (SELECT min(seq) IS NOT NULL FROM event_tombstone)
              + (SELECT min(seq) IS NOT NULL FROM delivery_tombstone)",
        limit.micros()
    );
    while number(database, &left)? > 0.0 {
        ensure!(start.elapsed() < LONGEST, "retention comes to no end");
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Waits until the free pages are given back: no more than a twentieth is free.
fn wait_until_given_back(database: &Path, start: Instant) -> anyhow::Result<()> {
    let free = "SELECT 20.0 * (SELECT freelist_count FROM pragma_freelist_count)
                / (SELECT page_count FROM pragma_page_count)";
    while number(database, free)? > 1.0 && megabytes(database)? > 100.0 {
        ensure!(start.elapsed() < LONGEST, "the space is not given back");
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

fn compare_with_compact(database: &Path, folder: &Path, report: &mut Report) -> anyhow::Result<()> {
    let copy = folder.join("compact.db");
    let file = Connection::open(database)?;
    let text = copy.to_str().context("the folder's name is no text")?;
    file.execute("VACUUM INTO ?1", [text])?;
    drop(file);
    let part = megabytes(database)? / megabytes(&copy)?;
    std::fs::remove_file(&copy)?;
    report.add("file / compact copy", part, "", AtMost(COMPACT));
    Ok(())
}

/// Has a server's store work for a year, as fast as it goes.
pub(crate) fn year(options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let (days, a_day) = if options.quick {
        (120, 1000)
    } else {
        (options.days, MESSAGES_A_DAY)
    };
    let folder = options.folder()?;
    let own = folder.path().join("year.db");
    let database: &PathBuf = options.database.as_ref().unwrap_or(&own);
    let types = prepare(database)?;
    let begin = SystemClock::new().now().before(DAY * u32::try_from(days)?);
    let start = Instant::now();
    let settings = SqliteSettings::default();
    let kept = settings.delete_after;
    let mut history = History::open(database, settings, &types, begin)?;
    for day in 1..=days {
        history.pass(DAY, a_day)?;
        // The janitor goes on meanwhile; a real day gives it more time than this.
        wait_for_janitor(&history, kept, database)?;
        if day.is_multiple_of(30) || day == days {
            report.note(format!("file after {day} days"), megabytes(database)?, "MB");
        }
    }
    report.note("time", start.elapsed().as_secs_f64() / 60.0, "min");
    history.store.close().context("the store does not close")?;
    drop(history);
    let stored = number(database, "SELECT count(*) FROM message")?;
    let wanted = (kept.as_secs() / DAY.as_secs()).min(days) * a_day;
    report.add(
        "messages kept / of 90 days",
        stored / wanted as f64,
        "",
        AtMost(1.02),
    );
    report.add(
        "messages kept / of 90 days",
        stored / wanted as f64,
        "",
        AtLeast(0.98),
    );
    compare_with_compact(database, folder.path(), report)?;
    let mut scene = Scene::start(database)?;
    lists::run(&mut scene.admin, database, report)?;
    let memory = scene.server.process().peak_mb();
    report.note("resident memory, peak", memory, "MB");
    scene.server.stop()
}

/// Waits until the janitor has deleted what is a day older than it is kept.
fn wait_for_janitor(history: &History, kept: Duration, database: &Path) -> anyhow::Result<()> {
    let start = Instant::now();
    let limit = history.clock.now().before(kept + DAY).micros();
    let oldest = format!("SELECT coalesce(min(created_at), {limit}) < {limit} FROM message");
    while number(database, &oldest)? > 0.0 {
        ensure!(start.elapsed() < LONGEST, "the janitor comes to no end");
        history.clock.advance(Duration::ZERO);
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
