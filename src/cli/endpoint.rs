//! `hookpost endpoint`: makes, lists, shows, changes and deletes endpoints over the API.

mod printed;
mod rotate_secret;
mod secret_file;
mod settings;
mod test_send;
mod update;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use ureq::http::Method;
use uuid::Uuid;

use self::printed::{described, path, types, without_secret};
use self::rotate_secret::RotateSecret;
use self::secret_file::read_secret;
use self::settings::SettingsOptions;
use self::test_send::Test;
use self::update::Update;
use super::client::{
    Column, Endpoint, JsonArray, OutputSettings, Query, ServerSettings, Table, parse_id,
};
use super::configuration::Setting;
use super::output;
use crate::domain::endpoint::Format;
use crate::domain::endpoint_health::EndpointState;
use crate::domain::secret::SecretType;

/// Endpoints.
#[derive(Debug, Subcommand)]
pub(super) enum EndpointCommand {
    /// Make an endpoint and print it, with its secret.
    Create(Create),
    /// List the endpoints, newest first.
    List(List),
    /// Show an endpoint.
    Show(Show),
    /// Change an endpoint. What no option names stays as it is.
    Update(Update),
    /// Let the events of an endpoint wait. Nothing is skipped or lost.
    Pause(Chosen),
    /// End the pause of an endpoint. What waited is sent.
    Resume(Chosen),
    /// Send to an endpoint again. What it missed meanwhile is not sent; see `hookpost recover`.
    Enable(Chosen),
    /// Send nothing to an endpoint. Its pending events are skipped.
    Disable(Chosen),
    /// Delete an endpoint. Its pending events are skipped; its events and deliveries stay listed.
    Delete(Delete),
    /// Give an endpoint a new secret, and print that. For a while the old one signs, too.
    RotateSecret(RotateSecret),
    /// Send a test to an endpoint at once, and print the result. Exit code 0 if it succeeded.
    ///
    /// It is sent once, also to an endpoint that is disabled. It is not stored, and changes nothing about the endpoint.
    Test(Test),
}

impl EndpointCommand {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(settings),
            Self::List(list) => list.run(settings),
            Self::Show(show) => show.run(settings),
            Self::Update(update) => update.run(settings),
            Self::Pause(chosen) => chosen.set_paused(settings, true),
            Self::Resume(chosen) => chosen.set_paused(settings, false),
            Self::Enable(chosen) => chosen.set_enabled(settings, true),
            Self::Disable(chosen) => chosen.set_enabled(settings, false),
            Self::Delete(delete) => delete.run(settings),
            Self::RotateSecret(rotate) => rotate.run(settings),
            Self::Test(test) => test.run(settings),
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct Create {
    /// The URL that receives the webhooks.
    #[arg(value_name = "URL")]
    url: String,

    /// An event type that it gets (repeatable), such as order.paid, or order.* for all below order.
    #[arg(long, value_name = "TYPE", value_delimiter = ',', default_value = "*")]
    event: Vec<String>,

    /// The form of the body.
    #[arg(long, value_name = "FORMAT", default_value = "raw",
          value_parser = PossibleValuesParser::new(Format::ALL.map(Format::as_str)))]
    format: String,

    /// A name for people.
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    /// A description for people.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// A file with the signing secret; without it, the server makes one.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// The type of the secret that the server makes: of ed25519, the receiver has a public key, which is printed.
    #[arg(long, value_name = "TYPE", conflicts_with = "secret_file",
          value_parser = PossibleValuesParser::new(SecretType::ALL.map(SecretType::as_str)))]
    secret_type: Option<String>,

    /// Make it disabled: no events are made for it.
    #[arg(long)]
    disabled: bool,

    /// If an endpoint has the key, change it to exactly what the options say; its secret stays.
    #[arg(long, requires = "key")]
    replace: bool,

    #[command(flatten)]
    options: SettingsOptions,

    /// The workspace, which an admin token must name.
    #[arg(long, value_name = "ID", value_parser = parse_id)]
    workspace_id: Option<Uuid>,

    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

impl Create {
    fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let secret = self.secret_file.as_deref().map(read_secret).transpose()?;
        let is_own = secret.is_some();
        let mut body = json!({"url": self.url, "format": self.format, "events": self.event});
        for (name, value) in [
            ("name", self.name),
            ("description", self.description),
            ("secret", secret),
            ("secret_type", self.secret_type),
            ("workspace_id", self.workspace_id.map(|id| id.to_string())),
        ] {
            if let Some(value) = value {
                body[name] = value.into();
            }
        }
        if self.disabled {
            body["enabled"] = json!(false);
        }
        self.options.add_to(&mut body, &Value::Null)?;
        let client = self.server.client(settings)?;
        let (method, path) = match body["key"].as_str().filter(|_| self.replace) {
            Some(key) => (Method::PUT, format!("endpoints/by-key/{key}")),
            None => (Method::POST, "endpoints".to_owned()),
        };
        let body = body.to_string();
        let made: Value = client.change(method, &path, body.as_bytes())?;
        // The operator who chose the secret has it.
        output::result(&described(made, !is_own, self.output.json)?)
    }
}

#[derive(Args, Debug)]
pub(super) struct List {
    /// Only with this text in the URL.
    #[arg(long, value_name = "TEXT", help_heading = "Filters")]
    url: Option<String>,

    /// Only with this key (repeatable).
    #[arg(long, value_name = "KEY", help_heading = "Filters")]
    key: Vec<String>,

    /// Only in this state (repeatable).
    #[arg(long, value_name = "STATE", value_delimiter = ',', help_heading = "Filters",
          value_parser = PossibleValuesParser::new(EndpointState::ALL.map(EndpointState::as_str)))]
    state: Vec<String>,

    /// Only of this workspace (repeatable), for admin tokens.
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = parse_id,
          help_heading = "Filters")]
    workspace_id: Vec<Uuid>,

    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

impl List {
    fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let client = self.server.client(settings)?;
        let mut query = Query::new();
        query.extend(self.url.map(|text| ("url", text)));
        query.extend(self.key.into_iter().map(|key| ("key", key)));
        query.extend(self.state.into_iter().map(|state| ("state", state)));
        let workspaces = self.workspace_id.iter();
        query.extend(workspaces.map(|id| ("workspace_id", id.to_string())));
        if self.output.json {
            let mut all: Vec<Value> = client.all("endpoints", &query)?;
            all.iter_mut().for_each(without_secret);
            let mut array = JsonArray::default();
            array.print(&all)?;
            return array.end();
        }
        let table = Table::new([
            Column("ENDPOINT", 36),
            Column("STATE", 8),
            Column("EVENTS", 12),
            Column("KEY", 12),
            Column("URL", 24),
        ]);
        let all: Vec<Endpoint> = client.all("endpoints", &query)?;
        let rows = all.iter().map(|endpoint| {
            table.row(&[
                endpoint.id.into(),
                endpoint.state(),
                types(endpoint).into(),
                endpoint.key.as_str().into(),
                endpoint.url.as_str().into(),
            ])
        });
        output::listing(&(table.headings() + &rows.collect::<String>()))
    }
}

#[derive(Args, Debug)]
pub(super) struct Show {
    /// The id of the endpoint.
    #[arg(value_name = "ID", value_parser = parse_id)]
    id: Uuid,

    /// Print the secret, too.
    #[arg(long = "show-secret")]
    with_secret: bool,

    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

impl Show {
    fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let client = self.server.client(settings)?;
        let found = client.get(&path(self.id), &Query::new());
        let found: Value = found.map_err(|error| error.about("endpoint", self.id))?;
        output::listing(&described(found, self.with_secret, self.output.json)?)
    }
}

/// An endpoint that exists, chosen by its id.
#[derive(Args, Debug)]
pub(super) struct Chosen {
    /// The id of the endpoint.
    #[arg(value_name = "ID", value_parser = parse_id)]
    id: Uuid,

    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

impl Chosen {
    fn set_paused(self, settings: &[Setting], paused: bool) -> anyhow::Result<()> {
        let client = self.server.client(settings)?;
        let body = json!({ "paused": paused }).to_string();
        let changed = client.change(Method::PATCH, &path(self.id), body.as_bytes());
        let changed: Value = changed.map_err(|error| error.about("endpoint", self.id))?;
        output::remark(if paused {
            "Paused. Its events wait."
        } else {
            "Resumed. What waited is sent."
        });
        output::listing(&described(changed, false, self.output.json)?)
    }

    fn set_enabled(self, settings: &[Setting], enabled: bool) -> anyhow::Result<()> {
        let client = self.server.client(settings)?;
        let body = json!({ "enabled": enabled }).to_string();
        let changed = client.change(Method::PATCH, &path(self.id), body.as_bytes());
        let changed: Value = changed.map_err(|error| error.about("endpoint", self.id))?;
        if enabled {
            output::remark(&format!(
                "Enabled. `hookpost recover {} --since TIME` sends everything that it missed.",
                self.id
            ));
        } else {
            output::remark("Disabled. Its pending events are skipped.");
        }
        output::listing(&described(changed, false, self.output.json)?)
    }
}

#[derive(Args, Debug)]
pub(super) struct Delete {
    /// The id of the endpoint.
    #[arg(value_name = "ID", value_parser = parse_id)]
    id: Uuid,

    #[command(flatten)]
    server: ServerSettings,
}

impl Delete {
    fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let client = self.server.client(settings)?;
        let deleted = client.delete(&path(self.id));
        deleted.map_err(|error| error.about("endpoint", self.id))?;
        output::remark(&format!("Deleted endpoint {}.", self.id));
        Ok(())
    }
}
