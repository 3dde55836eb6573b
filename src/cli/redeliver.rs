//! `hookpost redeliver`: sends events again, named by their ids or chosen by filters.

use clap::Args;

use super::change_events::{ChangeEvents, Statuses};
use super::configuration::Setting;
use super::events::status_parser;
use crate::domain::job::{JobAction, SelectedStatus};

/// Send events again: those with these ids, or all that match the filters.
///
/// Each gets the whole retry schedule anew. With filters, only failed and skipped events are sent, unless
/// --status says otherwise. More than 10 of them need a yes. An endpoint must be enabled. The server sends them in the
/// background, in the order of their messages; the command waits until all have been let go. `hookpost recover` also
/// sends the messages of which an endpoint has no event.
#[derive(Args, Debug)]
pub(super) struct Redeliver {
    #[command(flatten)]
    events: ChangeEvents,

    /// Only with this status (repeatable); without it, failed and skipped.
    #[arg(long, value_name = "STATUS", value_delimiter = ',', help_heading = "Filters",
          conflicts_with = "events", value_parser = status_parser())]
    status: Vec<String>,
}

impl Redeliver {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let action = JobAction::Redeliver;
        let are_given = !self.status.is_empty();
        let chosen = if are_given {
            self.status
        } else {
            let default = action.default_statuses().iter();
            default
                .map(|it| SelectedStatus::as_str(*it).to_owned())
                .collect()
        };
        let statuses = Statuses { chosen, are_given };
        self.events.run(action, &statuses, settings)
    }
}
