//! Starting a new run of an event.

use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::event_state::{EventState, Progress, Run};
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{EndpointNumber, Notice, Seq, StoreError};

/// An event as it is before a change: it begins a new run, or is skipped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventBefore {
    pub(crate) seq: Seq,
    pub(crate) endpoint: EndpointNumber,
    pub(crate) event_type: i64,
    pub(crate) state: EventState,
}

struct Found {
    event: EventBefore,
    workspace: Uuid,
    deleted: bool,
    disabled: bool,
    archived: bool,
}

/// Makes an event pending again, due now.
pub(crate) fn redeliver(
    context: &mut WriteContext<'_>,
    visibility: Visibility,
    id: Uuid,
) -> Result<(), OperationError> {
    let found = find(context, id)?
        .filter(|found| visibility.includes(found.workspace) && !found.deleted)
        .ok_or(StoreError::NotFound)?;
    if found.archived {
        return Err(StoreError::EventArchived.into());
    }
    if found.disabled {
        return Err(StoreError::EndpointDisabled.into());
    }
    begin_run(context, &found.event, context.now, None)?;
    store_last_run(context)?;
    context.notices.push(Notice::Redeliver {
        endpoint: found.event.endpoint,
        seq: found.event.seq,
    });
    Ok(())
}

/// Starts a new run of an event, whose first attempt is due at `due`. `job`: the number of the job that lets it go;
/// `None` if a person asked for it. The caller notifies the engine, and stores the number of the run with
/// [`store_last_run`].
pub(crate) fn begin_run(
    context: &mut WriteContext<'_>,
    event: &EventBefore,
    due: Timestamp,
    job: Option<i64>,
) -> rusqlite::Result<()> {
    let begun = Progress::redelivered(Run(context.cache.next_run()));
    context
        .connection
        .prepare_cached(
            "UPDATE event SET state = ?3, due = ?2, run = ?4, run_attempt = ?5, run_started = ?6,
                    modified_at = ?6, job = ?7 WHERE seq = ?1",
        )?
        .execute(params![
            event.seq.0,
            due.micros(),
            begun.state,
            begun.run.0,
            begun.run_attempt,
            context.now.micros(),
            job,
        ])?;
    context.counters.event_moved(
        event.seq.0,
        event.endpoint.0,
        event.event_type,
        event.state,
        begun.state,
    );
    Ok(())
}

/// Stores the highest number of a run: redeliveries leave no row that has it.
pub(crate) fn store_last_run(context: &WriteContext<'_>) -> rusqlite::Result<()> {
    context
        .connection
        .prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'last_run'")?
        .execute([context.cache.last_run()])?;
    Ok(())
}

fn find(context: &WriteContext<'_>, id: Uuid) -> rusqlite::Result<Option<Found>> {
    context
        .connection
        .prepare_cached(
            "SELECT e.seq, e.endpoint, e.type, e.state, w.id,
                    p.deleted_at IS NOT NULL, p.disabled IS NOT NULL, m.body IS NULL
             FROM event e
             JOIN endpoint p ON p.n = e.endpoint
             JOIN workspace w ON w.n = e.workspace
             JOIN message m ON m.seq = e.message
             WHERE e.id = ?1",
        )?
        .query_row([id], |row| {
            Ok(Found {
                event: EventBefore {
                    seq: Seq(row.get(0)?),
                    endpoint: EndpointNumber(row.get(1)?),
                    event_type: row.get(2)?,
                    state: row.get(3)?,
                },
                workspace: row.get(4)?,
                deleted: row.get(5)?,
                disabled: row.get(6)?,
                archived: row.get(7)?,
            })
        })
        .optional()
}
