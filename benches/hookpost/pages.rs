//! The time in which the dashboard answers, on a large database, and what 200 open pages cost publishing.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::Options;
use crate::growth::Scene;
use crate::http::Connection;
use crate::report::Target::AtMost;
use crate::report::{Latencies, Report};
use crate::steady::{load, show};

/// How often each page is asked for.
const SAMPLES: usize = 40;
/// The longest that a page may take.
const MOST_MS: f64 = 100.0;
/// Pages that are open at a time.
const OPEN_PAGES: usize = 200;
/// The time between two updates of an open page.
const UPDATE: Duration = Duration::from_secs(5);
/// Publishes a second beside the open pages.
const RATE: u64 = 1000;

/// A browser that is signed in.
struct Browser {
    addr: SocketAddr,
    connection: Connection,
    cookie: String,
}

impl Browser {
    /// Signs in with a token.
    fn sign_in(addr: SocketAddr, token: &str) -> anyhow::Result<Self> {
        let mut connection = Connection::open(addr)?;
        let form = format!("token={token}");
        connection.send(
            format!(
                "POST /login HTTP/1.1\r\nhost: {addr}\r\naccept: text/html\r\n\
                 content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
                form.len()
            )
            .as_bytes(),
        )?;
        let status = connection.receive()?;
        ensure!(status == 303, "signing in: {status}");
        let head = String::from_utf8_lossy(connection.head()).into_owned();
        let cookie = head
            .lines()
            .find_map(|line| line.strip_prefix("set-cookie: "))
            .and_then(|cookie| cookie.split(';').next())
            .context("no cookie")?;
        Ok(Self {
            addr,
            connection,
            cookie: cookie.to_owned(),
        })
    }

    /// Opens another connection of the same session.
    fn another(&self) -> anyhow::Result<Self> {
        Ok(Self {
            addr: self.addr,
            connection: Connection::open(self.addr)?,
            cookie: self.cookie.clone(),
        })
    }

    fn load(&mut self, path: &str) -> anyhow::Result<String> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\naccept: text/html\r\ncookie: {}\r\n\r\n",
            self.addr, self.cookie
        );
        self.connection.send(request.as_bytes())?;
        let status = self.connection.receive()?;
        ensure!(status == 200, "{path}: {status}");
        Ok(String::from_utf8_lossy(self.connection.body()).into_owned())
    }
}

/// Returns the first link of a page that begins so.
fn link(page: &str, begin: &str) -> anyhow::Result<String> {
    let from = page.find(&format!("href=\"{begin}")).context("no link")? + 6;
    let end = page[from..].find('"').context("no end of a link")?;
    Ok(page[from..from + end].to_owned())
}

/// Measures all pages, and then a steady load without and with open pages.
pub(crate) fn run(database: &Path, options: &Options, report: &mut Report) -> anyhow::Result<()> {
    let mut scene = Scene::start_with(database, &["--archive-after", "0", "--delete-after", "0"])?;
    let mut browser = Browser::sign_in(scene.server.addr, &scene.admin.token)?;
    let deliveries = browser.load("/deliveries")?;
    let event = link(&deliveries, "/events/")?;
    let message = link(&browser.load(&event)?, "/messages/")?;
    let endpoint = link(&deliveries, "/endpoints/")?;
    let pages = [
        ("overview, an hour", "/?range=1h".to_owned()),
        ("overview, a day", "/?range=24h".to_owned()),
        ("overview, a month", "/?range=30d".to_owned()),
        ("endpoints", "/endpoints".to_owned()),
        ("endpoint", endpoint.clone()),
        ("endpoint, a month", format!("{endpoint}?range=30d")),
        ("deliveries", "/deliveries".to_owned()),
        (
            "failed deliveries",
            "/deliveries?succeeded=false".to_owned(),
        ),
        ("page 100 of deliveries", "/deliveries?page=100".to_owned()),
        (
            "pending events",
            "/deliveries?view=events&status=pending".to_owned(),
        ),
        ("event", event),
        ("message", message),
        ("publish", "/publish".to_owned()),
        ("tokens", "/tokens".to_owned()),
        ("workspaces", "/workspaces".to_owned()),
        ("system", "/system".to_owned()),
    ];
    for (name, path) in &pages {
        let mut latencies = Latencies::default();
        for _ in 0..SAMPLES {
            let start = Instant::now();
            browser.load(path)?;
            latencies.push(u64::try_from(start.elapsed().as_micros())?);
        }
        report.note(
            format!("page {name}, p50"),
            latencies.quantile_ms(0.5),
            "ms",
        );
        let slowest = latencies.quantile_ms(0.95);
        report.add(format!("page {name}, p95"), slowest, "ms", AtMost(MOST_MS));
    }
    let time = Duration::from_secs(if options.quick { 5 } else { 20 });
    let mut latency = load(&mut scene, RATE, time)?;
    let alone_ms = show("no page is open", &mut latency, None, report);
    let stop = Arc::new(AtomicBool::new(false));
    let updates = Arc::new(AtomicU64::new(0));
    let open = (0..OPEN_PAGES)
        .map(|n| {
            let mut page = browser.another()?;
            let path = pages[n % pages.len()].1.clone();
            let (stop, updates) = (stop.clone(), updates.clone());
            // Spread over the period, as those of people are.
            let first = UPDATE * u32::try_from(n)? / u32::try_from(OPEN_PAGES)?;
            Ok(thread::spawn(move || -> anyhow::Result<()> {
                thread::sleep(first);
                while !stop.load(Ordering::Relaxed) {
                    page.load(&path)?;
                    updates.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(UPDATE);
                }
                Ok(())
            }))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut latency = load(&mut scene, RATE, time)?;
    let most_ms = (2.0 * alone_ms).max(alone_ms + 10.0);
    show("200 pages are open", &mut latency, Some(most_ms), report);
    stop.store(true, Ordering::Relaxed);
    for page in open {
        page.join()
            .map_err(|_| anyhow::anyhow!("a page panicked"))??;
    }
    report.note(
        "updates of pages",
        updates.load(Ordering::Relaxed) as f64,
        "",
    );
    let memory = scene.server.process().peak_mb();
    report.note("resident memory, peak", memory, "MB");
    scene.server.stop()
}
