//! The real binary, serving: a child process on a free port with a folder of its own.

use std::env;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::http::{Api, Connection};
use crate::machine::Process;

/// A start takes milliseconds, but a run must end if it does not come about.
const PATIENCE: Duration = Duration::from_mins(1);
/// A stop writes what is in the log into the database.
const STOP_PATIENCE: Duration = Duration::from_mins(2);

/// A running server. Dropping it kills it; [`Server::stop`] stops it gracefully.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) database: PathBuf,
    /// From the start of the process until it was ready.
    pub(crate) ready_after: Duration,
    child: Child,
}

/// The binary that is measured.
pub(crate) fn binary() -> PathBuf {
    let other = env::var_os("HOOKPOST_BENCH_BINARY");
    other.map_or_else(|| env!("CARGO_BIN_EXE_hookpost").into(), PathBuf::from)
}

impl Server {
    /// Starts one on a database, which is made if it does not exist, and waits until it is ready. Logs go to a
    /// file beside the database: of the level in `HOOKPOST_LOG`, else info. The level must show the start.
    pub(crate) fn start(database: &Path) -> anyhow::Result<Self> {
        Self::start_with(database, &[])
    }

    /// Starts one with further arguments.
    pub(crate) fn start_with(database: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let log = database.with_extension("log");
        let start = Instant::now();
        let child = Command::new(binary())
            .args(["serve", "--listen", "127.0.0.1:0", "--allow-http"])
            .args(["--allow-network", "127.0.0.0/8", "--grace-period", "1s"])
            .arg("--database")
            .arg(database)
            // A thousand endpoints are made and lists asked for as fast as they are answered.
            .args(["--rate-limit", "0"])
            .args(arguments)
            .env(
                "HOOKPOST_LOG",
                env::var_os("HOOKPOST_LOG").unwrap_or("info".into()),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .context("cannot start the server")?;
        let mut server = Self {
            addr: ([127, 0, 0, 1], 0).into(),
            database: database.to_owned(),
            ready_after: Duration::ZERO,
            child,
        };
        server.addr = server.wait_for_addr(&log)?;
        while !is_ready(server.addr) {
            ensure!(start.elapsed() < PATIENCE, "the server does not get ready");
            thread::sleep(Duration::from_micros(200));
        }
        server.ready_after = start.elapsed();
        Ok(server)
    }

    /// The port is free, so only the server knows it: its log says.
    fn wait_for_addr(&mut self, log: &Path) -> anyhow::Result<SocketAddr> {
        let start = Instant::now();
        loop {
            let text = fs::read_to_string(log)?;
            // In text, as older versions log by default, or in JSON.
            for (before, after) in [("started addr=", ' '), ("\"addr\":\"", '"')] {
                let addr = text.split_once(before);
                if let Some((addr, _)) = addr.and_then(|(_, rest)| rest.split_once(after)) {
                    return Ok(addr.parse()?);
                }
            }
            if self.child.try_wait()?.is_some() || start.elapsed() > PATIENCE {
                bail!("the server did not start: {text}");
            }
            thread::sleep(Duration::from_micros(200));
        }
    }

    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// The API with a token that may do everything.
    pub(crate) fn admin(&self) -> anyhow::Result<Api> {
        let made = Command::new(binary())
            .args(["token", "create", "--admin", "--database"])
            .arg(&self.database)
            .output()?;
        ensure!(made.status.success(), "no token was made");
        let token = String::from_utf8(made.stdout)?;
        Api::new(self.addr, token.trim().to_owned())
    }

    /// Stops it as a service manager would.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        let start = Instant::now();
        while start.elapsed() < STOP_PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the server ended with {status}");
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        bail!("the server does not stop");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_ready(addr: SocketAddr) -> bool {
    let asked = Connection::open(addr).and_then(|mut connection| {
        connection.send(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        connection.receive()
    });
    asked.is_ok_and(|status| status == 200)
}
