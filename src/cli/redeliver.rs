//! `hookpost redeliver`: sends events again, named by their ids or chosen by filters.

use std::io::{self, IsTerminal};

use anyhow::bail;
use clap::Args;
use serde::Serialize;
use ureq::http::Method;
use uuid::Uuid;

use super::client::{
    Client, ClientError, Event, EventFilters, List, OutputSettings, Progress, Query, Rows,
    ServerSettings, parse_id, pretty,
};
use super::configuration::Setting;
use super::events::status_parser;
use super::output::{self, UsageError};
use crate::log_queue::{self, FLUSH_TIMEOUT};

/// The most events that filters may choose without a question.
const UNASKED_MAX: u64 = 10;

/// The most events that could not be redelivered which get a line of their own. The others are counted.
const LINES_MAX: usize = 10;

/// Send events again: those with these ids, or all that match the filters.
///
/// Each gets the whole retry schedule anew. With filters, only failed and skipped events are sent, unless
/// --status says otherwise. More than 10 of them need a yes. An endpoint must be enabled.
#[derive(Args, Debug)]
pub(super) struct Redeliver {
    /// The ids of the events.
    #[arg(value_name = "EVENT_ID", value_parser = parse_id)]
    events: Vec<Uuid>,

    /// Redeliver any number of events without a question.
    #[arg(long)]
    yes: bool,

    /// Only with this status (repeatable); without it, failed and skipped.
    #[arg(long, value_name = "STATUS", value_delimiter = ',', help_heading = "Filters",
          conflicts_with = "events", value_parser = status_parser())]
    status: Vec<String>,

    #[command(flatten)]
    filters: EventFilters,

    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

/// The result.
#[derive(Default, Serialize)]
struct Outcome {
    redelivered: u64,
    not_redelivered: Vec<Refused>,
}

#[derive(Serialize)]
struct Refused {
    id: Uuid,
    error: String,
}

impl Redeliver {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let has_filters = !self.filters.is_empty() || !self.status.is_empty();
        match (self.events.is_empty(), has_filters) {
            (true, false) => {
                let text = "there are no events: give ids, or filters such as --endpoint ID";
                return Err(UsageError(text.to_owned()).into());
            }
            (false, true) => {
                let text = "give ids or filters, but not both";
                return Err(UsageError(text.to_owned()).into());
            }
            _ => {}
        }
        let client = self.server.client(settings)?;
        let mut outcome = Outcome::default();
        let ended = if self.events.is_empty() {
            let mut query = Query::new();
            self.filters.add_to(&mut query);
            let statuses = match &self.status[..] {
                [] => &["failed".to_owned(), "skipped".to_owned()][..],
                some => some,
            };
            query.extend(statuses.iter().map(|status| ("status", status.clone())));
            let endpoint = self.filters.one_endpoint();
            walk(&client, &query, endpoint, self.yes, &mut outcome)
        } else {
            let mut progress = Progress::new("redelivering", self.events.len() as u64);
            self.events
                .iter()
                .try_for_each(|id| outcome.redeliver(&client, *id, &mut progress))
        };
        outcome.print(self.output.json)?;
        ended?;
        match outcome.not_redelivered.len() {
            0 => Ok(()),
            some => bail!(
                "{some} of {} not redelivered",
                some as u64 + outcome.redelivered
            ),
        }
    }
}

/// Redelivers all events that match, after a question if there are many.
fn walk(
    client: &Client,
    query: &Query,
    endpoint: Option<Uuid>,
    yes: bool,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let found: List<Event> = client.page("events", query, 1)?;
    let total = found.meta.total;
    if total > UNASKED_MAX && !yes && !is_wanted(total)? {
        bail!("nothing was redelivered");
    }
    let mut progress = Progress::new("redelivering", total);
    client.walk("events", query, Rows::All, |page: Vec<Event>, _| {
        for event in page {
            outcome.redeliver(client, event.id, &mut progress)?;
            // All others would be refused, too.
            if let (Some(id), Some(refused)) = (endpoint, outcome.not_redelivered.last())
                && refused.error.contains(DISABLED)
            {
                bail!("the endpoint is disabled; `hookpost endpoint enable {id}` comes first");
            }
        }
        Ok(())
    })
}

/// The API's name of the error for an event of a disabled endpoint.
const DISABLED: &str = "EndpointDisabled";

/// Asks on the terminal whether so many events are to be sent again.
fn is_wanted(total: u64) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        bail!("{total} events match; --yes redelivers so many");
    }
    output::remark(&format!("{total} events match. Redeliver them all? [y/N]"));
    log_queue::flush(FLUSH_TIMEOUT);
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

impl Outcome {
    /// Redelivers one event. An event that the server refuses is noted.
    ///
    /// # Errors
    /// There is no answer, or the server refuses all events.
    fn redeliver(
        &mut self,
        client: &Client,
        id: Uuid,
        progress: &mut Progress,
    ) -> anyhow::Result<()> {
        let path = format!("events/{id}/redeliver");
        match client.change::<()>(Method::POST, &path, b"") {
            Ok(()) => self.redelivered += 1,
            Err(error @ ClientError::Api(_)) if error.is(404) || error.is(409) => {
                let error = error.about("event", id).to_string();
                if self.not_redelivered.len() < LINES_MAX {
                    progress.remark(&format!("not redelivered: {id}: {error}"));
                }
                self.not_redelivered.push(Refused { id, error });
            }
            Err(error) => return Err(error.into()),
        }
        progress.advance();
        Ok(())
    }

    fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            return output::listing(&pretty(self)?);
        }
        let events = if self.redelivered == 1 {
            "event"
        } else {
            "events"
        };
        output::listing(&format!("Redelivered {} {events}.\n", self.redelivered))
    }
}
