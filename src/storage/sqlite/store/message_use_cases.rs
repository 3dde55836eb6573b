//! The writes of messages that are more than one call: publishing a batch, and erasing a payload.

use uuid::Uuid;

use super::SqliteStore;
use crate::domain::access::Visibility;
use crate::domain::message::NewMessage;
use crate::storage::sqlite::writer::operation::{Operation, OperationError, WriteContext};
use crate::storage::sqlite::writes;
use crate::storage::{
    ErasureStep, Pending, Published, ResultSender, StoreError, Unavailable, pending,
};

/// The memory that a message of a batch takes besides its data.
const MESSAGE_BYTES: usize = 512;

impl SqliteStore {
    /// Queues the publish of a batch. It takes a turn of the workspace of its messages; if there are several, that of the
    /// operators, who alone publish in all.
    pub(super) fn queue_batch(&self, new: Vec<NewMessage>) -> Pending<Vec<Published>> {
        let bytes = new.iter().map(|it| it.data.get().len() + MESSAGE_BYTES);
        let size = bytes.sum();
        let first = new.first().map(|it| it.workspace_id);
        let owner = first.filter(|first| new.iter().all(|it| it.workspace_id == *first));
        self.write_as_lock_holder(owner, size, move |context| {
            writes::publish::batch::publish_batch(context, &new)
        })
    }

    /// Queues a step of the erasure of a payload.
    pub(super) fn queue_erasure(
        &self,
        visibility: Visibility,
        id: Uuid,
        from: ErasureStep,
    ) -> Pending<Option<ErasureStep>> {
        let (sender, pending) = pending();
        let operation = Box::new(ErasePayload {
            visibility,
            id,
            from,
            next: None,
            sender,
            clean_log: Box::new(self.checkpointer.cleaner()),
        });
        if self.holds_lock {
            self.writer.submit_of(visibility.workspace(), operation);
        } else {
            operation.finish(Err(StoreError::Unavailable(Unavailable::Locked)));
        }
        pending
    }
}

/// The write that erases a payload. After the commit of its last step it has the log emptied, which keeps old pages.
struct ErasePayload {
    visibility: Visibility,
    id: Uuid,
    from: ErasureStep,
    next: Option<ErasureStep>,
    sender: ResultSender<Option<ErasureStep>>,
    clean_log: Box<dyn Fn() + Send>,
}

impl Operation for ErasePayload {
    fn apply(&mut self, context: &mut WriteContext<'_>) -> Result<(), OperationError> {
        let (visibility, id, from) = (self.visibility, self.id, self.from);
        self.next = writes::erase_payload::erase_payload(context, visibility, id, from)?;
        Ok(())
    }

    fn finish(self: Box<Self>, result: Result<(), StoreError>) {
        if result.is_ok() && self.next.is_none() {
            (self.clean_log)();
        }
        let next = self.next;
        self.sender.send(result.map(|()| next));
    }
}
