//! Sweeping: marking the pending events of skipped endpoints as skipped, some in each transaction.
//!
//! # The order
//! The events of many endpoints mostly alternate in the table. If a sweep took one endpoint after the other,
//! each row would be alone on its page of the table, and each step would write a page for every row. So a
//! step takes the events of a [`SPAN`] of numbers, endpoint by endpoint. The rows on one page of the table
//! are then swept in one or a few steps, and each endpoint's pages of the indexes are written for several
//! rows at once.

use std::time::{Duration, Instant};

use rusqlite::params;

use crate::domain::event_state::EventState;
use crate::fail_point::{FailPoint, hit};
use crate::storage::EndpointNumber;
use crate::storage::sqlite::event_state::state_is;
use crate::storage::sqlite::writer::operation::WriteContext;

/// Rows swept in a step: a few milliseconds of the writer.
const STEP_ROWS: usize = 1000;

/// The time after which a step looks at no further endpoint.
const STEP_TIME: Duration = Duration::from_millis(10);

/// Numbers of events that are swept together. With six hundred endpoints it has a dozen events of each.
const SPAN: i64 = 8192;

/// The fresh events in a range of numbers. A first run has its event's number, so the index of numbers finds
/// what is skipped.
const FRESH: &str = concat!(
    "SELECT seq, type FROM event INDEXED BY event_fresh WHERE endpoint = ?1 AND ",
    state_is!(fresh),
    " AND seq BETWEEN ?2 AND min(?3, ?4) ORDER BY seq LIMIT ?5"
);

/// The same for events that were attempted. The number of a run is that of its event or a later one, so no
/// event beyond `skip_through` is skipped.
const RETRY: &str = concat!(
    "SELECT seq, type FROM event INDEXED BY event_waiting WHERE endpoint = ?1 AND ",
    state_is!(retry),
    " AND seq BETWEEN ?2 AND min(?3, ?4) AND run <= ?4 ORDER BY seq LIMIT ?5"
);

/// A range of event numbers, and the number up to which all runs of an endpoint are skipped.
#[derive(Clone, Copy)]
struct SweepRange {
    from: i64,
    through: i64,
    skip_through: i64,
}

/// Makes one step: marks up to [`STEP_ROWS`] pending events of skipped endpoints as skipped.
pub(crate) fn sweep_some(context: &mut WriteContext<'_>) -> rusqlite::Result<()> {
    let began = Instant::now();
    let mut left = STEP_ROWS;
    let mut through = 0;
    while left > 0
        && began.elapsed() < STEP_TIME
        && let Some((from, endpoint)) = context.cache.sweeping.next()
    {
        if through < from || through == 0 {
            through = from + SPAN;
        }
        left -= sweep_endpoint(context, endpoint, from, through, left)?;
    }
    Ok(())
}

/// Sweeps up to `limit` events of one endpoint with numbers up to `through`, and notes what is left of it.
fn sweep_endpoint(
    context: &mut WriteContext<'_>,
    endpoint: EndpointNumber,
    from: i64,
    through: i64,
    limit: usize,
) -> rusqlite::Result<usize> {
    let status = context
        .cache
        .endpoint_status(context.connection, endpoint)?;
    let range = SweepRange {
        from,
        through,
        skip_through: status.skip_through,
    };
    let mut left = limit;
    for (select, from_state) in [(FRESH, EventState::Fresh), (RETRY, EventState::Retry)] {
        left -= sweep_state(context, endpoint, range, (select, from_state), left)?;
        hit(FailPoint::Sweeping);
    }
    if left > 0 {
        note_what_is_left(context, endpoint, range)?;
    }
    Ok(limit - left)
}

fn sweep_state(
    context: &mut WriteContext<'_>,
    endpoint: EndpointNumber,
    range: SweepRange,
    (select, from): (&str, EventState),
    limit: usize,
) -> rusqlite::Result<usize> {
    let swept = pending(context, select, endpoint, range, limit)?;
    let mut update = context.connection.prepare_cached(
        "UPDATE event SET state = ?2, due = NULL, job = NULL, modified_at = ?3 WHERE seq = ?1",
    )?;
    for (seq, event_type) in &swept {
        update.execute(params![seq, EventState::Skipped, context.now.micros()])?;
        context
            .counters
            .event_moved(*seq, endpoint.0, *event_type, from, EventState::Skipped);
    }
    Ok(swept.len())
}

/// Returns number and type of the events that `select` finds.
fn pending(
    context: &WriteContext<'_>,
    select: &str,
    endpoint: EndpointNumber,
    range: SweepRange,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, i64)>> {
    let SweepRange {
        from,
        through,
        skip_through,
    } = range;
    context
        .connection
        .prepare_cached(select)?
        .query_map(
            params![endpoint.0, from, through, skip_through, limit],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?
        .collect()
}

/// Notes the endpoint's first event behind the range in the list, or takes the endpoint off the list.
fn note_what_is_left(
    context: &mut WriteContext<'_>,
    endpoint: EndpointNumber,
    swept: SweepRange,
) -> rusqlite::Result<()> {
    let rest = SweepRange {
        from: swept.through + 1,
        through: swept.skip_through,
        ..swept
    };
    let fresh = pending(context, FRESH, endpoint, rest, 1)?;
    let retry = pending(context, RETRY, endpoint, rest, 1)?;
    let first = fresh.iter().chain(&retry).map(|(seq, _)| *seq).min();
    if let Some(first) = first {
        context.cache.sweeping.go_on_from(endpoint, first);
        return Ok(());
    }
    context
        .connection
        .prepare_cached("UPDATE endpoint SET sweep = 0 WHERE n = ?1")?
        .execute([endpoint.0])?;
    context.cache.sweeping.remove(endpoint);
    Ok(())
}

#[cfg(test)]
mod tests;
