//! Look-ups and lists of jobs.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};
use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::domain::job::Job;
use crate::storage::sqlite::job_rows;
use crate::storage::sqlite::rows;
use crate::storage::{JobListFilter, Listed, Page};

/// Returns jobs, newest first. Jobs are few, so those that do not match are passed over one by one.
pub(crate) fn list(
    connection: &Connection,
    filter: &JobListFilter,
    page: Page,
) -> rusqlite::Result<Listed<Job>> {
    let mut conditions = vec!["true".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    let mut among = |column: &str, wanted: Vec<Value>| {
        let marks = vec!["?"; wanted.len()].join(", ");
        conditions.push(format!("{column} IN ({marks})"));
        values.extend(wanted);
    };
    match filter.visibility {
        Visibility::All => {}
        Visibility::Workspace(own) => among("w.id", vec![own.into()]),
    }
    if !filter.workspaces.is_empty() {
        let ids = filter.workspaces.iter().map(|id| (*id).into());
        among("w.id", ids.collect());
    }
    if !filter.states.is_empty() {
        let states = filter.states.iter();
        let numbers = states.map(|state| job_rows::state_column(*state).into());
        among("j.state", numbers.collect());
    }
    if let Some(action) = filter.action {
        among("j.action", vec![job_rows::action_column(action).into()]);
    }
    let from = format!(
        "FROM job j LEFT JOIN workspace w ON w.n = j.workspace WHERE {}",
        conditions.join(" AND ")
    );
    let total = connection
        .prepare_cached(&format!("SELECT count(*) {from}"))?
        .query_row(params_from_iter(&values), |row| row.get(0))?;
    let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
    values.extend([limit.into(), rows::offset(page).into()]);
    let sql = format!(
        "SELECT {} {from} ORDER BY j.n DESC LIMIT ? OFFSET ?",
        job_rows::JOB
    );
    let items = connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(&values), job_rows::job)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Listed {
        items,
        total,
        searched: None,
    })
}

/// Returns a job that the caller may see.
pub(crate) fn find(
    connection: &Connection,
    visibility: Visibility,
    id: Uuid,
) -> rusqlite::Result<Option<Job>> {
    let sql = format!(
        "SELECT {} FROM job j LEFT JOIN workspace w ON w.n = j.workspace WHERE j.id = ?1",
        job_rows::JOB
    );
    let found = connection
        .prepare_cached(&sql)?
        .query_row([id], job_rows::job)
        .optional()?;
    Ok(found.filter(|job| visibility.includes_of(job.workspace_id)))
}
