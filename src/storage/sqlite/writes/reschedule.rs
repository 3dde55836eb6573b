//! Retries that wait too long because the wall clock was set back.
//!
//! The due time of a retry is a time of the wall clock, so that it survives a restart. After the clock was
//! set back by an hour, a retry that was to wait for seconds would wait for that hour as well. The janitor
//! recognises such a retry by its last attempt, which has a time in the future, and restarts its wait.
//! After a step forward retries are due too early, by no more than the step; the clock cannot say
//! whether the time passed after all, as it does while a laptop sleeps.

use rusqlite::params;

use crate::domain::clock::{Timestamp, due_after_setback};
use crate::domain::retry::{ENDPOINT_RETRY_AFTER_MAX, REST_MAX};
use crate::storage::sqlite::event_state::state_is;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::{EndpointNumber, Notice};

/// Retries looked at in one transaction: a millisecond of the writer.
const ROWS: usize = 500;

/// Ends rests and holds that the engine, which waits on the monotonic clock, ends long before the time that was
/// noted. The next record of the endpoint's attempts has the exact time.
fn shorten_rests(context: &mut WriteContext<'_>) -> rusqlite::Result<()> {
    let now = context.now;
    for (sql, longest) in [
        (
            "UPDATE endpoint SET resting_until = ?1 WHERE resting_until > ?1",
            REST_MAX,
        ),
        (
            "UPDATE endpoint SET held_until = ?1 WHERE held_until > ?1",
            ENDPOINT_RETRY_AFTER_MAX,
        ),
    ] {
        let latest = now.after(longest).micros();
        context.connection.prepare_cached(sql)?.execute([latest])?;
    }
    context.cache.forget_all_endpoints();
    Ok(())
}

/// Reports whether the newest attempt has a time in the future.
pub(crate) fn is_needed(context: &mut WriteContext<'_>) -> Result<bool, OperationError> {
    let newest: i64 = context
        .connection
        .prepare_cached(
            "SELECT coalesce((SELECT created_at FROM delivery ORDER BY seq DESC LIMIT 1), 0)",
        )?
        .query_row([], |row| row.get(0))?;
    Ok(Timestamp::from_micros(newest).is_a_step_after(context.now))
}

/// The position of a pass: the endpoint and the event looked at last.
pub(crate) type ReschedulePass = (i64, i64);

/// Restarts the wait of some retries whose last attempt has a time in the future; the first step also shortens rests.
/// Returns `None` when the
/// pass is complete.
pub(crate) fn reschedule_after_clock_setback(
    context: &mut WriteContext<'_>,
    pass: ReschedulePass,
) -> Result<Option<ReschedulePass>, OperationError> {
    let now = context.now;
    if pass == ReschedulePass::default() {
        shorten_rests(context)?;
    }
    let waiting: Vec<(i64, i64, i64, i64)> = context
        .connection
        .prepare_cached(concat!(
            "SELECT endpoint, seq, due, coalesce(modified_at, created_at)
             FROM event INDEXED BY event_waiting WHERE ",
            state_is!(retry),
            " AND (endpoint, seq) > (?1, ?2) ORDER BY endpoint, seq LIMIT ?3",
        ))?
        .query_map(params![pass.0, pass.1, ROWS], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut update = context
        .connection
        .prepare_cached("UPDATE event SET due = ?2, modified_at = ?3 WHERE seq = ?1")?;
    for (endpoint, seq, due, recorded) in &waiting {
        let recorded = Timestamp::from_micros(*recorded);
        if recorded.is_a_step_after(now) {
            let at = due_after_setback(Timestamp::from_micros(*due), recorded, now);
            update.execute(params![seq, at.micros(), now.micros()])?;
            context.notices.push(Notice::Due {
                endpoint: EndpointNumber(*endpoint),
                at,
            });
        }
    }
    let last = waiting.last().map(|(endpoint, seq, ..)| (*endpoint, *seq));
    Ok(last.filter(|_| waiting.len() == ROWS))
}
