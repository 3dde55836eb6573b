//! `hookpost events`: lists events, and `hookpost event`: shows one with its attempts.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Deserialize as _;
use serde_json::Value;
use uuid::Uuid;

use super::client::{
    Client, CodeFilter, Column, Delivery, Endpoint, Event, EventFilters, OutputSettings, Query,
    RowLimit, ServerSettings, Table, TextFilter, cut, line, parse_id, pretty, print_list,
    short_time, shown,
};
use super::configuration::Setting;
use super::output;
use crate::domain::event::EventStatus;

/// Returns the parser of a status, which has the API's words.
pub(super) fn status_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(EventStatus::ALL.map(EventStatus::as_str))
}

/// List events, newest first.
///
/// The table has the code of the last attempt and the number of attempts. Times are in UTC.
#[derive(Args, Debug)]
pub(super) struct Events {
    /// Only with this status (repeatable).
    #[arg(long, value_name = "STATUS", value_delimiter = ',', help_heading = "Filters",
          value_parser = status_parser())]
    status: Vec<String>,

    #[command(flatten)]
    code: CodeFilter,
    #[command(flatten)]
    filters: EventFilters,
    #[command(flatten)]
    text: TextFilter,
    #[command(flatten)]
    limit: RowLimit,
    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

impl Events {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let client = self.server.client(settings)?;
        let mut query = Query::new();
        let statuses = self.status.into_iter();
        query.extend(statuses.map(|status| ("status", status)));
        self.code.add_to(&mut query);
        self.filters.add_to(&mut query);
        self.text.add_to(&mut query);
        let table = Table::new([
            Column("EVENT", 36),
            Column("CREATED", 14),
            Column("STATUS", 9),
            Column("CODE", 4),
            Column("TRIES", 5),
            Column("TYPE", 22),
        ]);
        let row = |event: &Event| {
            table.row(&[
                event.id.into(),
                short_time(&event.created_at).into(),
                event.status_cell(),
                event.code().into(),
                event.attempts.into(),
                event.r#type.as_str().into(),
            ])
        };
        let rows = self.limit.rows();
        print_list(
            &client,
            "events",
            &query,
            rows,
            self.output.json,
            &table,
            row,
        )
    }
}

/// The most attempts of an event that are shown: all, unless it was redelivered several times.
const ATTEMPTS_MAX: u64 = 50;

/// Show an event, its last attempts and its payload.
#[derive(Args, Debug)]
pub(super) struct ShowEvent {
    /// The id of the event, which is the receiver's `webhook-id`.
    #[arg(value_name = "ID", value_parser = parse_id)]
    id: Uuid,

    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

impl ShowEvent {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let client = self.server.client(settings)?;
        let found: Value = client
            .get(&format!("events/{}", self.id), &Query::new())
            .map_err(|error| error.about("event", self.id))?;
        if self.output.json {
            return output::listing(&pretty(&found)?);
        }
        let event = Event::deserialize(&found)?;
        let attempts = [("event_id", self.id.to_string())].into();
        let attempts = client.page::<Delivery>("deliveries", &attempts, ATTEMPTS_MAX)?;
        let mut text = description(&client, &event)?;
        if !attempts.data.is_empty() {
            text.push_str(&table_of_attempts(&attempts.data));
        }
        let payload = found["payload"].as_str();
        let payload = payload.unwrap_or("The payload was dropped: the event is archived.");
        output::listing(&format!("{text}\n{}\n", shown(payload)))
    }
}

fn description(client: &Client, event: &Event) -> anyhow::Result<String> {
    let endpoint = event.webhook_endpoint_id;
    let url = match client.get::<Endpoint>(&format!("endpoints/{endpoint}"), &Query::new()) {
        Ok(endpoint) => endpoint.url,
        Err(error) if error.is(404) => "(deleted)".to_owned(),
        Err(error) => return Err(error.into()),
    };
    let next = event.next_attempt_at.as_deref().unwrap_or("-");
    let rows = [
        ("event", event.id.to_string()),
        ("type", event.r#type.clone()),
        ("status", event.status().to_owned()),
        ("created", event.created_at.clone()),
        ("next", next.to_owned()),
        ("message", event.message_id.to_string()),
        ("endpoint", endpoint.to_string()),
        ("url", url),
    ];
    let lines = rows.map(|(name, value)| line(name, &value));
    Ok(lines.concat())
}

fn table_of_attempts(attempts: &[Delivery]) -> String {
    let table = Table::new([
        Column("AT", 14),
        Column("TRY", 4),
        Column("RESULT", 15),
        Column("MS", 6),
        Column("RESPONSE", 53),
    ]);
    let row = |delivery: &Delivery| {
        let response = delivery.response.as_deref().unwrap_or_default();
        table.row(&[
            short_time(&delivery.created_at).into(),
            delivery.attempt.into(),
            delivery.result(),
            delivery.duration_ms.into(),
            cut(response, 53).into(),
        ])
    };
    let rows: String = attempts.iter().map(row).collect();
    format!("\n{}{rows}", table.headings())
}
