//! Erasing the payload of a message.

use actix_web::HttpResponse;

use crate::dashboard::visit::{Visit, redirect};
use crate::domain::access::Scope;
use crate::server::erasing;
use crate::server::error::ApiError;

/// Handles `POST /messages/{id}/erase`.
pub(crate) async fn payload(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.form().await?;
    visit.require(&[Scope::WebhooksWrite])?;
    let (visibility, id) = (visit.visibility(), visit.path_id()?);
    erasing::erase_payload(&visit.dashboard.server, visibility, id).await?;
    visit.notify("The payload is erased. Pending events were skipped.");
    Ok(redirect(&format!("/messages/{id}")))
}
