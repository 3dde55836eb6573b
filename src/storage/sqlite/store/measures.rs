//! Measures of the store that only inform, for metrics. None waits for the writer, and one that fails has no
//! other effect.

use rusqlite::Connection;

use super::SqliteStore;
use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::growth::GrowthSample;
use crate::domain::overview::EndpointCounts;
use crate::domain::retention::KeepFor;
use crate::storage::sqlite::file::free_space::disk_free;
use crate::storage::sqlite::reads::backlog::oldest_due;
use crate::storage::sqlite::reads::growth;
use crate::storage::sqlite::reads::lists::{Helpers, count_events, list_deliveries};
use crate::storage::sqlite::reads::overview::count_endpoints;
use crate::storage::{
    DatabaseLimit, DeliveryFilter, EndpointNumber, FileSizes, Page, RowCounts, StoreFacts,
};

/// The statement that counts the endpoints, and the disabled ones of them.
const ENDPOINTS: &str =
    "SELECT count(*), count(disabled), count(CASE WHEN disabled IS NULL THEN paused END)
    FROM endpoint WHERE deleted_at IS NULL";

/// The statement that counts the running jobs, which have an index of their own.
const RUNNING_JOBS: &str = "SELECT count(*) FROM job INDEXED BY job_running WHERE state = 0";

/// The state of the queue, of the endpoints and of the jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreMeasures {
    /// The earliest time at which a pending event became due; it may lie in the future.
    pub oldest_due: Option<Timestamp>,
    /// The enabled endpoints that are not paused.
    pub enabled: i64,
    /// The enabled endpoints that are paused.
    pub paused: i64,
    /// The disabled endpoints.
    pub disabled: i64,
    /// The bytes in the database file that are free for new rows.
    pub free_bytes: i64,
    /// The running jobs.
    pub running_jobs: i64,
}

/// The error of a read that found no free connection, failed or took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread;

impl SqliteStore {
    /// Returns the state of the queue and of the endpoints, in some hundred microseconds, and in more with
    /// very many endpoints. `counts` selects the endpoints whose events count for `oldest_due`. Returns `None`
    /// if no reading connection is free, or if the read fails or takes too long.
    pub fn measure(&self, counts: impl Fn(EndpointNumber) -> bool) -> Option<StoreMeasures> {
        self.readers.glance(|connection| {
            let (all, disabled, paused): (i64, i64, i64) = connection
                .prepare_cached(ENDPOINTS)?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            Ok(StoreMeasures {
                oldest_due: oldest_due(connection, counts)?,
                enabled: all - disabled - paused,
                paused,
                disabled,
                free_bytes: free_bytes(connection)?,
                running_jobs: connection
                    .prepare_cached(RUNNING_JOBS)?
                    .query_row([], |row| row.get(0))?,
            })
        })
    }

    /// Returns a sample of the messages, from some hundred rows; `Ok(None)` if there is no message.
    ///
    /// # Errors
    /// The same as for [`SqliteStore::measure`]; none has another effect.
    pub fn sample_growth(&self, now: Timestamp) -> Result<Option<GrowthSample>, Unread> {
        let payloads = self.settings.keep_for().payloads;
        self.readers
            .glance(|connection| growth::sample(connection, now, payloads))
            .ok_or(Unread)
    }

    /// Returns what [`Store::facts`](crate::storage::Store::facts) promises.
    pub(super) fn read_facts(&self, now: Timestamp) -> StoreFacts {
        StoreFacts {
            files: self.file_sizes(),
            limit: self.limit(),
            kept_for: self.kept_for(),
            rows: self
                .readers
                .glance(|connection| row_counts(connection, self.readers.helpers(), now)),
            growth: self.sample_growth(now).ok().flatten(),
        }
    }

    /// Returns the time that the server keeps its data.
    #[must_use]
    pub fn kept_for(&self) -> KeepFor {
        self.settings.keep_for()
    }

    /// Returns the largest size of the database; `None`: as large as the disk.
    #[must_use]
    pub fn limit(&self) -> Option<DatabaseLimit> {
        let limit = self.writer.size_limit()?;
        Some(DatabaseLimit {
            bytes: limit.bytes(),
            is_reached: limit.is_reached(),
        })
    }

    /// Returns the sizes of the files.
    pub fn file_sizes(&self) -> FileSizes {
        let (database, log) = self.files.sizes();
        FileSizes {
            database,
            log,
            disk_free: disk_free(self.files.database()),
        }
    }
}

/// Counts the rows of the tables that people know.
fn row_counts(
    connection: &Connection,
    helpers: &Helpers,
    now: Timestamp,
) -> rusqlite::Result<RowCounts> {
    let page = Page {
        number: 1,
        limit: 1,
    };
    let endpoints: EndpointCounts = count_endpoints(connection)?;
    Ok(RowCounts {
        workspaces: connection
            .prepare_cached("SELECT count(*) FROM workspace WHERE deleted_at IS NULL")?
            .query_row([], |row| row.get(0))?,
        endpoints,
        events: count_events(connection, Visibility::All, None, &[])?,
        deliveries: list_deliveries(connection, helpers, &DeliveryFilter::ALL, page, 0, now)?.total,
    })
}

fn free_bytes(connection: &Connection) -> rusqlite::Result<i64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok(pragma("freelist_count")? * pragma("page_size")?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::storage::sqlite::SqliteSettings;

    /// Returns a store with a disabled endpoint (2) and two others (1 and 3), and pending events of all.
    fn store() -> (tempfile::TempDir, Arc<SqliteStore>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let clock = Arc::new(SystemClock::new());
        let store = SqliteStore::open(&file, SqliteSettings::default(), clock).unwrap();
        Connection::open(&file)
            .unwrap()
            .execute_batch(
                "PRAGMA foreign_keys = OFF;
                 INSERT INTO endpoint (n, id, workspace, url, format, secret, events, created_at, disabled,
                                       deleted_at)
                 VALUES (1, x'01', 1, 'u', 0, 's', '', 0, NULL, NULL), (2, x'02', 1, 'u', 0, 's', '', 0, 1, NULL),
                        (3, x'03', 1, 'u', 0, 's', '', 0, NULL, NULL), (4, x'04', 1, '', 0, '', '', 0, 0, 9);
                 INSERT INTO event (seq, id, message, endpoint, workspace, type, format, state, run,
                                    run_attempt, attempts, created_at, due)
                 VALUES (1, x'01', 1, 2, 1, 1, 0, 0, 1, 0, 0, 10, NULL), (2, x'02', 1, 1, 1, 1, 0, 0, 2, 0, 0, 50, NULL),
                        (3, x'03', 1, 1, 1, 1, 0, 0, 3, 0, 0, 60, NULL), (4, x'04', 1, 3, 1, 1, 0, 1, 4, 1, 1, 5, 40),
                        (5, x'05', 1, 3, 1, 1, 0, 2, 5, 1, 1, 1, NULL);",
            )
            .unwrap();
        (folder, store)
    }

    #[test]
    fn the_oldest_due_event_is_that_of_an_endpoint_that_counts() {
        let (_folder, store) = store();
        let oldest = |counted: &[i64]| {
            let measures = store
                .measure(|endpoint| counted.contains(&endpoint.0))
                .unwrap();
            assert_eq!((measures.enabled, measures.disabled), (2, 1));
            measures.oldest_due.map(Timestamp::micros)
        };
        assert_eq!(oldest(&[1, 2, 3]), Some(10));
        assert_eq!(oldest(&[1, 3]), Some(40));
        assert_eq!(oldest(&[1]), Some(50));
        assert_eq!(oldest(&[4]), None);
        assert!(store.file_sizes().log > 0);
        store.stop();
    }

    #[test]
    fn while_all_reading_connections_are_used_there_are_no_measures_and_no_wait_for_them() {
        let (_folder, store) = store();
        let taken = store.take_all_readers();
        let began = Instant::now();
        assert_eq!(store.measure(|_| true), None);
        // A read that a caller needs waits for two seconds.
        assert!(began.elapsed().as_millis() < 1500);
        drop(taken);
        assert!(store.measure(|_| true).is_some());
        store.stop();
    }
}
