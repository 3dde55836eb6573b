//! Handlers of `/webhooks/deliveries`.

use actix_web::HttpResponse;

use super::call::Call;
use super::error::ApiError;
use super::pagination;
use super::validate::read;
use crate::storage::DeliveryFilter;

/// Handles `GET /webhooks/deliveries`.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let mut input = call.input();
    let page = pagination::page(&mut input);
    let endpoints = input.query_list("endpoint_id", read::id);
    let event = input.query("event_id", read::id);
    let messages = input.query_list("message_id", read::id);
    let workspaces = input.query_list("workspace_id", read::workspace_id);
    let event_types = input
        .query_list("event_type", read::filter_text)
        .unless_empty();
    let after = input.query("start_timestamp", read::time);
    let before = input.query("end_timestamp", read::time);
    let succeeded = input.query("succeeded", read::boolean);
    let code_class = input.query("http_code_class", read::code_class);
    let query = input.query("query", read::filter_text).unless_empty();
    let ok = input.finish()?;
    let page = page.take(&ok);
    let filter = DeliveryFilter {
        visibility: call.caller.visibility,
        workspaces: workspaces.take(&ok),
        endpoints: endpoints.take(&ok),
        event: event.take(&ok),
        messages: messages.take(&ok),
        event_types: event_types.take(&ok),
        after: after.take(&ok),
        before: before.take(&ok),
        succeeded: succeeded.take(&ok),
        code_class: code_class.take(&ok),
        query: query.take(&ok),
    };
    pagination::stream(
        &call,
        page,
        move |store, bytes| store.list_deliveries(&filter, page, bytes),
        |store, numbers, bytes| store.read_deliveries(numbers, bytes),
    )
    .await
}
