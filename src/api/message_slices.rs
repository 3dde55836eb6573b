//! A message rendered as JSON in slices: its data is the producer's, byte for byte, and may be long.
//!
//! The data is a part of the body that raw endpoints get. So the pieces of the body are sent as they are, without
//! what stands before the data in the first one. The brace that ends the body also ends the message.

use super::message_objects::MessageDetailJson;
use super::slices::{READ_BYTES, Slices};
use crate::domain::message::{data_of, data_start};
use crate::domain::overview::MessageSummary;
use crate::storage::{LongPayload, Row, Store, StoreError};

/// The JSON of one message.
pub(super) struct MessageSlices {
    /// JSON that is rendered and not handed out yet.
    ready: Vec<u8>,
    /// The body whose pieces are still to be read, and where the next piece begins.
    rest: Option<(LongPayload, u64)>,
}

impl MessageSlices {
    pub(super) fn new(row: &Row<MessageSummary>) -> Self {
        let mut ready = MessageDetailJson::before_data(&row.item);
        if let Some(payload) = row.payload {
            let rest = Some((payload, 0));
            return Self { ready, rest };
        }
        let data = row.item.payload.as_deref().and_then(data_of);
        ready.extend_from_slice(data.unwrap_or("null").as_bytes());
        ready.push(b'}');
        Self { ready, rest: None }
    }
}

impl Slices for MessageSlices {
    fn next(&mut self, store: &dyn Store) -> Result<Vec<u8>, StoreError> {
        let mut out = std::mem::take(&mut self.ready);
        let Some((payload, from)) = self.rest.take() else {
            return Ok(out);
        };
        let piece = store.read_payload(payload, from, READ_BYTES)?;
        let mut text = piece.text.as_str();
        if from == 0 {
            // The first piece is long enough for all that stands before the data.
            text = data_start(text)
                .and_then(|at| text.get(at..))
                .unwrap_or_default();
        }
        // The brace that ends the body ends the message, too.
        out.extend_from_slice(text.as_bytes());
        self.rest = piece.next.map(|next| (payload, next));
        Ok(out)
    }

    fn is_over(&self) -> bool {
        self.ready.is_empty() && self.rest.is_none()
    }
}
