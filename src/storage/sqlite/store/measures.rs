//! Measures of the store that only inform, for metrics. None waits for the writer, and one that fails has no
//! other effect.

use rusqlite::Connection;

use super::SqliteStore;
use crate::domain::clock::Timestamp;
use crate::storage::EndpointNumber;
use crate::storage::sqlite::reads::backlog::oldest_due;

/// The statement that counts the endpoints, and the disabled ones of them.
const ENDPOINTS: &str = "SELECT count(*), count(disabled) FROM endpoint WHERE deleted_at IS NULL";

/// The state of the queue and of the endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreMeasures {
    /// The earliest time at which a pending event became due; it may lie in the future.
    pub oldest_due: Option<Timestamp>,
    /// The enabled endpoints.
    pub enabled: i64,
    /// The disabled endpoints.
    pub disabled: i64,
    /// The bytes in the database file that are free for new rows.
    pub free_bytes: i64,
}

/// The sizes of files, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSizes {
    /// The database file.
    pub database: u64,
    /// The write-ahead log.
    pub log: u64,
    /// The free space on their disk, if the system tells it.
    pub disk_free: Option<u64>,
}

impl SqliteStore {
    /// Returns the state of the queue and of the endpoints, in some hundred microseconds, and in more with
    /// very many endpoints. `counts` selects the endpoints whose events count for `oldest_due`. Returns `None`
    /// if no reading connection is free, or if the read fails or takes too long.
    pub fn measure(&self, counts: impl Fn(EndpointNumber) -> bool) -> Option<StoreMeasures> {
        self.readers.glance(|connection| {
            let (all, disabled) = connection
                .prepare_cached(ENDPOINTS)?
                .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
            Ok(StoreMeasures {
                oldest_due: oldest_due(connection, counts)?,
                enabled: all - disabled,
                disabled,
                free_bytes: free_bytes(connection)?,
            })
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

fn free_bytes(connection: &Connection) -> rusqlite::Result<i64> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok(pragma("freelist_count")? * pragma("page_size")?)
}

/// Returns the space on the disk of a file that a user without privileges may use.
#[cfg(target_os = "linux")]
fn disk_free(file: &std::path::Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(file).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(target_os = "linux"))]
fn disk_free(_: &std::path::Path) -> Option<u64> {
    None
}
