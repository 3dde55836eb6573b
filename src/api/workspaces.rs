//! Handlers of `/workspaces`. Only admin tokens create and delete workspaces; a workspace token reads and
//! changes its own.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::objects::{Rendered, json};
use super::pagination;
use super::route_docs::{RouteDocs, Success};
use crate::domain::workspace::Workspace;
use crate::server::call::Call;
use crate::server::error::{ApiError, ErrorName};
use crate::server::inputs::page::page;
use crate::server::inputs::workspaces::{WorkspaceChange, new_workspace, taken_workspace};
use crate::server::validate::read;

const TAG: &str = "workspaces";

/// The description of `POST /workspaces`.
pub(super) static CREATE: RouteDocs = RouteDocs {
    summary: "Create a workspace",
    reads: |input| {
        let _ = new_workspace(input);
    },
    body: "WorkspaceCreate",
    conflicts: &[ErrorName::NameTaken],
    ..RouteDocs::new(TAG, "workspaces_create", Success::object::<Workspace>(201))
};

/// Handles `POST /workspaces`.
pub(super) async fn create(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let mut input = call.input();
    input.json(body.text()?);
    let fields = new_workspace(&mut input);
    let new = taken_workspace(fields, &input.finish()?);
    let made = call.state.store.create_workspace_with(new);
    Ok(json(StatusCode::CREATED, &Rendered(&made.await?)))
}

/// The description of `GET /workspaces`.
pub(super) static LIST: RouteDocs = RouteDocs {
    summary: "List workspaces",
    details: "A workspace token sees only its own workspace.",
    reads: |input| {
        let _ = page(input);
    },
    ..RouteDocs::new(TAG, "workspaces_list", Success::list::<Workspace>())
};

/// Handles `GET /workspaces`.
pub(super) async fn list(call: Call) -> Result<HttpResponse, ApiError> {
    let mut input = call.input();
    let page = page(&mut input);
    let ok = input.finish()?;
    let (page, visibility) = (page.take(&ok), call.caller.visibility);
    let listed = call
        .read(move |store| store.list_workspaces(visibility, page))
        .await?;
    Ok(pagination::respond(&listed, page))
}

/// The description of `GET /workspaces/{id}`.
pub(super) static GET: RouteDocs = RouteDocs {
    summary: "Get a workspace",
    reads: |input| {
        let _ = input.path(read::workspace_id);
    },
    ..RouteDocs::new(TAG, "workspaces_get", Success::object::<Workspace>(200))
};

/// Handles `GET /workspaces/{id}`.
pub(super) async fn get(call: Call) -> Result<HttpResponse, ApiError> {
    let id = call.path(read::workspace_id)?;
    let visibility = call.caller.visibility;
    let workspace = call
        .read(move |store| store.find_workspace(visibility, id))
        .await?;
    Ok(json(StatusCode::OK, &Rendered(&workspace)))
}

/// The description of `PATCH /workspaces/{id}`.
pub(super) static UPDATE: RouteDocs = RouteDocs {
    summary: "Change a workspace: its name, how long it keeps its data, its operational events",
    details: "A field that is absent or null stays as it is; a time of 0 is the server's again.",
    reads: |input| {
        let _ = WorkspaceChange::read(input);
    },
    body: "WorkspaceUpdate",
    conflicts: &[ErrorName::NameTaken],
    ..RouteDocs::new(TAG, "workspaces_update", Success::object::<Workspace>(200))
};

/// Handles `PATCH /workspaces/{id}`.
pub(super) async fn update(mut call: Call) -> Result<HttpResponse, ApiError> {
    let body = call.body().await?;
    let mut input = call.input();
    input.json(body.text()?);
    let fields = WorkspaceChange::read(&mut input);
    let (id, patch) = fields.take(&input.finish()?);
    let visibility = call.caller.visibility;
    let workspace = if patch.is_empty() {
        call.read(move |store| store.find_workspace(visibility, id))
            .await?
    } else {
        let store = &call.state.store;
        store.update_workspace(visibility, id, patch).await?
    };
    Ok(json(StatusCode::OK, &Rendered(&workspace)))
}

/// The description of `DELETE /workspaces/{id}`.
pub(super) static DELETE: RouteDocs = RouteDocs {
    summary: "Delete a workspace",
    details: "Revokes its tokens, deletes its endpoints, skips its pending events, and erases its payloads within minutes.",
    reads: |input| {
        let _ = input.path(read::workspace_id);
    },
    ..RouteDocs::new(TAG, "workspaces_delete", Success::empty())
};

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
