//! Skipping a pending event: no further attempt is made.

use actix_web::HttpResponse;

use crate::dashboard::visit::{Visit, redirect};
use crate::domain::access::Scope;
use crate::server::error::ApiError;
use crate::storage::StoreError;

/// Handles `POST /events/{id}/skip`.
pub(crate) async fn one(mut visit: Visit) -> Result<HttpResponse, ApiError> {
    visit.form().await?;
    visit.require(&[Scope::WebhooksWrite])?;
    let id = visit.path_id()?;
    match visit.store().skip_event(visit.visibility(), id).await {
        Ok(()) => visit.notify("The event is skipped: no further attempt is made."),
        Err(StoreError::NotPending) => {
            visit.notify_error("The event was not skipped: it is not pending any more.");
        }
        Err(other) => return Err(other.into()),
    }
    Ok(redirect(&format!("/events/{id}")))
}
