//! The deletion of jobs that ended long ago.

use rusqlite::params;

use super::work::Work;
use crate::domain::clock::Timestamp;
use crate::domain::job::JOB_KEPT;
use crate::storage::StoreError;

/// Jobs deleted in one transaction.
const STEP: usize = 500;

/// Deletes the jobs that ended more than [`JOB_KEPT`] ago. Those that run have no end, and stay.
pub(super) fn delete_old_jobs(work: &Work<'_>, now: Timestamp) -> Result<(), StoreError> {
    let before = now.before(JOB_KEPT).micros();
    work.pass(move |context, ()| {
        let mut delete = context.connection.prepare_cached(
            "DELETE FROM job WHERE n IN (SELECT n FROM job WHERE finished_at < ?1 LIMIT ?2)",
        )?;
        let deleted = delete.execute(params![before, STEP])?;
        Ok((deleted == STEP).then_some(()))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rusqlite::Connection;

    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::storage::sqlite::SqliteStore;
    use crate::storage::sqlite::maintenance::background::WakeUp;

    #[test]
    fn jobs_go_a_time_after_their_end_and_running_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h.db");
        let clock = Arc::new(SystemClock::new());
        // A tool's store has no janitor of its own.
        let store = SqliteStore::open_for_tool(&path, "test", clock).unwrap();
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let rows = Connection::open(&path).unwrap();
        let ago = |days: u64| now.before(Duration::from_hours(days * 24)).micros();
        for (n, state, finished_at) in [(1, 0, None), (2, 1, Some(ago(91))), (3, 2, Some(ago(89)))]
        {
            let insert = "INSERT INTO job (n, id, action, filter, state, created_at, finished_at,
                through_event, through_message) VALUES (?1, ?1, 0, '', ?2, 0, ?3, 0, 0)";
            rows.execute(insert, params![n, state, finished_at])
                .unwrap();
        }
        let wake_up = WakeUp::default();
        let work = Work::new(&store.writer, &store.files, &wake_up);
        delete_old_jobs(&work, now).unwrap();
        let left: Vec<i64> = rows
            .prepare("SELECT n FROM job ORDER BY n")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(left, [1, 3]);
        store.stop();
    }
}
