//! `hookpost workspace`: makes and lists workspaces in the database file itself.

use anyhow::bail;
use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};

use super::{database, output, table};
use crate::config::StorageSettings;
use crate::domain::workspace::WorkspaceName;
use crate::storage::{Store, StoreError};

/// Workspaces.
#[derive(Debug, Subcommand)]
pub(super) enum Workspace {
    /// Make a workspace and print its id.
    Create(Create),
    /// List the workspaces, newest first.
    List(List),
}

impl Workspace {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(),
            Self::List(list) => list.run(),
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct Create {
    /// Its name, unique on the server.
    #[arg(value_name = "NAME", value_parser = database::parse_name)]
    name: WorkspaceName,

    #[command(flatten)]
    storage: StorageSettings,
}

impl Create {
    fn run(self) -> anyhow::Result<()> {
        let store = database::open_or_make(&self.storage.database, "workspace create")?;
        match store.create_workspace(self.name.clone()).wait() {
            Ok(workspace) => {
                output::remark(&format!("Made workspace {}.", workspace.name.as_str()));
                output::result(&format!("{}\n", workspace.id))
            }
            Err(StoreError::NameTaken) => {
                bail!("there is a workspace {} already", self.name.as_str())
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct List {
    #[command(flatten)]
    storage: StorageSettings,

    /// Print JSON instead of columns.
    #[arg(long, env = "HOOKPOST_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

impl List {
    fn run(self) -> anyhow::Result<()> {
        let store = database::open(&self.storage.database, "workspace list")?;
        let workspaces = database::workspaces(&*store)?;
        let text = if self.json {
            output::json(&workspaces)?
        } else {
            let rows: Vec<[String; 3]> = workspaces
                .iter()
                .map(|workspace| {
                    [
                        workspace.id.to_string(),
                        workspace.created_at.to_string(),
                        workspace.name.as_str().to_owned(),
                    ]
                })
                .collect();
            table::render(["ID", "CREATED", "NAME"], &rows)
        };
        output::listing(&text)
    }
}
