//! The messages that an endpoint missed.
//!
//! A message is *missing* for an endpoint if it is of the endpoint's workspace, still has its payload, was not sent
//! directly to endpoints that its producer named, is of a type that the endpoint is subscribed to now, matches its present
//! filter, and has no event of it: it was published while the endpoint was disabled, before it was made, before it subscribed,
//! or while it had another filter.
//!
//! No index has this, because subscriptions change. So a search goes through the messages of the workspace, and looks
//! up those of a wanted type. If the endpoint has a filter, it also reads those that have no event of it. It is made in [slices](MissingSlice) of a limited cost, so that no read takes long: a
//! list goes on until its time is up, and a job takes one slice after another.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::domain::event_pattern::{EventPattern, MatchBudget, Subject};
use crate::domain::event_type::{EventType, Subscription};
use crate::domain::json::Tree;
use crate::domain::message::{data_of, server_timestamp};
use crate::domain::tags::Tags;
use crate::storage::Interest;
use crate::storage::sqlite::endpoint_rows;
use crate::storage::sqlite::message_events::{event_count, sum_over_events};
use crate::storage::sqlite::message_tags::tags_column;
use crate::storage::sqlite::rows::Columns;

/// The cost of looking up a message, in steps from one entry of the list index to the next; the events that are
/// looked at cost a step each.
const LOOKUP_COST: u64 = 25;

/// The bytes of a message that are read for a filter at the cost of one such step.
const BYTES_PER_STEP: usize = 100;

/// The steps of matching that take as long as one such step.
const MATCH_STEPS: usize = 50;

/// The statement that reads a message for a filter.
const CONTENT: &str = concat!(
    "SELECT t.name, m.timestamp, m.created_at, ",
    tags_column!(),
    ", m.body FROM message m JOIN event_type t ON t.n = m.type WHERE m.seq = ?1"
);

/// The most event types whose answer is kept. A producer that invents types costs look-ups, not memory.
const TYPES_MAX: usize = 10_000;

/// The state of a message for an endpoint. Parameter 1 is the message, parameter 2 the endpoint, parameter 3 the highest
/// number of an event that counts. If a message has fewer events than it became, retention has deleted some while
/// another is pending: one of those may have been the endpoint's, so the message is not missing.
const IS_MISSING: &str = concat!(
    "SELECT m.id, m.events, m.body IS NOT NULL AND m.direct = 0 AND ",
    event_count!(),
    " = ",
    sum_over_events!("1"),
    " AND 0 = ",
    sum_over_events!("e.endpoint = ?2 AND e.seq <= ?3"),
    " FROM message m WHERE m.seq = ?1"
);

/// The direction of a search through the numbers of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the lowest number up.
    OldestFirst,
    /// From the highest number down.
    NewestFirst,
}

/// The limits of a slice. It ends with the message that reaches one of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SliceLimits {
    /// The most missing messages.
    pub(crate) found: usize,
    /// The most work, in entries of an index that are stepped over: a million take some 300 ms.
    pub(crate) cost: u64,
}

/// A message that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MissingMessage {
    /// Its number.
    pub(crate) seq: i64,
    /// Its id.
    pub(crate) id: Uuid,
    /// The number of its events, of other endpoints.
    pub(crate) events: u64,
}

/// A part of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MissingSlice {
    /// The missing messages, in the direction of the search.
    pub(crate) messages: Vec<MissingMessage>,
    /// The messages of the workspace that were examined, of whatever type.
    pub(crate) examined: u64,
    /// The number of the last message of the workspace that was examined; `None` if there was none.
    pub(crate) last: Option<i64>,
    /// The number from which the next slice goes on; `None` if the range was examined whole.
    pub(crate) next: Option<i64>,
}

/// A search for the messages that an endpoint missed.
#[derive(Debug)]
pub(crate) struct MissingSearch {
    endpoint: i64,
    workspace: i64,
    subscriptions: Vec<Subscription>,
    filter: EventPattern,
    /// Events of the endpoint with higher numbers do not count.
    through_event: i64,
    /// The types that are searched for; empty: all that the endpoint is subscribed to.
    only_types: Vec<String>,
    /// The types that were looked up, and whether they are wanted.
    types: HashMap<i64, bool>,
}

impl MissingSearch {
    /// Begins a search with the endpoint's present subscriptions and filter; `None` if the endpoint is deleted or absent.
    pub(crate) fn new(connection: &Connection, endpoint: i64) -> rusqlite::Result<Option<Self>> {
        let interest = connection
            .prepare_cached(
                "SELECT events, filter FROM endpoint WHERE n = ?1 AND deleted_at IS NULL",
            )?
            .query_row([endpoint], |row| {
                Ok(Interest {
                    subscriptions: row.get(0)?,
                    filter: row.get(1)?,
                })
            })
            .optional()?;
        match interest {
            Some(interest) => Self::as_of(connection, endpoint, &interest, i64::MAX),
            None => Ok(None),
        }
    }

    /// Begins a search for what an endpoint had missed at an earlier time: when it had this interest and
    /// `through_event` was the highest number of an event. The endpoint may be deleted by now; `None` if it is absent.
    pub(crate) fn as_of(
        connection: &Connection,
        endpoint: i64,
        interest: &Interest,
        through_event: i64,
    ) -> rusqlite::Result<Option<Self>> {
        connection
            .prepare_cached("SELECT workspace FROM endpoint WHERE n = ?1")?
            .query_row([endpoint], |row| {
                Ok(Self {
                    endpoint,
                    workspace: row.get(0)?,
                    subscriptions: endpoint_rows::subscriptions(&interest.subscriptions),
                    filter: EventPattern::from_stored(&interest.filter),
                    through_event,
                    only_types: Vec::new(),
                    types: HashMap::new(),
                })
            })
            .optional()
    }

    /// Limits the search to some types, unless the list is empty.
    pub(crate) fn of_types(mut self, types: &[String]) -> Self {
        self.only_types = types.to_vec();
        self
    }

    /// Returns the number of the endpoint's workspace.
    pub(crate) const fn workspace(&self) -> i64 {
        self.workspace
    }

    /// Examines messages with the numbers `from` to `through`, both included, until all are examined or a limit is
    /// reached.
    pub(crate) fn slice(
        &mut self,
        connection: &Connection,
        (from, through): (i64, i64),
        direction: Direction,
        limits: SliceLimits,
    ) -> rusqlite::Result<MissingSlice> {
        let mut slice = MissingSlice::default();
        let mut budget = limits.cost;
        let indexed: i64 = connection
            .prepare_cached("SELECT value FROM meta WHERE key = 'message_indexed'")?
            .query_row([], |row| row.get(0))?;
        let in_index = (true, from, through.min(indexed));
        let in_table = (false, from.max(indexed.saturating_add(1)), through);
        let parts = match direction {
            Direction::OldestFirst => [in_index, in_table],
            Direction::NewestFirst => [in_table, in_index],
        };
        for (is_indexed, from, through) in parts {
            if from > through {
                continue;
            }
            let mut messages = connection.prepare_cached(statement(is_indexed, direction))?;
            let mut rows = messages.query(params![self.workspace, from, through])?;
            while let Some(row) = rows.next()? {
                let seq: i64 = row.get(0)?;
                let mut cost = 1;
                if row.get(2)? {
                    slice.examined += 1;
                    slice.last = Some(seq);
                    if self.wants(connection, row.get(1)?)? {
                        cost += self.look_up(connection, seq, &mut slice)?;
                    }
                }
                budget = budget.saturating_sub(cost);
                if budget == 0 || slice.messages.len() >= limits.found {
                    slice.next = Some(match direction {
                        Direction::OldestFirst => seq + 1,
                        Direction::NewestFirst => seq - 1,
                    });
                    return Ok(slice);
                }
            }
        }
        Ok(slice)
    }

    /// Reports whether the message with this number is missing.
    pub(crate) fn is_missing(
        &mut self,
        connection: &Connection,
        message: i64,
        event_type: i64,
    ) -> rusqlite::Result<bool> {
        let mut slice = MissingSlice::default();
        if self.wants(connection, event_type)? {
            self.look_up(connection, message, &mut slice)?;
        }
        Ok(!slice.messages.is_empty())
    }

    /// Reports whether the endpoint is subscribed to a type.
    fn wants(&mut self, connection: &Connection, event_type: i64) -> rusqlite::Result<bool> {
        if let Some(wanted) = self.types.get(&event_type) {
            return Ok(*wanted);
        }
        let name: Option<String> = connection
            .prepare_cached("SELECT name FROM event_type WHERE n = ?1")?
            .query_row([event_type], |row| row.get(0))
            .optional()?;
        let name = name
            .filter(|name| self.only_types.is_empty() || self.only_types.contains(name))
            .map(EventType::from_stored);
        let is_wanted =
            name.is_some_and(|name| self.subscriptions.iter().any(|it| it.matches(&name)));
        if self.types.len() >= TYPES_MAX {
            self.types.clear();
        }
        self.types.insert(event_type, is_wanted);
        Ok(is_wanted)
    }

    /// Adds a message to the slice if it is missing; returns the cost.
    fn look_up(
        &self,
        connection: &Connection,
        seq: i64,
        slice: &mut MissingSlice,
    ) -> rusqlite::Result<u64> {
        let mut statement = connection.prepare_cached(IS_MISSING)?;
        let mut rows = statement.query([seq, self.endpoint, self.through_event])?;
        let Some(row) = rows.next()? else {
            return Ok(LOOKUP_COST);
        };
        let events = row.get(1)?;
        let mut cost = LOOKUP_COST + events;
        if row.get(2)? && self.is_matched(connection, seq, &mut cost)? {
            slice.messages.push(MissingMessage {
                seq,
                id: row.get(0)?,
                events,
            });
        }
        Ok(cost)
    }

    /// Reports whether the endpoint's filter matches a message that has its payload; adds the cost.
    fn is_matched(
        &self,
        connection: &Connection,
        seq: i64,
        cost: &mut u64,
    ) -> rusqlite::Result<bool> {
        if self.filter.matches_everything() {
            return Ok(true);
        }
        let mut statement = connection.prepare_cached(CONTENT)?;
        let mut rows = statement.query([seq])?;
        let Some(row) = rows.next()? else {
            return Ok(false);
        };
        let mut columns = Columns::of(row);
        let event_type = EventType::from_stored(columns.get()?);
        let (sent, created_at) = (columns.get::<Option<String>>()?, columns.time()?);
        let timestamp = sent.unwrap_or_else(|| server_timestamp(created_at));
        let tags = Tags::from_stored(columns.get_ref()?.as_str_or_null()?);
        let body = columns.get_ref()?.as_bytes_or_null()?.unwrap_or_default();
        *cost += LOOKUP_COST + (body.len() / BYTES_PER_STEP) as u64;
        let data = std::str::from_utf8(body).ok().and_then(data_of);
        let data = data.and_then(|data| serde_json::from_str::<&RawValue>(data).ok());
        let Some(data) = data else {
            return Ok(false);
        };
        let budget = MatchBudget::default();
        let subject = Subject {
            event_type: &event_type,
            timestamp: &timestamp,
            data,
            tree: &Tree::of(data.get()),
            tags: &tags,
        };
        let is_matched = self.filter.matches(&subject, &budget);
        *cost += (budget.steps() / MATCH_STEPS) as u64;
        Ok(is_matched)
    }
}

/// Returns the statement for the number and the type of messages, and whether they are of the workspace: from the list
/// index, or from the table itself for those that are not in it yet. Rows of other workspaces are returned, too, so
/// that their cost is counted. Deleted messages that still have an entry are left out.
const fn statement(is_indexed: bool, direction: Direction) -> &'static str {
    macro_rules! in_index {
        ($order:literal) => {
            concat!(
                "SELECT seq, type, true FROM message_of_workspace
                 WHERE workspace = ?1 AND seq >= ?2 AND seq <= ?3
                   AND seq NOT IN (SELECT seq FROM message_tombstone) ORDER BY seq",
                $order
            )
        };
    }
    macro_rules! in_table {
        ($order:literal) => {
            concat!(
                "SELECT seq, type, workspace = ?1 FROM message NOT INDEXED
                 WHERE seq >= ?2 AND seq <= ?3 ORDER BY seq",
                $order
            )
        };
    }
    match (is_indexed, direction) {
        (true, Direction::OldestFirst) => in_index!(""),
        (true, Direction::NewestFirst) => in_index!(" DESC"),
        (false, Direction::OldestFirst) => in_table!(""),
        (false, Direction::NewestFirst) => in_table!(" DESC"),
    }
}

#[cfg(test)]
mod tests;
