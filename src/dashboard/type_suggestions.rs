//! The event types that a field suggests.

use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::storage::{Store, StoreError};

/// The most event types that a field suggests.
const TYPES_MAX: usize = 100;

/// Returns the event types to suggest; none if no workspace is chosen, or it is absent.
///
/// # Errors
/// The store's.
pub(super) fn event_types(
    store: &dyn Store,
    visible: Visibility,
    workspace: Option<Uuid>,
) -> Result<Vec<String>, StoreError> {
    let Some(workspace) = workspace else {
        return Ok(Vec::new());
    };
    match store.event_types(visible, workspace, TYPES_MAX) {
        Err(StoreError::NotFound) => Ok(Vec::new()),
        found => found,
    }
}
