//! The buttons of the page of an endpoint: pause, resume, enable, disable, delete.

use actix_web::HttpResponse;

use super::endpoint_form::ENABLED;
use crate::dashboard::url_text::short_name;
use crate::dashboard::visit::{Visit, redirect};
use crate::domain::access::Scope;
use crate::domain::endpoint::EndpointPatch;
use crate::server::error::ApiError;

/// Handles `POST /endpoints/{id}/enable`.
pub(crate) async fn enable(visit: Visit) -> Result<HttpResponse, ApiError> {
    set_enabled(visit, true, ENABLED).await
}

/// Handles `POST /endpoints/{id}/disable`.
pub(crate) async fn disable(visit: Visit) -> Result<HttpResponse, ApiError> {
    let notice = "The endpoint is disabled. Its pending events were skipped.";
    set_enabled(visit, false, notice).await
}

/// Handles `POST /endpoints/{id}/pause`.
pub(crate) async fn pause(visit: Visit) -> Result<HttpResponse, ApiError> {
    let notice = "The endpoint is paused. Its events wait until you resume it.";
    set_paused(visit, true, notice).await
}

/// Handles `POST /endpoints/{id}/resume`.
pub(crate) async fn resume(visit: Visit) -> Result<HttpResponse, ApiError> {
    set_paused(visit, false, "The pause is over. What waited is sent.").await
}

async fn set_paused(visit: Visit, paused: bool, notice: &str) -> Result<HttpResponse, ApiError> {
    let patch = EndpointPatch {
        paused: Some(paused),
        ..EndpointPatch::default()
    };
    change(visit, patch, notice).await
}

async fn set_enabled(visit: Visit, enabled: bool, notice: &str) -> Result<HttpResponse, ApiError> {
    let patch = EndpointPatch {
        enabled: Some(enabled),
        ..EndpointPatch::default()
    };
    change(visit, patch, notice).await
}

async fn change(
    mut visit: Visit,
    patch: EndpointPatch,
    notice: &str,
) -> Result<HttpResponse, ApiError> {
    visit.form().await?;
    visit.require(&[Scope::WebhooksWrite])?;
    let (visibility, id) = (visit.visibility(), visit.path_id()?);
    visit.store().update_endpoint(visibility, id, patch).await?;
    visit.notify(notice);
    Ok(redirect(&format!("/endpoints/{id}")))
}

/// Handles `POST /endpoints/{id}/delete`.
pub(crate) async fn delete(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.form().await?;
    visit.require(&[Scope::WebhooksWrite])?;
    let (visibility, id) = (visit.visibility(), visit.path_id()?);
    let endpoint = visit
        .read(move |store| store.find_endpoint(visibility, id))
        .await?;
    visit.store().delete_endpoint(visibility, id).await?;
    let settings = &endpoint.settings;
    let name = short_name(&settings.name, &settings.target.url);
    visit.notify(format!(
        "The endpoint {name} was deleted. Its pending events were skipped."
    ));
    Ok(redirect("/endpoints"))
}
