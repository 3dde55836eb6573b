//! The writer thread's cache, kept between transactions, so that a publish reads almost nothing.
//!
//! The file has all of it. After a rollback the writer reads it again, because the numbers that the
//! transaction gave out are free again.

use std::collections::HashMap;
use std::rc::Rc;

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::sweep_list::SweepList;
use super::workspace_cache::{PublishHints, WorkspaceCache};
use crate::domain::clock::Timestamp;
use crate::domain::event_type::EventType;
use crate::storage::sqlite::endpoint_rows;
use crate::storage::sqlite::rows::Columns;
use crate::storage::{EndpointNumber, EndpointRest, HealthEpoch};

/// The most event types kept by name. A producer that invents types costs look-ups, not memory.
const TYPES_MAX: usize = 10_000;

/// The most workspaces kept with their endpoints.
const WORKSPACES_MAX: usize = 10_000;

/// The part of an endpoint's row that recording an attempt needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointStatus {
    pub(crate) failures: u32,
    pub(crate) skip_through: i64,
    pub(crate) active: bool,
    /// The rest that was noted last, in this epoch.
    pub(crate) rest: EndpointRest,
    pub(crate) health_epoch: HealthEpoch,
    /// The time when people were told that it fails, unless it has recovered since.
    pub(crate) warned_at: Option<Timestamp>,
    /// The time when people were told of failed events.
    pub(crate) failed_told_at: Option<Timestamp>,
    /// Events that failed since then.
    pub(crate) failed_untold: u32,
    /// Its own number of failed events in a row that disable it; `None`: the server's.
    pub(crate) disable_after: Option<u32>,
    /// Set if its workspace is deleted.
    pub(crate) workspace_deleted: bool,
}

/// The clock of a table, which rises with every row.
#[derive(Clone, Copy, Debug)]
struct RisingClock {
    kind: &'static str,
    last: i64,
}

/// The cache of the writer thread.
#[derive(Debug)]
pub(crate) struct WriterCache {
    last_run: i64,
    last_message: i64,
    last_event: i64,
    last_delivery: i64,
    message_clock: RisingClock,
    event_clock: RisingClock,
    delivery_clock: RisingClock,
    types: HashMap<String, i64>,
    workspaces: HashMap<Uuid, Rc<WorkspaceCache>>,
    hints: PublishHints,
    endpoints: HashMap<EndpointNumber, EndpointStatus>,
    /// Endpoints with rows left to sweep.
    pub(crate) sweeping: SweepList,
}

impl WriterCache {
    /// Reads the cache from the file. The cache keeps `hints` up to date from then on.
    pub(crate) fn load(connection: &Connection, hints: PublishHints) -> rusqlite::Result<Self> {
        let newest = |table: &str| -> rusqlite::Result<(i64, i64)> {
            let sql = format!("SELECT seq, created_at FROM {table} ORDER BY seq DESC LIMIT 1");
            let row = connection
                .query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            Ok(row.unwrap_or((0, 0)))
        };
        let (last_event, event_at) = newest("event")?;
        let (last_delivery, delivery_at) = newest("delivery")?;
        let (last_message, message_at) = newest("message")?;
        let stored_run: i64 = connection.query_row(
            "SELECT max((SELECT value FROM meta WHERE key = 'last_run'),
                        (SELECT coalesce(max(skip_through), 0) FROM endpoint))",
            [],
            |row| row.get(0),
        )?;
        // The rows with the highest numbers may be deleted.
        let stored = |key: &str| -> rusqlite::Result<i64> {
            let sql = "SELECT value FROM meta WHERE key = ?1";
            connection.query_row(sql, [key], |row| row.get(0))
        };
        let last_event = last_event.max(stored("last_event")?);
        let mut sweeping = SweepList::default();
        let mut to_sweep = connection
            .prepare("SELECT n FROM endpoint INDEXED BY endpoint_sweep WHERE sweep = 1")?;
        for number in to_sweep.query_map([], |row| row.get(0))? {
            sweeping.add(EndpointNumber(number?));
        }
        Ok(Self {
            last_run: last_event.max(stored_run),
            last_message: last_message.max(stored("last_message")?),
            last_event,
            last_delivery: last_delivery.max(stored("last_delivery")?),
            message_clock: RisingClock {
                kind: "message",
                last: message_at,
            },
            event_clock: RisingClock {
                kind: "event",
                last: event_at,
            },
            delivery_clock: RisingClock {
                kind: "delivery",
                last: delivery_at,
            },
            types: HashMap::new(),
            workspaces: HashMap::new(),
            hints,
            endpoints: HashMap::new(),
            sweeping,
        })
    }

    /// Returns the highest number given to an event or a run.
    pub(crate) const fn last_run(&self) -> i64 {
        self.last_run
    }

    /// Returns the next number for an event or a run.
    pub(crate) const fn next_run(&mut self) -> i64 {
        self.last_run += 1;
        self.last_run
    }

    /// Returns the number and the time of the next message.
    pub(crate) fn next_message(
        &mut self,
        connection: &Connection,
        now: Timestamp,
    ) -> rusqlite::Result<(i64, Timestamp)> {
        self.last_message += 1;
        let at = self
            .message_clock
            .tick(connection, self.last_message, now)?;
        Ok((self.last_message, at))
    }

    /// Returns the number and the time of the next delivery.
    pub(crate) fn next_delivery(
        &mut self,
        connection: &Connection,
        now: Timestamp,
    ) -> rusqlite::Result<(i64, Timestamp)> {
        self.last_delivery += 1;
        let at = self
            .delivery_clock
            .tick(connection, self.last_delivery, now)?;
        Ok((self.last_delivery, at))
    }

    /// Returns the number and the time of the next event.
    pub(crate) fn next_event(
        &mut self,
        connection: &Connection,
        now: Timestamp,
    ) -> rusqlite::Result<(i64, Timestamp)> {
        let seq = self.next_run();
        self.last_event = seq;
        let at = self.event_clock.tick(connection, seq, now)?;
        Ok((seq, at))
    }

    /// Stores the highest numbers, before rows with them are deleted.
    pub(crate) fn store_last_numbers(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut store = connection
            .prepare_cached("UPDATE meta SET value = ?2 WHERE key = ?1 AND value < ?2")?;
        for (key, number) in [
            ("last_run", self.last_run),
            ("last_message", self.last_message),
            ("last_event", self.last_event),
            ("last_delivery", self.last_delivery),
        ] {
            store.execute(params![key, number])?;
        }
        Ok(())
    }

    /// Returns the number of a type, and stores a new one.
    pub(crate) fn type_number(
        &mut self,
        connection: &Connection,
        event_type: &EventType,
    ) -> rusqlite::Result<i64> {
        if let Some(number) = self.types.get(event_type.as_str()) {
            return Ok(*number);
        }
        let stored = connection
            .prepare_cached("SELECT n FROM event_type WHERE name = ?1")?
            .query_row([event_type.as_str()], |row| row.get(0))
            .optional()?;
        let number = match stored {
            Some(number) => number,
            None => connection
                .prepare_cached("INSERT INTO event_type (name) VALUES (?1) RETURNING n")?
                .query_row([event_type.as_str()], |row| row.get(0))?,
        };
        if self.types.len() >= TYPES_MAX {
            self.types.clear();
        }
        self.types.insert(event_type.as_str().to_owned(), number);
        Ok(number)
    }

    /// Returns a workspace and its enabled endpoints; `None` if no workspace in use has this id.
    pub(crate) fn workspace_cache(
        &mut self,
        connection: &Connection,
        workspace: Uuid,
    ) -> rusqlite::Result<Option<Rc<WorkspaceCache>>> {
        if let Some(cached) = self.workspaces.get(&workspace) {
            return Ok(Some(cached.clone()));
        }
        let Some(cached) = WorkspaceCache::load(connection, workspace)? else {
            return Ok(None);
        };
        let cached = Rc::new(cached);
        if self.workspaces.len() >= WORKSPACES_MAX {
            self.workspaces.clear();
            self.hints.clear();
        }
        self.hints.set(workspace, cached.hint());
        self.workspaces.insert(workspace, cached.clone());
        Ok(Some(cached))
    }

    /// Forgets a workspace whose name or endpoints changed.
    pub(crate) fn forget_workspace(&mut self, workspace: Uuid) {
        self.workspaces.remove(&workspace);
    }

    /// Returns the status of an endpoint.
    pub(crate) fn endpoint_status(
        &mut self,
        connection: &Connection,
        endpoint: EndpointNumber,
    ) -> rusqlite::Result<EndpointStatus> {
        if let Some(status) = self.endpoints.get(&endpoint) {
            return Ok(*status);
        }
        let status = connection
            .prepare_cached(concat!(
                "SELECT failures, skip_through, disabled IS NULL AND deleted_at IS NULL, EXISTS (
                       SELECT 1 FROM workspace w
                       WHERE w.n = endpoint.workspace AND w.deleted_at IS NOT NULL),
                     health_epoch, warned_at, failed_told_at, failed_untold,
                     CASE policy WHEN '' THEN NULL ELSE policy ->> 'disable_after' END, ",
                endpoint_rows::rest_columns!(""),
                " FROM endpoint WHERE n = ?1",
            ))?
            .query_row([endpoint.0], |row| {
                let mut columns = Columns::of(row);
                Ok(EndpointStatus {
                    failures: columns.get()?,
                    skip_through: columns.get()?,
                    active: columns.get()?,
                    workspace_deleted: columns.get()?,
                    health_epoch: HealthEpoch(columns.get()?),
                    warned_at: columns.time_or_null()?,
                    failed_told_at: columns.time_or_null()?,
                    failed_untold: columns.get()?,
                    disable_after: columns.get()?,
                    rest: endpoint_rows::rest(&mut columns)?,
                })
            })?;
        self.endpoints.insert(endpoint, status);
        Ok(status)
    }

    /// Sets the number of an endpoint's failed events in a row.
    pub(crate) fn set_failures(
        &mut self,
        connection: &Connection,
        endpoint: EndpointNumber,
        failures: u32,
    ) -> rusqlite::Result<()> {
        connection
            .prepare_cached("UPDATE endpoint SET failures = ?2 WHERE n = ?1")?
            .execute(params![endpoint.0, failures])?;
        if let Some(status) = self.endpoints.get_mut(&endpoint) {
            status.failures = failures;
        }
        Ok(())
    }

    /// Stores the rest of an endpoint.
    pub(crate) fn set_rest(
        &mut self,
        connection: &Connection,
        endpoint: EndpointNumber,
        rest: EndpointRest,
    ) -> rusqlite::Result<()> {
        let micros = |at: Option<Timestamp>| at.map(Timestamp::micros);
        connection
            .prepare_cached(
                "UPDATE endpoint SET rests = ?2, resting_until = ?3, held_until = ?4 WHERE n = ?1",
            )?
            .execute(params![
                endpoint.0,
                rest.rests,
                micros(rest.resting_until),
                micros(rest.held_until),
            ])?;
        if let Some(status) = self.endpoints.get_mut(&endpoint) {
            status.rest = rest;
        }
        Ok(())
    }

    /// Stores the time when people were told that an endpoint fails; `None` once it has recovered.
    pub(crate) fn set_warned(
        &mut self,
        connection: &Connection,
        endpoint: EndpointNumber,
        at: Option<Timestamp>,
    ) -> rusqlite::Result<()> {
        connection
            .prepare_cached("UPDATE endpoint SET warned_at = ?2 WHERE n = ?1")?
            .execute(params![endpoint.0, at.map(Timestamp::micros)])?;
        if let Some(status) = self.endpoints.get_mut(&endpoint) {
            status.warned_at = at;
        }
        Ok(())
    }

    /// Stores the time when people were told of an endpoint's failed events, and how many they were not told of since.
    pub(crate) fn set_failed_told(
        &mut self,
        connection: &Connection,
        endpoint: EndpointNumber,
        at: Option<Timestamp>,
        untold: u32,
    ) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "UPDATE endpoint SET failed_told_at = ?2, failed_untold = ?3 WHERE n = ?1",
            )?
            .execute(params![endpoint.0, at.map(Timestamp::micros), untold])?;
        if let Some(status) = self.endpoints.get_mut(&endpoint) {
            status.failed_told_at = at;
            status.failed_untold = untold;
        }
        Ok(())
    }

    /// Forgets all endpoints.
    pub(crate) fn forget_all_endpoints(&mut self) {
        self.endpoints.clear();
    }

    /// Forgets an endpoint that changed.
    pub(crate) fn forget_endpoint(&mut self, endpoint: EndpointNumber) {
        self.endpoints.remove(&endpoint);
    }
}

impl RisingClock {
    /// Returns the time of row `seq`: now, or one microsecond after the row before if the clock has not moved
    /// on. Notes a step back in `clock_step`, so that times can still be found by bisection, but no smaller
    /// correction.
    fn tick(
        &mut self,
        connection: &Connection,
        seq: i64,
        now: Timestamp,
    ) -> rusqlite::Result<Timestamp> {
        if Timestamp::from_micros(self.last).is_a_step_after(now) {
            connection
                .prepare_cached("INSERT INTO clock_step (kind, seq) VALUES (?1, ?2)")?
                .execute(params![self.kind, seq])?;
            self.last = now.micros();
        } else {
            self.last = now.micros().max(self.last + 1);
        }
        Ok(Timestamp::from_micros(self.last))
    }
}
