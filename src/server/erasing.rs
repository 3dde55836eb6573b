//! The erasure of a payload, for the API and for the dashboard.

use uuid::Uuid;

use super::error::ApiError;
use super::state::ServerState;
use crate::domain::access::Visibility;
use crate::storage::ErasureStep;

/// Erases the payload of a message, step by step, so that other writes are made in between.
///
/// # Errors
/// Those of the store. Some answers may be gone then, but nothing else is: the caller tries again.
pub(crate) async fn erase_payload(
    state: &ServerState,
    visibility: Visibility,
    message: Uuid,
) -> Result<(), ApiError> {
    let mut step = ErasureStep::FIRST;
    while let Some(next) = state.store.erase_payload(visibility, message, step).await? {
        step = next;
    }
    Ok(())
}
