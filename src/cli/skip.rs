//! `hookpost skip`: ends pending events without a further attempt.

use clap::Args;

use super::change_events::{ChangeEvents, Statuses};
use super::configuration::Setting;
use crate::domain::event::EventStatus;
use crate::domain::job::JobAction;

/// Make no further attempt for pending events: those with these ids, or all that match the filters.
///
/// An attempt that is under way still counts. More than 10 events need a yes. `hookpost redeliver` takes them up again.
#[derive(Args, Debug)]
pub(super) struct Skip {
    #[command(flatten)]
    events: ChangeEvents,
}

impl Skip {
    pub(super) fn run(self, settings: &[Setting]) -> anyhow::Result<()> {
        let statuses = Statuses {
            chosen: vec![EventStatus::Pending.as_str().to_owned()],
            are_given: false,
        };
        self.events.run(JobAction::Skip, &statuses, settings)
    }
}
