//! The look at the set of a job before the job is made. It is made in several reads, so that none takes long.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};

use super::connections::Readers;
use super::lists::{UpwardScan, count_selected, endpoints_of_named, missing_ranges, scope_of};
use super::missing::{Direction, MissingSearch, MissingSlice, SliceLimits};
use crate::domain::access::Visibility;
use crate::domain::job::JobFilter;
use crate::storage::sqlite::writer::operation::OperationError;
use crate::storage::{EndpointNumber, Interest, JobSurvey, StoreError};

/// The endpoints of which one read looks whether they have matching events: some ten milliseconds.
const ENDPOINTS_PER_READ: usize = 200;

/// The limits of one read of messages: some thirty milliseconds, so that a busy machine reads it in time as well.
const MESSAGES_PER_READ: SliceLimits = SliceLimits {
    found: 4_000,
    cost: 100_000,
};

/// Looks at the set of a filter. Looks at messages for at most `longest`.
pub(crate) fn survey(
    readers: &Readers,
    visibility: Visibility,
    filter: &JobFilter,
    longest: Duration,
) -> Result<JobSurvey, StoreError> {
    let until = Instant::now() + longest;
    let begun = readers.read(|connection| begin(connection, visibility, filter))?;
    let mut survey = JobSurvey {
        matched: begun.events,
        is_complete: true,
        is_endpoint_disabled: begun.is_endpoint_disabled,
        endpoints: Vec::new(),
        through_event: begun.through_event,
        through_message: begun.through_message,
        interest: None,
    };
    if let Some((endpoint, interest)) = begun.missing_of {
        let missing = MissingSet {
            endpoint,
            interest: &interest,
            through_event: begun.through_event,
            through_message: begun.through_message,
        };
        let (missing, is_complete) = missing.count(readers, filter, until)?;
        survey.matched += missing;
        survey.is_complete = is_complete;
        survey.interest = Some(interest);
        // A job on nothing has no endpoint to look at, and so it is finished when it is made.
        if survey.matched > 0 || !is_complete {
            survey.endpoints = vec![endpoint];
        }
        return Ok(survey);
    }
    if survey.matched == 0 {
        return Ok(survey);
    }
    if !filter.event_ids.is_empty() {
        // These are those of the events that were counted.
        survey.endpoints = begun.endpoints;
        return Ok(survey);
    }
    for part in begun.endpoints.chunks(ENDPOINTS_PER_READ) {
        let found = readers
            .read(|connection| Ok(with_events(connection, filter, part, begun.through_event)?))?;
        survey.endpoints.extend(found);
    }
    Ok(survey)
}

/// The first part of a survey.
#[derive(Default)]
struct Begun {
    through_event: i64,
    through_message: i64,
    /// The number of matching events.
    events: u64,
    /// The endpoints that may have some of them.
    endpoints: Vec<EndpointNumber>,
    /// Set if missing messages of a disabled endpoint are selected.
    is_endpoint_disabled: bool,
    /// The endpoint whose missing messages are selected, and its interest.
    missing_of: Option<(EndpointNumber, Interest)>,
}

fn begin(
    connection: &Connection,
    visibility: Visibility,
    filter: &JobFilter,
) -> Result<Begun, OperationError> {
    let snapshot = connection.unchecked_transaction()?;
    let highest = |table: &str| -> rusqlite::Result<i64> {
        let sql = format!("SELECT coalesce(max(seq), 0) FROM {table}");
        snapshot.query_row(&sql, [], |row| row.get(0))
    };
    let mut begun = Begun {
        through_event: highest("event")?,
        through_message: highest("message")?,
        ..Begun::default()
    };
    let Some(scope) = scope_of(&snapshot, visibility, filter)? else {
        return Ok(begun);
    };
    begun.events = count_selected(&snapshot, &scope, filter)?;
    begun.endpoints = if filter.event_ids.is_empty() {
        scope.each_endpoint(&snapshot)?
    } else {
        endpoints_of_named(&snapshot, &scope, filter)?
    };
    if filter.selects_missing()
        && let [endpoint] = begun.endpoints[..]
    {
        match interest_of(&snapshot, endpoint)? {
            Some((true, _)) => begun.is_endpoint_disabled = true,
            found => begun.missing_of = found.map(|(_, interest)| (endpoint, interest)),
        }
    }
    Ok(begun)
}

/// Returns whether an endpoint is disabled, and its interest; `None` if it is deleted.
fn interest_of(
    connection: &Connection,
    endpoint: EndpointNumber,
) -> rusqlite::Result<Option<(bool, Interest)>> {
    connection
        .prepare_cached(
            "SELECT disabled IS NOT NULL, events, filter FROM endpoint
             WHERE n = ?1 AND deleted_at IS NULL",
        )?
        .query_row([endpoint.0], |row| {
            let interest = Interest {
                subscriptions: row.get(1)?,
                filter: row.get(2)?,
            };
            Ok((row.get(0)?, interest))
        })
        .optional()
}

/// Returns those of `endpoints` that may have matching events.
fn with_events(
    connection: &Connection,
    filter: &JobFilter,
    endpoints: &[EndpointNumber],
    through: i64,
) -> rusqlite::Result<Vec<EndpointNumber>> {
    let mut found = Vec::new();
    for endpoint in endpoints {
        let scan = UpwardScan::of(connection, *endpoint, filter)?;
        if scan.may_have_any(connection, through)? {
            found.push(*endpoint);
        }
    }
    Ok(found)
}

/// The missing messages of an endpoint in the set of a job.
pub(crate) struct MissingSet<'a> {
    /// The endpoint.
    pub(crate) endpoint: EndpointNumber,
    /// Its interest when the job was made.
    pub(crate) interest: &'a Interest,
    /// Events with higher numbers do not count.
    pub(crate) through_event: i64,
    /// Messages with higher numbers are not in the set.
    pub(crate) through_message: i64,
}

impl MissingSet<'_> {
    /// Returns a slice of those that match a filter, from the number `from` on, oldest first, and the number from which
    /// to go on; `None` if there are no more.
    pub(crate) fn slice(
        &self,
        connection: &Connection,
        filter: &JobFilter,
        from: i64,
        limits: SliceLimits,
    ) -> rusqlite::Result<Option<(MissingSlice, i64)>> {
        let search = MissingSearch::as_of(
            connection,
            self.endpoint.0,
            self.interest,
            self.through_event,
        )?;
        let Some(mut search) = search.map(|it| it.of_types(&filter.event_types)) else {
            return Ok(None);
        };
        let Some(range) = next_range(connection, filter, from, self.through_message)? else {
            return Ok(None);
        };
        let slice = search.slice(connection, range, Direction::OldestFirst, limits)?;
        let next = slice.next.unwrap_or(range.1.saturating_add(1));
        Ok(Some((slice, next)))
    }

    /// Counts them until the time is over. Returns whether all were looked at.
    fn count(
        &self,
        readers: &Readers,
        filter: &JobFilter,
        until: Instant,
    ) -> Result<(u64, bool), StoreError> {
        let mut count = 0;
        let mut from = 0;
        loop {
            let slice = readers.read(|connection| {
                Ok(self.slice(connection, filter, from, MESSAGES_PER_READ)?)
            })?;
            let Some((slice, next)) = slice else {
                return Ok((count, true));
            };
            count += slice.messages.len() as u64;
            if Instant::now() >= until {
                return Ok((count, false));
            }
            from = next;
        }
    }
}

/// Returns the first range of message numbers from `from` up to `through` in the times of a filter; `None` if there
/// is none.
fn next_range(
    connection: &Connection,
    filter: &JobFilter,
    from: i64,
    through: i64,
) -> rusqlite::Result<Option<(i64, i64)>> {
    let ranges = missing_ranges(connection, filter)?;
    let clipped = ranges
        .into_iter()
        .map(|(first, last)| (first.max(from), last.min(through)));
    Ok(clipped.filter(|(first, last)| first <= last).min())
}
