//! Reading: connections that only read, how long a read may take, and what is made of one that fails.

use std::sync::Arc;
use std::time::Instant;

use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, ErrorCode, ffi};

use super::doubt::{confirmed, is_doubtful};
use super::files::{Files, Standing};
use super::injected::reach_or_fail;
use super::operation::OperationError;
use super::{SqliteStore, open};
use crate::fail_point::FailPoint;
use crate::storage::{StoreError, Unavailable};

/// Virtual-machine steps between two looks at the clock: some ten microseconds.
const READ_CHECK_STEPS: i32 = 10_000;

/// Opens the pool's connections, unless the files were moved: opening would make new ones.
pub(super) struct Opener {
    manager: SqliteConnectionManager,
    files: Arc<Files>,
}

impl Opener {
    pub(super) fn new(files: Arc<Files>) -> Self {
        let manager = SqliteConnectionManager::file(files.database())
            .with_flags(open::read_flags())
            .with_init(open::configure_reader);
        Self { manager, files }
    }
}

impl r2d2::ManageConnection for Opener {
    type Connection = Connection;
    type Error = rusqlite::Error;

    fn connect(&self) -> rusqlite::Result<Connection> {
        if self.files.standing() != Standing::InPlace {
            let code = ffi::Error::new(ffi::SQLITE_READONLY_DBMOVED);
            return Err(rusqlite::Error::SqliteFailure(code, None));
        }
        self.manager.connect()
    }

    fn is_valid(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        self.manager.is_valid(connection)
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        self.manager.has_broken(connection)
    }
}

impl SqliteStore {
    /// Reads on a pooled connection, for as long as a read may take. `work` is called again on a new
    /// connection if the first could not read.
    pub(super) fn read<T>(
        &self,
        work: impl Fn(&Connection) -> Result<T, OperationError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.readers.get().map_err(|error| {
            tracing::warn!(%error, "no reading connection is free");
            StoreError::Unavailable(match self.files.standing() {
                Standing::InPlace => Unavailable::TooSlow,
                _ => Unavailable::Moved,
            })
        })?;
        let mut result = self.try_to_read(&connection, &work);
        if let Err(OperationError::Database(error)) = &result
            && is_doubtful(error)
        {
            tracing::warn!(%error, "a read failed; reading again on a new connection");
            result = self.read_again(&mut connection, &work);
        }
        result.map_err(|error| match error {
            OperationError::Refused(error) => error,
            OperationError::Database(error) => read_error(&error),
        })
    }

    fn try_to_read<T>(
        &self,
        connection: &Connection,
        work: &impl Fn(&Connection) -> Result<T, OperationError>,
    ) -> Result<T, OperationError> {
        let late = self.checkpointer.read_limit(Instant::now());
        connection.progress_handler(READ_CHECK_STEPS, Some(late))?;
        reach_or_fail(FailPoint::Read)?;
        work(connection)
    }

    /// The second look.
    fn read_again<T>(
        &self,
        connection: &mut Connection,
        work: &impl Fn(&Connection) -> Result<T, OperationError>,
    ) -> Result<T, OperationError> {
        if self.files.standing() != Standing::InPlace {
            return Err(StoreError::Unavailable(Unavailable::Moved).into());
        }
        let again = match open::read_connection(self.files.database()) {
            Ok(new) => {
                *connection = new;
                self.try_to_read(connection, work)
            }
            Err(error) => Err(error.into()),
        };
        match again {
            Err(OperationError::Database(error)) if is_doubtful(&error) => {
                let why = confirmed(&self.files, connection, &error);
                Err(StoreError::Unavailable(why).into())
            }
            again => again,
        }
    }
}

pub(super) fn read_error(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => StoreError::Unavailable(Unavailable::TooSlow),
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
            StoreError::Unavailable(Unavailable::DiskError)
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Unavailable(Unavailable::Locked)
        }
        _ => StoreError::Internal(error.to_string()),
    }
}
