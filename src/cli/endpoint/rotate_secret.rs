//! `hookpost endpoint rotate-secret`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Map, Value};
use ureq::http::Method;
use uuid::Uuid;

use super::printed::{described, path};
use super::secret_file::read_secret;
use crate::cli::client::{OutputSettings, ServerSettings, parse_id, shown};
use crate::cli::configuration::Setting;
use crate::cli::output;
use crate::config::parse_duration;
use crate::domain::secret::SecretType;

#[derive(Args, Debug)]
pub(in crate::cli) struct RotateSecret {
    /// The id of the endpoint.
    #[arg(value_name = "ID", value_parser = parse_id)]
    id: Uuid,

    /// The time for which the old secret signs, too, such as 24h: at most 7d; 0s: not at all. Without it, the
    /// server decides (`--secret-overlap`).
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    overlap: Option<Duration>,

    /// The type of the new random secret; without it, that of the present one.
    #[arg(long, value_name = "TYPE", conflicts_with = "secret_file",
          value_parser = PossibleValuesParser::new(SecretType::ALL.map(SecretType::as_str)))]
    secret_type: Option<String>,

    /// A file with the new secret; without it, the server makes one.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

impl RotateSecret {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let secret = self.secret_file.as_deref().map(read_secret).transpose()?;
        // The operator who chose the secret has it.
        let is_own = secret.is_some();
        let mut body = Map::new();
        for (name, value) in [
            ("overlap", self.overlap.map(|time| time.as_secs().into())),
            ("secret", secret.map(Value::from)),
            ("secret_type", self.secret_type.map(Value::from)),
        ] {
            body.extend(value.map(|value| (name.to_owned(), value)));
        }
        let client = self.server.client(settings)?;
        let path = format!("{}/secret", path(self.id));
        let body = Value::Object(body).to_string();
        let changed = client.change(Method::PATCH, &path, body.as_bytes());
        let changed: Value = changed.map_err(|error| error.about("endpoint", self.id))?;
        if self.output.json {
            return output::result(&described(changed, !is_own, true)?);
        }
        if let Some(end) = changed["secret_overlap_ends_at"].as_str() {
            output::remark(&format!("An old secret signs, too, until {}.", shown(end)));
        }
        if is_own {
            output::remark("The secret of the file signs from now on.");
            return Ok(());
        }
        let Some(secret) = changed["secret"].as_str() else {
            bail!("the answer has no secret");
        };
        output::result(&(shown(secret) + "\n"))
    }
}
