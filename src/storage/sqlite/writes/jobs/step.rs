//! A step of a job: what it does to some events of one endpoint, and how far it is then, in one transaction.
//!
//! So a job goes on after a crash where it was, and does its action on no event twice.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::ending::finish_if_done;
use super::missing_event::Missing;
use crate::domain::clock::Timestamp;
use crate::domain::event::EventStatus;
use crate::domain::event_state::{EventState, Run};
use crate::domain::job::{JobAction, LeftOut, LeftOutReason};
use crate::domain::job_decision::{EndpointCondition, EventFacts, decide};
use crate::fail_point::{FailPoint, hit};
use crate::storage::sqlite::job_rows;
use crate::storage::sqlite::writer::operation::{OperationError, ROW_WEIGHT, WriteContext};
use crate::storage::sqlite::writes::redeliver::{EventBefore, begin_run, store_last_run};
use crate::storage::sqlite::writes::skip::skip_located;
use crate::storage::{EndpointNumber, Notice, Seq, StoreError, Unavailable};

/// The place of a job among the events and messages of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The number from which its events are still to be looked at.
    pub(crate) event: i64,
    /// The number from which messages are still to be looked at.
    pub(crate) message: i64,
}

/// A member of a job's set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// An event that there is.
    Event(Seq),
    /// The number of a message that the endpoint missed.
    Missing(i64),
}

/// A step for the writer to make.
#[derive(Clone, Debug)]
pub(crate) struct JobStep {
    /// The job's number.
    pub(crate) job: i64,
    /// The endpoint whose events these are.
    pub(crate) endpoint: EndpointNumber,
    /// The place from which the events were looked for.
    pub(crate) from: Cursor,
    /// The events and messages to decide on, in order.
    pub(crate) items: Vec<Item>,
    /// The place after them.
    pub(crate) next: Cursor,
    /// Set if there are no more after that place.
    pub(crate) is_last: bool,
}

/// The result of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StepResult {
    /// False if the job has ended, by this step or before.
    pub(crate) is_running: bool,
    /// The events that it let go, or skipped.
    pub(crate) done: usize,
}

/// The part of a job's row that a step needs.
struct JobRow {
    action: JobAction,
    statuses: Vec<EventStatus>,
    made_at: Timestamp,
}

/// Makes a step, unless the job has ended or is at another place by now.
pub(crate) fn make(
    context: &mut WriteContext<'_>,
    step: &JobStep,
) -> Result<StepResult, OperationError> {
    let Some(job) = running(context, step)? else {
        return Ok(StepResult::default());
    };
    // A step is refused before it writes anything: the group that it is in is committed in any case.
    let makes_events = step.items.iter().any(|it| matches!(it, Item::Missing(_)));
    if makes_events && context.is_size_limit_reached {
        return Err(StoreError::Unavailable(Unavailable::SizeLimit).into());
    }
    let mut left_out = LeftOut::default();
    let mut done = 0;
    let mut missing = if makes_events {
        Missing::of(context, step.endpoint)?
    } else {
        None
    };
    for item in &step.items {
        let due = due_in_order(context.now, done);
        let decided = match item {
            Item::Event(seq) => act_on_event(context, &job, step.job, *seq, due)?,
            Item::Missing(message) => match &mut missing {
                Some(missing) => missing.make(context, *message, step.job, due)?,
                None => Err(LeftOutReason::EndpointDeleted),
            },
        };
        match decided {
            Ok(()) => done += 1,
            Err(reason) => left_out.count(reason),
        }
    }
    if done > 0 && job.action == JobAction::Redeliver {
        store_last_run(context)?;
    }
    context.weight += (1 + done) * ROW_WEIGHT;
    hit(FailPoint::JobStep);
    let counted = (done as u64, left_out.total());
    context
        .metrics
        .count_job_events(job.action, counted.0, counted.1);
    note_counts(context, step.job, done, left_out)?;
    note_place(context, step)?;
    let is_running = !(step.is_last && finish_if_done(context, step.job)?);
    Ok(StepResult { is_running, done })
}

/// Returns the job, if it runs and is at the place from which the step's events were looked for.
fn running(context: &WriteContext<'_>, step: &JobStep) -> rusqlite::Result<Option<JobRow>> {
    context
        .connection
        .prepare_cached(
            "SELECT j.action, j.filter, j.created_at
             FROM job j JOIN job_endpoint e ON e.job = j.n
             WHERE j.n = ?1 AND j.state = 0 AND e.endpoint = ?2
               AND e.next_event = ?3 AND e.next_message = ?4",
        )?
        .query_row(
            params![
                step.job,
                step.endpoint.0,
                step.from.event,
                step.from.message
            ],
            |row| {
                Ok(JobRow {
                    action: job_rows::action(row.get(0)?),
                    statuses: job_rows::filter(&row.get::<_, String>(1)?).event_statuses(),
                    made_at: Timestamp::from_micros(row.get(2)?),
                })
            },
        )
        .optional()
}

/// Returns an event if the job does its action on it, or the reason why it does not.
fn decide_on(
    context: &WriteContext<'_>,
    job: &JobRow,
    seq: Seq,
) -> rusqlite::Result<Result<EventBefore, LeftOutReason>> {
    let found = context
        .connection
        .prepare_cached(
            "SELECT e.endpoint, e.type, e.state, e.run, e.modified_at, p.skip_through,
                    p.disabled IS NOT NULL, p.deleted_at IS NOT NULL, m.body IS NULL
             FROM event e JOIN endpoint p ON p.n = e.endpoint JOIN message m ON m.seq = e.message
             WHERE e.seq = ?1",
        )?
        .query_row([seq.0], |row| {
            let state: EventState = row.get(2)?;
            let skip_through = Run(row.get(5)?);
            let is_run_skipped = Run(row.get(3)?).is_skipped(skip_through);
            let modified_at: Option<i64> = row.get(4)?;
            let event = EventBefore {
                seq,
                endpoint: EndpointNumber(row.get(0)?),
                event_type: row.get(1)?,
                state,
            };
            let facts = EventFacts {
                status: state.status(is_run_skipped),
                modified_at: modified_at.map(Timestamp::from_micros),
                is_run_skipped,
                endpoint: EndpointCondition::of(row.get(6)?, row.get(7)?),
                is_archived: row.get(8)?,
            };
            Ok((event, facts))
        })
        .optional()?;
    // Retention has deleted it since it was found.
    let Some((event, facts)) = found else {
        return Ok(Err(LeftOutReason::Changed));
    };
    Ok(decide(job.action, &job.statuses, job.made_at, facts).map(|()| event))
}

/// Does the job's action on an event, or returns the reason why it does not.
fn act_on_event(
    context: &mut WriteContext<'_>,
    job: &JobRow,
    number: i64,
    seq: Seq,
    due: Timestamp,
) -> Result<Result<(), LeftOutReason>, OperationError> {
    let event = match decide_on(context, job, seq)? {
        Ok(event) => event,
        Err(reason) => return Ok(Err(reason)),
    };
    match job.action {
        JobAction::Skip => skip_located(context, &event)?,
        JobAction::Redeliver => {
            begin_run(context, &event, due, Some(number))?;
            context.notices.push(Notice::LetGo {
                endpoint: event.endpoint,
                seq,
                at: due,
            });
        }
    }
    Ok(Ok(()))
}

/// Returns the time when an event is due that is let go at this place of a step. The queue orders by that time, so
/// each is due a microsecond after the one before.
fn due_in_order(now: Timestamp, place: usize) -> Timestamp {
    now.after(Duration::from_micros(place as u64))
}

fn note_counts(
    context: &WriteContext<'_>,
    job: i64,
    done: usize,
    left_out: LeftOut,
) -> rusqlite::Result<()> {
    context
        .connection
        .prepare_cached(
            "UPDATE job SET done = done + ?2, archived = archived + ?3,
                    endpoint_disabled = endpoint_disabled + ?4, endpoint_deleted = endpoint_deleted + ?5,
                    changed = changed + ?6, modified_at = ?7 WHERE n = ?1",
        )?
        .execute(params![
            job,
            done,
            left_out.archived,
            left_out.endpoint_disabled,
            left_out.endpoint_deleted,
            left_out.changed,
            context.now.micros(),
        ])?;
    Ok(())
}

fn note_place(context: &WriteContext<'_>, step: &JobStep) -> rusqlite::Result<()> {
    if step.is_last {
        context
            .connection
            .prepare_cached("DELETE FROM job_endpoint WHERE job = ?1 AND endpoint = ?2")?
            .execute(params![step.job, step.endpoint.0])?;
    } else {
        context
            .connection
            .prepare_cached(
                "UPDATE job_endpoint SET next_event = ?3, next_message = ?4
                 WHERE job = ?1 AND endpoint = ?2",
            )?
            .execute(params![
                step.job,
                step.endpoint.0,
                step.next.event,
                step.next.message
            ])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
