//! The record of an attempt: the delivery, the event's next state and the endpoint's failed events in a row,
//! stored together.

use rusqlite::{OptionalExtension, params};
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

/// The statement that stores the delivery. It takes the number of the attempt as a value: to read it in the same statement,
/// or to return it, costs a journal for this statement.
const INSERT_DELIVERY: &str = "INSERT INTO delivery
    (seq, id, event, endpoint, workspace, type, attempt, succeeded, code, error, duration_ms,
     created_at, response)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

/// The statement that gives an event its next state, if it still is in the attempt's run
/// ([`Progress::is_in`]) and has had so many attempts.
const MOVE_ON: &str = concat!(
    "UPDATE event
     SET state = ?3, due = ?4, run_attempt = run_attempt + 1, attempts = attempts + 1, code = ?5,
         modified_at = ?6, job = NULL
     WHERE seq = ?1 AND run = ?2 AND attempts = ?7 AND ",
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
        let record = &self.record;
        let due = match move_event(context, record)? {
            Some(moved) => {
                let delivery = insert_delivery(context, record, moved.attempt)?;
                settle(context, record, moved.next, delivery, self.disable_after)?;
                moved.next.and_then(|next| next.due)
            }
            None => None,
        };
        context.notices.push(Notice::Recorded(Recorded {
            seq: record.event.seq,
            endpoint: record.event.endpoint,
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

/// The effect of an attempt on its event.
struct MovedEvent {
    /// The number of the attempt.
    attempt: u32,
    /// The event's next state; `None` if the event has left the attempt's run.
    next: Option<NextState>,
}

/// Gives the event its next state, if it still is in the attempt's run. Returns `None` if the event is gone: its endpoint was
/// disabled while the attempt was under way, and retention has deleted the skipped event.
fn move_event(
    context: &mut WriteContext<'_>,
    record: &AttemptRecord,
) -> rusqlite::Result<Option<MovedEvent>> {
    let event = &record.event;
    let status = context
        .cache
        .endpoint_status(context.connection, event.endpoint)?;
    let is_run_skipped = event.run.is_skipped(Run(status.skip_through));
    let mut next = next_state(record.verdict, is_run_skipped);
    next.due = (next.due).map(|due| due_after_setback(due, record.decided_at, context.now));
    // The engine's copy of the event is as old as the start of the attempt, and another attempt may have been recorded
    // since. Nearly always it is right, which saves a look-up.
    let mut attempts = event.attempts;
    let mut has_moved = move_on(context, record, &next, attempts)?;
    if !has_moved {
        let stored = context
            .connection
            .prepare_cached("SELECT attempts FROM event WHERE seq = ?1")?
            .query_row([event.seq.0], |row| row.get(0))
            .optional()?;
        let Some(stored) = stored else {
            return Ok(None);
        };
        attempts = stored;
        has_moved = attempts != event.attempts && move_on(context, record, &next, attempts)?;
    }
    Ok(Some(MovedEvent {
        attempt: attempts + 1,
        next: has_moved.then_some(next),
    }))
}

/// Gives the event its next state if it still is in the attempt's run and has had so many attempts. Returns whether it
/// was.
fn move_on(
    context: &mut WriteContext<'_>,
    record: &AttemptRecord,
    next: &NextState,
    attempts: u32,
) -> rusqlite::Result<bool> {
    let event = &record.event;
    let moved = context
        .connection
        .prepare_cached(MOVE_ON)?
        .execute(params![
            event.seq.0,
            event.run.0,
            next.state,
            next.due.map(Timestamp::micros),
            record.code,
            context.now.micros(),
            attempts,
        ])?;
    if moved == 1 {
        let before = EventState::pending(event.run.0 == event.seq.0, attempts);
        count_move(context, record, before, next.state);
    }
    Ok(moved == 1)
}

/// Stores the delivery, and returns its number.
fn insert_delivery(
    context: &mut WriteContext<'_>,
    record: &AttemptRecord,
    attempt: u32,
) -> rusqlite::Result<i64> {
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
    let succeeded = record.verdict == Verdict::Succeeded;
    context
        .connection
        .prepare_cached(INSERT_DELIVERY)?
        .execute(params![
            seq,
            new_id(at),
            event.seq.0,
            event.endpoint.0,
            event.workspace.0,
            event.event_type,
            attempt,
            succeeded,
            record.code,
            record.error.map(AttemptFailure::code),
            record.duration_ms,
            at.micros(),
            response,
        ])?;
    context
        .counters
        .delivery(seq, event.endpoint.0, event.event_type, record.code);
    context.charts.delivery(
        seq,
        MinuteKey::new(event.workspace.0, event.endpoint.0, at),
        at,
        ChartedAttempt::new(succeeded, attempt, record.error, record.duration_ms),
    );
    Ok(seq)
}

/// Settles what follows from an attempt for its endpoint, and for an event that has left the attempt's run. `next`: the
/// event's next state, if it has one.
fn settle(
    context: &mut WriteContext<'_>,
    record: &AttemptRecord,
    next: Option<NextState>,
    delivery: i64,
    disable_after: u32,
) -> Result<(), OperationError> {
    let event = &record.event;
    let before = context
        .cache
        .endpoint_status(context.connection, event.endpoint)?;
    let disable_after = before.disable_after.unwrap_or(disable_after);
    if next.is_none() {
        settle_left_run(context, record)?;
        // An event whose payload is erased is not pending any more, so all late answers come here.
        drop_late_answer(context, event.seq, delivery)?;
    }
    note_rest(context, record)?;
    let state = next.map(|next| next.state);
    let effect = AttemptEffect {
        before,
        state,
        disabled: settle_endpoint(context, record, state, disable_after)?,
    };
    tell_of_attempt(context, disable_after, record, effect)
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
