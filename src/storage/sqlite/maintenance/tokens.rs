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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::storage::sqlite::SqliteStore;
    use crate::storage::sqlite::maintenance::background::WakeUp;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn tokens_go_a_time_after_their_end_and_those_that_they_made_with_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h.db");
        let clock = Arc::new(SystemClock::new());
        // A tool's store has no janitor of its own.
        let store = SqliteStore::open_for_tool(&path, "test", clock).unwrap();
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let rows = Connection::open(&path).unwrap();
        let days_ago = |days: u32| now.before(DAY * days).micros();
        // Number, end, parent, origin.
        for (n, end, parent, origin) in [
            (1, None, None, 0),
            (2, Some(days_ago(11)), None, 0),
            (3, Some(days_ago(12)), Some(2), 0),
            (4, Some(days_ago(9)), Some(1), 0),
            (5, Some(days_ago(11)), Some(4), 0),
            (6, Some(days_ago(20)), None, 1),
        ] {
            let insert = "INSERT INTO token (n, id, hash, workspace, comment, scopes, created_at, expires_at,
                          parent, origin) VALUES (?1, ?1, ?1, NULL, '', 0, 0, ?2, ?3, ?4)";
            rows.execute(insert, params![n, end, parent, origin])
                .unwrap();
        }
        let wake_up = WakeUp::default();
        let work = Work::new(&store.writer, &store.files, &wake_up);
        let left = |after| {
            delete_expired(&work, after, now).unwrap();
            let mut statement = rows.prepare("SELECT n FROM token ORDER BY n").unwrap();
            let numbers = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap();
            numbers.map(Result::unwrap).collect::<Vec<_>>()
        };
        assert_eq!(left(None), [1, 2, 3, 4, 5, 6], "kept for ever");
        assert_eq!(left(Some(10 * DAY)), [1, 4, 6]);
        assert_eq!(left(Some(10 * DAY)), [1, 4, 6], "nothing more");
        store.stop();
    }
}
