//! Recording attempts: the delivery, the event's next state and the endpoint's health, together.

use rusqlite::params;

use super::endpoints::disable;
use super::reschedule::STEP_US;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::DisabledReason;
use crate::domain::id::new_id;
use crate::storage::sqlite::event_state as state;
use crate::storage::sqlite::writer::operation::{Operation, OperationError, WriteContext};
use crate::storage::{AttemptRecord, Notice, Recorded, StoreError, Verdict};

const INSERT_DELIVERY: &str = "INSERT INTO delivery
    (seq, id, event, endpoint, workspace, type, attempt, succeeded, code, error, duration_ms,
     created_at, response)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";

/// Moves an event on, if it still is in the run that the attempt belongs to and is pending.
const MOVE_ON: &str = "UPDATE event
    SET state = ?3, due = ?4, run_attempt = run_attempt + 1, attempts = attempts + 1, code = ?5,
        modified_at = ?6
    WHERE seq = ?1 AND run = ?2 AND state IN (0, 1)";

/// An attempt of a run that the event has left: it counts, and changes nothing else.
const COUNT_ONLY: &str =
    "UPDATE event SET attempts = attempts + 1, code = ?2, modified_at = ?3 WHERE seq = ?1
     RETURNING state, run, run_attempt";

/// An [`AttemptRecord`] that waits to be recorded.
pub(crate) struct Record {
    pub(crate) outcome: AttemptRecord,
    /// Disable an endpoint after so many failed events in a row; 0: never.
    pub(crate) disable_after: u32,
}

impl Operation for Record {
    fn apply(&mut self, context: &mut WriteContext<'_>) -> Result<(), OperationError> {
        insert_delivery(context, &self.outcome)?;
        let due = settle(context, &self.outcome, self.disable_after)?;
        context.notices.push(Notice::Recorded(Recorded {
            seq: self.outcome.event.seq,
            endpoint: self.outcome.event.endpoint,
            due,
        }));
        Ok(())
    }

    fn finish(self: Box<Self>, _result: Result<(), StoreError>) {
        // The engine hears of it by the notice; a failed one is kept and tried again.
    }

    fn size(&self) -> usize {
        512 + self.outcome.response.as_ref().map_or(0, String::len)
    }
}

fn insert_delivery(
    context: &mut WriteContext<'_>,
    outcome: &AttemptRecord,
) -> rusqlite::Result<()> {
    let (seq, at) = context
        .state
        .next_delivery(context.connection, context.now)?;
    let event = &outcome.event;
    let health = context.state.health(context.connection, event.endpoint)?;
    // An attempt that was under way when its workspace was deleted and, soon after, erased.
    let response = outcome.response.as_ref().filter(|_| !health.erased);
    context
        .counters
        .delivery(seq, event.endpoint.0, event.event_type, outcome.code);
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
            event.attempts + 1,
            outcome.verdict == Verdict::Succeeded,
            outcome.code,
            outcome.error.map(AttemptFailure::code),
            outcome.duration_ms,
            at.micros(),
            response,
        ])?;
    Ok(())
}

/// Gives the event its next state and the endpoint its health; answers when the event is due again.
fn settle(
    context: &mut WriteContext<'_>,
    outcome: &AttemptRecord,
    disable_after: u32,
) -> Result<Option<Timestamp>, OperationError> {
    let event = &outcome.event;
    let health = context.state.health(context.connection, event.endpoint)?;
    let skipped = event.run.0 <= health.skip_through;
    let (to, due) = match outcome.verdict {
        Verdict::Succeeded => (state::SUCCEEDED, None),
        _ if skipped => (state::SKIPPED, None),
        Verdict::RetryAt(at) => (state::RETRY, Some(due(at, outcome.decided_at, context.now))),
        Verdict::Failed | Verdict::Gone => (state::FAILED, None),
    };
    let moved = context
        .connection
        .prepare_cached(MOVE_ON)?
        .execute(params![
            event.seq.0,
            event.run.0,
            to,
            due.map(Timestamp::micros),
            outcome.code,
            context.now.micros(),
        ])?;
    let current = moved == 1;
    if current {
        let first_run_fresh = event.attempts == 0 && event.run.0 == event.seq.0;
        let from = if first_run_fresh {
            state::FRESH
        } else {
            state::RETRY
        };
        count_move(context, outcome, from, to);
    } else {
        settle_left_run(context, outcome)?;
    }
    if outcome.verdict == Verdict::Succeeded {
        if health.failures != 0 {
            context
                .state
                .set_failures(context.connection, event.endpoint, 0)?;
        }
    } else if current && to == state::FAILED && health.active && was_attempted(outcome) {
        let failures = health.failures + 1;
        context
            .state
            .set_failures(context.connection, event.endpoint, failures)?;
        if outcome.verdict == Verdict::Gone {
            disable(context, event.endpoint, DisabledReason::Gone)?;
        } else if disable_after > 0 && failures >= i64::from(disable_after) {
            disable(context, event.endpoint, DisabledReason::Failing)?;
        }
    }
    Ok(if current { due } else { None })
}

/// A run that ended while it waited says nothing of its endpoint.
fn was_attempted(outcome: &AttemptRecord) -> bool {
    outcome.error != Some(AttemptFailure::Expired)
}

/// When an event is due that was to be due `at`. If the wall clock was set back since that was decided,
/// the wait begins anew.
fn due(at: Timestamp, decided_at: Timestamp, now: Timestamp) -> Timestamp {
    if decided_at.micros() > now.micros() + STEP_US {
        now.after(at.since(decided_at))
    } else {
        at
    }
}

/// An attempt of a run that was swept or replaced while it was in flight. A success still makes the
/// event succeed: unless a newer run has made an attempt, whose result then decides.
fn settle_left_run(
    context: &mut WriteContext<'_>,
    outcome: &AttemptRecord,
) -> Result<(), OperationError> {
    let event = &outcome.event;
    let (at, run, run_attempt): (i64, i64, i64) =
        context.connection.prepare_cached(COUNT_ONLY)?.query_row(
            params![event.seq.0, outcome.code, context.now.micros()],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
    let swept = at == state::SKIPPED && run == event.run.0;
    let replaced = at == state::RETRY && run > event.run.0 && run_attempt == 0;
    if outcome.verdict == Verdict::Succeeded && (swept || replaced) {
        context
            .connection
            .prepare_cached("UPDATE event SET state = 2, due = NULL WHERE seq = ?1")?
            .execute([event.seq.0])?;
        count_move(context, outcome, at, state::SUCCEEDED);
    }
    Ok(())
}

fn count_move(context: &mut WriteContext<'_>, outcome: &AttemptRecord, from: i64, to: i64) {
    context.counters.event_moved(
        outcome.event.seq.0,
        outcome.event.endpoint.0,
        outcome.event.event_type,
        from,
        to,
    );
}
