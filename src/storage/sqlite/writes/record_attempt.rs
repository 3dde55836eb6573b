//! The record of an attempt: the delivery, the event's next state and the endpoint's failed events in a row,
//! stored together.

use rusqlite::params;
use uuid::Uuid;

use super::endpoints::disable;
use super::erase_payload::drop_late_answer;
use super::operational_events::{AttemptEffect, tell_of_attempt};
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::chart::ChartedAttempt;
use crate::domain::clock::{Timestamp, due_after_setback};
use crate::domain::disabling::{EndpointAttempt, FailureStreak, after_attempt};
use crate::domain::endpoint::DisabledReason;
use crate::domain::event_state::{
    EventState, NextState, Progress, Run, Verdict, next_state, next_state_after_left_run,
};
use crate::domain::id::new_id;
use crate::storage::sqlite::event_state::state_is;
use crate::storage::sqlite::reads::summaries::count_pending;
use crate::storage::sqlite::writer::operation::{Operation, OperationError, WriteContext};
use crate::storage::sqlite::writer::recent_attempts::MinuteKey;
use crate::storage::{
    AttemptRecord, EndpointNumber, EndpointRest, Notice, Recorded, RestNote, StoreError,
};

/// The statement that stores the delivery, before the event's attempts are counted up. It takes the number
/// of the attempt from the event's row, and returns it: the engine's copy is as old as the start of the attempt, and another
/// attempt may have been recorded since. If the event is gone, the number is NULL, which the column refuses.
const INSERT_DELIVERY: &str = "INSERT INTO delivery
    (seq, id, event, endpoint, workspace, type, attempt, succeeded, code, error, duration_ms,
     created_at, response)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, (SELECT attempts + 1 FROM event WHERE seq = ?3), ?7, ?8, ?9, ?10, ?11,
            ?12)
    RETURNING attempt";

/// The statement that gives an event its next state, if it still is in the attempt's run
/// ([`Progress::is_in`]).
const MOVE_ON: &str = concat!(
    "UPDATE event
     SET state = ?3, due = ?4, run_attempt = run_attempt + 1, attempts = attempts + 1, code = ?5,
         modified_at = ?6, job = NULL
     WHERE seq = ?1 AND run = ?2 AND ",
    state_is!(pending)
);

/// The statement for an attempt of a run that the event has left: it counts the attempt and notes its code. An
/// event that succeeded meanwhile keeps the code of its success.
const COUNT_ONLY: &str = concat!(
    "UPDATE event SET attempts = attempts + 1, modified_at = ?3, code = CASE WHEN ",
    state_is!(succeeded),
    " THEN code ELSE ?2 END WHERE seq = ?1 RETURNING state, run, run_attempt"
);

/// The most pending events that are counted when an endpoint is disabled: a few milliseconds.
const SKIPPED_COUNTED: usize = 10_000;

/// An [`AttemptRecord`] that waits to be recorded.
pub(crate) struct RecordAttempt {
    pub(crate) record: AttemptRecord,
    /// Disable an endpoint after so many failed events in a row, unless its policy says another number; 0: never.
    pub(crate) disable_after: u32,
}

impl Operation for RecordAttempt {
    fn apply(&mut self, context: &mut WriteContext<'_>) -> Result<(), OperationError> {
        let due = match insert_delivery(context, &self.record)? {
            Some(delivery) => settle(context, &self.record, delivery, self.disable_after)?,
            None => None,
        };
        context.notices.push(Notice::Recorded(Recorded {
            seq: self.record.event.seq,
            endpoint: self.record.event.endpoint,
            due,
        }));
        Ok(())
    }

    fn finish(self: Box<Self>, _result: Result<(), StoreError>) {
        // The engine hears of it by the notice; a failed one is kept and tried again.
    }

    fn size(&self) -> usize {
        512 + self.record.response.as_ref().map_or(0, String::len)
    }
}

/// Stores the delivery, and returns its number. Returns `None` if its event is gone: its endpoint was disabled while the
/// attempt was under way, and retention has deleted the skipped event.
fn insert_delivery(
    context: &mut WriteContext<'_>,
    record: &AttemptRecord,
) -> rusqlite::Result<Option<i64>> {
    let (seq, at) = context
        .cache
        .next_delivery(context.connection, context.now)?;
    let event = &record.event;
    let status = context
        .cache
        .endpoint_status(context.connection, event.endpoint)?;
    // The attempt was under way when its workspace was deleted, so the answer may come after the erasure.
    let response = record
        .response
        .as_ref()
        .filter(|_| !status.workspace_deleted);
    let stored = context
        .connection
        .prepare_cached(INSERT_DELIVERY)?
        .query_row(
            params![
                seq,
                new_id(at),
                event.seq.0,
                event.endpoint.0,
                event.workspace.0,
                event.event_type,
                record.verdict == Verdict::Succeeded,
                record.code,
                record.error.map(AttemptFailure::code),
                record.duration_ms,
                at.micros(),
                response,
            ],
            |row| row.get(0),
        );
    let attempt = match stored {
        Ok(attempt) => attempt,
        Err(error) if is_null_refused(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    context
        .counters
        .delivery(seq, event.endpoint.0, event.event_type, record.code);
    let succeeded = record.verdict == Verdict::Succeeded;
    context.charts.delivery(
        seq,
        MinuteKey::new(event.workspace.0, event.endpoint.0, at),
        at,
        ChartedAttempt::new(succeeded, attempt, record.error, record.duration_ms),
    );
    Ok(Some(seq))
}

/// Reports whether a column refused NULL. That ends the statement, and not the transaction.
fn is_null_refused(error: &rusqlite::Error) -> bool {
    let refused = rusqlite::ffi::SQLITE_CONSTRAINT_NOTNULL;
    error.sqlite_error().map(|error| error.extended_code) == Some(refused)
}

/// Gives the event its next state, and the endpoint its count of failures. Returns the time of the next
/// attempt, if one follows.
fn settle(
    context: &mut WriteContext<'_>,
    record: &AttemptRecord,
    delivery: i64,
    disable_after: u32,
) -> Result<Option<Timestamp>, OperationError> {
    let event = &record.event;
    let status = context
        .cache
        .endpoint_status(context.connection, event.endpoint)?;
    let disable_after = status.disable_after.unwrap_or(disable_after);
    let is_run_skipped = event.run.is_skipped(Run(status.skip_through));
    let NextState { state, due } = next_state(record.verdict, is_run_skipped);
    let due = due.map(|due| due_after_setback(due, record.decided_at, context.now));
    let has_moved = move_on(context, record, state, due)?;
    if !has_moved {
        settle_left_run(context, record)?;
        // An event whose payload is erased is not pending any more, so all late answers come here.
        drop_late_answer(context, event.seq, delivery)?;
    }
    note_rest(context, record)?;
    let state = has_moved.then_some(state);
    let effect = AttemptEffect {
        before: status,
        state,
        disabled: settle_endpoint(context, record, state, disable_after)?,
    };
    tell_of_attempt(context, disable_after, record, effect)?;
    Ok(due.filter(|_| has_moved))
}

/// Gives the event its next state if it still is in the attempt's run. Returns whether it was.
fn move_on(
    context: &mut WriteContext<'_>,
    record: &AttemptRecord,
    state: EventState,
    due: Option<Timestamp>,
) -> rusqlite::Result<bool> {
    let event = &record.event;
    let moved = context
        .connection
        .prepare_cached(MOVE_ON)?
        .execute(params![
            event.seq.0,
            event.run.0,
            state,
            due.map(Timestamp::micros),
            record.code,
            context.now.micros(),
        ])?;
    if moved == 1 {
        let before = EventState::pending(event.run.0 == event.seq.0, event.attempts);
        count_move(context, record, before, state);
    }
    Ok(moved == 1)
}

/// Records an attempt of a run that was swept or replaced while the attempt was under way.
fn settle_left_run(
    context: &mut WriteContext<'_>,
    record: &AttemptRecord,
) -> Result<(), OperationError> {
    let event = &record.event;
    let progress = context.connection.prepare_cached(COUNT_ONLY)?.query_row(
        params![event.seq.0, record.code, context.now.micros()],
        |row| {
            Ok(Progress {
                state: row.get(0)?,
                run: Run(row.get(1)?),
                run_attempt: row.get(2)?,
            })
        },
    )?;
    if let Some(state) = next_state_after_left_run(progress, event.run, record.verdict) {
        context
            .connection
            .prepare_cached("UPDATE event SET state = ?2, due = NULL, job = NULL WHERE seq = ?1")?
            .execute(params![event.seq.0, state])?;
        count_move(context, record, progress.state, state);
    }
    Ok(())
}

/// Stores the rest of the endpoint if it has changed, which it does once for many attempts. A rest that was noted
/// before the endpoint got another URL, was enabled or disabled does not count.
fn note_rest(context: &mut WriteContext<'_>, record: &AttemptRecord) -> Result<(), OperationError> {
    let Some(RestNote { epoch, rest }) = record.rest else {
        return Ok(());
    };
    let endpoint = record.event.endpoint;
    let status = context
        .cache
        .endpoint_status(context.connection, endpoint)?;
    if rest == status.rest || !status.active || epoch != status.health_epoch {
        return Ok(());
    }
    context.cache.set_rest(context.connection, endpoint, rest)?;
    match (status.rest.rests, rest.rests) {
        (0, 1..) => log_rest(context, endpoint, "endpoint rests", rest)?,
        (1.., 0) => log_rest(context, endpoint, "endpoint has recovered", rest)?,
        _ => {}
    }
    Ok(())
}

/// Logs that an endpoint begins to rest, or has recovered.
fn log_rest(
    context: &WriteContext<'_>,
    endpoint: EndpointNumber,
    what: &str,
    rest: EndpointRest,
) -> rusqlite::Result<()> {
    let (endpoint, workspace): (Uuid, Uuid) = context
        .connection
        .prepare_cached(
            "SELECT e.id, w.id FROM endpoint e JOIN workspace w ON w.n = e.workspace WHERE e.n = ?1",
        )?
        .query_row([endpoint.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if let Some(resting_until) = rest.resting_until {
        tracing::info!(%endpoint, %workspace, %resting_until, "{what}");
    } else {
        tracing::info!(%endpoint, %workspace, "{what}");
    }
    Ok(())
}

/// Counts the endpoint's failed events in a row, and disables it if the rules say so. `state` is the event's
/// new state; `None` if the event has left the attempt's run. Returns the reason for which it is disabled, and the number
/// of events that are skipped.
fn settle_endpoint(
    context: &mut WriteContext<'_>,
    record: &AttemptRecord,
    state: Option<EventState>,
    disable_after: u32,
) -> Result<Option<(DisabledReason, Option<u64>)>, OperationError> {
    let endpoint = record.event.endpoint;
    let status = context
        .cache
        .endpoint_status(context.connection, endpoint)?;
    let streak = FailureStreak {
        failures: status.failures,
        is_enabled: status.active,
    };
    let attempt = EndpointAttempt {
        verdict: record.verdict,
        state,
        tells: (record.error).is_none_or(AttemptFailure::tells_of_receiver),
    };
    let effect = after_attempt(streak, attempt, disable_after);
    if effect.failures != status.failures {
        context
            .cache
            .set_failures(context.connection, endpoint, effect.failures)?;
    }
    let Some(reason) = effect.disable else {
        return Ok(None);
    };
    let pending = count_pending(
        context.connection,
        endpoint.0,
        status.skip_through,
        SKIPPED_COUNTED,
    )?;
    disable(context, endpoint, reason)?;
    let skipped = (!pending.is_more).then_some(pending.count);
    Ok(Some((reason, skipped)))
}

fn count_move(
    context: &mut WriteContext<'_>,
    record: &AttemptRecord,
    from: EventState,
    to: EventState,
) {
    context.counters.event_moved(
        record.event.seq.0,
        record.event.endpoint.0,
        record.event.event_type,
        from,
        to,
    );
}
