//! `hookpost config`: prints the settings that a server would have, and where each comes from.

pub(super) mod example;

use clap::builder::BoolishValueParser;
use clap::{Args, Command};
use serde::Serialize;

use super::configuration::Setting;
use super::seed::ADMIN_TOKEN_VARIABLE;
use super::serve::Serve;
use super::{output, table};
use crate::dashboard;

/// Print the settings of the server, and where each comes from.
///
/// It takes the flags, the variables and the configuration file of `serve`, and starts nothing. Secrets are
/// not shown.
#[derive(Args, Debug)]
pub(super) struct Config {
    #[command(flatten)]
    settings: Serve,

    /// Print a configuration file with all settings at their defaults, each with a comment.
    #[arg(long, help_heading = "Output")]
    example: bool,

    /// Print JSON.
    #[arg(long, env = "HOOKPOST_JSON", value_parser = BoolishValueParser::new(), help_heading = "Output")]
    json: bool,
}

/// A setting as the command prints it.
#[derive(Serialize)]
struct Row {
    setting: String,
    /// `None` if the setting has no value.
    value: Option<String>,
    from: String,
}

impl Config {
    pub(super) fn run(self, command: &Command, settings: &[Setting]) -> anyhow::Result<()> {
        if self.example {
            return output::listing(&example::text(command));
        }
        let rows = rows(settings);
        if self.json {
            return output::listing(&(serde_json::to_string_pretty(&rows)? + "\n"));
        }
        let cells = |row: Row| [row.setting, row.value.unwrap_or("-".to_owned()), row.from];
        let cells: Vec<_> = rows.into_iter().map(cells).collect();
        output::listing(&table::render(["SETTING", "VALUE", "FROM"], &cells))
    }
}

/// Returns the settings of the server, as the dashboard shows them.
pub(super) fn shown(settings: &[Setting]) -> Vec<dashboard::Setting> {
    let setting = |row: Row| dashboard::Setting {
        name: row.setting,
        value: row.value.unwrap_or_default(),
        origin: row.from,
    };
    rows(settings).into_iter().map(setting).collect()
}

fn rows(settings: &[Setting]) -> Vec<Row> {
    let of_output = ["json", "config"];
    let is_of_server = |setting: &&Setting| !of_output.contains(&setting.name.as_str());
    let settings = settings.iter().filter(is_of_server).map(|setting| Row {
        setting: setting.name.clone(),
        value: Some(setting.shown()).filter(|value| !value.is_empty()),
        from: setting.place(),
    });
    let admin = std::env::var_os(ADMIN_TOKEN_VARIABLE).filter(|token| !token.is_empty());
    let admin = admin.map(|_| Row {
        setting: "admin-token".to_owned(),
        value: Some("(hidden)".to_owned()),
        from: ADMIN_TOKEN_VARIABLE.to_owned(),
    });
    settings.chain(admin).collect()
}
