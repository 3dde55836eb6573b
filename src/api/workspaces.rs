//! Handlers of `/workspaces`. Only admin tokens create and delete workspaces; a workspace token reads and
//! renames its own.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::call::Call;
use super::error::ApiError;
use super::objects::{Rendered, json};
use super::pagination;
use super::validate::read;

/// Handles `POST /workspaces`.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let mut input = call.input();
    input.json(body.text()?);
    let name = input.required("name", read::workspace_name);
    let ok = input.finish()?;
    let workspace = call.state.store.create_workspace(name.take(&ok)).await?;
    Ok(json(StatusCode::CREATED, &Rendered(&workspace)))
}

/// Handles `GET /workspaces`.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let mut input = call.input();
    let page = pagination::page(&mut input);
    let ok = input.finish()?;
    let (page, visibility) = (page.take(&ok), call.caller.visibility);
    let listed = call
        .read(move |store| store.list_workspaces(visibility, page))
        .await?;
    Ok(pagination::respond(&listed, page))
}

/// Handles `GET /workspaces/{id}`.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let id = call.path(read::workspace_id)?;
    let visibility = call.caller.visibility;
    let workspace = call
        .read(move |store| store.find_workspace(visibility, id))
        .await?;
    Ok(json(StatusCode::OK, &Rendered(&workspace)))
}

/// Handles `PATCH /workspaces/{id}`.
pub(super) async fn update(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let mut input = call.input();
    input.json(body.text()?);
    let id = input.path(read::workspace_id);
    let name = input.optional("name", read::workspace_name);
    let ok = input.finish()?;
    let (id, visibility) = (id.take(&ok), call.caller.visibility);
    let workspace = match name.take(&ok) {
        Some(name) => {
            call.state
                .store
                .rename_workspace(visibility, id, name)
                .await?
        }
        None => {
            call.read(move |store| store.find_workspace(visibility, id))
                .await?
        }
    };
    Ok(json(StatusCode::OK, &Rendered(&workspace)))
}

/// Handles `DELETE /workspaces/{id}`.
pub(super) async fn delete(call: Call) -> Result<HttpResponse, ApiError> {
    let id = call.path(read::workspace_id)?;
    call.state
        .store
        .delete_workspace(call.caller.visibility, id)
        .await?;
    call.state.auth.invalidate();
    Ok(HttpResponse::NoContent().finish())
}
