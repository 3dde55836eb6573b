//! The deletion of access tokens that expired long ago.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::work::Work;
use crate::domain::clock::Timestamp;
use crate::storage::StoreError;
use crate::storage::sqlite::file::read_failure::read_error;

/// Tokens deleted in one transaction.
const STEP: usize = 500;

/// Deletes the tokens that expired longer ago than events are kept (`None`: none). Until then they are listed, so
/// that an operator sees why a program is refused. Tokens of the server's settings stay with the settings.
pub(super) fn delete_expired(
    work: &Work<'_>,
    after: Option<Duration>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(after) = after else {
        return Ok(());
    };
    let before = now.before(after).micros();
    let connection = work.connection()?;
    while !work.is_stopping() {
        let expired = expired(&connection, before).map_err(|error| read_error(&error))?;
        if expired.is_empty() {
            break;
        }
        work.step(move |context| {
            // Another one of the same second may have it as parent; it goes in the same step or a later one.
            let mut orphan = context
                .connection
                .prepare_cached("UPDATE token SET parent = NULL WHERE parent = ?1")?;
            let mut delete = context
                .connection
                .prepare_cached("DELETE FROM token WHERE n = ?1 AND expires_at < ?2")?;
            for token in &expired {
                if delete.execute(params![token, before])? == 1 {
                    orphan.execute([token])?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn expired(connection: &Connection, before: i64) -> rusqlite::Result<Vec<i64>> {
    connection
        .prepare_cached(
            "SELECT n FROM token WHERE expires_at < ?1 AND origin = 0 ORDER BY n LIMIT ?2",
        )?
        .query_map(params![before, STEP], |row| row.get(0))?
        .collect()
}
