//! `hookpost dev`: the whole of Hookpost on one machine, to try it and to develop receivers.
//!
//! Server, receiver, workspace, token and endpoint are made; one message goes through the HTTP API and
//! the delivery engine to the receiver, which checks its signature; and the command lines to go on with
//! are printed. Everything listens on loopback only, because plain HTTP and private addresses are
//! allowed here.

mod folder;
mod furnish;
mod guide;
mod inbox;
mod page;
mod received;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::rt::{self, task::spawn_blocking};
use anyhow::{Context, bail};
use clap::Args;
use clap::builder::BoolishValueParser;
use serde::Deserialize;
use uuid::Uuid;

use self::folder::TemporaryFolder;
use self::guide::Guide;
use self::inbox::Inboxes;
use super::{http, output, signal};
use crate::app::{AppError, AppSettings, Application, raise_open_files};
use crate::config::{ApiSettings, DeliverySettings, RetentionSettings, StorageSettings};
use crate::domain::access::Reach;
use crate::domain::clock::SystemClock;
use crate::storage::Store;

/// The first choice of a port for the API; a free one is taken if it is in use.
const PORT: u16 = 8080;
/// The same for the inboxes.
const INBOX_PORT: u16 = 8081;
/// What the demonstration may take: a second on a slow machine, unless something is wrong.
const DEADLINE: Duration = Duration::from_secs(10);
/// Try Hookpost on this machine: server, receiver and a first message, on loopback only.
#[derive(Args, Debug)]
pub(super) struct Dev {
    /// Keep the data in this file; without it, it lives in a temporary folder until the end.
    #[arg(long, env = "HOOKPOST_DEV_DATABASE", value_name = "FILE")]
    database: Option<PathBuf>,

    /// The address and port of the API; without it 127.0.0.1:8080, or a free port if that is taken.
    #[arg(long, env = "HOOKPOST_DEV_LISTEN", value_name = "ADDR:PORT", value_parser = parse_loopback)]
    listen: Option<SocketAddr>,

    /// End after the first message; exit code 0 if it arrived and its signature verified.
    #[arg(long, env = "HOOKPOST_DEV_ONCE", value_parser = BoolishValueParser::new())]
    once: bool,

    #[command(flatten)]
    delivery: DeliverySettings,
}

fn parse_loopback(text: &str) -> Result<SocketAddr, String> {
    let addr: SocketAddr = text
        .parse()
        .map_err(|_| "expected ADDR:PORT, such as 127.0.0.1:8080".to_owned())?;
    if addr.ip().is_loopback() {
        Ok(addr)
    } else {
        Err("not a loopback address; `hookpost serve` is for other machines".to_owned())
    }
}

impl Dev {
    pub(super) fn run(self) -> anyhow::Result<()> {
        raise_open_files();
        rt::System::new().block_on(self.live())
    }

    async fn live(self) -> anyhow::Result<()> {
        let mut stop = pin!(signal::stop(signal::Hangup::Stops)?);
        // Removed last, after the store has closed its file.
        let folder = match self.database {
            Some(_) => None,
            None => Some(TemporaryFolder::new().context("cannot make a temporary folder")?),
        };
        let in_folder = folder.as_ref().map(|f| f.path().join("hookpost.db"));
        let database = self.database.clone().or(in_folder).unwrap_or_default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, INBOX_PORT))
            .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .context("cannot listen on a loopback port for the inbox")?;
        let inbox_addr = listener.local_addr()?;
        let app = self.start(database)?;
        let (store, api_addr) = (app.store(), app.addr());
        let inboxes = Inboxes::new(furnish::secrets_in(store.clone()));
        let inbox = inbox::serve(listener, inboxes.clone())?;
        let inbox_handle = inbox.handle();
        rt::spawn(inbox);

        let mut result = Ok(());
        let session = async {
            let demonstration = async {
                let for_furnishing = store.clone();
                let furnished = spawn_blocking(move || {
                    furnish::furnish(&*for_furnishing, api_addr, inbox_addr)
                });
                let guide = furnished.await??;
                let event = demonstrate(&guide, &inboxes, &*store).await?;
                if !self.once {
                    output::listing(&(guide.next_steps(event, folder.is_some()) + "\n"))?;
                }
                Ok(())
            };
            result = match signal::unless(stop.as_mut(), demonstration).await {
                Some(Ok(())) if !self.once => {
                    let forever = std::future::pending::<()>();
                    let _ = signal::unless(stop.as_mut(), forever).await;
                    Ok(())
                }
                Some(result) => result,
                None if self.once => Err(anyhow::anyhow!("interrupted")),
                None => Ok(()),
            };
        };
        let ran = app.run_until(session).await;
        inbox_handle.stop(false).await;
        ran?;
        result
    }

    fn start(&self, database: PathBuf) -> anyhow::Result<Application> {
        let first_choice = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
        let settings = AppSettings {
            storage: StorageSettings { database },
            api: ApiSettings {
                listen: self.listen.unwrap_or(first_choice),
                cors_origin: vec!["*".to_owned()],
                max_body_bytes: 262_144,
                max_endpoints: 1000,
                max_tokens: 1000,
                // Nobody but the developer is there, whose scripts may poll.
                rate_limit: 0,
                publish_rate_limit: 0,
                publish_byte_limit: 0,
                auth_failure_limit: 0,
                trusted_proxy: Vec::new(),
            },
            network: furnish::network(),
            delivery: self.delivery.clone(),
            retention: RetentionSettings {
                archive_after: Duration::from_hours(30 * 24),
            },
        };
        let clock = Arc::new(SystemClock::new());
        match Application::start(settings.clone(), clock.clone()) {
            Err(AppError::Listen { .. }) if self.listen.is_none() => {
                let mut settings = settings;
                settings.api.listen.set_port(0);
                Ok(Application::start(settings, clock)?)
            }
            result => Ok(result?),
        }
    }
}

/// Publishes a message through the API, waits for it at the inbox, and says how that went; its event.
async fn demonstrate(guide: &Guide, inboxes: &Inboxes, store: &dyn Store) -> anyhow::Result<Uuid> {
    output::listing(&(guide.welcome() + "\n"))?;
    let started = Instant::now();
    let (authority, token, endpoint) = (guide.api.to_string(), guide.token.clone(), guide.endpoint);
    let event = spawn_blocking(move || publish(&authority, &token, endpoint)).await??;
    let webhook_id = event.to_string();
    let arrival = inboxes.wait_for(guide::INBOX, &webhook_id);
    let Ok(received) = tokio::time::timeout(DEADLINE, arrival).await else {
        bail!(
            "the message did not arrive within {} s; {}",
            DEADLINE.as_secs(),
            last_attempt(store, event)
        );
    };
    if !received.verified {
        bail!("the message arrived, but its signature did not verify");
    }
    let millis = started.elapsed().as_millis();
    output::listing(&(guide::arrived(&received, millis) + "\n"))?;
    Ok(event)
}

#[derive(Deserialize)]
struct Published {
    events: Vec<PublishedEvent>,
}

#[derive(Deserialize)]
struct PublishedEvent {
    id: Uuid,
    webhook_endpoint_id: Uuid,
}

/// Publishes the demonstration's message; the id of its event for `endpoint`. Blocks.
fn publish(authority: &str, token: &str, endpoint: Uuid) -> anyhow::Result<Uuid> {
    let request = http::Request {
        authority,
        method: "POST",
        path: "/api/webhooks/events",
        token: Some(token),
        body: guide::MESSAGE,
    };
    let answer = http::send(&request, DEADLINE)?;
    if answer.code != 202 {
        bail!(
            "publishing was answered with {} {}",
            answer.code,
            answer.body
        );
    }
    let published: Published =
        serde_json::from_str(&answer.body).context("cannot read the answer to the publish")?;
    // A database that is kept may have other endpoints that want it.
    let mut events = published.events.iter();
    let event = events.find(|event| event.webhook_endpoint_id == endpoint);
    Ok(event.context("the message matched no endpoint")?.id)
}

/// Why an event has not arrived, as far as the deliveries tell.
fn last_attempt(store: &dyn Store, event: Uuid) -> String {
    let event = match store.find_event(Reach::Server, event, 0) {
        Ok(row) => row.item,
        Err(error) => return format!("its event cannot be read: {error}"),
    };
    let code = event
        .last_http_code
        .map_or("no answer".to_owned(), |code| code.to_string());
    match event.attempts {
        0 => "no attempt has been made".to_owned(),
        attempts => format!("attempts: {attempts}, the last one: {code}"),
    }
}
