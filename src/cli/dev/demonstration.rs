//! The demonstration: one message that goes through the API and the engine to the inbox.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::rt::task::spawn_blocking;
use anyhow::{Context, bail};
use serde::Deserialize;
use ureq::http::{Request, StatusCode};
use uuid::Uuid;

use super::demo_data;
use super::guide::{self, Guide};
use super::inbox::Inboxes;
use crate::cli::{output, request};
use crate::domain::access::Visibility;
use crate::storage::Store;

/// The longest wait for an answer of the API, and for the message at the inbox: ten times what a slow machine
/// needs.
const DEADLINE: Duration = Duration::from_secs(10);

/// Everything that the demonstration needs.
pub(super) struct Demonstration {
    pub(super) store: Arc<dyn Store>,
    /// The address of the API.
    pub(super) api: SocketAddr,
    /// The address of the inboxes.
    pub(super) inbox: SocketAddr,
    pub(super) inboxes: Arc<Inboxes>,
    /// The path and query that sign the developer in to the dashboard, once.
    pub(super) sign_in: String,
    /// True if further commands to try are to be printed.
    pub(super) next_steps: bool,
    /// True if the data is removed when the program ends.
    pub(super) is_temporary: bool,
}

impl Demonstration {
    /// Makes its data, sends the message, and prints each step.
    pub(super) async fn show(self) -> anyhow::Result<()> {
        let (store, api, inbox) = (self.store.clone(), self.api, self.inbox);
        let sign_in = self.sign_in.clone();
        let make = move || demo_data::make(&*store, api, inbox, sign_in);
        let guide = spawn_blocking(make).await??;
        output::listing(&(guide.welcome() + "\n"))?;
        let event = self.deliver(&guide).await?;
        if self.next_steps {
            output::listing(&(guide.next_steps(event, self.is_temporary) + "\n"))?;
        }
        Ok(())
    }

    /// Publishes a message through the API, waits for it at the inbox, and prints the result. Returns the id
    /// of the event.
    async fn deliver(&self, guide: &Guide) -> anyhow::Result<Uuid> {
        let started = Instant::now();
        let (api, token, endpoint) = (guide.api, guide.token.clone(), guide.endpoint);
        let event = spawn_blocking(move || publish(api, &token, endpoint)).await??;
        let webhook_id = event.to_string();
        let arrival = self.inboxes.wait_for(guide::INBOX, &webhook_id);
        let Ok(received) = tokio::time::timeout(DEADLINE, arrival).await else {
            bail!(
                "the message did not arrive within {} s; {}",
                DEADLINE.as_secs(),
                last_attempt(&*self.store, event)
            );
        };
        if !received.verified {
            bail!("the message arrived, but its signature did not verify");
        }
        let millis = started.elapsed().as_millis();
        output::listing(&(guide::arrived(&received, millis) + "\n"))?;
        Ok(event)
    }
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

/// Publishes the message of the demonstration, and returns the id of its event for `endpoint`. Blocks.
fn publish(api: SocketAddr, token: &str, endpoint: Uuid) -> anyhow::Result<Uuid> {
    let request = Request::post(format!("http://{api}/api/webhooks/events"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(guide::MESSAGE)?;
    let (status, body) = request::send(request, DEADLINE)?;
    if status != StatusCode::ACCEPTED {
        bail!("publishing was answered with {} {body}", status.as_u16());
    }
    let published: Published =
        serde_json::from_str(&body).context("cannot read the answer to the publish")?;
    // A database that is kept may have other endpoints that receive the message.
    let mut events = published.events.iter();
    let event = events.find(|event| event.webhook_endpoint_id == endpoint);
    Ok(event.context("the message matched no endpoint")?.id)
}

/// Returns a text with the number of an event's attempts and the result of the last one.
fn last_attempt(store: &dyn Store, event: Uuid) -> String {
    let event = match store.find_event(Visibility::All, event, 0) {
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
