//! The reads of the queue. Each statement names its partial index; without the name the planner would scan
//! all events.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::domain::clock::Timestamp;
use crate::domain::trace_context::TraceContext;
use crate::storage::sqlite::event_state::state_is;
use crate::storage::sqlite::rows;
use crate::storage::{
    EndpointNumber, EventBody, QueuedEvent, RetryBatch, Run, Seq, WorkspaceNumber,
};

const QUEUED: &str = "seq, id, endpoint, workspace, type, run, run_attempt,
    coalesce(run_started, created_at), attempts";

/// Returns events never attempted, in publish order.
pub(crate) fn fresh(
    connection: &Connection,
    endpoint: EndpointNumber,
    after: Seq,
    limit: usize,
) -> rusqlite::Result<Vec<QueuedEvent>> {
    let sql = format!(
        "SELECT {QUEUED} FROM event INDEXED BY event_fresh
         WHERE endpoint = ?1 AND {} AND seq > ?2 ORDER BY seq LIMIT ?3",
        state_is!(fresh)
    );
    connection
        .prepare_cached(&sql)?
        .query_map(params![endpoint.0, after.0, limit], queued)?
        .collect()
}

/// Returns events due for another attempt, soonest first.
pub(crate) fn retries(
    connection: &Connection,
    endpoint: EndpointNumber,
    skip_through: Run,
    now: Timestamp,
    limit: usize,
) -> rusqlite::Result<RetryBatch> {
    // One row more than asked for shows when the next event is due.
    let sql = format!(
        "SELECT {QUEUED}, due FROM event INDEXED BY event_retry
         WHERE endpoint = ?1 AND {} AND (run_attempt > 0 OR job IS NOT NULL) AND run > ?3
         ORDER BY due, seq LIMIT ?2",
        state_is!(retry)
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut waiting = statement.query(params![endpoint.0, limit + 1, skip_through.0])?;
    let mut batch = RetryBatch::default();
    while let Some(row) = waiting.next()? {
        let due = Timestamp::from_micros(row.get(9)?);
        if due > now || batch.events.len() == limit {
            batch.next_due = Some(due);
            break;
        }
        batch.events.push(queued(row)?);
    }
    Ok(batch)
}

/// Returns events that wait for the first attempt of a redelivery, in publish order.
pub(crate) fn redeliveries(
    connection: &Connection,
    endpoint: EndpointNumber,
    skip_through: Run,
    limit: usize,
) -> rusqlite::Result<Vec<QueuedEvent>> {
    let sql = format!(
        "SELECT {QUEUED} FROM event INDEXED BY event_redelivery
         WHERE endpoint = ?1 AND {} AND run > ?2
         ORDER BY seq LIMIT ?3",
        state_is!(redelivery)
    );
    connection
        .prepare_cached(&sql)?
        .query_map(params![endpoint.0, skip_through.0, limit], queued)?
        .collect()
}

/// Returns the bodies of the first of `seqs`: as many as fit into `bytes`, at least one; `None` once
/// archived.
pub(crate) fn bodies(
    connection: &Connection,
    seqs: &[Seq],
    bytes: usize,
) -> rusqlite::Result<Vec<Option<EventBody>>> {
    let mut statement = connection.prepare_cached(concat!(
        "SELECT ",
        rows::body!(),
        ", m.trace",
        " FROM event e JOIN message m ON m.seq = e.message WHERE e.seq = ?1"
    ))?;
    let mut bodies = Vec::with_capacity(seqs.len());
    let mut room = bytes;
    for seq in seqs {
        let body = statement.query_row([seq.0], event_body).optional()?;
        let body = body.flatten();
        let size = body.as_ref().map_or(0, EventBody::size);
        if size > room && !bodies.is_empty() {
            break;
        }
        room = room.saturating_sub(size);
        bodies.push(body);
    }
    Ok(bodies)
}

fn event_body(row: &Row<'_>) -> rusqlite::Result<Option<EventBody>> {
    let Some(bytes) = row.get_ref(0)?.as_blob_or_null()? else {
        return Ok(None);
    };
    let trace = row.get_ref(1)?.as_str_or_null()?;
    let trace = trace.and_then(TraceContext::from_stored).map(Arc::new);
    Ok(Some(EventBody::new(bytes.into(), trace)))
}

fn queued(row: &Row<'_>) -> rusqlite::Result<QueuedEvent> {
    Ok(QueuedEvent {
        seq: Seq(row.get(0)?),
        id: row.get(1)?,
        endpoint: EndpointNumber(row.get(2)?),
        workspace: WorkspaceNumber(row.get(3)?),
        event_type: row.get(4)?,
        run: Run(row.get(5)?),
        run_attempt: row.get(6)?,
        run_started: Timestamp::from_micros(row.get(7)?),
        attempts: row.get(8)?,
        body: None,
    })
}
