//! Exact totals without counting every row.

use std::fmt::Write;

use rusqlite::Connection;

use super::ListError;
use super::scan::{Plan, Table, prepare};
use super::scope::Scope;
use super::time_range::{Hours, Interval};

/// A condition on the last column of the counters' key, the class of a delivery or the state of an
/// event, and its value.
pub(super) type Kind = (&'static str, i64);

/// How many rows of `plan` were made in `interval`: the counters of the hours that lie in it as a
/// whole, and its edges counted on the indexes. `counted` answers for the whole hours.
pub(super) fn total(
    connection: &Connection,
    table: Table,
    plan: &Plan,
    interval: Interval,
    counted: impl FnOnce(&Hours) -> Result<u64, ListError>,
) -> Result<u64, ListError> {
    let Some(hours) = interval.hours() else {
        return plan.count(connection, &interval.ranges(connection, table)?);
    };
    let mut total = counted(&hours)?;
    for edge in &hours.edges {
        total += plan.count(connection, &edge.ranges(connection, table)?)?;
    }
    Ok(total)
}

/// The sum of the counters of `scope` in some hours: of rows of any of `kinds`, or of all if there are
/// none.
pub(super) fn counters(
    connection: &Connection,
    table: Table,
    scope: &Scope,
    hours: &Hours,
    kinds: &[Kind],
) -> Result<u64, ListError> {
    let all = [None];
    let each: Vec<Option<Kind>> = kinds.iter().copied().map(Some).collect();
    let kinds = if each.is_empty() { &all[..] } else { &each };
    let mut sum: i64 = 0;
    for count_scope in scope.count_scopes() {
        for event_type in scope.each_type() {
            for kind in kinds {
                let mut sql = format!(
                    "SELECT coalesce(sum(count), 0) FROM {}_count \
                     WHERE scope = ? AND hour >= ? AND hour <= ?",
                    table.name()
                );
                let mut values = vec![count_scope.stored(), hours.first, hours.last];
                let conditions = event_type.map(|n| ("type = ?", n)).into_iter();
                for (condition, value) in conditions.chain(*kind) {
                    let _ = write!(sql, " AND {condition}");
                    values.push(value);
                }
                sum += prepare(connection, &sql)?
                    .query_row(rusqlite::params_from_iter(values), |row| {
                        row.get::<_, i64>(0)
                    })?;
            }
        }
    }
    Ok(u64::try_from(sum).unwrap_or(0))
}
