//! The events of a job: those of one endpoint that match its filter, lowest number first, some at a time. The lists
//! go the other way, because people read the newest first; a job goes in the order of publishing.

use std::time::Instant;

use rusqlite::{Connection, OptionalExtension};

use super::event_selection::Selection;
use super::plan::ScanPlan;
use super::scope::Scope;
use super::statement::{Table, prepare};
use super::statuses::Statuses;
use super::time_range::{Interval, SeqRange};
use crate::domain::access::Visibility;
use crate::domain::job::JobFilter;
use crate::storage::EndpointNumber;

/// The numbers that one look covers. Each look reads all matching rows among them, and the caller wants some
/// hundred rows.
const WINDOW: i64 = 4096;

/// Returns the scope of a job's filter; `None` if nothing can match.
pub(crate) fn scope_of(
    connection: &Connection,
    visibility: Visibility,
    filter: &JobFilter,
) -> rusqlite::Result<Option<Scope>> {
    let workspaces: Vec<_> = filter.workspace_id.into_iter().collect();
    let (endpoints, types) = (&filter.endpoints, &filter.event_types);
    Scope::resolve(connection, visibility, &workspaces, endpoints, types)
}

/// Returns the number of events that a job's filter selects in a scope.
pub(crate) fn count_selected(
    connection: &Connection,
    scope: &Scope,
    filter: &JobFilter,
) -> rusqlite::Result<u64> {
    let Some(selection) = select(scope.clone(), filter) else {
        return Ok(0);
    };
    if filter.event_ids.is_empty() {
        let plan = selection.plan(connection)?;
        selection.total(connection, &plan)
    } else {
        Ok(selection.named(connection, &filter.event_ids)?.len() as u64)
    }
}

/// Returns the numbers of the endpoints of the events that a filter names by their ids, in a scope.
pub(crate) fn endpoints_of_named(
    connection: &Connection,
    scope: &Scope,
    filter: &JobFilter,
) -> rusqlite::Result<Vec<EndpointNumber>> {
    let Some(selection) = select(scope.clone(), filter) else {
        return Ok(Vec::new());
    };
    let mut endpoint = prepare(connection, "SELECT endpoint FROM event WHERE seq = ?")?;
    let mut found = Vec::new();
    for seq in selection.named(connection, &filter.event_ids)? {
        found.push(EndpointNumber(endpoint.query_row([seq], |row| row.get(0))?));
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Returns the ranges of message numbers in the times of a filter: the first and the last number of each.
pub(crate) fn missing_ranges(
    connection: &Connection,
    filter: &JobFilter,
) -> rusqlite::Result<Vec<(i64, i64)>> {
    let interval = Interval::new(filter.after, filter.before);
    let ranges = interval.ranges(connection, Table::Message)?.into_iter();
    let ends = |range: SeqRange| (range.above.saturating_add(1), range.below.saturating_sub(1));
    Ok(ranges.map(ends).collect())
}

/// Returns the selection of events; `None` if the filter selects no status that events have.
fn select(scope: Scope, filter: &JobFilter) -> Option<Selection> {
    let statuses = filter.event_statuses();
    (!statuses.is_empty()).then(|| Selection {
        scope,
        statuses: Statuses::of(&statuses),
        interval: Interval::new(filter.after, filter.before),
        code_class: filter.code_class,
    })
}

/// A job's filter for one endpoint, resolved.
pub(crate) struct UpwardScan(Source);

/// The place where the matching events are found.
enum Source {
    /// By the indexes of the lists, in the ranges of the filter's times, oldest first.
    Indexes(ScanPlan, Vec<SeqRange>),
    /// By their ids: these are their numbers, lowest first.
    Ids(Vec<i64>),
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
    /// Resolves a filter for one endpoint, which it must include.
    pub(crate) fn of(
        connection: &Connection,
        endpoint: EndpointNumber,
        filter: &JobFilter,
    ) -> rusqlite::Result<Self> {
        let nothing = Self(Source::Ids(Vec::new()));
        let Some(scope) = Scope::of_endpoint(connection, endpoint.0, &filter.event_types)? else {
            return Ok(nothing);
        };
        let Some(selection) = select(scope, filter) else {
            return Ok(nothing);
        };
        if !filter.event_ids.is_empty() {
            let named = selection.named(connection, &filter.event_ids)?;
            return Ok(Self(Source::Ids(named)));
        }
        let mut ranges = selection.interval.ranges(connection, Table::Event)?;
        ranges.reverse();
        Ok(Self(Source::Indexes(selection.plan(connection)?, ranges)))
    }

    /// Reports whether any event with a number up to and including `through` matches. A list of events that
    /// succeeded may say so although none of them did.
    pub(crate) fn may_have_any(
        &self,
        connection: &Connection,
        through: i64,
    ) -> rusqlite::Result<bool> {
        match &self.0 {
            Source::Ids(numbers) => Ok(numbers.first().is_some_and(|first| *first <= through)),
            Source::Indexes(plan, ranges) => {
                for range in ranges {
                    let range = range.and(SeqRange {
                        below: through.saturating_add(1),
                        ..SeqRange::ALL
                    });
                    if plan.lowest(connection, range)?.is_some() {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
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
        match &self.0 {
            Source::Ids(numbers) => {
                let rest = numbers
                    .iter()
                    .copied()
                    .filter(|seq| (from..=through).contains(seq));
                let mut numbers: Vec<i64> = rest.collect();
                let next = numbers.get(limit).copied();
                numbers.truncate(limit);
                Ok(Upwards {
                    numbers,
                    next: next.unwrap_or(through.saturating_add(1)),
                })
            }
            Source::Indexes(plan, ranges) => {
                let walk = Walk {
                    plan,
                    ranges,
                    until,
                };
                walk.read(connection, from, through, limit)
            }
        }
    }
}

struct Walk<'a> {
    plan: &'a ScanPlan,
    ranges: &'a [SeqRange],
    until: Instant,
}

impl Walk<'_> {
    fn read(
        &self,
        connection: &Connection,
        from: i64,
        through: i64,
        limit: usize,
    ) -> rusqlite::Result<Upwards> {
        let mut numbers = Vec::new();
        let mut next = from;
        for range in self.ranges {
            let end = range.below.min(through.saturating_add(1));
            next = next.max(range.above.saturating_add(1));
            while next < end {
                let rest = SeqRange {
                    above: next - 1,
                    below: end,
                };
                // Matching rows may be far apart.
                let Some(lowest) = self.plan.lowest(connection, rest)? else {
                    next = end;
                    break;
                };
                let window = SeqRange {
                    above: lowest - 1,
                    below: end.min(lowest + WINDOW),
                };
                let mut found = self.plan.page(connection, &[window], 0, window.width())?;
                found.reverse();
                let room = limit - numbers.len();
                next = found.get(room).copied().unwrap_or(window.below);
                numbers.extend(found.into_iter().take(room));
                if numbers.len() >= limit || Instant::now() >= self.until {
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

impl Selection {
    /// Returns the numbers of the events with these ids that it selects, lowest first, each once.
    fn named(&self, connection: &Connection, ids: &[uuid::Uuid]) -> rusqlite::Result<Vec<i64>> {
        let mut statement = prepare(connection, super::event_selection::CANDIDATE)?;
        let mut found = Vec::new();
        for id in ids {
            let number = statement
                .query_row([id], |row| {
                    let seq: i64 = row.get(0)?;
                    Ok(self.includes(row)?.then_some(seq))
                })
                .optional()?;
            found.extend(number.flatten());
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}
