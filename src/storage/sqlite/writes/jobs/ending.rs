//! The end of a job.

use rusqlite::params;

use crate::domain::job::{JobState, LeftOut};
use crate::domain::job_decision::settled;
use crate::domain::operational_event::{FinishedJob, OperationalType};
use crate::storage::sqlite::job_rows::{action as action_of, state_column};
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::sqlite::writes::operational_events::tell_workspace;

/// Ends a job that runs.
pub(super) fn end(
    context: &WriteContext<'_>,
    number: i64,
    state: JobState,
) -> rusqlite::Result<()> {
    let ended = context
        .connection
        .prepare_cached(
            "UPDATE job SET state = ?2, modified_at = ?3, finished_at = ?3 WHERE n = ?1 AND state = 0",
        )?
        .execute(params![number, state_column(state), context.now.micros()])?;
    if ended == 1 {
        context
            .connection
            .prepare_cached("DELETE FROM job_endpoint WHERE job = ?1")?
            .execute([number])?;
    }
    Ok(())
}

/// Cancels the running jobs of a workspace that is deleted.
pub(crate) fn cancel_all_of(
    context: &WriteContext<'_>,
    workspace: i64,
) -> Result<(), OperationError> {
    let running: Vec<i64> = context
        .connection
        .prepare_cached(
            "SELECT n FROM job INDEXED BY job_running WHERE state = 0 AND workspace = ?1",
        )?
        .query_map([workspace], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for number in running {
        end(context, number, JobState::Cancelled)?;
    }
    Ok(())
}

/// Finishes a job none of whose endpoints has more to look at. Returns whether it did.
pub(super) fn finish_if_done(
    context: &mut WriteContext<'_>,
    job: i64,
) -> Result<bool, OperationError> {
    let has_more: bool = context
        .connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM job_endpoint WHERE job = ?1)")?
        .query_row([job], |row| row.get(0))?;
    if has_more {
        return Ok(false);
    }
    let (workspace, finished) = finish(context, job)?;
    tell_workspace(context, workspace, OperationalType::JobFinished, |of| {
        finished.data(of)
    })?;
    Ok(true)
}

/// Finishes a job, and returns its workspace and what to tell of it.
pub(super) fn finish(
    context: &WriteContext<'_>,
    job: i64,
) -> rusqlite::Result<(Option<i64>, FinishedJob)> {
    let (workspace, matched, counted) = context
        .connection
        .prepare_cached(
            "SELECT workspace, matched, id, action, done, archived, endpoint_disabled, endpoint_deleted, changed
             FROM job WHERE n = ?1",
        )?
        .query_row([job], |row| {
            let counted = FinishedJob {
                id: row.get(2)?,
                action: action_of(row.get(3)?),
                matched: 0,
                done: row.get(4)?,
                left_out: LeftOut {
                    archived: row.get(5)?,
                    endpoint_disabled: row.get(6)?,
                    endpoint_deleted: row.get(7)?,
                    changed: row.get(8)?,
                },
            };
            Ok((row.get(0)?, row.get(1)?, counted))
        })?;
    let (matched, left_out) = settled(matched, counted.done, counted.left_out);
    context
        .connection
        .prepare_cached("UPDATE job SET matched = ?2, changed = ?3 WHERE n = ?1")?
        .execute(params![job, matched, left_out.changed])?;
    end(context, job, JobState::Finished)?;
    let finished = FinishedJob {
        matched,
        left_out,
        ..counted
    };
    Ok((workspace, finished))
}
