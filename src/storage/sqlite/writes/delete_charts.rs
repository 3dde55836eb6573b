//! The deletion of old rows from the table of charts.

use std::time::{Duration, Instant};

use rusqlite::params;

use crate::domain::clock::Timestamp;
use crate::storage::sqlite::writer::charts::PERIODS;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};
use crate::storage::sqlite::writer::recent_attempts::MinuteKey;

/// The time after which a step deletes no more rows.
const STEP_TIME: Duration = Duration::from_millis(2);

/// The rows deleted between two looks at the clock: the rows of a period are in a row.
const ROWS: usize = 100;

/// Minutes for which the rows of each of [`PERIODS`] are kept: longer than the charts that are made of them.
const KEPT: [i64; PERIODS.len()] = [2 * 60, 26 * 60, 31 * 24 * 60];

/// The statement that deletes old rows of a period.
const DELETE: &str = "DELETE FROM delivery_chart WHERE (period, start, scope) IN (
    SELECT period, start, scope FROM delivery_chart WHERE period = ?1 AND start < ?2 ORDER BY start LIMIT ?3)";

/// Deletes some old rows. Returns true if there may be more.
pub(crate) fn delete_old_charts(
    context: &mut WriteContext<'_>,
    now: Timestamp,
) -> Result<bool, OperationError> {
    let began = Instant::now();
    let minute = MinuteKey::new(0, 0, now).minute;
    let mut delete = context.connection.prepare_cached(DELETE)?;
    for (period, kept) in PERIODS.into_iter().zip(KEPT) {
        while delete.execute(params![period, minute - kept, ROWS])? == ROWS {
            if began.elapsed() >= STEP_TIME {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::chart::ChartRange;

    #[test]
    fn rows_are_kept_as_long_as_charts_need_them() {
        let needed = |range: ChartRange| range.bucket() * u32::from(range.buckets());
        let kept = KEPT.map(|minutes| Duration::from_mins(minutes.unsigned_abs()));
        assert!(kept[0] > needed(ChartRange::Hour));
        // The clock may be set back a little.
        assert!(kept[1] > needed(ChartRange::Day) + Duration::from_hours(1));
        assert!(kept[2] > needed(ChartRange::Month) + Duration::from_hours(8));
        assert!(needed(ChartRange::Month) > needed(ChartRange::Week));
    }
}
