//! Starting a new run of an event.

use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::domain::event_state::{EventState, Progress, Run};
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{EndpointNumber, Notice, Seq, StoreError};

struct Found {
    seq: i64,
    endpoint: EndpointNumber,
    event_type: i64,
    state: EventState,
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
    let run = context.cache.next_run();
    let begun = Progress::redelivered(Run(run));
    context
        .connection
        .prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'last_run'")?
        .execute([run])?;
    context
        .connection
        .prepare_cached(
            "UPDATE event SET state = ?3, due = ?2, run = ?4, run_attempt = ?5, run_started = ?2,
                    modified_at = ?2 WHERE seq = ?1",
        )?
        .execute(params![
            found.seq,
            context.now.micros(),
            begun.state,
            begun.run.0,
            begun.run_attempt,
        ])?;
    context.counters.event_moved(
        found.seq,
        found.endpoint.0,
        found.event_type,
        found.state,
        begun.state,
    );
    context.notices.push(Notice::Redeliver {
        endpoint: found.endpoint,
        seq: Seq(found.seq),
    });
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
                seq: row.get(0)?,
                endpoint: EndpointNumber(row.get(1)?),
                event_type: row.get(2)?,
                state: row.get(3)?,
                workspace: row.get(4)?,
                deleted: row.get(5)?,
                disabled: row.get(6)?,
                archived: row.get(7)?,
            })
        })
        .optional()
}
