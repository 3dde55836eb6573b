//! The events that match a filter, lowest number first, some at a time. The lists go the other way, because
//! people read the newest first; a job goes in the order of publishing.

use std::time::Instant;

use rusqlite::Connection;

use super::event_selection::Selection;
use super::plan::ScanPlan;
use super::scope::Scope;
use super::statement::Table;
use super::statuses::Statuses;
use super::time_range::{Interval, SeqRange};
use crate::storage::filter::EventFilter;

/// The numbers that one look covers. Each look reads all matching rows among them, and the caller wants some
/// hundred rows.
const WINDOW: i64 = 4096;

/// A filter, resolved, to be walked upwards.
pub(crate) struct UpwardScan {
    plan: ScanPlan,
    /// The ranges of the filter's times, oldest first.
    ranges: Vec<SeqRange>,
}

/// The rows that a walk found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upwards {
    /// Their numbers, lowest first.
    pub(crate) numbers: Vec<i64>,
    /// The number from which to go on.
    pub(crate) next: i64,
}

impl UpwardScan {
    /// Resolves a filter, whose text query and messages are ignored; `None` if nothing can match.
    pub(crate) fn of(
        connection: &Connection,
        filter: &EventFilter,
    ) -> rusqlite::Result<Option<Self>> {
        let scope = Scope::resolve(
            connection,
            filter.visibility,
            &filter.workspaces,
            &filter.endpoints,
            &filter.event_types,
        )?;
        let Some(scope) = scope else {
            return Ok(None);
        };
        let selection = Selection {
            scope,
            statuses: Statuses::of(&filter.statuses),
            interval: Interval::new(filter.after, filter.before),
            code_class: filter.code_class,
        };
        let mut ranges = selection.interval.ranges(connection, Table::Event)?;
        ranges.reverse();
        Ok(Some(Self {
            plan: selection.plan(connection)?,
            ranges,
        }))
    }

    /// Returns the numbers of the first `limit` matching events from `from` up to and including `through`, or
    /// fewer if `until` comes first, after one look at least.
    pub(crate) fn read(
        &self,
        connection: &Connection,
        from: i64,
        through: i64,
        limit: usize,
        until: Instant,
    ) -> rusqlite::Result<Upwards> {
        let mut numbers = Vec::new();
        let mut next = from;
        for range in &self.ranges {
            let end = range.below.min(through.saturating_add(1));
            next = next.max(range.above.saturating_add(1));
            while next < end {
                let window = SeqRange {
                    above: next - 1,
                    below: end.min(next + WINDOW),
                };
                let mut found = self.plan.page(connection, &[window], 0, window.width())?;
                found.reverse();
                let room = limit - numbers.len();
                next = match found.get(room) {
                    Some(first_left) => *first_left,
                    None => window.below,
                };
                numbers.extend(found.into_iter().take(room));
                if numbers.len() >= limit || Instant::now() >= until {
                    return Ok(Upwards { numbers, next });
                }
            }
        }
        Ok(Upwards {
            numbers,
            next: through.saturating_add(1).max(next),
        })
    }
}
