//! The action of `hookpost redeliver` and `hookpost skip`: on events that are named by their ids, or chosen by filters.
//!
//! Filters become one job of the server. Those that a job does not have (the message, and events that are pending
//! for a redelivery) are walked through by this client.

use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};
use ureq::http::Method;
use uuid::Uuid;

use super::client::{
    Client, ClientError, CodeFilter, Event, EventFilters, LeftOut, List, OutputSettings, Progress,
    Query, Rows, ServerSettings, job_filter, parse_id, pretty,
};
use super::configuration::Setting;
use super::job_run::{self, JobRequest, Matched, past};
use super::output::{self, UsageError};
use crate::domain::job::{JobAction, RATE_MAX};

/// The most events that were refused which get a line of their own. The others are counted.
const LINES_MAX: usize = 10;

/// The API's name of the error for an event of a disabled endpoint.
const DISABLED: &str = "EndpointDisabled";

/// The events, and the settings of the command.
#[derive(Args, Debug)]
pub(super) struct ChangeEvents {
    /// The ids of the events.
    #[arg(value_name = "EVENT_ID", value_parser = parse_id)]
    events: Vec<Uuid>,

    /// Change any number of events without a question.
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    rate: Rate,
    #[command(flatten)]
    code: CodeFilter,
    #[command(flatten)]
    filters: EventFilters,
    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

/// The rate of a job.
#[derive(Args, Debug)]
pub(super) struct Rate {
    /// The most events a minute that the job lets go; without it, as many as get through.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(RATE_MAX)))]
    pub(super) rate: Option<u32>,
}

/// The statuses of the events, as flags of a command.
pub(super) struct Statuses {
    /// The statuses that filters choose.
    pub(super) chosen: Vec<String>,
    /// Set if they were given as flags.
    pub(super) are_given: bool,
}

impl ChangeEvents {
    /// Does the action on the events.
    pub(super) fn run(
        self,
        action: JobAction,
        statuses: &Statuses,
        settings: &[Setting],
    ) -> anyhow::Result<()> {
        self.check(statuses)?;
        let mut query = Query::new();
        self.code.add_to(&mut query);
        self.filters.add_to(&mut query);
        let chosen = statuses.chosen.iter();
        query.extend(chosen.map(|status| ("status", status.clone())));
        // A redelivery makes a pending event due at once, which is none of a job's actions.
        let is_hurried = action == JobAction::Redeliver
            && statuses.chosen.iter().any(|status| status == "pending");
        let is_walked = self.filters.have_messages() || is_hurried;
        if is_walked && self.rate.rate.is_some() {
            let text = "--rate goes neither with --message nor with --status pending";
            return Err(UsageError(text.to_owned()).into());
        }
        let endpoint = self.filters.one_endpoint();
        let json = self.output.json;
        if self.events.is_empty() && !is_walked {
            let request = JobRequest {
                action,
                filter: job_filter(&query)?,
                rate: self.rate.rate,
            };
            let client = self.server.client(settings)?;
            return by_job(&client, &request, endpoint, self.yes, json);
        }
        let client = self.server.client(settings)?;
        let mut changes = Changes::new(action);
        let ended = if self.events.is_empty() {
            walk(&client, &query, endpoint, self.yes, &mut changes)
        } else {
            let mut progress = job_run::progress(action, self.events.len() as u64);
            let mut ids = self.events.iter();
            ids.try_for_each(|id| changes.change(&client, *id, &mut progress))
        };
        changes.print(json)?;
        ended?;
        match changes.refused.len() as u64 {
            0 => Ok(()),
            some => bail!("{some} of {} not {}", some + changes.done, past(action)),
        }
    }

    fn check(&self, statuses: &Statuses) -> Result<(), UsageError> {
        let has_filters = !self.filters.is_empty() || !self.code.is_empty() || statuses.are_given;
        let text = match (self.events.is_empty(), has_filters) {
            (true, false) => "there are no events: give ids, or filters such as --endpoint ID",
            (false, true) => "give ids or filters, but not both",
            (false, false) if self.rate.rate.is_some() => "--rate goes with filters only",
            _ => return Ok(()),
        };
        Err(UsageError(text.to_owned()))
    }
}

/// Has the server do the action on all events that match, after a question if there are many, and waits for the end.
fn by_job(
    client: &Client,
    request: &JobRequest,
    endpoint: Option<Uuid>,
    yes: bool,
    json: bool,
) -> anyhow::Result<()> {
    let action = request.action;
    let found = request.count(client)?;
    if found.matched == 0 {
        return print_job(action, 0, &LeftOut::default(), None, json);
    }
    if found.are_many() && !yes && !job_run::is_wanted(found, action)? {
        bail!("nothing was {}", past(action));
    }
    let id = job_run::read(&request.make(client)?)?.id;
    let job = job_run::read(&job_run::wait(client, id, action, found.matched)?)?;
    print_job(action, job.done, &job.left_out, Some(id), json)?;
    if let Some(endpoint) = endpoint.filter(|_| job.left_out.endpoint_disabled > 0) {
        return Err(job_run::endpoint_disabled(endpoint));
    }
    job_run::check_ended(&job, action)
}

fn print_job(
    action: JobAction,
    done: u64,
    left_out: &LeftOut,
    id: Option<Uuid>,
    json: bool,
) -> anyhow::Result<()> {
    if json {
        let outcome = json!({(past(action)): done, "left_out": left_out, "job_id": id});
        return output::listing(&pretty(&outcome)?);
    }
    output::listing(&in_words(action, done))
}

fn in_words(action: JobAction, done: u64) -> String {
    let verb = match action {
        JobAction::Redeliver => "Redelivered",
        JobAction::Skip => "Skipped",
    };
    let events = if done == 1 { "event" } else { "events" };
    format!("{verb} {done} {events}.\n")
}

/// Does the action on all events that match, one by one, after a question if there are many.
fn walk(
    client: &Client,
    query: &Query,
    endpoint: Option<Uuid>,
    yes: bool,
    changes: &mut Changes,
) -> anyhow::Result<()> {
    let action = changes.action;
    let listed: List<Event> = client.page("events", query, 1)?;
    let found = Matched {
        matched: listed.meta.total,
        complete: true,
    };
    if found.are_many() && !yes && !job_run::is_wanted(found, action)? {
        bail!("nothing was {}", past(action));
    }
    let mut progress = job_run::progress(action, found.matched);
    client.walk("events", query, Rows::All, |page: Vec<Event>, _| {
        for event in page {
            changes.change(client, event.id, &mut progress)?;
            // All others would be refused, too.
            if let (Some(id), Some((_, error))) = (endpoint, changes.refused.last())
                && error.contains(DISABLED)
            {
                return Err(job_run::endpoint_disabled(id));
            }
        }
        Ok(())
    })
}

/// The events that were changed one by one.
struct Changes {
    action: JobAction,
    done: u64,
    /// The events that the server refused, and why.
    refused: Vec<(Uuid, String)>,
}

impl Changes {
    const fn new(action: JobAction) -> Self {
        Self {
            action,
            done: 0,
            refused: Vec::new(),
        }
    }

    /// Changes one event. An event that the server refuses is noted.
    ///
    /// # Errors
    /// There is no answer, or the server refuses all events.
    fn change(&mut self, client: &Client, id: Uuid, progress: &mut Progress) -> anyhow::Result<()> {
        let path = format!("events/{id}/{}", self.action.as_str());
        match client.change::<()>(Method::POST, &path, b"") {
            Ok(()) => self.done += 1,
            Err(error @ ClientError::Api(_)) if error.is(404) || error.is(409) => {
                let error = error.about("event", id).to_string();
                if self.refused.len() < LINES_MAX {
                    progress.remark(&format!("not {}: {id}: {error}", past(self.action)));
                }
                self.refused.push((id, error));
            }
            Err(error) => return Err(error.into()),
        }
        progress.advance();
        Ok(())
    }

    fn print(&self, json: bool) -> anyhow::Result<()> {
        if !json {
            return output::listing(&in_words(self.action, self.done));
        }
        let refused = self.refused.iter();
        let refused: Vec<Value> = refused
            .map(|(id, error)| json!({"id": id, "error": error}))
            .collect();
        let past = past(self.action);
        let outcome = json!({(past): self.done, (format!("not_{past}")): refused});
        output::listing(&pretty(&outcome)?)
    }
}
