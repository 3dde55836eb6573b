//! The events of a published message, and the wait for their deliveries.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::client::{
    Client, Column, Endpoint, Event, List, Progress, Query, Table, pretty, shown,
};
use crate::cli::output;

/// The most endpoints whose URLs are looked up; each takes a request.
const URLS_MAX: usize = 5;

/// The most events that the table has. All of them are in `hookpost events --message ID`.
const ROWS_MAX: usize = 20;

/// The first pause between two looks at the events. Most deliveries take less.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest of these pauses, which grow by half each time: a minute of them uses an eighth of the usual rate
/// limit.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A published message.
pub(super) struct Published {
    message: Value,
    events: Vec<PublishedEvent>,
}

#[derive(Deserialize)]
struct PublishedEvent {
    id: Uuid,
    webhook_endpoint_id: Uuid,
}

impl Published {
    /// Reads the answer to a publish.
    pub(super) fn read(message: Value) -> anyhow::Result<Self> {
        let events = Vec::deserialize(&message["events"])?;
        Ok(Self { message, events })
    }

    /// Returns the id of the message.
    pub(super) fn id(&self) -> anyhow::Result<String> {
        let id = self.message["id"].as_str();
        Ok(id.context("the message has no id")?.to_owned())
    }

    /// Prints the events.
    pub(super) fn print(&self, client: &Client, json: bool) -> anyhow::Result<()> {
        if json {
            return output::listing(&pretty(&self.message)?);
        }
        if self.events.is_empty() {
            self.remark_that_there_are_none();
            return Ok(());
        }
        let table = Table::new([Column("EVENT", 36), Column("ENDPOINT", 62)]);
        let rows = self.events.iter().take(ROWS_MAX).map(|event| {
            let endpoint = self.endpoint(client, event.webhook_endpoint_id);
            table.row(&[event.id.into(), endpoint.into()])
        });
        output::listing(&(table.headings() + &rows.collect::<String>()))?;
        self.remark_about_others()
    }

    /// Waits until all deliveries are done, for at most `time`, and prints the events.
    ///
    /// # Errors
    /// One of them did not succeed.
    pub(super) fn wait(&self, client: &Client, time: Duration, json: bool) -> anyhow::Result<()> {
        let mut events = match self.finished(client, time) {
            Ok(events) => Value::from(events),
            Err(error) => {
                // The message is published whatever happened since.
                self.print(client, json)?;
                return Err(error.context("published, but the deliveries are not known"));
            }
        };
        if json {
            let mut message = self.message.clone();
            message["events"] = events;
            output::listing(&pretty(&message)?)?;
            events = message["events"].take();
        }
        let events: Vec<Event> = serde_json::from_value(events)?;
        if !json {
            self.print_finished(client, &events)?;
        }
        let count = |status| {
            events
                .iter()
                .filter(|event| event.status() == status)
                .count()
        };
        let (failed, skipped, pending) = (count("failed"), count("skipped"), count("pending"));
        let missing = failed + skipped + pending;
        if missing > 0 {
            bail!(
                "{missing} of {} deliveries did not succeed within {time:?}: {failed} failed, \
                 {skipped} skipped, {pending} pending",
                events.len()
            );
        }
        Ok(())
    }

    /// Returns the events as they are when all are done, or when the time is up.
    fn finished(&self, client: &Client, time: Duration) -> anyhow::Result<Vec<Value>> {
        let end = Instant::now() + time;
        let of_message: Query = vec![("message_id", self.id()?)];
        let mut pending = of_message.clone();
        pending.push(("status", "pending".to_owned()));
        let all = self.events.len() as u64;
        let mut progress = Progress::new("delivering", all);
        let mut pause = FIRST_PAUSE;
        loop {
            let left: List<Value> = client.page("events", &pending, 1)?;
            progress.reach(all.saturating_sub(left.meta.total));
            let now = Instant::now();
            if left.meta.total == 0 || now >= end {
                break;
            }
            std::thread::sleep(pause.min(end - now));
            pause = (pause * 3 / 2).min(PAUSE_MAX);
        }
        Ok(client.all("events", &of_message)?)
    }

    fn print_finished(&self, client: &Client, events: &[Event]) -> anyhow::Result<()> {
        if events.is_empty() {
            self.remark_that_there_are_none();
            return Ok(());
        }
        let table = Table::new([
            Column("EVENT", 36),
            Column("STATUS", 9),
            Column("CODE", 4),
            Column("TRIES", 5),
            Column("ENDPOINT", 38),
        ]);
        let rows = events.iter().take(ROWS_MAX).map(|event| {
            table.row(&[
                event.id.into(),
                event.status_cell(),
                event.code().into(),
                event.attempts.into(),
                self.endpoint(client, event.webhook_endpoint_id).into(),
            ])
        });
        output::listing(&(table.headings() + &rows.collect::<String>()))?;
        self.remark_about_others()
    }

    /// Returns the URL of an endpoint, or its id if there are many endpoints, or if the token may not read them.
    fn endpoint(&self, client: &Client, id: Uuid) -> String {
        if self.events.len() > URLS_MAX {
            return id.to_string();
        }
        let found = client.get::<Endpoint>(&format!("endpoints/{id}"), &Query::new());
        found.map_or_else(|_| id.to_string(), |endpoint| endpoint.url)
    }

    fn remark_that_there_are_none(&self) {
        let event_type = self.message["type"].as_str().unwrap_or_default();
        output::remark(&format!(
            "No enabled endpoint wants {} with this content, so nothing is delivered. `hookpost preview` tells why.",
            shown(event_type)
        ));
    }

    fn remark_about_others(&self) -> anyhow::Result<()> {
        let others = self.events.len().saturating_sub(ROWS_MAX);
        if others > 0 {
            output::remark(&format!(
                "{others} more: hookpost events --message {} --all",
                shown(&self.id()?)
            ));
        }
        Ok(())
    }
}
