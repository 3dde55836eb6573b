//! `hookpost endpoint update`, `pause` and `resume`.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};
use ureq::http::Method;
use uuid::Uuid;

use super::printed::{described, path};
use super::settings::SettingsOptions;
use crate::cli::client::{OutputSettings, Query, ServerSettings, parse_id};
use crate::cli::configuration::Setting;
use crate::cli::output;
use crate::domain::endpoint::Format;

#[derive(Args, Debug)]
pub(in crate::cli) struct Update {
    /// The id of the endpoint.
    #[arg(value_name = "ID", value_parser = parse_id)]
    id: Uuid,

    /// Another URL. Attempts go to it from now on.
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// The event types that it gets from now on (repeatable).
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    event: Vec<String>,

    /// Another form of the body, for messages from now on.
    #[arg(long, value_name = "FORMAT",
          value_parser = PossibleValuesParser::new(Format::ALL.map(Format::as_str)))]
    format: Option<String>,

    /// A name for people; empty: none.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    /// A description for people; empty: none.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    #[command(flatten)]
    options: SettingsOptions,
    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

impl Update {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let client = self.server.client(settings)?;
        let mut present = Value::Null;
        if self.options.needs_present() {
            let found = client.get(&path(self.id), &Query::new());
            present = found.map_err(|error| error.about("endpoint", self.id))?;
        }
        let mut body = json!({});
        for (name, value) in [
            ("url", self.url),
            ("format", self.format),
            ("name", self.name),
            ("description", self.description),
        ] {
            if let Some(value) = value {
                body[name] = value.into();
            }
        }
        if !self.event.is_empty() {
            body["events"] = json!(self.event);
        }
        self.options.add_to(&mut body, &present)?;
        let body = body.to_string();
        let changed = client.change(Method::PATCH, &path(self.id), body.as_bytes());
        let changed: Value = changed.map_err(|error| error.about("endpoint", self.id))?;
        output::listing(&described(changed, false, self.output.json)?)
    }
}
