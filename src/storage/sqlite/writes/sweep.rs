//! Sweeping: marking the pending events of skipped endpoints as skipped, some in each transaction.

use rusqlite::params;

use crate::fail_point::{FailPoint, reach};
use crate::storage::EndpointNumber;
use crate::storage::sqlite::event_state as state;
use crate::storage::sqlite::writer::operation::WriteContext;

/// Rows swept at a time: a few milliseconds of the writer.
const SWEEP_ROWS: usize = 1000;

/// A first run has its event's number, so the index of numbers finds what is skipped.
const SWEEPABLE_FRESH: &str = "SELECT seq, type FROM event INDEXED BY event_fresh
    WHERE endpoint = ?1 AND state = 0 AND seq <= ?2 LIMIT ?3";

const SWEEPABLE_RETRY: &str = "SELECT seq, type FROM event INDEXED BY event_retry
    WHERE endpoint = ?1 AND state = 1 AND run <= ?2 LIMIT ?3";

/// Marks up to [`SWEEP_ROWS`] pending events of one skipped endpoint as skipped.
pub(crate) fn sweep_some(context: &mut WriteContext<'_>) -> rusqlite::Result<()> {
    let Some(number) = context.state.sweeping.front().copied() else {
        return Ok(());
    };
    let mut left = SWEEP_ROWS;
    for (from, select) in [
        (state::FRESH, SWEEPABLE_FRESH),
        (state::RETRY, SWEEPABLE_RETRY),
    ] {
        left -= sweep_state(context, number, select, from, left)?;
        reach(FailPoint::Sweeping);
    }
    if left > 0 {
        context
            .connection
            .prepare_cached("UPDATE endpoint SET sweep = 0 WHERE n = ?1")?
            .execute([number.0])?;
        context.state.sweeping.pop_front();
    }
    Ok(())
}

fn sweep_state(
    context: &mut WriteContext<'_>,
    number: EndpointNumber,
    select: &str,
    from: i64,
    limit: usize,
) -> rusqlite::Result<usize> {
    let health = context.state.health(context.connection, number)?;
    let swept: Vec<(i64, i64)> = context
        .connection
        .prepare_cached(select)?
        .query_map(params![number.0, health.skip_through, limit], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut update = context.connection.prepare_cached(
        "UPDATE event SET state = 4, due = NULL, modified_at = ?2 WHERE seq = ?1",
    )?;
    for (seq, event_type) in &swept {
        update.execute(params![seq, context.now.micros()])?;
        context
            .counters
            .event_moved(*seq, number.0, *event_type, from, state::SKIPPED);
    }
    Ok(swept.len())
}
