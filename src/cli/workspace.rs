//! `hookpost workspace`: makes and lists workspaces, and sets how long they keep data, in the database file itself.

use anyhow::bail;
use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};

use super::{database, output, table};
use crate::config::{StorageSettings, parse_duration, parse_workspace_name};
use crate::domain::access::Visibility;
use crate::domain::retention::{
    ArchiveAfter, DELETE_AFTER_MIN_S, DeleteAfter, KEEP_MAX_S, KeepTime, WorkspaceRetention,
};
use crate::domain::workspace::{self as domain, WorkspaceName};
use crate::storage::{Store, StoreError};

/// Workspaces.
#[derive(Debug, Subcommand)]
pub(super) enum Workspace {
    /// Make a workspace and print its id.
    Create(Create),
    /// List the workspaces, newest first.
    List(List),
    /// Set or print how long a workspace keeps its data, also on a running server.
    Retention(Retention),
    /// Set or print whether a workspace gets operational events, also on a running server.
    OperationalEvents(OperationalEvents),
}

impl Workspace {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Create(create) => create.run(),
            Self::List(list) => list.run(),
            Self::Retention(retention) => retention.run(),
            Self::OperationalEvents(events) => events.run(),
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct Create {
    /// Its name, unique on the server.
    #[arg(value_name = "NAME", value_parser = parse_workspace_name)]
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
            columns(&workspaces)
        };
        output::listing(&text)
    }
}

/// Returns the table of workspaces. It has columns for their times if one of them has any.
fn columns(workspaces: &[domain::Workspace]) -> String {
    let row = |workspace: &domain::Workspace| {
        [
            workspace.id.to_string(),
            workspace.created_at.to_string(),
            workspace.name.as_str().to_owned(),
        ]
    };
    let is_the_servers =
        |workspace: &domain::Workspace| workspace.retention == WorkspaceRetention::default();
    if workspaces.iter().all(is_the_servers) {
        let rows: Vec<_> = workspaces.iter().map(row).collect();
        return table::render(["ID", "CREATED", "NAME"], &rows);
    }
    let time = |seconds| {
        if seconds == 0 {
            "-".to_owned()
        } else {
            period(seconds)
        }
    };
    let rows: Vec<_> = workspaces
        .iter()
        .map(|workspace| {
            let [id, created, name] = row(workspace);
            let WorkspaceRetention {
                archive_after,
                delete_after,
            } = workspace.retention;
            let times = [time(archive_after.seconds()), time(delete_after.seconds())];
            let [archive_after, delete_after] = times;
            [id, created, name, archive_after, delete_after]
        })
        .collect();
    let headings = ["ID", "CREATED", "NAME", "ARCHIVE AFTER", "DELETE AFTER"];
    table::render(headings, &rows)
}

#[derive(Args, Debug)]
pub(super) struct Retention {
    /// The workspace.
    #[arg(value_name = "NAME-OR-ID")]
    workspace: String,

    /// Drop its payloads after this time: 1s to 36500d; 0: after the server's `--archive-after`.
    ///
    /// The shorter of the two times holds.
    #[arg(long, value_name = "TIME", value_parser = parse_keep_time::<1>)]
    archive_after: Option<ArchiveAfter>,

    /// Delete its messages, with their events and deliveries, after this time: 1d to 36500d; 0: after the server's
    /// `--delete-after`.
    ///
    /// The shorter of the two times holds. Pending events stay.
    #[arg(long, value_name = "TIME", value_parser = parse_keep_time::<DELETE_AFTER_MIN_S>)]
    delete_after: Option<DeleteAfter>,

    #[command(flatten)]
    storage: StorageSettings,

    /// Print the workspace as JSON.
    #[arg(long, env = "HOOKPOST_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

impl Retention {
    fn run(self) -> anyhow::Result<()> {
        let store = database::open(&self.storage.database, "workspace retention")?;
        let name = self.workspace.trim();
        let workspace = match store.find_workspace_named(name) {
            Err(StoreError::NotFound) => bail!("there is no workspace {name}"),
            found => found?,
        };
        let patch = domain::WorkspacePatch {
            archive_after: self.archive_after,
            delete_after: self.delete_after,
            ..domain::WorkspacePatch::default()
        };
        let workspace = if patch.is_empty() {
            workspace
        } else {
            store
                .update_workspace(Visibility::All, workspace.id, patch)
                .wait()?
        };
        if self.json {
            return output::listing(&output::object(&workspace)?);
        }
        let line = |name: &str, server: &str, seconds| {
            if seconds == 0 {
                format!("{name}  as long as the server (its {server})\n")
            } else {
                format!(
                    "{name}  {}, or the server's {server} if that is shorter\n",
                    period(seconds)
                )
            }
        };
        let times = workspace.retention;
        output::listing(&format!(
            "{}{}",
            line("payloads", "--archive-after", times.archive_after.seconds()),
            line("messages", "--delete-after", times.delete_after.seconds()),
        ))
    }
}

/// Messages in the workspace about its own endpoints, such as hookpost.endpoint.failing.
#[derive(Args, Debug)]
pub(super) struct OperationalEvents {
    /// The workspace.
    #[arg(value_name = "NAME-OR-ID")]
    workspace: String,

    /// The new choice; without it, the present one is printed.
    #[arg(value_name = "on|off", value_parser = ["on", "off"], hide_possible_values = true)]
    choice: Option<String>,

    #[command(flatten)]
    storage: StorageSettings,

    /// Print the workspace as JSON.
    #[arg(long, env = "HOOKPOST_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

impl OperationalEvents {
    fn run(self) -> anyhow::Result<()> {
        let store = database::open(&self.storage.database, "workspace operational-events")?;
        let name = self.workspace.trim();
        let mut workspace = match store.find_workspace_named(name) {
            Err(StoreError::NotFound) => bail!("there is no workspace {name}"),
            found => found?,
        };
        if let Some(choice) = self.choice {
            let patch = domain::WorkspacePatch {
                operational_events: Some(choice == "on"),
                ..domain::WorkspacePatch::default()
            };
            let changed = store.update_workspace(Visibility::All, workspace.id, patch);
            workspace = changed.wait()?;
        }
        if self.json {
            return output::listing(&output::object(&workspace)?);
        }
        let choice = if workspace.operational_events {
            "on"
        } else {
            "off"
        };
        output::listing(&format!("operational events  {choice}\n"))
    }
}

/// Reads a time of whole seconds.
fn parse_keep_time<const LEAST: u64>(text: &str) -> Result<KeepTime<LEAST>, String> {
    let time = parse_duration(text)?;
    if time.subsec_nanos() > 0 {
        return Err("must be whole seconds".to_owned());
    }
    KeepTime::new(time.as_secs()).map_err(|_| {
        let longest = period(KEEP_MAX_S);
        format!("must be 0, or between {} and {longest}", period(LEAST))
    })
}

/// Returns a time as people write it, in the longest unit that gives a whole number.
fn period(seconds: u64) -> String {
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let fits = |(unit, _): &(u64, _)| seconds.is_multiple_of(*unit);
    let (unit, name) = units.into_iter().find(fits).unwrap_or((1, "s"));
    format!("{}{name}", seconds / unit)
}
