//! Handlers of `/webhooks/messages`: what was published, with or without events, and the erasure of its payload.

use super::message_objects::MessageDetailJson;
use super::message_slices::MessageSlices;
use super::pagination;
use super::route_docs::{RouteDocs, Success};
use super::slices::READ_BYTES;
use super::streamed;
use crate::domain::message::StoredMessage;
use crate::server::call::{Call, OF_A_WORKSPACE};
use crate::server::erasing;
use crate::server::error::ApiError;
use crate::server::inputs::filters::message_filter;
use crate::server::validate::read;
use crate::storage::Store;
use actix_web::HttpResponse;

const TAG: &str = "messages";

/// The description of `GET /webhooks/messages`.
pub(super) static LIST: RouteDocs = RouteDocs {
    summary: "List messages",
    details: "Those that no endpoint wanted are listed, too. A search with `missing_for` that takes too long ends early: \
              see `meta.searched_back_to`.",
    reads: |input| {
        let _ = message_filter(input, OF_A_WORKSPACE);
    },
    ..RouteDocs::new(TAG, "messages_list", Success::list::<StoredMessage>())
};

/// Handles `GET /webhooks/messages`.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let mut input = call.input();
    let filter = message_filter(&mut input, call.caller.visibility);
    let (page, filter) = filter(&input.finish()?);
    let found = call
        .read(move |store| store.list_messages(&filter, page))
        .await?;
    Ok(pagination::respond_with_messages(&found, page))
}

/// The description of `GET /webhooks/messages/{id}`.
pub(super) static GET: RouteDocs = RouteDocs {
    summary: "Get a message",
    reads: |input| {
        let _ = input.path(read::id);
    },
    ..RouteDocs::new(
        TAG,
        "messages_get",
        Success::json::<MessageDetailJson<'static>>(200),
    )
};

/// Handles `GET /webhooks/messages/{id}`.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let id = call.path_id()?;
    let visibility = call.caller.visibility;
    let find = move |store: &dyn Store| {
        let found = store.find_message(visibility, id, READ_BYTES)?;
        Ok(MessageSlices::new(&found))
    };
    streamed::respond(&call, find).await
}

/// The description of `DELETE /webhooks/messages/{id}/payload`.
pub(super) static ERASE_PAYLOAD: RouteDocs = RouteDocs {
    summary: "Erase the payload of a message",
    details: "The data of the message, the bodies of its events and the answers stored with their deliveries are gone with \
              the 204; ids, types, times and states stay. Pending events are skipped. An attempt that is under way may \
              still be made; it is recorded without its answer. A payload that is gone already is no error. Backups and \
              receivers keep what they have.",
    reads: |input| {
        let _ = input.path(read::id);
    },
    ..RouteDocs::new(TAG, "messages_erase_payload", Success::empty())
};

/// Handles `DELETE /webhooks/messages/{id}/payload`.
pub(super) async fn erase_payload(call: Call) -> Result<HttpResponse, ApiError> {
    let id = call.path_id()?;
    erasing::erase_payload(&call.state, call.caller.visibility, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
