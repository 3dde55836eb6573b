//! The watch over what people should be told of without an attempt: old backlogs, failed events that nobody was told of
//! yet, and a disk that is nearly full.
//!
//! It has a thread of its own, because the janitor may be at work for minutes. It reads on a connection of its own, steps
//! through the indexes of the queue from one endpoint to the next, and gives the writer one small write for each message.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::background::{BackgroundThread, WakeUp};
use super::work::Work;
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::operational_event::{
    BACKLOG_PERIOD, EVENT_FAILED_PERIOD, OperationalType, disk_low, is_due_again,
};
use crate::fail_point::{FailPoint, hit};
use crate::storage::sqlite::event_state::state_is;
use crate::storage::sqlite::file::database_files::DatabaseFiles;
use crate::storage::sqlite::file::free_space::disk_free;
use crate::storage::sqlite::file::read_failure::read_error;
use crate::storage::sqlite::reads::lists::waiting_endpoints;
use crate::storage::sqlite::writer::Writer;
use crate::storage::sqlite::writes::operational_events::{
    OldBacklog, send, tell_of_backlog, tell_of_untold_failures,
};
use crate::storage::{EndpointNumber, StoreError};

/// The period of looks. Those who are told react within minutes.
const PERIOD: Duration = Duration::from_mins(1);

/// The events of an endpoint that are looked at to find the oldest one whose run is not skipped. Those of skipped runs
/// are swept within seconds, unless there are very many.
const SEARCHED: usize = 1_000;

/// The share by which the free space must exceed its threshold before people are told again that it is below: otherwise
/// a file that grows and shrinks around the threshold would be a message a minute.
const DISK_MARGIN: u64 = 10;

/// The rules of the watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AlertRules {
    /// The workspace of the operator.
    pub(crate) operator: Option<Uuid>,
    /// The time for which an event may be due; zero: for ever.
    pub(crate) backlog: Duration,
    /// The bytes that should be free on the disk; 0: it does not matter.
    pub(crate) disk: u64,
}

/// The handle of the thread.
pub(crate) struct Alerts(BackgroundThread);

impl Alerts {
    /// Starts the thread, which looks at once, then at its periods, and when a clock jumps.
    pub(crate) fn start(
        writer: Arc<Writer>,
        files: Arc<DatabaseFiles>,
        clock: Arc<dyn Clock>,
        rules: AlertRules,
    ) -> Result<Self, StoreError> {
        let for_jumps = clock.clone();
        let thread = BackgroundThread::start("alerts", &*for_jumps, move |wake_up| {
            let mut watch = Watch {
                rules,
                writer: &writer,
                files: &files,
                clock: &*clock,
                wake_up,
                is_disk_low: false,
            };
            while !wake_up.is_stopping() {
                hit(FailPoint::AlertsTurn);
                if let Err(error) = watch.look() {
                    tracing::debug!(%error, "the watch over backlogs will try again");
                }
                wake_up.wait(PERIOD);
            }
        })?;
        Ok(Self(thread))
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.0.stop();
    }
}

struct Watch<'a> {
    rules: AlertRules,
    writer: &'a Writer,
    files: &'a DatabaseFiles,
    clock: &'a dyn Clock,
    wake_up: &'a WakeUp,
    /// Set from the message until there is enough free space again.
    is_disk_low: bool,
}

impl Watch<'_> {
    fn look(&mut self) -> Result<(), StoreError> {
        let work = Work::new(self.writer, self.files, self.wake_up);
        let now = self.clock.now();
        self.look_at_disk(&work)?;
        let operator = self.rules.operator;
        let connection = work.connection()?;
        let read = |result: rusqlite::Result<_>| result.map_err(|error| read_error(&error));
        if operator.is_none() && !read(somebody_listens(&connection))? {
            return Ok(());
        }
        let untold = untold_failures(&connection, now);
        for endpoint in untold.map_err(|error| read_error(&error))? {
            if work.is_stopping() {
                return Ok(());
            }
            work.step(move |context| tell_of_untold_failures(context, endpoint))?;
        }
        if self.rules.backlog.is_zero() {
            return Ok(());
        }
        let found = backlogs_to_tell(&connection, self.rules.backlog, now);
        for backlog in found.map_err(|error| read_error(&error))? {
            if work.is_stopping() {
                return Ok(());
            }
            work.step(move |context| tell_of_backlog(context, backlog))?;
        }
        Ok(())
    }

    /// Tells the operator once that the disk is nearly full, and again after it was not.
    fn look_at_disk(&mut self, work: &Work<'_>) -> Result<(), StoreError> {
        let (Some(operator), threshold) = (self.rules.operator, self.rules.disk) else {
            return Ok(());
        };
        let Some(free) = disk_free(self.files.database()) else {
            return Ok(());
        };
        if free >= threshold {
            if free >= threshold.saturating_add(threshold / DISK_MARGIN) {
                self.is_disk_low = false;
            }
        } else if !self.is_disk_low {
            tracing::warn!(free, threshold, "the disk of the database is nearly full");
            work.step(move |context| {
                let data = disk_low(free, threshold);
                send(context, operator, OperationalType::DiskLow, data, None)
            })?;
            self.is_disk_low = true;
        }
        Ok(())
    }
}

/// Reports whether a workspace gets the operational events of its endpoints.
fn somebody_listens(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM workspace WHERE operational_events = 1 AND deleted_at IS NULL)",
        [],
        |row| row.get(0),
    )
}

/// Returns the endpoints with failed events that nobody was told of, and that are to be told now.
fn untold_failures(
    connection: &Connection,
    now: Timestamp,
) -> rusqlite::Result<Vec<EndpointNumber>> {
    let mut statement = connection.prepare(
        "SELECT n, failed_told_at FROM endpoint INDEXED BY endpoint_untold
         WHERE failed_untold > 0 AND deleted_at IS NULL",
    )?;
    let mut found = Vec::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let told_at: Option<i64> = row.get(1)?;
        let told_at = told_at.map(Timestamp::from_micros);
        if is_due_again(told_at, EVENT_FAILED_PERIOD, now) {
            found.push(EndpointNumber(row.get(0)?));
        }
    }
    Ok(found)
}

/// The statements that find the time since which the oldest fresh event, and the soonest retry, of an endpoint is due.
const OLDEST_FRESH: &str = concat!(
    "SELECT created_at FROM event INDEXED BY event_fresh WHERE ",
    state_is!(fresh),
    " AND endpoint = ?1 AND seq > ?2 ORDER BY seq LIMIT min(1, ?3)"
);
const SOONEST_RETRY: &str = concat!(
    "SELECT due FROM (
       SELECT run, due FROM event INDEXED BY event_retry WHERE ",
    state_is!(retry),
    " AND endpoint = ?1 ORDER BY due LIMIT ?3)
     WHERE run > ?2 ORDER BY due LIMIT 1"
);

/// Returns the backlogs of which people are to be told now: those that have become old, or are still old for some time,
/// and those that are not old any more.
fn backlogs_to_tell(
    connection: &Connection,
    limit: Duration,
    now: Timestamp,
) -> rusqlite::Result<Vec<OldBacklog>> {
    let mut told: BTreeMap<i64, Timestamp> = connection
        .prepare(
            "SELECT n, backlog_told_at FROM endpoint INDEXED BY endpoint_old_backlog
             WHERE backlog_told_at IS NOT NULL AND deleted_at IS NULL",
        )?
        .query_map([], |row| {
            Ok((row.get(0)?, Timestamp::from_micros(row.get(1)?)))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut found = Vec::new();
    let latest = now.before(limit);
    for queued in waiting_endpoints(connection)? {
        let endpoint = queued.endpoint;
        let Some(due_since) = due_since(connection, endpoint)?.filter(|due| *due < latest) else {
            continue;
        };
        if is_due_again(told.remove(&endpoint), BACKLOG_PERIOD, now) {
            found.push(OldBacklog {
                endpoint: EndpointNumber(endpoint),
                due_since: Some(due_since),
            });
        }
    }
    found.extend(told.into_keys().map(|endpoint| OldBacklog {
        endpoint: EndpointNumber(endpoint),
        due_since: None,
    }));
    Ok(found)
}

/// Returns the time since which the oldest pending event of an endpoint is due; it may lie in the future. `None` if there
/// is none, or the endpoint is disabled or paused. What waited for the end of a pause is due since then.
fn due_since(connection: &Connection, endpoint: i64) -> rusqlite::Result<Option<Timestamp>> {
    let found: Option<(i64, Option<i64>)> = connection
        .prepare_cached(
            "SELECT skip_through, resumed_at FROM endpoint
             WHERE n = ?1 AND disabled IS NULL AND paused IS NULL AND deleted_at IS NULL",
        )?
        .query_row([endpoint], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((skip_through, resumed_at)) = found else {
        return Ok(None);
    };
    let mut oldest: Option<i64> = None;
    for sql in [OLDEST_FRESH, SOONEST_RETRY] {
        let due = connection
            .prepare_cached(sql)?
            .query_row(params![endpoint, skip_through, SEARCHED], |row| row.get(0))
            .optional()?;
        oldest = oldest.into_iter().chain(due).min();
    }
    let due_since = oldest.map(|oldest| oldest.max(resumed_at.unwrap_or(oldest)));
    Ok(due_since.map(Timestamp::from_micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(include_str!("../../../../schema.sql"))
            .unwrap();
        connection
            .execute_batch("PRAGMA foreign_keys = OFF")
            .unwrap();
        connection
    }

    /// Adds an endpoint of which people were told of its backlog so many minutes ago.
    fn endpoint(connection: &Connection, n: i64, told_ago: Option<u64>, skip_through: i64) {
        let told = told_ago.map(|minutes| NOW.before(Duration::from_mins(minutes)).micros());
        connection
            .execute(
                "INSERT INTO endpoint (n, id, workspace, url, format, secret, events, created_at,
                                       backlog_told_at, skip_through)
                 VALUES (?1, ?1, 1, 'u', 0, 's', '', 0, ?2, ?3)",
                params![n, told, skip_through],
            )
            .unwrap();
    }

    /// Adds an event that is due since so many minutes: a fresh one, or a retry.
    fn event(connection: &Connection, seq: i64, endpoint: i64, minutes: u64, is_retry: bool) {
        let due = NOW.before(Duration::from_mins(minutes)).micros();
        let created = if is_retry { 0 } else { due };
        connection
            .execute(
                "INSERT INTO event (seq, id, message, endpoint, workspace, type, format, state, run,
                                    run_attempt, attempts, due, created_at)
                 VALUES (?1, ?1, 1, ?2, 1, 1, 0, ?3, ?1, ?3, ?3, ?4, ?5)",
                params![seq, endpoint, i64::from(is_retry), due, created],
            )
            .unwrap();
    }

    fn told(connection: &Connection) -> Vec<(i64, bool)> {
        let limit = Duration::from_mins(15);
        let found = backlogs_to_tell(connection, limit, NOW).unwrap();
        let told = found
            .iter()
            .map(|it| (it.endpoint.0, it.due_since.is_some()));
        told.collect()
    }

    #[test]
    fn old_backlogs_are_found_by_what_is_due_and_told_again_after_an_hour() {
        let connection = database();
        endpoint(&connection, 1, None, 0);
        event(&connection, 11, 1, 16, false);
        endpoint(&connection, 2, None, 0);
        event(&connection, 12, 2, 14, false);
        event(&connection, 13, 2, 16, true);
        endpoint(&connection, 3, None, 0);
        event(&connection, 14, 3, 14, true);
        endpoint(&connection, 4, Some(59), 0);
        event(&connection, 15, 4, 90, false);
        endpoint(&connection, 5, Some(60), 0);
        event(&connection, 16, 5, 90, false);
        endpoint(&connection, 6, Some(1), 0);
        endpoint(&connection, 7, Some(1), 0);
        event(&connection, 17, 7, 3, false);
        assert_eq!(
            told(&connection),
            [(1, true), (2, true), (5, true), (6, false), (7, false)]
        );
    }

    #[test]
    fn what_is_skipped_or_disabled_is_no_backlog() {
        let connection = database();
        endpoint(&connection, 1, None, 12);
        event(&connection, 11, 1, 90, false);
        event(&connection, 12, 1, 90, true);
        event(&connection, 13, 1, 1, false);
        endpoint(&connection, 2, Some(1), 0);
        event(&connection, 14, 2, 90, false);
        connection
            .execute("UPDATE endpoint SET disabled = 1 WHERE n = 2", [])
            .unwrap();
        assert_eq!(told(&connection), [(2, false)]);
    }

    #[test]
    fn untold_failures_are_told_ten_minutes_after_the_others() {
        let connection = database();
        for (n, minutes, untold) in [(1, 9, 5), (2, 10, 5), (3, 11, 0)] {
            endpoint(&connection, n, None, 0);
            let told = NOW.before(Duration::from_mins(minutes)).micros();
            let update = "UPDATE endpoint SET failed_told_at = ?2, failed_untold = ?3 WHERE n = ?1";
            connection
                .execute(update, params![n, told, untold])
                .unwrap();
        }
        let found = untold_failures(&connection, NOW).unwrap();
        assert_eq!(found, [EndpointNumber(2)]);
    }
}
