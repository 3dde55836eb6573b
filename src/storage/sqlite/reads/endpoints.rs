//! Look-ups of endpoints.

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use crate::domain::access::Visibility;
use crate::domain::clock::Timestamp;
use crate::domain::endpoint::Endpoint;
use crate::storage::sqlite::endpoint_rows;
use crate::storage::sqlite::writer::recent_attempts::RecentAttempts;

/// Returns an endpoint in use that the caller may see, as it is at `now`.
pub(crate) fn find(
    connection: &Connection,
    recent: &RecentAttempts,
    visibility: Visibility,
    id: Uuid,
    now: Timestamp,
) -> rusqlite::Result<Option<Endpoint>> {
    // In one transaction, so that no attempt is missing.
    let snapshot = connection.unchecked_transaction()?;
    let number: Option<i64> = snapshot
        .prepare_cached("SELECT n FROM endpoint WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let later = recent.last_results(&snapshot, number.into_iter())?;
    let later = later.into_values().next().unwrap_or_default();
    let sql = format!(
        "SELECT {} FROM endpoint e JOIN workspace w ON w.n = e.workspace
         WHERE e.id = ?1 AND e.deleted_at IS NULL",
        endpoint_rows::ENDPOINT
    );
    let found = snapshot
        .prepare_cached(&sql)?
        .query_row([id], |row| endpoint_rows::endpoint(row, later, now))
        .optional()?;
    Ok(found.filter(|endpoint| visibility.includes(endpoint.workspace_id)))
}
