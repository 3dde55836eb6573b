//! One write: what it does inside the transaction, and who hears of the result.

use rusqlite::Connection;

use super::cache::WriterState;
use super::counters::Counters;
use crate::domain::clock::Timestamp;
use crate::storage::{Answer, Notice, Pending, StoreError, pending};

/// Why an operation did not go through.
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

/// What an operation works with. All of it is void if the transaction is rolled back.
pub(crate) struct WriteContext<'a> {
    /// The write connection, inside a transaction.
    pub(crate) connection: &'a Connection,
    /// What the writer remembers between transactions.
    pub(crate) state: &'a mut WriterState,
    /// Changes to the totals.
    pub(crate) counters: &'a mut Counters,
    /// What the engine will hear after the commit.
    pub(crate) notices: &'a mut Vec<Notice>,
    /// The wall clock, read once per group.
    pub(crate) now: Timestamp,
    /// What the operation under way wrote, where that is not what it holds: bytes, and
    /// [`ROW_WEIGHT`] a row.
    pub(crate) weight: usize,
}

/// What a row weighs beside the bytes in it. Writing one takes as long as writing some kilobytes, with its
/// places in the indexes; and so that a thousand small publishes are still one group.
pub(crate) const ROW_WEIGHT: usize = 2048;

/// A write that waits for its turn.
///
/// `apply` may be called again after a rollback, so it must not consume what it needs. It must decide
/// on refusal before it writes: there are no savepoints to go back to.
pub(crate) trait Operation: Send {
    /// Does the work inside an open transaction.
    fn apply(&mut self, context: &mut WriteContext<'_>) -> Result<(), OperationError>;
    /// Tells whoever waits, once the commit has returned or the work has failed.
    fn finish(self: Box<Self>, result: Result<(), StoreError>);
    /// Bytes that it holds while it waits.
    fn size(&self) -> usize {
        256
    }
    /// What it will weigh, as far as can be said before it is applied.
    fn weight(&self) -> usize {
        2 * ROW_WEIGHT + self.size()
    }
}

/// An operation made of a closure; its value is the answer.
struct Call<T, F> {
    work: F,
    value: Option<T>,
    answer: Answer<T>,
    size: usize,
}

/// An operation that runs `work` and answers through the [`Pending`].
pub(crate) fn call<T, F>(size: usize, work: F) -> (Box<dyn Operation>, Pending<T>)
where
    T: Send + 'static,
    F: FnMut(&mut WriteContext<'_>) -> Result<T, OperationError> + Send + 'static,
{
    let (answer, pending) = pending();
    let call = Call {
        work,
        value: None,
        answer,
        size,
    };
    (Box::new(call), pending)
}

impl<T, F> Operation for Call<T, F>
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
        let Self { value, answer, .. } = *self;
        answer.send(result.and_then(|()| value.ok_or_else(lost)));
    }

    fn size(&self) -> usize {
        256 + self.size
    }
}
