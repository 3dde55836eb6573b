//! The application within this process, with names that resolve as a script says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use hookpost::app::{AppSettings, Application};
use hookpost::delivery::resolver::{Lookup, LookupError};
use hookpost::domain::access::{Actor, Scopes, Token, TokenKind};
use hookpost::domain::clock::SystemClock;
use hookpost::storage::{NewAccessToken, Store};
use tokio::sync::oneshot;

use crate::http::Api;

/// Shorter than the time an attempt may take, long enough to look like a hang.
const SLOW: Duration = Duration::from_secs(6);

/// Names of slow endpoints begin with this.
const PREFIX: &str = "slow";

struct Script;

impl Lookup for Script {
    fn lookup(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        if host.starts_with(PREFIX) {
            thread::sleep(SLOW);
        }
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    settings: AppSettings,
}

/// A running application. Dropping it stops it gracefully.
pub(crate) struct SlowNames {
    addr: SocketAddr,
    store: Arc<dyn Store>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl SlowNames {
    pub(crate) fn slow_url(port: u16, n: u64) -> String {
        format!("http://{PREFIX}-{n}.example:{port}/ok/{n}")
    }

    pub(crate) fn quick_url(port: u16, n: u64) -> String {
        format!("http://quick-{n}.example:{port}/ok/{n}")
    }

    pub(crate) fn start(database: &Path) -> anyhow::Result<Self> {
        let database = database.to_str().context("the folder's name is no text")?;
        let arguments = Arguments::try_parse_from([
            "hookpost",
            "--listen",
            "127.0.0.1:0",
            "--allow-http",
            "--allow-network",
            "127.0.0.0/8",
            "--grace-period",
            "1s",
            "--database",
            database,
        ])?;
        let (stop, stopped) = oneshot::channel();
        let (started, starting) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let clock = Arc::new(SystemClock::new());
                let app = Application::start_with(arguments.settings, clock, Arc::new(Script))?;
                let _ = started.send((app.addr().tcp(), app.store()));
                app.run_until(async { drop(stopped.await) }).await?;
                Ok(())
            })
        });
        let (addr, store) = starting.recv().context("the application did not start")?;
        let addr = addr.context("the server listens on an address")?;
        Ok(Self {
            addr,
            store,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The API with a token that may do everything.
    pub(crate) fn admin(&self) -> anyhow::Result<Api> {
        let token = Token::generate(TokenKind::Admin);
        let new = NewAccessToken {
            hash: token.hash(),
            workspace_id: None,
            comment: String::new(),
            scopes: Scopes::all(),
            expires_in: None,
        };
        self.store.create_token(Actor::Operator, new).wait()?;
        Api::new(self.addr, token.reveal().to_owned())
    }
}

impl Drop for SlowNames {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Ok(Err(error))) = self.thread.take().map(JoinHandle::join) {
            println!("the application did not stop well: {error:#}");
        }
    }
}
