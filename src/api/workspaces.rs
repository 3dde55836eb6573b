//! Handlers of `/workspaces`. Only admin tokens create and delete workspaces; a workspace token reads and
//! changes its own.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use uuid::Uuid;

use super::call::Call;
use super::error::{ApiError, ErrorName};
use super::objects::{Rendered, json};
use super::pagination;
use super::route_docs::{RouteDocs, Success};
use super::validate::{Checked, Field, Input, read};
use crate::domain::retention::{ArchiveAfter, DeleteAfter, WorkspaceRetention};
use crate::domain::workspace::{Workspace, WorkspaceName, WorkspacePatch};

const TAG: &str = "workspaces";

/// The description of `POST /workspaces`.
pub(super) static CREATE: RouteDocs = RouteDocs {
    summary: "Create a workspace",
    reads: |input| {
        let _ = read_new(input);
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
    let (name, archive_after, delete_after) = read_new(&mut input);
    let ok = input.finish()?;
    let retention = WorkspaceRetention {
        archive_after: archive_after.take(&ok).unwrap_or_default(),
        delete_after: delete_after.take(&ok).unwrap_or_default(),
    };
    let store = &call.state.store;
    let made = store.create_workspace_with(name.take(&ok), retention);
    Ok(json(StatusCode::CREATED, &Rendered(&made.await?)))
}

/// The fields of a new workspace.
type NewFields = (
    Field<WorkspaceName>,
    Field<Option<ArchiveAfter>>,
    Field<Option<DeleteAfter>>,
);

fn read_new(input: &mut Input<'_>) -> NewFields {
    (
        input.required("name", read::workspace_name),
        input.optional("archive_after", read::archive_after),
        input.optional("delete_after", read::delete_after),
    )
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
    summary: "Rename a workspace, or set how long it keeps its data",
    details: "A field that is absent or null stays as it is; a time of 0 is the server's again.",
    reads: |input| {
        let _ = ChangedFields::read(input);
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
    let fields = ChangedFields::read(&mut input);
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

/// The fields of a change.
struct ChangedFields {
    id: Field<Uuid>,
    name: Field<Option<WorkspaceName>>,
    archive_after: Field<Option<ArchiveAfter>>,
    delete_after: Field<Option<DeleteAfter>>,
}

impl ChangedFields {
    fn read(input: &mut Input<'_>) -> Self {
        Self {
            id: input.path(read::workspace_id),
            name: input.optional("name", read::workspace_name),
            archive_after: input.optional("archive_after", read::archive_after),
            delete_after: input.optional("delete_after", read::delete_after),
        }
    }

    fn take(self, ok: &Checked) -> (Uuid, WorkspacePatch) {
        let patch = WorkspacePatch {
            name: self.name.take(ok),
            archive_after: self.archive_after.take(ok),
            delete_after: self.delete_after.take(ok),
        };
        (self.id.take(ok), patch)
    }
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
