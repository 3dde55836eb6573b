//! The search for the next events of a job at one endpoint.

use std::time::Instant;

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::job::{JobAction, JobFilter};
use crate::storage::sqlite::job_rows;
use crate::storage::sqlite::reads::job_survey::MissingSet;
use crate::storage::sqlite::reads::lists::UpwardScan;
use crate::storage::sqlite::reads::missing::SliceLimits;
use crate::storage::sqlite::writes::jobs::step::{Cursor, Item, JobStep};
use crate::storage::{EndpointNumber, Interest, Seq};

/// The most work of one search for messages that were missed: some ten milliseconds.
const MESSAGES_COST: u64 = 50_000;

/// The facts of a running job that its search needs.
pub(super) struct JobFacts {
    number: i64,
    pub(super) action: JobAction,
    pub(super) rate: Option<u32>,
    filter: JobFilter,
    /// The endpoint's interest when the job was made; `None` if the job selects no missing messages.
    interest: Option<Interest>,
    through: Cursor,
}

impl JobFacts {
    /// Reads a job; `None` if it does not run any more.
    pub(super) fn of(connection: &Connection, number: i64) -> rusqlite::Result<Option<Self>> {
        connection
            .prepare_cached(
                "SELECT action, rate, filter, through_event, through_message, subscriptions,
                        coalesce(endpoint_filter, '')
                 FROM job WHERE n = ?1 AND state = 0",
            )?
            .query_row([number], |row| {
                let (subscriptions, filter) = (row.get::<_, Option<String>>(5)?, row.get(6)?);
                Ok(Self {
                    number,
                    action: job_rows::action(row.get(0)?),
                    rate: row.get(1)?,
                    filter: job_rows::filter(&row.get::<_, String>(2)?),
                    through: Cursor {
                        event: row.get(3)?,
                        message: row.get(4)?,
                    },
                    interest: subscriptions.map(|subscriptions| Interest {
                        subscriptions,
                        filter,
                    }),
                })
            })
            .optional()
    }
}

/// The place of a job at one of its endpoints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) endpoint: EndpointNumber,
    /// True if the endpoint is neither disabled nor deleted.
    pub(super) takes_events: bool,
    /// True if it is paused.
    pub(super) is_paused: bool,
    at: Cursor,
}

impl Place {
    /// Reads the places of a job at all endpoints where there is more to look at.
    pub(super) fn all_of(connection: &Connection, job: i64) -> rusqlite::Result<Vec<Self>> {
        connection
            .prepare_cached(
                "SELECT j.endpoint, j.next_event, j.next_message,
                        coalesce(p.disabled IS NULL AND p.deleted_at IS NULL, false),
                        coalesce(p.paused IS NOT NULL, false)
                 FROM job_endpoint j LEFT JOIN endpoint p ON p.n = j.endpoint
                 WHERE j.job = ?1 ORDER BY j.endpoint",
            )?
            .query_map(params![job], |row| {
                Ok(Self {
                    endpoint: EndpointNumber(row.get(0)?),
                    at: Cursor {
                        event: row.get(1)?,
                        message: row.get(2)?,
                    },
                    takes_events: row.get(3)?,
                    is_paused: row.get(4)?,
                })
            })?
            .collect()
    }
}

/// A part of the events, or of the messages, in order.
struct Stream {
    /// Each with the number of its message, by which both are merged.
    items: Vec<(i64, i64)>,
    /// The number from which to go on.
    next: i64,
    /// Set if there are no more.
    is_at_end: bool,
}

impl Stream {
    /// Returns the highest number of a message up to which all of the stream is known.
    fn known_through(&self) -> i64 {
        if self.is_at_end {
            return i64::MAX;
        }
        self.items.last().map_or(i64::MIN, |(message, _)| *message)
    }

    /// Returns the place after the first `taken` items.
    fn after(&self, taken: usize) -> i64 {
        self.items
            .get(taken)
            .map_or(self.next, |(_, number)| *number)
    }
}

/// Returns the step with the next `limit` events and messages.
pub(super) fn next_step(
    connection: &Connection,
    job: &JobFacts,
    place: Place,
    limit: usize,
    until: Instant,
) -> rusqlite::Result<JobStep> {
    let events = events(connection, job, place, limit, until)?;
    let messages = messages(connection, job, place, limit)?;
    let known = events.known_through().min(messages.known_through());
    let (mut of_events, mut of_messages) = (0, 0);
    let mut items = Vec::new();
    while items.len() < limit {
        let event = events.items.get(of_events);
        let message = messages.items.get(of_messages);
        let event = event.filter(|(at, _)| *at <= known);
        let message = message.filter(|(at, _)| *at <= known);
        match (event, message) {
            (Some((at, seq)), other) if other.is_none_or(|(other, _)| at <= other) => {
                items.push(Item::Event(Seq(*seq)));
                of_events += 1;
            }
            (_, Some((_, number))) => {
                items.push(Item::Missing(*number));
                of_messages += 1;
            }
            _ => break,
        }
    }
    let next = Cursor {
        event: events.after(of_events),
        message: messages.after(of_messages),
    };
    Ok(JobStep {
        job: job.number,
        endpoint: place.endpoint,
        from: place.at,
        items,
        is_last: next.event > job.through.event && next.message > job.through.message,
        next,
    })
}

fn events(
    connection: &Connection,
    job: &JobFacts,
    place: Place,
    limit: usize,
    until: Instant,
) -> rusqlite::Result<Stream> {
    let through = job.through.event;
    let scan = UpwardScan::of(connection, place.endpoint, &job.filter)?;
    let found = scan.read(connection, place.at.event, through, limit, until)?;
    let mut message_of = connection.prepare_cached("SELECT message FROM event WHERE seq = ?1")?;
    let mut items = Vec::with_capacity(found.numbers.len());
    // An event that an earlier job made has a higher number than its message's: it keeps its place among the events.
    let mut highest = i64::MIN;
    for seq in found.numbers {
        if job.filter.selects_missing() {
            let message: Option<i64> = message_of.query_row([seq], |row| row.get(0)).optional()?;
            highest = highest.max(message.unwrap_or_default());
        }
        items.push((highest, seq));
    }
    Ok(Stream {
        items,
        next: found.next,
        is_at_end: found.next > through,
    })
}

fn messages(
    connection: &Connection,
    job: &JobFacts,
    place: Place,
    limit: usize,
) -> rusqlite::Result<Stream> {
    let (from, through) = (place.at.message, job.through.message);
    let none = Stream {
        items: Vec::new(),
        next: through.saturating_add(1).max(from),
        is_at_end: true,
    };
    let Some(interest) = &job.interest else {
        return Ok(none);
    };
    let set = MissingSet {
        endpoint: place.endpoint,
        interest,
        through_event: job.through.event,
        through_message: through,
    };
    let limits = SliceLimits {
        found: limit,
        cost: MESSAGES_COST,
    };
    let Some((slice, next)) = set.slice(connection, &job.filter, from, limits)? else {
        return Ok(none);
    };
    let found = slice.messages.iter();
    Ok(Stream {
        items: found.map(|message| (message.seq, message.seq)).collect(),
        next,
        is_at_end: false,
    })
}
