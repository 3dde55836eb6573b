//! The fields of a message that is published.

use super::workspace::workspace_within;
use crate::domain::access::Visibility;
use crate::domain::message::NewMessage;
use crate::server::validate::{Checked, Input, read};

/// Reads the fields of a message; what is made of its data and its idempotency key are none of them.
pub(crate) fn message_fields(
    input: &mut Input<'_>,
    visibility: Visibility,
) -> impl FnOnce(&Checked) -> NewMessage + use<> {
    let event_type = input.required("type", read::event_type);
    let data = input.required("data", read::any_json);
    let timestamp = input.optional("timestamp", read::producers_time);
    let endpoint_ids = input.optional("endpoint_ids", read::endpoint_ids);
    let tags = input.optional("tags", read::tags);
    let workspace = workspace_within(visibility, input);
    |ok| NewMessage {
        timestamp: timestamp.take(ok),
        endpoint_ids: endpoint_ids.take(ok).unwrap_or_default(),
        tags: tags.take(ok).unwrap_or_default(),
        ..NewMessage::new(workspace.take(ok), event_type.take(ok), data.take(ok))
    }
}
