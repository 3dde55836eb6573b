//! `hookpost endpoint test`.

use anyhow::bail;
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use ureq::http::Method;
use uuid::Uuid;

use super::printed::path;
use crate::cli::client::{Delivery, OutputSettings, ServerSettings, line, parse_id, pretty};
use crate::cli::configuration::Setting;
use crate::cli::message_data;
use crate::cli::output;

#[derive(Args, Debug)]
pub(in crate::cli) struct Test {
    /// The id of the endpoint.
    #[arg(value_name = "ID", value_parser = parse_id)]
    id: Uuid,

    /// The data: JSON, @FILE for the JSON in a file, or - for that on stdin; without it, {"test": true}.
    #[arg(value_name = "JSON|@FILE|-")]
    data: Option<String>,

    /// The event type; without it, hookpost.test. The receiver cannot tell another one from a real event.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,

    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

/// The body of the request.
#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    event_type: Option<&'a str>,
    /// As it was written: the receiver gets it byte for byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

impl Test {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let client = self.server.client(settings)?;
        let data = self
            .data
            .as_deref()
            .map(|data| message_data::read(Some(data)));
        let data = data.transpose()?;
        let message = Message {
            event_type: self.event_type.as_deref(),
            data: data.as_deref(),
        };
        let path = format!("{}/test", path(self.id));
        let sent = client.change(Method::POST, &path, &serde_json::to_vec(&message)?);
        let sent: Value = sent.map_err(|error| error.about("endpoint", self.id))?;
        if self.output.json {
            output::listing(&pretty(&sent)?)?;
        }
        let succeeded = sent["succeeded"] == true;
        if !self.output.json {
            output::listing(&described(&serde_json::from_value(sent)?))?;
        }
        if !succeeded {
            bail!("the test did not succeed");
        }
        Ok(())
    }
}

/// Returns the result of a test for people.
fn described(delivery: &Delivery) -> String {
    let rows = [
        ("result", delivery.result().text().to_owned()),
        ("took", format!("{} ms", delivery.duration_ms)),
        ("type", delivery.webhook_event.r#type.clone()),
        ("event", delivery.webhook_event.id.to_string()),
        ("response", delivery.response.clone().unwrap_or_default()),
    ];
    let rows = rows.iter().filter(|(_, value)| !value.is_empty());
    rows.map(|(name, value)| line(name, value)).collect()
}
