//! The erasure of a message's payload: of all that says what was in the message, and of what receivers answered to it.
//!
//! The last step of an erasure is one transaction, so a message that is archived has nothing left. A message may have
//! thousands of answers, so steps before the last one drop most of them: each takes a few milliseconds. A crash between
//! two steps leaves the message as it was, but for some answers; its caller has no answer yet, and asks again.

use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::drop_bodies::drop_bodies;
use super::redeliver::EventBefore;
use super::skip::skip_located;
use crate::domain::access::Visibility;
use crate::fail_point::{FailPoint, hit};
use crate::storage::sqlite::message_events::each_event;
use crate::storage::sqlite::writer::operation::{OperationError, ROW_WEIGHT, WriteContext};
use crate::storage::{EndpointNumber, ErasureStep, Seq, StoreError};

/// The most answers that a step drops, unless those of one event are more: two or three milliseconds of the writer.
const ANSWERS: usize = 200;

/// The statement that returns the events of a message.
const EVENTS: &str = each_event!("e.seq, e.endpoint, e.type, e.state", "");

/// Makes a step; returns the next one, or `None` after the last.
pub(crate) fn erase_payload(
    context: &mut WriteContext<'_>,
    visibility: Visibility,
    id: Uuid,
    from: ErasureStep,
) -> Result<Option<ErasureStep>, OperationError> {
    let found: Option<(i64, Uuid)> = context
        .connection
        .prepare_cached(
            "SELECT m.seq, w.id FROM message m JOIN workspace w ON w.n = m.workspace WHERE m.id = ?1",
        )?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((message, _)) = found.filter(|(_, workspace)| visibility.includes(*workspace)) else {
        return Err(StoreError::NotFound.into());
    };
    let mut events = events(context, message)?;
    events.sort_unstable_by_key(|event| event.seq);
    let mut dropped = 0;
    for event in events.iter().filter(|event| event.seq.0 >= from.0) {
        if dropped >= ANSWERS {
            context.weight += dropped * ROW_WEIGHT;
            return Ok(Some(ErasureStep(event.seq.0)));
        }
        dropped += drop_answers(context, event.seq)?;
    }
    // Attempts that were made between two steps have left answers behind.
    for event in events.iter().filter(|event| event.seq.0 < from.0) {
        dropped += drop_answers(context, event.seq)?;
    }
    hit(FailPoint::Erasing);
    for event in events.iter().filter(|event| event.state.is_pending()) {
        skip_located(context, event)?;
    }
    drop_bodies(context.connection, &[message])?;
    context.has_erased = true;
    context.weight += (1 + events.len() + dropped) * ROW_WEIGHT;
    Ok(None)
}

fn events(context: &WriteContext<'_>, message: i64) -> rusqlite::Result<Vec<EventBefore>> {
    context
        .connection
        .prepare_cached(EVENTS)?
        .query_map([message], |row| {
            Ok(EventBefore {
                seq: Seq(row.get(0)?),
                endpoint: EndpointNumber(row.get(1)?),
                event_type: row.get(2)?,
                state: row.get(3)?,
            })
        })?
        .collect()
}

/// Drops the answers to the attempts of an event; returns how many there were.
fn drop_answers(context: &WriteContext<'_>, event: Seq) -> rusqlite::Result<usize> {
    context
        .connection
        .prepare_cached(
            "UPDATE delivery SET response = NULL WHERE event = ?1 AND response IS NOT NULL",
        )?
        .execute([event.0])
}

/// Drops the answer of the newest attempt of an event if its message is archived: the payload was erased while the attempt
/// was under way. `delivery` is the attempt's number.
pub(crate) fn drop_late_answer(
    context: &WriteContext<'_>,
    event: Seq,
    delivery: i64,
) -> rusqlite::Result<()> {
    context
        .connection
        .prepare_cached(
            "UPDATE delivery SET response = NULL WHERE seq = ?2 AND response IS NOT NULL AND EXISTS (
               SELECT 1 FROM event e JOIN message m ON m.seq = e.message
               WHERE e.seq = ?1 AND m.body IS NULL)",
        )?
        .execute(params![event.0, delivery])?;
    Ok(())
}
