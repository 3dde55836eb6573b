//! Skipping a pending event: no further attempt is made.

use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::redeliver::EventBefore;
use crate::domain::access::Visibility;
use crate::domain::event_state::{EventState, Run};
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{EndpointNumber, Notice, Seq, StoreError};

/// Skips an event. An attempt that is under way is recorded, and if it succeeds, the event has succeeded.
pub(crate) fn skip(
    context: &mut WriteContext<'_>,
    visibility: Visibility,
    id: Uuid,
) -> Result<(), OperationError> {
    let found = context
        .connection
        .prepare_cached(
            "SELECT e.seq, e.endpoint, e.type, e.state, w.id, e.run, p.skip_through
             FROM event e JOIN endpoint p ON p.n = e.endpoint JOIN workspace w ON w.n = e.workspace
             WHERE e.id = ?1",
        )?
        .query_row([id], |row| {
            let event = EventBefore {
                seq: Seq(row.get(0)?),
                endpoint: EndpointNumber(row.get(1)?),
                event_type: row.get(2)?,
                state: row.get(3)?,
            };
            let is_run_skipped = Run(row.get(5)?).is_skipped(Run(row.get(6)?));
            let is_pending = event.state.is_pending() && !is_run_skipped;
            Ok((event, row.get(4)?, is_pending))
        })
        .optional()?;
    let Some((event, workspace, is_pending)) = found else {
        return Err(StoreError::NotFound.into());
    };
    if !visibility.includes(workspace) {
        return Err(StoreError::NotFound.into());
    }
    if !is_pending {
        return Err(StoreError::NotPending.into());
    }
    Ok(skip_located(context, &event)?)
}

/// Skips an event that is known to be pending.
pub(crate) fn skip_located(
    context: &mut WriteContext<'_>,
    event: &EventBefore,
) -> rusqlite::Result<()> {
    context
        .connection
        .prepare_cached(
            "UPDATE event SET state = ?2, due = NULL, job = NULL, modified_at = ?3 WHERE seq = ?1",
        )?
        .execute(params![
            event.seq.0,
            EventState::Skipped,
            context.now.micros()
        ])?;
    context.counters.event_moved(
        event.seq.0,
        event.endpoint.0,
        event.event_type,
        event.state,
        EventState::Skipped,
    );
    context.notices.push(Notice::Skipped {
        endpoint: event.endpoint,
        seq: event.seq,
    });
    Ok(())
}
