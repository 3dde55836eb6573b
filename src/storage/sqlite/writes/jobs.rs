//! Making and cancelling jobs. [`step`] has what a job does in each of its transactions.

pub(crate) mod ending;
mod missing_event;
pub(crate) mod step;

use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use self::ending::{end, finish};
use crate::domain::access::Visibility;
use crate::domain::id::new_id;
use crate::domain::job::{Job, JobState, NewJob, RUNNING_JOBS_MAX};
use crate::domain::message::{IDEMPOTENCY_PERIOD, Idempotency};
use crate::storage::StoreError;
use crate::storage::jobs::{CreatedJob, JobSurvey};
use crate::storage::sqlite::job_rows::{self, action_column, filter_text, state_column};
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::sqlite::writes::workspaces;

const INSERT_JOB: &str = "INSERT INTO job
    (id, workspace, action, filter, rate, state, created_at, through_event, through_message, subscriptions,
     matched, key, fingerprint, endpoint_filter)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) RETURNING n";

/// Makes a job, unless a request with the same idempotency key made it before.
pub(crate) fn create(
    context: &mut WriteContext<'_>,
    new: &NewJob,
    survey: &JobSurvey,
) -> Result<CreatedJob, OperationError> {
    let workspace = match new.workspace_id {
        None => None,
        Some(id) => Some(
            workspaces::locate(context.connection, Visibility::All, id)
                .map_err(|error| unknown_workspace(error, id))?,
        ),
    };
    if let Some(idempotency) = &new.idempotency
        && let Some(job) = earlier(context, workspace, idempotency)?
    {
        return Ok(CreatedJob {
            job,
            replayed: true,
        });
    }
    if survey.is_endpoint_disabled {
        return Err(StoreError::EndpointDisabled.into());
    }
    refuse_too_many(context, workspace)?;
    let matched = survey.is_complete.then_some(survey.matched);
    let idempotency = new.idempotency.as_ref();
    let interest = survey.interest.as_ref();
    let number: i64 = context.connection.prepare_cached(INSERT_JOB)?.query_row(
        params![
            new_id(context.now),
            workspace,
            action_column(new.action),
            filter_text(&new.filter),
            new.rate,
            state_column(JobState::Running),
            context.now.micros(),
            survey.through_event,
            survey.through_message,
            interest.map(|it| &it.subscriptions),
            matched,
            idempotency.map(|it| &it.key),
            idempotency.map(|it| &it.fingerprint[..]),
            interest.map(|it| &it.filter),
        ],
        |row| row.get(0),
    )?;
    let mut insert = context
        .connection
        .prepare_cached("INSERT INTO job_endpoint (job, endpoint) VALUES (?1, ?2)")?;
    for endpoint in &survey.endpoints {
        insert.execute(params![number, endpoint.0])?;
    }
    drop(insert);
    if survey.endpoints.is_empty() {
        // The answer tells that it is finished already, so no operational event does: whoever makes many jobs on
        // nothing does not flood the operator.
        finish(context, number)?;
    }
    Ok(CreatedJob {
        job: read(context, number)?,
        replayed: false,
    })
}

/// Refuses a job of a workspace that is not there any more.
fn unknown_workspace(error: OperationError, id: Uuid) -> OperationError {
    match error {
        OperationError::Refused(StoreError::NotFound) => StoreError::UnknownWorkspace(id).into(),
        error => error,
    }
}

/// Returns the job that was made with this key in the last 24 hours, if there is one. Frees an expired key.
fn earlier(
    context: &WriteContext<'_>,
    workspace: Option<i64>,
    idempotency: &Idempotency,
) -> Result<Option<Job>, OperationError> {
    let found: Option<(i64, Vec<u8>, i64)> = context
        .connection
        .prepare_cached(
            "SELECT n, fingerprint, created_at FROM job WHERE workspace IS ?1 AND key = ?2",
        )?
        .query_row(params![workspace, idempotency.key], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((number, fingerprint, created_at)) = found else {
        return Ok(None);
    };
    if created_at < context.now.before(IDEMPOTENCY_PERIOD).micros() {
        context
            .connection
            .prepare_cached("UPDATE job SET key = NULL, fingerprint = NULL WHERE n = ?1")?
            .execute([number])?;
        return Ok(None);
    }
    if fingerprint != idempotency.fingerprint {
        return Err(StoreError::IdempotencyKeyReused.into());
    }
    Ok(Some(read(context, number)?))
}

fn refuse_too_many(
    context: &WriteContext<'_>,
    workspace: Option<i64>,
) -> Result<(), OperationError> {
    let running: usize = context
        .connection
        .prepare_cached(
            "SELECT count(*) FROM job INDEXED BY job_running WHERE state = 0 AND workspace IS ?1",
        )?
        .query_row([workspace], |row| row.get(0))?;
    if running >= RUNNING_JOBS_MAX {
        return Err(StoreError::TooManyJobs(RUNNING_JOBS_MAX).into());
    }
    Ok(())
}

/// Cancels a job, unless it is over.
pub(crate) fn cancel(
    context: &mut WriteContext<'_>,
    visibility: Visibility,
    id: Uuid,
) -> Result<Job, OperationError> {
    let found: Option<(i64, Option<Uuid>)> = context
        .connection
        .prepare_cached(
            "SELECT j.n, w.id FROM job j LEFT JOIN workspace w ON w.n = j.workspace WHERE j.id = ?1",
        )?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let number = match found {
        Some((number, workspace)) if visibility.includes_of(workspace) => number,
        _ => return Err(StoreError::NotFound.into()),
    };
    end(context, number, JobState::Cancelled)?;
    Ok(read(context, number)?)
}

fn read(context: &WriteContext<'_>, number: i64) -> rusqlite::Result<Job> {
    let sql = format!(
        "SELECT {} FROM job j LEFT JOIN workspace w ON w.n = j.workspace WHERE j.n = ?1",
        job_rows::JOB
    );
    context
        .connection
        .prepare_cached(&sql)?
        .query_row([number], job_rows::job)
}
