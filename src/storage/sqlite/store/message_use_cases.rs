//! The writes of messages that are more than one call: publishing a batch, and erasing a payload.

use uuid::Uuid;

use super::SqliteStore;
use crate::domain::access::Visibility;
use crate::domain::message::NewMessage;
use crate::storage::sqlite::writes;
use crate::storage::{ErasureStep, Pending, Published};

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
        self.write_as_lock_holder(visibility.workspace(), 0, move |context| {
            writes::erase_payload::erase_payload(context, visibility, id, from)
        })
    }
}
