//! An operation: the work of one write inside the transaction, and the result for its caller.

use rusqlite::Connection;
use uuid::Uuid;

use super::cache::WriterCache;
use super::charts::Charts;
use super::counters::Counters;
use super::list_indexes::ListIndexes;
use super::recent_attempts::RecentAttempts;
use crate::domain::clock::Timestamp;
use crate::metrics::StorageMetrics;
use crate::storage::{Notice, Pending, ResultSender, StoreError, pending};

/// The reason why an operation was not done.
#[derive(Debug)]
pub(crate) enum OperationError {
    /// It was refused before it wrote anything: the group goes on without it.
    Refused(StoreError),
    /// The database failed: the whole group is rolled back.
    Database(rusqlite::Error),
}

impl From<rusqlite::Error> for OperationError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for OperationError {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// The resources of an operation. All changes to them are void if the transaction is rolled back.
pub(crate) struct WriteContext<'a> {
    /// The write connection, inside a transaction.
    pub(crate) connection: &'a Connection,
    /// The writer's cache.
    pub(crate) cache: &'a mut WriterCache,
    /// The counters, to which the operation adds its changes.
    pub(crate) counters: &'a mut Counters,
    /// The counts for charts, to which the operation adds its changes.
    pub(crate) charts: &'a mut Charts,
    /// The attempts that are not in the table of charts, as of the last commit.
    pub(crate) recent: &'a RecentAttempts,
    /// The list indexes, which must hear of deleted rows.
    pub(crate) list_indexes: &'a mut ListIndexes,
    /// The metrics, in which operations of the janitor count what they delete and drop.
    pub(crate) metrics: &'a StorageMetrics,
    /// The notices that the engine gets after the commit.
    pub(crate) notices: &'a mut Vec<Notice>,
    /// The workspace of the operator, which gets the operational events of all others; `None`: there is none.
    pub(crate) operator: Option<Uuid>,
    /// Set if the database has reached its largest size.
    pub(crate) is_size_limit_reached: bool,
    /// Set by an operation that erases what no file is to keep, such as a secret: after the commit, the log is emptied.
    pub(crate) has_erased: bool,
    /// The wall clock, read once per group.
    pub(crate) now: Timestamp,
    /// The weight that the running operation has written: bytes, and [`ROW_WEIGHT`] for each row. If its
    /// expected weight is more, that one counts.
    pub(crate) weight: usize,
}

/// The weight of a row beside the bytes in it: with its index entries, it takes as long to write as some
/// kilobytes. It is small enough for a thousand small publishes to be one group.
pub(crate) const ROW_WEIGHT: usize = 2048;

/// A write that waits for its turn.
///
/// `apply` may be called again after a rollback, so it must not consume what it needs. It must decide
/// on refusal before it writes: there are no savepoints to go back to.
pub(crate) trait Operation: Send {
    /// Does the work inside an open transaction.
    fn apply(&mut self, context: &mut WriteContext<'_>) -> Result<(), OperationError>;
    /// Gives the result to the caller, once the commit has returned or the work has failed.
    fn finish(self: Box<Self>, result: Result<(), StoreError>);
    /// Returns the bytes that it holds while it waits.
    fn size(&self) -> usize {
        256
    }
    /// Returns its expected weight, as far as it is known before the work is done.
    fn weight(&self) -> usize {
        2 * ROW_WEIGHT + self.size()
    }
}

/// An operation that runs a closure, and sends the closure's value to the caller.
struct ClosureOperation<T, F> {
    work: F,
    value: Option<T>,
    sender: ResultSender<T>,
    size: usize,
}

/// Returns an operation that runs `work`, and the [`Pending`] that will have its result.
pub(crate) fn operation_of<T, F>(size: usize, work: F) -> (Box<dyn Operation>, Pending<T>)
where
    T: Send + 'static,
    F: FnMut(&mut WriteContext<'_>) -> Result<T, OperationError> + Send + 'static,
{
    let (sender, pending) = pending();
    let operation = ClosureOperation {
        work,
        value: None,
        sender,
        size,
    };
    (Box::new(operation), pending)
}

impl<T, F> Operation for ClosureOperation<T, F>
where
    T: Send,
    F: FnMut(&mut WriteContext<'_>) -> Result<T, OperationError> + Send,
{
    fn apply(&mut self, context: &mut WriteContext<'_>) -> Result<(), OperationError> {
        self.value = Some((self.work)(context)?);
        Ok(())
    }

    fn finish(self: Box<Self>, result: Result<(), StoreError>) {
        let lost = || StoreError::Internal("a write was committed without a value".to_owned());
        let Self { value, sender, .. } = *self;
        sender.send(result.and_then(|()| value.ok_or_else(lost)));
    }

    fn size(&self) -> usize {
        256 + self.size
    }
}
