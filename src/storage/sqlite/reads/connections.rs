//! The pool of reading connections, which limits the time of a read and repeats one that failed.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use r2d2::ManageConnection;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, ffi};

use super::lists;
use super::lists::Helpers;
use crate::domain::keyring::Keyring;
use crate::fail_point::FailPoint;
use crate::storage::sqlite::file::connection::{BUSY_TIMEOUT, READ_FLAGS};
use crate::storage::sqlite::file::database_files::{DatabaseFiles, FilesState};
use crate::storage::sqlite::file::injected_error::hit_or_fail;
use crate::storage::sqlite::file::read_failure::{end_unless_moved, is_read_failure, read_error};
use crate::storage::sqlite::file::trace;
use crate::storage::sqlite::maintenance::checkpoint::ReadLimit;
use crate::storage::sqlite::sealing;
use crate::storage::sqlite::writer::operation::OperationError;
use crate::storage::{StoreError, Unavailable};
use crate::vital;

/// The number of reading connections. Reads are short and there are few cores; more would only cost memory.
const READERS: u32 = 8;

/// The time that a read waits for a connection.
const READER_WAIT: Duration = Duration::from_secs(2);

/// Steps of `SQLite`'s virtual machine between two looks at the clock: some ten microseconds.
const READ_CHECK_STEPS: i32 = 10_000;

/// The time that a read which only informs waits for a connection: long enough to open one.
const GLANCE_WAIT: Duration = Duration::from_millis(100);

/// The longest that a read which only informs may take, for all its statements together. A hundred thousand
/// endpoints with pending events took 0.4 s; each statement is short.
const GLANCE_LIMIT: Duration = Duration::from_secs(2);

/// The pool of reading connections.
pub(crate) struct Readers {
    pool: r2d2::Pool<Opener>,
    files: Arc<DatabaseFiles>,
    keys: Arc<Keyring>,
    limit: ReadLimit,
    open_failure: OpenFailure,
    helpers: Helpers,
}

/// The reason why the pool could not open a connection when it last tried; `None` if it could. The pool tries
/// again until it can, but tells its callers only that they have waited for too long.
type OpenFailure = Arc<Mutex<Option<StoreError>>>;

/// The pool's opener of connections. It refuses if the files were moved: opening would make new files.
struct Opener {
    manager: SqliteConnectionManager,
    files: Arc<DatabaseFiles>,
    failure: OpenFailure,
}

impl Opener {
    fn new(files: Arc<DatabaseFiles>, keys: Arc<Keyring>, failure: OpenFailure) -> Self {
        let manager = SqliteConnectionManager::file(files.database())
            .with_flags(READ_FLAGS)
            .with_init(move |connection| configure(connection, &keys));
        Self {
            manager,
            files,
            failure,
        }
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        if self.files.state() != FilesState::InPlace {
            let code = ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED);
            return Err(rusqlite::Error::SqliteFailure(code, None));
        }
        self.manager.connect()
    }
}

impl ManageConnection for Opener {
    type Connection = Connection;
    type Error = rusqlite::Error;

    fn connect(&self) -> rusqlite::Result<Connection> {
        let opened = self.open();
        *vital::lock(&self.failure) = opened.as_ref().err().map(read_error);
        opened
    }

    fn is_valid(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        self.manager.is_valid(connection)
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        self.manager.has_broken(connection)
    }
}

/// Opens a connection for a helper of a search; `None` if that is not possible now. It keeps few pages: the helper reads them
/// once.
fn open_for_helper(files: &DatabaseFiles) -> Option<Connection> {
    if files.state() != FilesState::InPlace {
        return None;
    }
    let opened = Connection::open_with_flags(files.database(), READ_FLAGS);
    let connection = opened
        .inspect_err(|error| tracing::debug!(%error, "no connection for a helper of a search"))
        .ok()?;
    connection.busy_timeout(BUSY_TIMEOUT).ok()?;
    (connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -256;")).ok()?;
    Some(connection)
}

/// Opens a reading connection.
fn open(database: &Path, keys: &Arc<Keyring>) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_with_flags(database, READ_FLAGS)?;
    configure(&mut connection, keys)?;
    Ok(connection)
}

/// Applies the settings of a reading connection.
fn configure(connection: &mut Connection, keys: &Arc<Keyring>) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(lists::STATEMENTS);
    lists::install(connection)?;
    sealing::install(connection, keys)?;
    connection.execute_batch(
        "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2048;",
    )?;
    trace::install(connection);
    Ok(())
}

impl Readers {
    /// Returns a pool that opens its connections when they are needed. They open secrets with `keys`.
    pub(crate) fn new(
        files: Arc<DatabaseFiles>,
        keys: Arc<Keyring>,
        limit: ReadLimit,
    ) -> Result<Self, r2d2::Error> {
        let open_failure = OpenFailure::default();
        let pool = r2d2::Pool::builder()
            .max_size(READERS)
            .min_idle(Some(0))
            .test_on_check_out(false)
            .connection_timeout(READER_WAIT)
            .error_handler(Box::new(r2d2::NopErrorHandler))
            .build(Opener::new(
                files.clone(),
                keys.clone(),
                open_failure.clone(),
            ))?;
        let of_helpers = files.clone();
        Ok(Self {
            pool,
            files,
            keys,
            limit,
            open_failure,
            helpers: Helpers::new(move || open_for_helper(&of_helpers)),
        })
    }

    /// Returns the helpers of searches.
    pub(crate) fn helpers(&self) -> &Helpers {
        &self.helpers
    }

    /// Takes all connections, until the returned value is dropped.
    #[cfg(test)]
    pub(crate) fn take_all(&self) -> impl Sized + use<> {
        let taken = (0..READERS).map(|_| self.pool.get().unwrap());
        taken.collect::<Vec<_>>()
    }

    /// Runs `work`, whose result only informs, on a connection of the pool. Returns `None` if it fails, takes
    /// longer than [`GLANCE_LIMIT`], or finds no free connection: none of that has another effect.
    pub(crate) fn glance<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Option<T> {
        let connection = self.pool.get_timeout(GLANCE_WAIT).ok()?;
        let started = Instant::now();
        let late = move || started.elapsed() > GLANCE_LIMIT;
        let limited = connection.progress_handler(READ_CHECK_STEPS, Some(late));
        let result = limited.and_then(|()| work(&connection));
        result
            .inspect_err(|error| tracing::debug!(%error, "a read for the metrics failed"))
            .ok()
    }

    /// Runs `work` on a connection of the pool, for as long as a read may take. Runs it again on a new
    /// connection if the first could not read.
    pub(crate) fn read<T>(
        &self,
        work: impl Fn(&Connection) -> Result<T, OperationError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.pool.get().map_err(|error| self.pool_error(&error))?;
        let mut result = self.try_to_read(&connection, &work);
        if let Err(OperationError::Database(error)) = &result
            && is_read_failure(error)
        {
            tracing::warn!(%error, "a read failed; reading again on a new connection");
            result = self.read_again(&mut connection, &work);
        }
        result.map_err(|error| match error {
            OperationError::Refused(error) => error,
            OperationError::Database(error) => self.error_for(&connection, &error),
        })
    }

    /// Returns the error that callers get if the pool has no connection for them: none can be opened, or all
    /// are in use.
    fn pool_error(&self, error: &r2d2::Error) -> StoreError {
        let failure = vital::lock(&self.open_failure).clone();
        if failure.is_some() {
            tracing::warn!(%error, "cannot open a reading connection");
        } else {
            tracing::warn!(%error, "no reading connection is free");
        }
        match self.files.state() {
            FilesState::InPlace => failure.unwrap_or(StoreError::Unavailable(Unavailable::TooSlow)),
            _ => StoreError::Unavailable(Unavailable::Moved),
        }
    }

    /// Returns the error that callers get. A database file that was cut can be read as one without tables.
    fn error_for(&self, connection: &Connection, error: &rusqlite::Error) -> StoreError {
        let read_error = read_error(error);
        if !matches!(read_error, StoreError::Internal(_)) {
            return read_error;
        }
        match self.files.state_on(connection) {
            Ok(FilesState::InPlace) | Err(_) => read_error,
            Ok(_) => StoreError::Unavailable(Unavailable::Moved),
        }
    }

    fn try_to_read<T>(
        &self,
        connection: &Connection,
        work: &impl Fn(&Connection) -> Result<T, OperationError>,
    ) -> Result<T, OperationError> {
        let late = self.limit.from(Instant::now());
        connection.progress_handler(READ_CHECK_STEPS, Some(late))?;
        hit_or_fail(FailPoint::Read)?;
        work(connection)
    }

    /// Runs a failed read for the second time, on a new connection.
    fn read_again<T>(
        &self,
        connection: &mut Connection,
        work: &impl Fn(&Connection) -> Result<T, OperationError>,
    ) -> Result<T, OperationError> {
        if self.files.state() != FilesState::InPlace {
            return Err(StoreError::Unavailable(Unavailable::Moved).into());
        }
        let again = match open(self.files.database(), &self.keys) {
            Ok(new) => {
                *connection = new;
                self.try_to_read(connection, work)
            }
            Err(error) => Err(error.into()),
        };
        match again {
            Err(OperationError::Database(error)) if is_read_failure(&error) => {
                let why = end_unless_moved(&self.files, connection, &error);
                Err(StoreError::Unavailable(why).into())
            }
            again => again,
        }
    }
}
