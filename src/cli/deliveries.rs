//! `hookpost deliveries`: lists attempts.

use clap::Args;
use uuid::Uuid;

use super::client::{
    CodeFilter, Column, Delivery, EventFilters, OutputSettings, Query, RowLimit, ServerSettings,
    Table, TextFilter, parse_id, print_list, short_time,
};
use super::configuration::Setting;

/// List deliveries, which are attempts to send an event, newest first.
///
/// RESULT is the code of the answer, or the reason why there was none. Times are in UTC.
#[derive(Args, Debug)]
pub(super) struct Deliveries {
    /// Only of this event.
    #[arg(long, value_name = "ID", value_parser = parse_id, help_heading = "Filters")]
    event: Option<Uuid>,

    /// Only attempts that failed.
    #[arg(long, conflicts_with = "succeeded", help_heading = "Filters")]
    failed: bool,

    /// Only attempts that succeeded.
    #[arg(long, help_heading = "Filters")]
    succeeded: bool,

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

impl Deliveries {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let client = self.server.client(settings)?;
        let mut query = Query::new();
        query.extend(self.event.map(|id| ("event_id", id.to_string())));
        if self.failed || self.succeeded {
            query.push(("succeeded", self.succeeded.to_string()));
        }
        self.code.add_to(&mut query);
        self.filters.add_to(&mut query);
        self.text.add_to(&mut query);
        let table = Table::new([
            Column("EVENT", 36),
            Column("AT", 14),
            Column("TRY", 3),
            Column("RESULT", 15),
            Column("MS", 6),
            Column("TYPE", 16),
        ]);
        let row = |delivery: &Delivery| {
            table.row(&[
                delivery.webhook_event.id.into(),
                short_time(&delivery.created_at).into(),
                delivery.attempt.into(),
                delivery.result(),
                delivery.duration_ms.into(),
                delivery.webhook_event.r#type.as_str().into(),
            ])
        };
        let rows = self.limit.rows();
        print_list(
            &client,
            "deliveries",
            &query,
            rows,
            self.output.json,
            &table,
            row,
        )
    }
}
