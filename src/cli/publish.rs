//! `hookpost publish`: publishes a message over the API, and can wait for its deliveries.

mod deliveries;
pub(super) mod message_data;

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use self::deliveries::Published;
use super::client::{Client, OutputSettings, ServerSettings, line, parse_id};
use super::configuration::Setting;
use super::output;
use crate::config::parse_duration;

/// Publish a message.
///
/// The message is sent again if no answer comes; its idempotency key keeps it from being published twice.
#[derive(Args, Debug)]
pub(super) struct Publish {
    /// The event type, such as order.paid.
    #[arg(value_name = "TYPE")]
    event_type: String,

    /// The data: JSON, @FILE for the JSON in a file, or - for that on stdin.
    ///
    /// Without it, the JSON comes from stdin, if that is no terminal.
    #[arg(value_name = "JSON|@FILE|-")]
    data: Option<String>,

    /// The idempotency key; without it, a new random one is used.
    ///
    /// The server answers a second publish with the same key and content as it did the first, and publishes
    /// nothing. It keeps keys for 24 hours.
    #[arg(long, value_name = "KEY", value_parser = parse_key)]
    key: Option<String>,

    /// The time of what happened (RFC 3339); without it, the time of the publish.
    #[arg(long, value_name = "TIME")]
    timestamp: Option<String>,

    /// The workspace, which an admin token must name.
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    workspace_id: Option<Uuid>,

    /// Wait for the deliveries, at most this long, such as 30s; exit code 0 if all succeeded.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    wait: Option<Duration>,

    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

/// The body of the request.
#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_id: Option<Uuid>,
    /// As it was written: receivers get it byte for byte.
    data: &'a RawValue,
}

/// Reads an idempotency key, which is a header.
fn parse_key(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 255 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("expected 1 to 255 visible ASCII characters".to_owned());
    }
    Ok(text.to_owned())
}

impl Publish {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let client = self.server.client(settings)?;
        let data = message_data::read(self.data.as_deref())?;
        let key = self.key.unwrap_or_else(|| Uuid::new_v4().to_string());
        let message = Message {
            event_type: &self.event_type,
            timestamp: self.timestamp.as_deref(),
            workspace_id: self.workspace_id,
            data: &data,
        };
        let published = publish(&client, &message, &key)?;
        let json = self.output.json;
        if json {
            output::remark(&format!("Idempotency key: {key}"));
        } else {
            output::listing(&(line("message", &published.id()?) + &line("key", &key)))?;
        }
        match self.wait {
            Some(time) => published.wait(&client, time, json),
            None => published.print(&client, json),
        }
    }
}

/// Publishes the message. The error names the key, with which the command can be repeated.
fn publish(client: &Client, message: &Message<'_>, key: &str) -> anyhow::Result<Published> {
    let body = serde_json::to_vec(message)?;
    let published = client.create_once("events", &body, key).map_err(|failed| {
        let error = anyhow::Error::from(failed.error);
        if failed.unanswered {
            error.context(format!(
                "the message may be published or not; --key {key} repeats it safely"
            ))
        } else {
            error
        }
    })?;
    if published.is_replay {
        output::remark("It was published before, with the same key.");
    }
    Published::read(published.body).context("cannot read the answer to the publish")
}
