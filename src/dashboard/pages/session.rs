//! The forms in the frame of every page: the choice of a workspace, and signing out.

use actix_web::HttpResponse;
use uuid::Uuid;

use crate::dashboard::sign_in;
use crate::dashboard::visit::{Visit, redirect};
use crate::domain::access::Visibility;
use crate::server::error::ApiError;

/// Handles `POST /workspace`: limits the lists of an admin's session to a workspace.
pub(crate) async fn choose_workspace(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    let form = visit.form().await?;
    visit.require_admin()?;
    let chosen = match form.fields.get("workspace") {
        None => None,
        Some(id) => {
            let id = Uuid::parse_str(id).map_err(|_| ApiError::UnknownPath)?;
            visit
                .read(move |store| store.find_workspace(Visibility::All, id))
                .await?;
            Some(id)
        }
    };
    visit.dashboard.sessions.choose_workspace(visit.key, chosen);
    Ok(redirect(list_of(form.fields.raw("next"))))
}

/// Returns the page to show after a change of the workspace: the same list without filters, since those may name
/// objects of the other workspace. The page of an object leads to its list.
fn list_of(path: &str) -> &'static str {
    let lists = [
        "/endpoints",
        "/deliveries",
        "/publish",
        "/tokens",
        "/workspaces",
        "/system",
    ];
    let found = lists.into_iter().find(|list| path.starts_with(list));
    match found {
        Some(list) => list,
        None if path.starts_with("/events") || path.starts_with("/messages") => "/deliveries",
        None => "/",
    }
}

/// Handles `POST /logout`.
pub(crate) async fn sign_out(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.form().await?;
    Ok(sign_in::sign_out(
        &visit.dashboard,
        &visit.request,
        visit.key,
    ))
}
