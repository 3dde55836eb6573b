//! `hookpost messages`: lists messages, and `hookpost message`: shows one with its data.

use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::client::{
    Client, Column, Message, MessageFilters, OutputSettings, Query, RowLimit, ServerSettings,
    Table, line, parse_id, pretty, print_list, short_time, shown,
};
use super::configuration::Setting;
use super::output;

/// List messages, newest first.
///
/// The table has the number of events that each became: one for each endpoint that got it. Times are in UTC.
#[derive(Args, Debug)]
pub(super) struct Messages {
    #[command(flatten)]
    filters: MessageFilters,
    #[command(flatten)]
    limit: RowLimit,
    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

impl Messages {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let client = self.server.client(settings)?;
        let mut query = Query::new();
        self.filters.add_to(&mut query);
        let table = Table::new([
            Column("MESSAGE", 36),
            Column("CREATED", 14),
            Column("EVENTS", 6),
            Column("TYPE", 22),
        ]);
        let row = |message: &Message| {
            table.row(&[
                message.id.into(),
                short_time(&message.created_at).into(),
                message.event_count.into(),
                message.r#type.as_str().into(),
            ])
        };
        let rows = self.limit.rows();
        let json = self.output.json;
        print_list(&client, "messages", &query, rows, json, &table, row)
    }
}

/// Show a message, what became of it, and its data.
#[derive(Args, Debug)]
pub(super) struct ShowMessage {
    /// The id of the message, which publishing it printed.
    #[arg(value_name = "ID", value_parser = parse_id)]
    id: Uuid,

    #[command(flatten)]
    output: OutputSettings,
    #[command(flatten)]
    server: ServerSettings,
}

/// The numbers of a message's events.
#[derive(Debug, Deserialize)]
struct Counts {
    pending: u64,
    succeeded: u64,
    failed: u64,
    skipped: u64,
}

/// The part of a message that lists do not have.
#[derive(Debug, Deserialize)]
struct Detail<'a> {
    counts: Counts,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl ShowMessage {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let client: Client = self.server.client(settings)?;
        // As it came: numbers of the data may be longer than any type here.
        let found: Box<RawValue> = client
            .get(&format!("messages/{}", self.id), &Query::new())
            .map_err(|error| error.about("message", self.id))?;
        if self.output.json {
            return output::listing(&pretty(&found)?);
        }
        let message: Message = serde_json::from_str(found.get())?;
        let Detail { counts, data } = serde_json::from_str(found.get())?;
        let Counts {
            pending,
            succeeded,
            failed,
            skipped,
        } = counts;
        let events = message.event_count;
        let tags = message.tags.iter();
        let tags: Vec<_> = tags
            .map(|(name, value)| format!("{name}:{value}"))
            .collect();
        let rows = [
            ("message", message.id.to_string()),
            ("type", message.r#type),
            ("created", message.created_at),
            ("timestamp", message.timestamp),
            ("workspace", message.workspace_id.to_string()),
            ("tags", tags.join(" ")),
            (
                "events",
                format!(
                    "{events}: {pending} pending, {succeeded} succeeded, {failed} failed, {skipped} skipped"
                ),
            ),
        ];
        let rows = rows.iter().filter(|(_, value)| !value.is_empty());
        let text: String = rows.map(|(name, value)| line(name, value)).collect();
        let data = if message.is_archived {
            "The data was dropped: the message is archived."
        } else {
            data.get()
        };
        output::listing(&format!("{text}\n{}\n", shown(data)))
    }
}
