//! The deletion of old secrets that sign nothing any longer: a secret is kept only while it is of use.

use rusqlite::params;

use super::work::Work;
use crate::domain::clock::Timestamp;
use crate::storage::StoreError;

/// Secrets deleted in one transaction.
const STEP: usize = 500;

/// Deletes the old secrets that have ended by `now`. Attempts and answers leave them out from that moment on.
pub(super) fn delete_ended(work: &Work<'_>, now: Timestamp) -> Result<(), StoreError> {
    work.pass(move |context, ()| {
        let mut delete = context.connection.prepare_cached(
            "DELETE FROM old_secret WHERE (endpoint, n) IN (
               SELECT endpoint, n FROM old_secret WHERE ends_at <= ?1 LIMIT ?2)",
        )?;
        let deleted = delete.execute(params![now.micros(), STEP])?;
        context.has_erased |= deleted > 0;
        Ok((deleted == STEP).then_some(()))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rusqlite::Connection;

    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::storage::sqlite::SqliteStore;
    use crate::storage::sqlite::maintenance::background::WakeUp;

    #[test]
    fn secrets_go_at_their_end_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h.db");
        let clock = Arc::new(SystemClock::new());
        // A tool's store has no janitor of its own.
        let store = SqliteStore::open_for_tool(&path, "test", clock).unwrap();
        let rows = Connection::open(&path).unwrap();
        // More than one step of them, and two that stay.
        let many = 2 * i64::try_from(STEP).unwrap();
        for (endpoint, n, ends_at) in (0..many)
            .map(|endpoint| (endpoint, 1, 1_000))
            .chain([(0, 2, 1_001), (7, 2, 2_000)])
        {
            let insert =
                "INSERT INTO old_secret (endpoint, n, secret, ends_at) VALUES (?1, ?2, 's', ?3)";
            rows.execute(insert, params![endpoint, n, ends_at]).unwrap();
        }
        let wake_up = WakeUp::default();
        let work = Work::new(&store.writer, &store.files, &wake_up);
        let left = |now| {
            delete_ended(&work, Timestamp::from_micros(now)).unwrap();
            let count = "SELECT count(*) FROM old_secret";
            rows.query_row(count, [], |row| row.get::<_, i64>(0))
                .unwrap()
        };
        assert_eq!(left(999), many + 2);
        assert_eq!(left(1_000), 2);
        assert_eq!(left(1_001), 1);
        assert_eq!(left(2_000), 0);
        store.stop();
    }
}
