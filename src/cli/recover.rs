//! `hookpost recover`: sends an endpoint everything that it missed, by one job.

use anyhow::bail;
use clap::Args;
use serde_json::Value;
use uuid::Uuid;

use super::change_events::Rate;
use super::client::{
    Client, Endpoint, Moment, OutputSettings, Query, ServerSettings, add_times, job_filter,
    parse_id, parse_moment, pretty,
};
use super::configuration::Setting;
use super::job_run::{self, JobRequest, capitalized};
use super::output;
use crate::domain::job::{JobAction, SelectedStatus};

/// Send an endpoint everything that it missed: what failed or was skipped, and messages that made no event for it.
///
/// The last are those that were published while it was disabled, before it was made, or before it subscribed to their
/// type. The server sends all of it in the background, in the order of the messages, and new events of the endpoint go
/// first. The endpoint must be enabled. More than 10 events need a yes.
#[derive(Args, Debug)]
pub(super) struct Recover {
    /// The id of the endpoint.
    #[arg(value_name = "ENDPOINT_ID", value_parser = parse_id)]
    endpoint: Uuid,

    /// Only what was published after this time: RFC 3339, or how long ago, such as 12h.
    #[arg(long, value_name = "TIME", value_parser = parse_moment, help_heading = "Filters")]
    since: Moment,

    /// Only what was published before this time: RFC 3339, or how long ago.
    #[arg(long, value_name = "TIME", value_parser = parse_moment, help_heading = "Filters")]
    until: Option<Moment>,

    /// Only of this event type (repeatable).
    #[arg(
        long = "type",
        value_name = "TYPE",
        value_delimiter = ',',
        help_heading = "Filters"
    )]
    event_type: Vec<String>,

    #[command(flatten)]
    rate: Rate,

    /// Only say how many events there are.
    #[arg(long, conflicts_with_all = ["wait", "yes"])]
    dry_run: bool,

    /// Wait until all were let go, with a progress bar on a terminal.
    #[arg(long)]
    wait: bool,

    /// Send any number of events without a question.
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

/// The statuses of what an endpoint missed.
const MISSED: [SelectedStatus; 3] = [
    SelectedStatus::Failed,
    SelectedStatus::Skipped,
    SelectedStatus::Missing,
];

impl Recover {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let json = self.output.json;
        let request = self.request()?;
        let client = self.server.client(settings)?;
        check_enabled(&client, self.endpoint)?;
        let found = request.count(&client)?;
        if self.dry_run && json {
            return output::listing(&pretty(&found)?);
        }
        if self.dry_run || found.matched == 0 && found.complete && !json {
            return output::listing(&(capitalized(&found.in_words()) + ".\n"));
        }
        let action = request.action;
        if found.are_many() && !self.yes && !job_run::is_wanted(found, action)? {
            bail!("nothing was redelivered");
        }
        let made = request.make(&client)?;
        let id = job_run::read(&made)?.id;
        if !self.wait {
            output::remark(&format!("`hookpost job {id}` shows how far it is."));
            return print(&made, json);
        }
        let ended = job_run::wait(&client, id, action, found.matched)?;
        print(&ended, json)?;
        job_run::check_ended(&job_run::read(&ended)?, action)
    }

    fn request(&self) -> anyhow::Result<JobRequest> {
        let mut query = Query::from([("endpoint_id", self.endpoint.to_string())]);
        add_times(&mut query, Some(&self.since), self.until.as_ref());
        let types = self.event_type.iter();
        query.extend(types.map(|name| ("event_type", name.clone())));
        query.extend(MISSED.map(|status| ("status", status.as_str().to_owned())));
        Ok(JobRequest {
            action: JobAction::Redeliver,
            filter: job_filter(&query)?,
            rate: self.rate.rate,
        })
    }
}

/// Checks that the endpoint is there and enabled: the server would count nothing for one that is not there.
fn check_enabled(client: &Client, id: Uuid) -> anyhow::Result<()> {
    let found = client.get::<Endpoint>(&format!("endpoints/{id}"), &Query::new());
    let endpoint = found.map_err(|error| error.about("endpoint", id))?;
    if !endpoint.enabled {
        return Err(job_run::endpoint_disabled(id));
    }
    Ok(())
}

fn print(job: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        return output::listing(&pretty(job)?);
    }
    output::listing(&job_run::read(job)?.description())
}
