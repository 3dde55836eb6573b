//! Handlers of `/workspaces`. Only admin tokens create and delete workspaces; a workspace token reads and
//! renames its own.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use uuid::Uuid;

use super::call::Call;
use super::error::{ApiError, ErrorName};
use super::objects::{Rendered, json};
use super::pagination;
use super::route_docs::{RouteDocs, Success};
use super::validate::{Field, Input, read};
use crate::domain::workspace::{Workspace, WorkspaceName};

const TAG: &str = "workspaces";

/// The description of `POST /workspaces`.
pub(super) static CREATE: RouteDocs = RouteDocs {
    summary: "Create a workspace",
    reads: |input| {
        let _ = read_name(input);
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
    let name = read_name(&mut input);
    let name = name.take(&input.finish()?);
    let workspace = call.state.store.create_workspace(name).await?;
    Ok(json(StatusCode::CREATED, &Rendered(&workspace)))
}

fn read_name(input: &mut Input<'_>) -> Field<WorkspaceName> {
    input.required("name", read::workspace_name)
}

/// The description of `GET /workspaces`.
pub(super) static LIST: RouteDocs = RouteDocs {
    summary: "List workspaces",
    details: "A workspace token sees only its own workspace.",
    reads: |input| {
        let _ = pagination::page(input);
    },
    ..RouteDocs::new(TAG, "workspaces_list", Success::list::<Workspace>())
};

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
    summary: "Rename a workspace",
    reads: |input| {
        let _ = read_patch(input);
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
    let (id, name) = read_patch(&mut input);
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

fn read_patch(input: &mut Input<'_>) -> (Field<Uuid>, Field<Option<WorkspaceName>>) {
    let id = input.path(read::workspace_id);
    (id, input.optional("name", read::workspace_name))
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
