//! Look-ups of endpoints.

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::domain::endpoint::Endpoint;
use crate::storage::sqlite::rows;

/// Returns an endpoint in use that the caller may see.
pub(crate) fn find(
    connection: &Connection,
    visibility: Visibility,
    id: Uuid,
) -> rusqlite::Result<Option<Endpoint>> {
    let sql = format!(
        "SELECT {} FROM endpoint e JOIN workspace w ON w.n = e.workspace
         WHERE e.id = ?1 AND e.deleted_at IS NULL",
        rows::ENDPOINT
    );
    let found = connection
        .prepare_cached(&sql)?
        .query_row([id], rows::endpoint)
        .optional()?;
    Ok(found.filter(|endpoint| visibility.includes(endpoint.workspace_id)))
}
