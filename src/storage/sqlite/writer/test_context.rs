//! A context in which tests of write operations run, on a database of their own.

use rusqlite::Connection;
use uuid::Uuid;

use super::cache::WriterCache;
use super::charts::Charts;
use super::counters::Counters;
use super::list_indexes::ListIndexes;
use super::operation::WriteContext;
use super::recent_attempts::RecentAttempts;
use super::workspace_cache::PublishHints;
use crate::domain::clock::Timestamp;
use crate::metrics::StorageMetrics;

/// The parts of a context that tests choose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestContext {
    pub(crate) now: Timestamp,
    pub(crate) operator: Option<Uuid>,
    pub(crate) is_size_limit_reached: bool,
}

impl TestContext {
    /// Calls `work` with such a context of a database, and returns its result.
    pub(crate) fn call<T>(
        self,
        connection: &Connection,
        work: impl FnOnce(&mut WriteContext<'_>) -> T,
    ) -> T {
        let mut cache = WriterCache::load(connection, PublishHints::default()).unwrap();
        let mut context = WriteContext {
            connection,
            cache: &mut cache,
            counters: &mut Counters::load(connection).unwrap(),
            charts: &mut Charts::default(),
            recent: &RecentAttempts::default(),
            list_indexes: &mut ListIndexes::load(connection).unwrap(),
            metrics: &StorageMetrics::default(),
            notices: &mut Vec::new(),
            operator: self.operator,
            is_size_limit_reached: self.is_size_limit_reached,
            has_erased: false,
            now: self.now,
            weight: 0,
        };
        work(&mut context)
    }
}
