//! The messages of a batch.

use sha2::{Digest, Sha256};

use super::message::message_fields;
use crate::domain::access::Visibility;
use crate::domain::message::{BATCH_MESSAGE_MAX, Idempotency, NewMessage};
use crate::server::schema::{Node, Schema};
use crate::server::validate::{Checked, Input, ItemLimits, read};

/// A message of a batch.
pub(crate) struct BatchItem {
    /// The message, without summary and trace.
    pub(crate) message: NewMessage,
    /// Its length in bytes, as it was sent.
    pub(crate) size: usize,
}

/// Reads the messages of a batch, at most `most`. Each is as a single one, and may have an idempotency key of its own.
pub(crate) fn message_batch<'a>(
    input: &mut Input<'a>,
    visibility: Visibility,
    most: usize,
) -> impl FnOnce(&Checked) -> Vec<BatchItem> + use<'a> {
    let limits = ItemLimits {
        count: most,
        bytes: BATCH_MESSAGE_MAX,
    };
    let schema = || item_schema(visibility);
    let items = input.required_items("messages", limits, schema, |input, text| {
        let item = item_fields(input, visibility);
        move |ok: &Checked| {
            let (mut message, key) = item(ok);
            message.idempotency = key.map(|key| Idempotency {
                key,
                fingerprint: Sha256::digest(text).into(),
            });
            BatchItem {
                message,
                size: text.len(),
            }
        }
    });
    move |ok| {
        let items = items.take(ok);
        items.into_iter().map(|item| item(ok)).collect()
    }
}

/// Reads the fields of a message of a batch: the message, and its idempotency key.
pub(crate) fn item_fields(
    input: &mut Input<'_>,
    visibility: Visibility,
) -> impl FnOnce(&Checked) -> (NewMessage, Option<String>) + use<> {
    let message = message_fields(input, visibility);
    let key = input.optional("idempotency_key", read::idempotency_key);
    |ok| (message(ok), key.take(ok))
}

/// The name of the object, as the OpenAPI document has it.
pub(crate) const ITEM_NAME: &str = "BatchMessagePublish";

/// Returns the schema of an item: a reference to the definition that the document makes of [`item_fields`].
fn item_schema(visibility: Visibility) -> Schema {
    let fields = Input::describe(|input| {
        let _ = item_fields(input, visibility);
    });
    let required = fields.into_iter().filter(|field| field.is_required);
    let example = required.map(|field| (field.name.to_owned(), field.schema.example()));
    let example = Schema::any(Node::Object(example.collect()));
    Schema::reference(&(ITEM_NAME.to_owned(), example))
}
