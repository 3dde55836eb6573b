//! Handlers of `/webhooks/endpoints`.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::call::Call;
use super::endpoint_fields::{EndpointFields, RequestKind};
use super::error::ApiError;
use super::objects::{Rendered, json};
use super::pagination;
use super::validate::read;
use crate::domain::endpoint::NewEndpoint;
use crate::domain::secret::Secret;
use crate::storage::EndpointFilter;

/// Handles `POST /webhooks/endpoints`.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let mut input = call.input();
    input.json(body.text()?);
    let fields = EndpointFields::read(&mut input, &call.state.policy, RequestKind::Create);
    let workspace = call.workspace(&mut input);
    let ok = input.finish()?;
    let settings = fields.take(&ok).into_settings();
    let new = NewEndpoint {
        workspace_id: workspace.take(&ok),
        settings: settings.expect("reading has required the fields that have no default"),
    };
    let endpoint = call.state.store.create_endpoint(new).await?;
    Ok(json(StatusCode::CREATED, &Rendered(&endpoint)))
}

/// Handles `GET /webhooks/endpoints`.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let mut input = call.input();
    let page = pagination::page(&mut input);
    let workspaces = input.query_list("workspace_id", read::workspace_id);
    let url = input.query("url", read::filter_text).unless_empty();
    let ok = input.finish()?;
    let page = page.take(&ok);
    let filter = EndpointFilter {
        visibility: call.caller.visibility,
        workspaces: workspaces.take(&ok),
        url: url.take(&ok),
    };
    pagination::stream(
        &call,
        page,
        move |store, bytes| store.list_endpoints(&filter, page, bytes),
        |store, numbers, bytes| store.read_endpoints(numbers, bytes),
    )
    .await
}

/// Handles `GET /webhooks/endpoints/{id}`.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let id = call.path_id()?;
    let visibility = call.caller.visibility;
    let endpoint = call
        .read(move |store| store.find_endpoint(visibility, id))
        .await?;
    Ok(json(StatusCode::OK, &Rendered(&endpoint)))
}

/// Handles `PATCH /webhooks/endpoints/{id}`.
pub(super) async fn update(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let mut input = call.input();
    input.json(body.text()?);
    let id = input.path(read::id);
    let fields = EndpointFields::read(&mut input, &call.state.policy, RequestKind::Update);
    let ok = input.finish()?;
    let patch = fields.take(&ok);
    let (id, visibility) = (id.take(&ok), call.caller.visibility);
    let endpoint = call
        .state
        .store
        .update_endpoint(visibility, id, patch)
        .await?;
    Ok(json(StatusCode::OK, &Rendered(&endpoint)))
}

/// Handles `DELETE /webhooks/endpoints/{id}`.
pub(super) async fn delete(call: Call) -> Result<HttpResponse, ApiError> {
    let id = call.path_id()?;
    call.state
        .store
        .delete_endpoint(call.caller.visibility, id)
        .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Handles `PATCH /webhooks/endpoints/{id}/secret`.
pub(super) async fn replace_secret(call: Call) -> Result<HttpResponse, ApiError> {
    let id = call.path_id()?;
    let (visibility, secret) = (call.caller.visibility, Secret::generate());
    let endpoint = call
        .state
        .store
        .replace_secret(visibility, id, secret)
        .await?;
    Ok(json(StatusCode::OK, &Rendered(&endpoint)))
}
