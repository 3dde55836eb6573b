//! `hookpost jobs`: lists jobs, and `hookpost job`: shows one, waits for its end, or cancels it.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::Method;
use uuid::Uuid;

use super::client::{
    Client, Column, Identified, Job, JsonArray, List, OutputSettings, Query, RowLimit, Rows,
    ServerSettings, Table, parse_id, pretty, short_time,
};
use super::configuration::Setting;
use super::job_run;
use super::output;
use crate::domain::job::{JobAction, JobState};

/// List jobs, newest first: redeliveries and skips of many events.
///
/// DONE counts the events that a job redelivered, made or skipped, and OUT those that it left out. Times are in UTC.
#[derive(Args, Debug)]
pub(super) struct Jobs {
    /// Only in this state (repeatable).
    #[arg(long, value_name = "STATE", value_delimiter = ',', help_heading = "Filters",
          value_parser = PossibleValuesParser::new(JobState::ALL.map(JobState::as_str)))]
    state: Vec<String>,

    /// Only with this action.
    #[arg(long, value_name = "ACTION", help_heading = "Filters",
          value_parser = PossibleValuesParser::new(JobAction::ALL.map(JobAction::as_str)))]
    action: Option<String>,

    /// Only of this workspace (repeatable), for admin tokens.
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = parse_id,
          help_heading = "Filters")]
    workspace_id: Vec<Uuid>,

    #[command(flatten)]
    limit: RowLimit,
    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

impl Jobs {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let client = self.server.client(settings)?;
        let mut query = Query::new();
        query.extend(self.state.into_iter().map(|state| ("state", state)));
        query.extend(self.action.map(|action| ("action", action)));
        let workspaces = self.workspace_id.iter();
        query.extend(workspaces.map(|id| ("workspace_id", id.to_string())));
        let rows = self.limit.rows();
        let (printed, total) = if self.output.json {
            let (jobs, total) = first::<Value>(&client, &query, rows)?;
            let mut array = JsonArray::default();
            array.print(&jobs)?;
            array.end()?;
            (jobs.len() as u64, total)
        } else {
            let (jobs, total) = first::<Job>(&client, &query, rows)?;
            output::listing(&table(&jobs))?;
            (jobs.len() as u64, total)
        };
        if printed < total {
            output::remark(&format!("{printed} of {total} jobs; --all lists them all."));
        }
        Ok(())
    }
}

/// The most jobs that one request asks for: the longest page of the API.
const PAGE_MAX: u64 = 100;

/// Reads the first jobs of a list. Returns them with the number of all.
fn first<T: DeserializeOwned + Identified>(
    client: &Client,
    query: &Query,
    rows: Rows,
) -> anyhow::Result<(Vec<T>, u64)> {
    match rows {
        Rows::First(limit @ ..=PAGE_MAX) => {
            let page: List<T> = client.page("jobs", query, limit)?;
            Ok((page.data, page.meta.total))
        }
        Rows::First(limit) => {
            let mut all = client.all("jobs", query)?;
            let total = all.len() as u64;
            all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok((all, total))
        }
        Rows::All => {
            let all = client.all("jobs", query)?;
            let total = all.len() as u64;
            Ok((all, total))
        }
    }
}

fn table(jobs: &[Job]) -> String {
    let table = Table::new([
        Column("JOB", 36),
        Column("CREATED", 14),
        Column("ACTION", 9),
        Column("STATE", 9),
        Column("MATCHED", 7),
        Column("DONE", 7),
        Column("OUT", 6),
    ]);
    let rows = jobs.iter().map(|job| {
        table.row(&[
            job.id.into(),
            short_time(&job.created_at).into(),
            job.action.as_str().into(),
            job.state_cell(),
            job.matched_text().into(),
            job.done.into(),
            job.left_out.total().into(),
        ])
    });
    table.headings() + &rows.collect::<String>()
}

/// Show a job: its filter, its progress, and what it left out.
#[derive(Args, Debug)]
pub(super) struct ShowJob {
    /// The id of the job.
    #[arg(value_name = "ID", value_parser = parse_id)]
    id: Uuid,

    /// Wait until it is over, with a progress bar on a terminal. Exit code 0 if it did its action on all events.
    #[arg(long, conflicts_with = "cancel")]
    wait: bool,

    /// Cancel it: it lets no further event go. What it let go before stays pending; `hookpost skip` can end that. What it
    /// skipped stays skipped.
    #[arg(long)]
    cancel: bool,

    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

impl ShowJob {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let client = self.server.client(settings)?;
        let mut found = if self.cancel {
            let cancelled = client.change(Method::POST, &format!("jobs/{}/cancel", self.id), b"");
            cancelled.map_err(|error| error.about("job", self.id))?
        } else {
            job_run::find(&client, self.id)?
        };
        let job = job_run::read(&found)?;
        let action = JobAction::parse(&job.action).unwrap_or(JobAction::Redeliver);
        if self.wait && job.is_running() {
            let expected = job.matched.unwrap_or_default();
            found = job_run::wait(&client, self.id, action, expected)?;
        }
        if self.output.json {
            output::listing(&pretty(&found)?)?;
        } else {
            output::listing(&job_run::read(&found)?.description())?;
        }
        if self.wait {
            job_run::check_ended(&job_run::read(&found)?, action)?;
        }
        Ok(())
    }
}
