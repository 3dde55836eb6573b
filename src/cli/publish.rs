//! `hookpost publish`: publishes a message over the API, and can wait for its deliveries; or a file of messages.

mod deliveries;
mod lines;
mod message_lines;

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use self::deliveries::Published;
use self::message_lines::Defaults;
use super::client::{Client, OutputSettings, ServerSettings, line, parse_id};
use super::configuration::Setting;
use super::message_arguments::{parse_tag, tags_object};
use super::message_data;
use super::output;
use crate::config::parse_duration;
use crate::domain::tags::Tag;

/// Publish a message, or all messages of a file.
///
/// The message is sent again if no answer comes; its idempotency key keeps it from being published twice.
#[derive(Args, Debug)]
pub(super) struct Publish {
    /// The event type, such as order.paid.
    #[arg(value_name = "TYPE", required_unless_present = "lines")]
    event_type: Option<String>,

    /// The data: JSON, @FILE for the JSON in a file, or - for that on stdin.
    ///
    /// Without it, the JSON comes from stdin, if that is no terminal.
    #[arg(value_name = "JSON|@FILE|-")]
    data: Option<String>,

    /// A file with a message on each line, or - for stdin.
    ///
    /// Each line is a message in JSON, as the API takes it in a batch: {"type": "order.paid", "data": {}}. They are sent in
    /// their order. A line without an `idempotency_key` gets one: the key and the line's number. So after an error, the
    /// same command with the same --key publishes what is missing.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["event_type", "data", "timestamp", "wait"])]
    lines: Option<String>,

    /// Send it to this endpoint alone (repeatable), whatever types it subscribes to.
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = parse_id)]
    endpoint: Vec<Uuid>,

    /// The idempotency key; without it, a new random one is used.
    ///
    /// The server answers a second publish with the same key and content as it did the first, and publishes
    /// nothing. It keeps keys for 24 hours.
    #[arg(long, value_name = "KEY", value_parser = parse_key)]
    key: Option<String>,

    /// The time of what happened (RFC 3339); without it, the time of the publish.
    #[arg(long, value_name = "TIME")]
    timestamp: Option<String>,

    /// A tag of the message (repeatable), such as region:eu: for filters, not for receivers.
    #[arg(long, value_name = "NAME:VALUE", value_parser = parse_tag)]
    tag: Vec<Tag>,

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
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    endpoint_ids: &'a [Uuid],
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Value>,
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
        let key = self.key.unwrap_or_else(|| Uuid::new_v4().to_string());
        if let Some(file) = &self.lines {
            let defaults = Defaults::new(&key, self.workspace_id, &self.endpoint)?;
            return lines::publish(&client, file, &defaults, self.output.json);
        }
        let data = message_data::read(self.data.as_deref())?;
        let message = Message {
            event_type: self.event_type.as_deref().unwrap_or_default(),
            timestamp: self.timestamp.as_deref(),
            workspace_id: self.workspace_id,
            endpoint_ids: &self.endpoint,
            tags: (!self.tag.is_empty()).then(|| tags_object(&self.tag)),
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
