//! `hookpost preview`: asks a server whether an endpoint would get a message.

use anyhow::bail;
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use ureq::http::Method;
use uuid::Uuid;

use super::client::{OutputSettings, ServerSettings, line, parse_id, pretty, shown};
use super::configuration::Setting;
use super::message_arguments::{parse_tag, read_filter, tags_object};
use super::message_data;
use super::output;
use crate::domain::endpoint::Format;
use crate::domain::tags::Tag;

/// Ask whether an endpoint would get a message, and why not. Nothing is stored or sent.
///
/// The exit code is 0 if it would get it. Without --endpoint, the endpoint is one with the events, the filter and the
/// format that are given; with it, these take the place of those that it has.
#[derive(Args, Debug)]
pub(super) struct Preview {
    /// The event type, such as order.paid.
    #[arg(value_name = "TYPE")]
    event_type: String,

    /// The data: JSON, @FILE for the JSON in a file, or - for that on stdin.
    ///
    /// Without it, the JSON comes from stdin, if that is no terminal.
    #[arg(value_name = "JSON|@FILE|-")]
    data: Option<String>,

    /// A tag of the message (repeatable), such as region:eu.
    #[arg(long, value_name = "NAME:VALUE", value_parser = parse_tag)]
    tag: Vec<Tag>,

    /// The time of what happened (RFC 3339); without it, now.
    #[arg(long, value_name = "TIME")]
    timestamp: Option<String>,

    /// The endpoint; without it, one with the events, the filter and the format that are given.
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    endpoint: Option<Uuid>,

    /// An event type that the endpoint gets (repeatable).
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    event: Vec<String>,

    /// The filter of the endpoint: an event pattern, or @FILE for that in a file.
    #[arg(long, value_name = "JSON|@FILE")]
    filter: Option<String>,

    /// The form of the body.
    #[arg(long, value_name = "FORMAT",
          value_parser = PossibleValuesParser::new(Format::ALL.map(Format::as_str)))]
    format: Option<String>,

    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

/// The body of the request.
#[derive(Serialize)]
struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_id: Option<Uuid>,
    endpoint: Map<String, Value>,
    message: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<&'a str>,
    tags: Value,
    data: &'a RawValue,
}

/// The answer.
#[derive(Deserialize)]
struct Answer {
    why: Option<String>,
    body: Option<String>,
    error: Option<String>,
}

impl Preview {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let client = self.server.client(settings)?;
        let data = message_data::read(self.data.as_deref())?;
        let filter = self.filter.as_deref().map(read_filter).transpose()?;
        let mut endpoint = Map::new();
        for (name, value) in [
            (
                "events",
                (!self.event.is_empty()).then(|| self.event.into()),
            ),
            ("filter", filter),
            ("format", self.format.map(Value::from)),
        ] {
            endpoint.extend(value.map(|value| (name.to_owned(), value)));
        }
        let request = Request {
            endpoint_id: self.endpoint,
            endpoint,
            message: Message {
                event_type: &self.event_type,
                timestamp: self.timestamp.as_deref(),
                tags: tags_object(&self.tag),
                data: &data,
            },
        };
        let body = serde_json::to_vec(&request)?;
        let answer = client.change(Method::POST, "preview", &body);
        let answer: Box<RawValue> = match self.endpoint {
            Some(id) => answer.map_err(|error| error.about("endpoint", id))?,
            None => answer?,
        };
        let Answer { why, body, error } = serde_json::from_str(answer.get())?;
        if self.output.json {
            output::listing(&pretty(&answer)?)?;
        } else {
            let matches = if why.is_none() { "yes" } else { "no" };
            let mut text = line("matches", matches);
            for (name, value) in [("why not", &why), ("error", &error)] {
                text.extend(value.iter().map(|value| line(name, value)));
            }
            let body = body.unwrap_or_default();
            output::listing(&format!("{text}\n{}\n", shown(&body)))?;
        }
        match why {
            None => Ok(()),
            Some(why) => bail!("the endpoint would not get the message: {}", shown(&why)),
        }
    }
}
