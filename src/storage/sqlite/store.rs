//! The store's handle: opens and stops the store, and runs its reads and writes.

mod background_threads;
mod job_use_cases;
mod measures;
mod message_use_cases;
mod operator;
mod queue_use_cases;
mod secrets_at_rest;
mod settings;
mod use_cases;

use self::background_threads::BackgroundThreads;
pub use self::measures::{StoreMeasures, Unread};
use self::operator::operator_workspace;
pub use self::settings::SqliteSettings;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use uuid::Uuid;

use super::file::connection::write_connection;
use super::file::damage::look_for_damage;
use super::file::database_files::DatabaseFiles;
use super::file::lock::FileLock;
use super::file::open_error::OpenError;
use super::file::{open, place, recovery};
use super::maintenance::checkpoint;
use super::maintenance::checkpoint::Checkpointer;
use super::maintenance::truncate::{CloseError, truncate};
use super::reads::connections::Readers;
use super::reads::lists::Helpers;
use super::sealing;
use super::writer::operation::{OperationError, WriteContext, operation_of};
use super::writer::size_limit::SizeLimit;
use super::writer::{Writer, WriterResources};
use super::writes::sweep::sweep_some;
use crate::domain::clock::Clock;
use crate::storage::{Pending, StoreError, Unavailable};

/// A store in a `SQLite` file.
pub struct SqliteStore {
    settings: SqliteSettings,
    clock: Arc<dyn Clock>,
    pub(super) files: Arc<DatabaseFiles>,
    readers: Readers,
    pub(super) writer: Arc<Writer>,
    checkpointer: Checkpointer,
    /// `None` in a tool.
    background: Option<BackgroundThreads>,
    /// Set if this process took the file's lock when it opened the file.
    holds_lock: bool,
    // Last: the lock is released when everything that uses the file has ended.
    lock: Mutex<Option<FileLock>>,
}

impl SqliteStore {
    /// Opens the file for a server: takes its lock, recovers the log of the last run, makes or migrates the
    /// file. Waits some seconds for other processes that use it.
    ///
    /// # Errors
    /// Each is one line of text. The file is untouched.
    pub fn open(
        database: &Path,
        settings: SqliteSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, OpenError> {
        let database = &place::resolve(database)?;
        open::refuse_after_interrupted_restore(database)?;
        let lock = FileLock::for_server(database)?;
        let restricted = place::restrict_permissions(database);
        if !open::prepare(database, true)? {
            look_for_damage(database)?;
        }
        let store = Self::start(database, settings, clock, Some(lock), true)?;
        restricted.report();
        Ok(store)
    }

    /// Opens the file for the command-line tool `command`, beside a running server or without one. Makes or
    /// migrates a new or older file if no server runs on it; waits for a file that another process makes or
    /// migrates.
    ///
    /// # Errors
    /// Each is one line of text. The file is untouched.
    pub fn open_for_tool(
        database: &Path,
        command: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, OpenError> {
        let database = &place::resolve(database)?;
        open::refuse_after_interrupted_restore(database)?;
        let lock = FileLock::for_tool(database, command)?;
        let mut restricted = place::RestrictedPermissions::default();
        if lock.is_some() {
            restricted = place::restrict_permissions(database);
            open::prepare(database, true)?;
        }
        let store = Self::start(database, SqliteSettings::default(), clock, lock, false)?;
        restricted.report();
        Ok(store)
    }

    fn start(
        database: &Path,
        settings: SqliteSettings,
        clock: Arc<dyn Clock>,
        lock: Option<FileLock>,
        serving: bool,
    ) -> Result<Arc<Self>, OpenError> {
        let unusable = |reason: String| OpenError::Unusable {
            path: database.to_owned(),
            reason,
        };
        let (path, keys) = (database.to_owned(), settings.keys.clone());
        let open_writer = move || {
            let connection = write_connection(&path)?;
            sealing::install(&connection, &keys)?;
            checkpoint::watch(&connection);
            Ok::<_, rusqlite::Error>(connection)
        };
        let connection = open_writer().map_err(|error| unusable(error.to_string()))?;
        if serving {
            secrets_at_rest::check_keys(database, &connection, &settings.keys)?;
            secrets_at_rest::seal_plain_secrets(database, &connection, &settings.keys)?;
        }
        let files = DatabaseFiles::of(database, &connection)
            .map_err(|error| unusable(error.to_string()))?;
        let files = Arc::new(files);
        // Beside another process, a tool only writes its rows.
        let holds_lock = lock.is_some();
        let checkpointer = if holds_lock {
            recovery::sync_folder(database)?;
            let started = Checkpointer::start(&files);
            let checkpointer = started.map_err(|error| unusable(error.to_string()))?;
            if serving && settings.keys.sealing_key().is_some() {
                (checkpointer.cleaner())();
            }
            checkpointer
        } else {
            Checkpointer::idle()
        };
        let readers = Readers::new(
            files.clone(),
            settings.keys.clone(),
            checkpointer.read_limit(),
        )
        .map_err(|error| unusable(error.to_string()))?;
        let name = settings.operator_workspace.as_ref().filter(|_| serving);
        let operator = operator_workspace(&connection, name, clock.now());
        let writer = Writer::start(WriterResources {
            connection,
            holds_lock,
            reopen: Box::new(open_writer),
            files: files.clone(),
            clock: clock.clone(),
            between_groups: Box::new(checkpointer.between_groups()),
            clean_log: Box::new(checkpointer.cleaner()),
            metrics: settings.metrics.clone(),
            size_limit: SizeLimit::new(settings.max_database_size).map(Arc::new),
            operator,
            sweep: sweep_some,
        });
        let writer = Arc::new(writer.map_err(|error| unusable(error.to_string()))?);
        let background = serving
            .then(|| BackgroundThreads::start(&writer, &files, &clock, &settings, operator))
            .transpose()
            .map_err(|error| unusable(error.to_string()))?;
        Ok(Arc::new(Self {
            settings,
            clock,
            files,
            readers,
            writer,
            checkpointer,
            background,
            holds_lock,
            lock: Mutex::new(lock),
        }))
    }

    /// Writes all that is queued, empties the log and releases the file. Later writes are refused. Errors are
    /// logged.
    pub fn stop(&self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "stopping");
        }
    }

    /// Stops the store like [`stop`](Self::stop), and returns the error.
    ///
    /// # Errors
    /// The log could not be emptied, or the files are gone. A failed sync ends the process.
    pub fn close(&self) -> Result<(), CloseError> {
        if let Some(background) = &self.background {
            background.stop();
        }
        self.writer.stop();
        self.checkpointer.stop();
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        match lock.take() {
            Some(_held) => truncate(&self.files),
            None => Ok(()),
        }
    }

    /// Takes all reading connections, until the returned value is dropped.
    #[cfg(test)]
    pub(crate) fn take_all_readers(&self) -> impl Sized + use<> {
        self.readers.take_all()
    }

    /// Reads on a connection of the pool.
    fn read<T>(
        &self,
        work: impl Fn(&Connection) -> Result<T, OperationError>,
    ) -> Result<T, StoreError> {
        self.readers.read(work)
    }

    /// Reads a list on a connection of the pool; its search for a text may have helpers.
    fn read_list<T>(
        &self,
        work: impl Fn(&Connection, &Helpers) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let helpers = self.readers.helpers();
        self.read(|connection| Ok(work(connection, helpers)?))
    }

    /// Reads one object, which may be absent.
    fn read_one<T>(
        &self,
        work: impl Fn(&Connection) -> rusqlite::Result<Option<T>>,
    ) -> Result<T, StoreError> {
        self.read(|connection| Ok(work(connection)?.ok_or(StoreError::NotFound)?))
    }

    /// Queues a write that takes a turn of `workspace` (`None`: of the server and its operators) in the fair
    /// queue. Only the holder of the file's lock may make it: the write changes data that a server keeps in
    /// memory between transactions (names, endpoints, numbers, counts), and the server would not notice the
    /// change.
    fn write_as_lock_holder<T: Send + 'static>(
        &self,
        workspace: Option<Uuid>,
        size: usize,
        work: impl FnMut(&mut WriteContext<'_>) -> Result<T, OperationError> + Send + 'static,
    ) -> Pending<T> {
        if self.holds_lock {
            return self.write_uncached(workspace, size, work);
        }
        let (operation, pending) = operation_of(size, work);
        operation.finish(Err(StoreError::Unavailable(Unavailable::Locked)));
        pending
    }

    /// Queues a write of rows that no server keeps in memory, which a tool may make beside a server.
    fn write_uncached<T: Send + 'static>(
        &self,
        workspace: Option<Uuid>,
        size: usize,
        work: impl FnMut(&mut WriteContext<'_>) -> Result<T, OperationError> + Send + 'static,
    ) -> Pending<T> {
        let (operation, pending) = operation_of(size, work);
        self.writer.submit_of(workspace, operation);
        pending
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, SeekFrom, Write};

    use super::*;
    use crate::domain::access::TokenHash;
    use crate::domain::clock::SystemClock;
    use crate::domain::event_state::EventState;
    use crate::domain::workspace::WorkspacePatch;
    use crate::storage::Store;

    #[test]
    fn a_read_that_finds_no_free_connection_is_told_to_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock::new());
        let file = folder.path().join("test.db");
        let store = SqliteStore::open(&file, SqliteSettings::default(), clock).unwrap();
        let taken = store.take_all_readers();
        let find = || store.find_caller(&TokenHash([0; 32]));
        assert_eq!(find(), Err(StoreError::Unavailable(Unavailable::TooSlow)));
        drop(taken);
        assert_eq!(find(), Ok(None));
        store.stop();
    }

    #[test]
    fn a_read_for_which_no_connection_can_be_opened_is_told_of_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock::new());
        let file = folder.path().join("test.db");
        // A tool has no janitor, which would end the process if it could not read.
        let store = SqliteStore::open_for_tool(&file, "test", clock).unwrap();
        let connection = Connection::open(&file).unwrap();
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
        drop(connection);
        // A connection reads the header of the file when it is opened.
        let mut header = [0; 100];
        let mut handle = File::options().read(true).write(true).open(&file).unwrap();
        handle.read_exact(&mut header).unwrap();
        let mut write = |bytes: [u8; 100]| {
            handle.seek(SeekFrom::Start(0)).unwrap();
            handle.write_all(&bytes).unwrap();
        };
        let find = || store.find_caller(&TokenHash([0; 32]));
        write([0xff; 100]);
        let found = find();
        write(header);
        // SQLite's locks go with any handle of the file.
        std::mem::forget(handle);
        let disk_error = StoreError::Unavailable(Unavailable::DiskError);
        assert_eq!(found, Err(disk_error));
        assert_eq!(find(), Ok(None), "the pool has tried again");
        store.stop();
    }

    /// A server's store, one of its events pending at an endpoint that is to be swept, and a tool's store
    /// beside it. Another connection writes the rows, because the server would sweep at once if it knew of
    /// them.
    fn with_a_tool() -> (tempfile::TempDir, Arc<SqliteStore>, Arc<SqliteStore>) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let clock = Arc::new(SystemClock::new());
        let server = SqliteStore::open(&file, SqliteSettings::default(), clock.clone()).unwrap();
        Connection::open(&file)
            .unwrap()
            .execute_batch(
                "PRAGMA foreign_keys = OFF;
                 INSERT INTO endpoint (n, id, workspace, url, format, secret, events, created_at,
                                       disabled, skip_through, sweep)
                 VALUES (1, x'01', 1, 'u', 0, 's', '', 0, 0, 9, 1);
                 INSERT INTO event (seq, id, message, endpoint, workspace, type, format, state, run,
                                    run_attempt, attempts, created_at)
                 VALUES (1, x'02', 1, 1, 1, 1, 0, 0, 1, 0, 0, 0);",
            )
            .unwrap();
        let tool = SqliteStore::open_for_tool(&file, "test", clock).unwrap();
        (folder, server, tool)
    }

    #[test]
    fn a_tool_beside_a_server_leaves_sweeping_to_the_server() {
        let (folder, server, tool) = with_a_tool();
        let name = |name: &str| crate::domain::workspace::WorkspaceName::parse(name).unwrap();
        let made = tool.create_workspace(name("made")).wait().unwrap();
        // The tool has written; it would have swept in the same transaction.
        tool.stop();
        let state = || -> EventState {
            let connection = Connection::open(folder.path().join("test.db")).unwrap();
            connection
                .query_row("SELECT state FROM event", [], |row| row.get(0))
                .unwrap()
        };
        assert_eq!(state(), EventState::Fresh, "the tool swept");
        let all = crate::domain::access::Visibility::All;
        assert_eq!(server.find_workspace(all, made.id).unwrap(), made);
        server.stop();
    }

    #[test]
    fn a_tool_beside_a_server_changes_nothing_that_the_server_remembers() {
        let (_folder, server, tool) = with_a_tool();
        let name = |name: &str| crate::domain::workspace::WorkspaceName::parse(name).unwrap();
        let made = tool.create_workspace(name("made")).wait().unwrap();
        let all = crate::domain::access::Visibility::All;
        let locked = StoreError::Unavailable(Unavailable::Locked);
        let rename = || WorkspacePatch::rename(name("other"));
        let renamed = tool.update_workspace(all, made.id, rename()).wait();
        assert_eq!(renamed, Err(locked.clone()));
        assert_eq!(tool.delete_workspace(all, made.id).wait(), Err(locked));
        assert_eq!(server.find_workspace(all, made.id).unwrap(), made);
        server
            .update_workspace(all, made.id, rename())
            .wait()
            .unwrap();
        tool.stop();
        server.stop();
    }
}
