//! Sweeping: marking the pending events of skipped endpoints as skipped, some in each transaction.
//!
//! # The order
//! The events of many endpoints mostly lie in turns: one of each, and again. Endpoint by endpoint, each row
//! would be alone on its page of the table, and each step would write a page for every row. So a step takes
//! the events of a [`SPAN`] of numbers, endpoint by endpoint: what is on one page of the table goes in one or
//! a few steps, and each endpoint's pages of the indexes are written for several rows at once.

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

/// The same for events that were attempted. A run has a number of its event or a later one, so none beyond is
/// skipped.
const RETRY: &str = concat!(
    "SELECT seq, type FROM event INDEXED BY event_waiting WHERE endpoint = ?1 AND ",
    state_is!(retry),
    " AND seq BETWEEN ?2 AND min(?3, ?4) AND run <= ?4 ORDER BY seq LIMIT ?5"
);

/// A stretch of numbers, and up to which run an endpoint's are skipped.
#[derive(Clone, Copy)]
struct Stretch {
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
    let health = context.cache.endpoint(context.connection, endpoint)?;
    let stretch = Stretch {
        from,
        through,
        skip_through: health.skip_through,
    };
    let mut left = limit;
    for (select, from_state) in [(FRESH, EventState::Fresh), (RETRY, EventState::Retry)] {
        left -= sweep_state(context, endpoint, stretch, (select, from_state), left)?;
        hit(FailPoint::Sweeping);
    }
    if left > 0 {
        note_what_is_left(context, endpoint, stretch)?;
    }
    Ok(limit - left)
}

fn sweep_state(
    context: &mut WriteContext<'_>,
    endpoint: EndpointNumber,
    stretch: Stretch,
    (select, from): (&str, EventState),
    limit: usize,
) -> rusqlite::Result<usize> {
    let swept = pending(context, select, endpoint, stretch, limit)?;
    let mut update = context.connection.prepare_cached(
        "UPDATE event SET state = ?2, due = NULL, modified_at = ?3 WHERE seq = ?1",
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
    stretch: Stretch,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, i64)>> {
    let Stretch {
        from,
        through,
        skip_through,
    } = stretch;
    context
        .connection
        .prepare_cached(select)?
        .query_map(
            params![endpoint.0, from, through, skip_through, limit],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?
        .collect()
}

/// Has the list go on with the endpoint's first event behind the stretch, or takes it off the list.
fn note_what_is_left(
    context: &mut WriteContext<'_>,
    endpoint: EndpointNumber,
    swept: Stretch,
) -> rusqlite::Result<()> {
    let rest = Stretch {
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
