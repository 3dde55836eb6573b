//! The request of a preview.

use uuid::Uuid;

use crate::server::validate::read::{EndpointDraft, MessageDraft};
use crate::server::validate::{Checked, Input, read};

/// A request for a preview. At least one of the first two is there.
pub(crate) struct PreviewRequest {
    /// The endpoint.
    pub(crate) endpoint_id: Option<Uuid>,
    /// Settings that it has instead of its own; without an endpoint, instead of the defaults.
    pub(crate) endpoint: Option<EndpointDraft>,
    /// The message.
    pub(crate) message: MessageDraft,
}

/// Reads a request for a preview.
pub(crate) fn preview_request(
    input: &mut Input<'_>,
) -> impl FnOnce(&Checked) -> PreviewRequest + use<> {
    let endpoint_id = input.optional("endpoint_id", read::id);
    let is_absent = endpoint_id.known() == Some(None);
    let endpoint = input.field("endpoint", is_absent, read::endpoint_draft);
    let message = input.required("message", read::message_draft);
    |ok| PreviewRequest {
        endpoint_id: endpoint_id.take(ok),
        endpoint: endpoint.take(ok),
        message: message.take(ok),
    }
}
