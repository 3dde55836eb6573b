//! Rows of jobs as domain objects, and the columns that hold them.

use rusqlite::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::clock::Timestamp;
use crate::domain::delivery::CodeClass;
use crate::domain::job::{Job, JobAction, JobFilter, JobState, LeftOut, SelectedStatus};

/// The columns that [`job`] reads, of `job j LEFT JOIN workspace w ON w.n = j.workspace`.
pub(crate) const JOB: &str = "j.id, j.created_at, j.modified_at, w.id, j.action, j.filter, j.rate, j.state,
    j.matched, j.done, j.archived, j.endpoint_disabled, j.endpoint_deleted, j.changed, j.finished_at";

/// Reads the columns of [`JOB`].
pub(crate) fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    let time = |at: Option<i64>| at.map(Timestamp::from_micros);
    Ok(Job {
        id: row.get(0)?,
        created_at: Timestamp::from_micros(row.get(1)?),
        modified_at: time(row.get(2)?),
        workspace_id: row.get(3)?,
        action: action(row.get(4)?),
        filter: filter(&row.get::<_, String>(5)?),
        rate: row.get(6)?,
        state: state(row.get(7)?),
        matched: row.get(8)?,
        done: row.get(9)?,
        left_out: LeftOut {
            archived: row.get(10)?,
            endpoint_disabled: row.get(11)?,
            endpoint_deleted: row.get(12)?,
            changed: row.get(13)?,
        },
        finished_at: time(row.get(14)?),
    })
}

/// Returns the number that stands for an action.
pub(crate) const fn action_column(action: JobAction) -> i64 {
    action as i64
}

/// Returns the number that stands for a state.
pub(crate) const fn state_column(state: JobState) -> i64 {
    state as i64
}

/// Returns the action that a number stands for. An unknown one, of a damaged file, does the least.
pub(crate) fn action(number: i64) -> JobAction {
    let found = JobAction::ALL.into_iter();
    let mut found = found.filter(|it| action_column(*it) == number);
    found.next().unwrap_or(JobAction::Skip)
}

/// Returns the state that a number stands for. An unknown one, of a damaged file, does nothing.
pub(crate) fn state(number: i64) -> JobState {
    let found = JobState::ALL.into_iter();
    let mut found = found.filter(|it| state_column(*it) == number);
    found.next().unwrap_or(JobState::Cancelled)
}

/// A filter as the database has it.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct StoredFilter {
    workspace_id: Option<Uuid>,
    endpoint_id: Vec<Uuid>,
    event_type: Vec<String>,
    status: Vec<String>,
    after: Option<i64>,
    before: Option<i64>,
    http_code_class: Option<String>,
    event_ids: Vec<Uuid>,
}

/// Returns the text of a filter.
pub(crate) fn filter_text(filter: &JobFilter) -> String {
    let statuses = filter.statuses.iter();
    let stored = StoredFilter {
        workspace_id: filter.workspace_id,
        endpoint_id: filter.endpoints.clone(),
        event_type: filter.event_types.clone(),
        status: statuses.map(|it| it.as_str().to_owned()).collect(),
        after: filter.after.map(Timestamp::micros),
        before: filter.before.map(Timestamp::micros),
        http_code_class: filter.code_class.map(|it| it.as_str().to_owned()),
        event_ids: filter.event_ids.clone(),
    };
    serde_json::to_string(&stored).expect("these types have string keys and cannot fail")
}

/// Reads the text of a filter. A damaged one selects no status, and so nothing.
pub(crate) fn filter(text: &str) -> JobFilter {
    let stored: StoredFilter = serde_json::from_str(text).unwrap_or_default();
    let statuses = stored.status.iter();
    JobFilter {
        workspace_id: stored.workspace_id,
        endpoints: stored.endpoint_id,
        event_types: stored.event_type,
        statuses: statuses
            .filter_map(|name| SelectedStatus::parse(name))
            .collect(),
        after: stored.after.map(Timestamp::from_micros),
        before: stored.before.map(Timestamp::from_micros),
        code_class: stored.http_code_class.as_deref().and_then(CodeClass::parse),
        event_ids: stored.event_ids,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_as_it_was_written_and_a_damaged_one_selects_nothing() {
        let written = JobFilter {
            workspace_id: Some(Uuid::from_u128(1)),
            endpoints: vec![Uuid::from_u128(2), Uuid::from_u128(3)],
            event_types: vec!["order.paid".to_owned()],
            statuses: SelectedStatus::ALL.to_vec(),
            after: Some(Timestamp::from_micros(4)),
            before: Some(Timestamp::from_micros(5)),
            code_class: Some(CodeClass::ServerError),
            event_ids: vec![Uuid::from_u128(6)],
        };
        assert_eq!(filter(&filter_text(&written)), written);
        for damaged in ["", "{", "[]", "{\"status\": 5}"] {
            assert_eq!(filter(damaged), JobFilter::default(), "{damaged}");
        }
    }

    #[test]
    fn the_numbers_are_those_that_readers_of_the_file_know() {
        let schema = include_str!("../../../schema.sql");
        assert!(schema.contains("-- 0 redeliver, 1 skip"));
        assert!(schema.contains("-- 0 running, 1 finished, 2 cancelled"));
        assert_eq!(JobAction::ALL.map(action_column), [0, 1]);
        assert_eq!(JobState::ALL.map(state_column), [0, 1, 2]);
        assert_eq!(
            JobState::ALL.map(|it| state(state_column(it))),
            JobState::ALL
        );
        assert_eq!(state(7), JobState::Cancelled);
    }
}
