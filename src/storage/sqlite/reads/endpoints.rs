//! Look-ups of endpoints.

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::Endpoint;
use crate::storage::sqlite::rows;

/// Returns an endpoint in use that the caller may see, as it is at `now`.
pub(crate) fn find(
    connection: &Connection,
    visibility: Visibility,
    id: Uuid,
    now: Timestamp,
) -> rusqlite::Result<Option<Endpoint>> {
    let sql = format!(
        "SELECT {} FROM endpoint e JOIN workspace w ON w.n = e.workspace
         WHERE e.id = ?1 AND e.deleted_at IS NULL",
        rows::ENDPOINT
    );
    let found = connection
        .prepare_cached(&sql)?
        .query_row([id], |row| rows::endpoint(row, now))
        .optional()?;
    Ok(found.filter(|endpoint| visibility.includes(endpoint.workspace_id)))
}
