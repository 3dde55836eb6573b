//! A job: the redelivery, or the skipping, of all events that match a filter.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::columns::{Cell, LINE_MAX, cut, line};
use super::objects::Identified;
use super::style::Color;

/// The most characters of a value, after its name.
const WIDTH: usize = LINE_MAX - 10;

/// A job, as the API shows it.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct Job {
    pub(in crate::cli) id: Uuid,
    pub(in crate::cli) created_at: String,
    pub(in crate::cli) action: String,
    pub(in crate::cli) state: String,
    /// `None` until the server has counted them.
    pub(in crate::cli) matched: Option<u64>,
    pub(in crate::cli) done: u64,
    pub(in crate::cli) left_out: LeftOut,
    workspace_id: Option<Uuid>,
    filter: Filter,
    rate: Option<u64>,
    finished_at: Option<String>,
}

/// The filter of a job.
#[derive(Debug, Deserialize)]
struct Filter {
    endpoint_id: Vec<Uuid>,
    event_type: Vec<String>,
    status: Vec<String>,
    start_timestamp: Option<String>,
    end_timestamp: Option<String>,
    http_code_class: Option<String>,
    event_ids: Vec<Uuid>,
}

/// The numbers of events that a job left out, by reason.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(in crate::cli) struct LeftOut {
    archived: u64,
    pub(in crate::cli) endpoint_disabled: u64,
    endpoint_deleted: u64,
    changed: u64,
}

impl LeftOut {
    /// Returns the number of all.
    pub(in crate::cli) const fn total(&self) -> u64 {
        self.undeliverable() + self.changed
    }

    /// Returns the number of those that could not be delivered. The others had another state by then.
    pub(in crate::cli) const fn undeliverable(&self) -> u64 {
        self.archived + self.endpoint_disabled + self.endpoint_deleted
    }

    /// Returns the numbers with their reasons, without those that are 0.
    pub(in crate::cli) fn in_words(&self) -> String {
        let reasons = [
            (self.archived, "archived"),
            (self.endpoint_disabled, "of a disabled endpoint"),
            (self.endpoint_deleted, "of a deleted endpoint"),
            (self.changed, "changed meanwhile"),
        ];
        let reasons = reasons.iter().filter(|(count, _)| *count > 0);
        let texts: Vec<_> = reasons
            .map(|(count, reason)| format!("{count} {reason}"))
            .collect();
        texts.join(", ")
    }
}

impl Identified for Job {
    fn id(&self) -> String {
        self.id.to_string()
    }
}

impl Job {
    /// Reports whether it has events to look at.
    pub(in crate::cli) fn is_running(&self) -> bool {
        self.state == "running"
    }

    /// Returns the number of events that it has looked at.
    pub(in crate::cli) const fn seen(&self) -> u64 {
        self.done + self.left_out.total()
    }

    pub(in crate::cli) fn state_cell(&self) -> Cell {
        let color = match self.state.as_str() {
            "finished" => Color::Green,
            "cancelled" => Color::Red,
            _ => Color::Yellow,
        };
        Cell::colored(self.state.clone(), color)
    }

    /// Returns the number of events in its set, or `-`.
    pub(in crate::cli) fn matched_text(&self) -> String {
        self.matched
            .map_or("-".to_owned(), |matched| matched.to_string())
    }

    /// Returns the job for people, one line for each fact. Filters that are not set have no line.
    pub(in crate::cli) fn description(&self) -> String {
        let filter = &self.filter;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let rate = self.rate.map(|rate| format!("{rate} a minute"));
        let left_out = match self.left_out.total() {
            0 => "0".to_owned(),
            total => format!("{total}: {}", self.left_out.in_words()),
        };
        let rows = [
            ("job", self.id.to_string()),
            ("action", self.action.clone()),
            ("state", self.state.clone()),
            ("created", self.created_at.clone()),
            ("ended", text(&self.finished_at)),
            ("workspace", ids(self.workspace_id.as_slice())),
            ("endpoint", ids(&filter.endpoint_id)),
            ("type", cut(&filter.event_type.join(","), WIDTH)),
            ("status", filter.status.join(",")),
            ("since", text(&filter.start_timestamp)),
            ("until", text(&filter.end_timestamp)),
            ("code", text(&filter.http_code_class)),
            ("events", ids(&filter.event_ids)),
            ("rate", text(&rate)),
            ("matched", self.matched_text()),
            ("done", self.done.to_string()),
            ("left out", left_out),
        ];
        let rows = rows.iter().filter(|(_, value)| !value.is_empty());
        rows.map(|(name, value)| line(name, value)).collect()
    }
}

/// Returns ids on one line; of more than fit, only their number.
fn ids(ids: &[Uuid]) -> String {
    let texts: Vec<_> = ids.iter().map(Uuid::to_string).collect();
    match texts.join(",") {
        text if text.len() > WIDTH => format!("{} of them", ids.len()),
        text => text,
    }
}
