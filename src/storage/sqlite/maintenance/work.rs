//! The access of background work to the database: it searches on a reading connection of its own, and gives the
//! writer small steps.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::background::WakeUp;
use crate::storage::sqlite::file::connection::background_read_connection;
use crate::storage::sqlite::file::database_files::{DatabaseFiles, FilesState};
use crate::storage::sqlite::file::read_failure::read_error;
use crate::storage::sqlite::writer::Writer;
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext, operation_of};
use crate::storage::{StoreError, Unavailable};

/// The pause after a step, in multiples of the time that the step took, while the writer has other work: so
/// background work takes at most a fifth of the writer's time, also if it never ends.
const PAUSE_FACTOR: u32 = 4;

/// The time after other work during which the writer counts as busy.
const BUSY_FOR: Duration = Duration::from_millis(200);

/// The access of a background thread.
pub(super) struct Work<'a> {
    writer: &'a Writer,
    files: &'a DatabaseFiles,
    wake_up: &'a WakeUp,
    /// The writer's count of other work at the last look, and the time until which it counts as busy.
    foreground: Cell<u64>,
    busy_until: Cell<Option<Instant>>,
    #[cfg(test)]
    before_look: Option<&'a dyn Fn()>,
}

impl<'a> Work<'a> {
    pub(super) fn new(writer: &'a Writer, files: &'a DatabaseFiles, wake_up: &'a WakeUp) -> Self {
        Self {
            writer,
            files,
            wake_up,
            foreground: Cell::new(writer.foreground_operations()),
            busy_until: Cell::new(None),
            #[cfg(test)]
            before_look: None,
        }
    }

    /// Sets what is called whenever the work is about to look for more.
    #[cfg(test)]
    pub(super) fn before_each_look(mut self, call: &'a dyn Fn()) -> Self {
        self.before_look = Some(call);
        self
    }

    /// Reports whether the thread must end. Work asks before each look for more.
    pub(super) fn is_stopping(&self) -> bool {
        #[cfg(test)]
        if let Some(call) = self.before_look {
            call();
        }
        self.wake_up.is_stopping()
    }

    /// Gives the writer a step and waits until it is done; then pauses if the writer has other work.
    pub(super) fn step<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut WriteContext<'_>) -> Result<T, OperationError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let (operation, done) = operation_of(0, work);
        self.writer.submit(operation);
        let result = done.wait();
        let now = Instant::now();
        let foreground = self.writer.foreground_operations();
        if self.foreground.replace(foreground) != foreground {
            self.busy_until.set(Some(now + BUSY_FOR));
        }
        if self.busy_until.get().is_some_and(|end| now < end) {
            self.wake_up.pause((now - began) * PAUSE_FACTOR);
        }
        result
    }

    /// Gives the writer the steps of a pass, until it is complete or the thread must end.
    pub(super) fn pass<P: Copy + Default + Send + 'static>(
        &self,
        step: impl Fn(&mut WriteContext<'_>, P) -> Result<Option<P>, OperationError>
        + Copy
        + Send
        + 'static,
    ) -> Result<(), StoreError> {
        let mut pass = P::default();
        while !self.is_stopping() {
            match self.step(move |context| step(context, pass))? {
                Some(further) => pass = further,
                None => break,
            }
        }
        Ok(())
    }

    /// Opens a connection to search for rows. The writer changes rows in its own file, by the numbers that this
    /// connection finds. So it must not read another file that was put in the place of the database.
    pub(super) fn connection(&self) -> Result<Connection, StoreError> {
        let in_place = || match self.files.state() {
            FilesState::InPlace => Ok(()),
            _ => Err(StoreError::Unavailable(Unavailable::Moved)),
        };
        // Checked before as well: opening another file would make a log beside it.
        in_place()?;
        let connection = background_read_connection(self.files.database())
            .map_err(|error| read_error(&error))?;
        in_place()?;
        Ok(connection)
    }
}

/// The rows that a search found.
#[derive(Debug)]
pub(super) struct Found {
    /// Their numbers, in order.
    pub(super) numbers: Vec<i64>,
    /// All rows up to this number were looked at.
    pub(super) through: i64,
    /// Set if there are no rows after it to look at.
    pub(super) is_last: bool,
}
