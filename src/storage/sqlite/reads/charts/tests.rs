//! Random transactions against a model that keeps every attempt: commits and rollbacks, restarts, deletions by
//! retention, a clock that is set forward and back.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::domain::attempt_failure::AttemptFailure;
use crate::domain::chart::{AttemptCounts, ChartedAttempt};
use crate::domain::endpoint_health::LastResults;
use crate::metrics::StorageMetrics;
use crate::storage::sqlite::reads::endpoints::find;
use crate::storage::sqlite::reads::visible::tests::plan;
use crate::storage::sqlite::sealing;
use crate::storage::sqlite::writer::cache::WriterCache;
use crate::storage::sqlite::writer::charts::Charts;
use crate::storage::sqlite::writer::counters::{BLOCK, Counters};
use crate::storage::sqlite::writer::list_indexes::ListIndexes;
use crate::storage::sqlite::writer::operation::WriteContext;
use crate::storage::sqlite::writer::workspace_cache::PublishHints;
use crate::storage::sqlite::writes::delete_charts::delete_old_charts;

/// Each endpoint's workspace; numbers of both begin at 1.
const WORKSPACES: [i64; 3] = [1, 1, 2];

/// The longest that the clock may be set back after old rows were deleted: charts of an hour need what is two hours
/// old then.
const SETBACK_MAX: Duration = Duration::from_mins(50);

/// An attempt that the model keeps for ever.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    endpoint: i64,
    at: Timestamp,
    facts: ChartedAttempt,
}

fn id(number: i64) -> Uuid {
    Uuid::from_u128(number.unsigned_abs().into())
}

/// A database, its writer's counts, and the model.
struct World {
    connection: Connection,
    recent: RecentAttempts,
    charts: Charts,
    attempts: Vec<Attempt>,
    stored: Vec<i64>,
    last: i64,
    now: Timestamp,
    /// The clock when old rows were deleted last.
    deleted_at: Timestamp,
    random: StdRng,
}

impl World {
    fn new(seed: u64) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        sealing::install(&connection, &Arc::default()).unwrap();
        connection
            .execute_batch(include_str!("../../../../../schema.sql"))
            .unwrap();
        connection
            .execute_batch("PRAGMA foreign_keys = OFF")
            .unwrap();
        for number in [1, 2] {
            let insert = "INSERT INTO workspace (n, id, name, created_at) VALUES (?1, ?2, ?1, 0)";
            let row = params![number, id(number)];
            connection.execute(insert, row).unwrap();
        }
        for (number, workspace) in (1..).zip(WORKSPACES) {
            let insert =
                "INSERT INTO endpoint (n, id, workspace, url, format, secret, events, created_at)
                          VALUES (?1, ?2, ?3, 'u', 0, 's', '*', 0)";
            let row = params![number, id(number), workspace];
            connection.execute(insert, row).unwrap();
        }
        let recent = RecentAttempts::default();
        let charts = Charts::load(&connection, &recent).unwrap();
        Self {
            connection,
            recent,
            charts,
            attempts: Vec::new(),
            stored: Vec::new(),
            last: 0,
            now: Timestamp::from_micros(1_790_000_000_000_000),
            deleted_at: Timestamp::from_micros(0),
            random: StdRng::seed_from_u64(seed),
        }
    }

    fn move_clock(&mut self) {
        let minutes = [0, 0, 0, 1, 7, 50, 200, 5000][self.random.random_range(0..8)];
        let by =
            Duration::from_mins(minutes) + Duration::from_secs(self.random.random_range(0..60));
        self.now = if self.random.random_ratio(1, 10) {
            self.now.before(by.min(Duration::from_mins(40)))
        } else {
            self.now.after(by)
        };
    }

    fn insert(&mut self) {
        let endpoint = self.random.random_range(1..=3);
        let workspace = WORKSPACES[usize::try_from(endpoint - 1).unwrap()];
        // A block may be complete.
        self.last += if self.random.random_ratio(1, 50) {
            BLOCK
        } else {
            1
        };
        let number: u32 = self.random.random_range(1..4);
        let (succeeded, error) = match self.random.random_range(0..4) {
            0 => (false, None),
            1 => (false, Some(AttemptFailure::Expired)),
            _ => (true, None),
        };
        let duration_ms = self.random.random_range(0..3000);
        let attempt = ChartedAttempt::new(succeeded, number, error, duration_ms);
        let insert =
            "INSERT INTO delivery VALUES (?1, ?2, 1, ?3, ?4, 1, ?5, ?6, NULL, ?7, ?8, ?9, NULL)";
        let code = error.map(AttemptFailure::code);
        let micros = self.now.micros();
        let row = params![
            self.last,
            id(self.last),
            endpoint,
            workspace,
            number,
            succeeded,
            code,
            duration_ms,
            micros
        ];
        self.connection.execute(insert, row).unwrap();
        let key = MinuteKey::new(workspace, endpoint, self.now);
        self.charts.delivery(self.last, key, self.now, attempt);
        self.stored.push(self.last);
        self.attempts.push(Attempt {
            endpoint,
            at: self.now,
            facts: attempt,
        });
    }

    fn delete(&mut self) {
        if !self.stored.is_empty() {
            let at = self.random.random_range(0..self.stored.len());
            let seq = self.stored.swap_remove(at);
            let delete = "DELETE FROM delivery WHERE seq = ?1";
            assert_eq!(self.connection.execute(delete, [seq]).unwrap(), 1);
            self.charts.delivery_deleted(seq);
        }
    }

    fn transact(&mut self) {
        let before = (self.attempts.len(), self.stored.clone(), self.last);
        self.connection.execute_batch("BEGIN").unwrap();
        for _ in 0..self.random.random_range(0..4) {
            self.insert();
        }
        if self.random.random_ratio(1, 5) {
            self.delete();
        }
        self.charts.write(&self.connection, &self.recent).unwrap();
        if self.random.random_ratio(1, 5) {
            self.connection.execute_batch("ROLLBACK").unwrap();
            self.charts.rolled_back();
            self.attempts.truncate(before.0);
            (self.stored, self.last) = (before.1, before.2);
        } else {
            self.connection.execute_batch("COMMIT").unwrap();
            self.charts.committed(&self.recent, 0);
        }
        if self.random.random_ratio(1, 10) {
            self.charts = Charts::load(&self.connection, &self.recent).unwrap();
        }
        if self.random.random_ratio(1, 10) {
            self.delete_old();
        }
    }

    fn delete_old(&mut self) {
        let cache = WriterCache::load(&self.connection, PublishHints::default());
        let mut context = WriteContext {
            connection: &self.connection,
            cache: &mut cache.unwrap(),
            counters: &mut Counters::load(&self.connection).unwrap(),
            charts: &mut Charts::default(),
            recent: &RecentAttempts::default(),
            list_indexes: &mut ListIndexes::load(&self.connection).unwrap(),
            metrics: &StorageMetrics::default(),
            notices: &mut Vec::new(),
            operator: None,
            is_size_limit_reached: false,
            has_erased: false,
            now: self.now,
            weight: 0,
        };
        while delete_old_charts(&mut context, self.now).unwrap() {}
        self.deleted_at = self.deleted_at.max(self.now);
    }

    fn expected(&self, scope: ChartScope, range: ChartRange) -> Chart {
        let mut sum = ChartSum::new(range, self.now);
        for attempt in &self.attempts {
            let workspace = WORKSPACES[usize::try_from(attempt.endpoint - 1).unwrap()];
            let is_in_scope = match scope {
                ChartScope::All => true,
                ChartScope::Workspace(own) => own == id(workspace),
                ChartScope::Endpoint(own) => own == id(attempt.endpoint),
            };
            if is_in_scope {
                let mut counts = AttemptCounts::default();
                counts.record(attempt.facts);
                sum.add(attempt.at, &counts);
            }
        }
        sum.finish()
    }

    /// Compares the last attempts of an endpoint with the model, with those that the writer shares and without.
    fn check_last_results(&self, endpoint: i64) {
        let mut expected = LastResults::default();
        for attempt in self.attempts.iter().filter(|it| it.endpoint == endpoint) {
            if attempt.facts.duration_ms.is_some() {
                expected.record(attempt.facts.succeeded, attempt.at);
            }
        }
        for recent in [&self.recent, &RecentAttempts::default()] {
            let now = self.now;
            let found = find(&self.connection, recent, Visibility::All, id(endpoint), now);
            let found = found.unwrap().expect("it exists");
            assert_eq!(found.health.last, expected, "endpoint {endpoint}");
        }
    }

    /// Compares some charts with the model, with the counts that the writer shares and without.
    fn check(&mut self) {
        if self.deleted_at.since(self.now) > SETBACK_MAX {
            return;
        }
        let endpoint = self.random.random_range(1..=WORKSPACES.len());
        self.check_last_results(i64::try_from(endpoint).unwrap());
        let scope = match self.random.random_range(0..6) {
            0 => ChartScope::All,
            n @ 1..=2 => ChartScope::Workspace(id(n)),
            n => ChartScope::Endpoint(id(n - 2)),
        };
        for range in ChartRange::ALL {
            let expected = Some(self.expected(scope, range));
            for recent in [&self.recent, &RecentAttempts::default()] {
                let found = chart(
                    &self.connection,
                    recent,
                    Visibility::All,
                    scope,
                    range,
                    self.now,
                );
                assert_eq!(found.unwrap(), expected, "{scope:?}");
            }
        }
    }
}

#[test]
fn whatever_happens_charts_show_each_attempt_once() {
    let mut totals = 0;
    for seed in 0..10 {
        let mut world = World::new(seed);
        for _ in 0..150 {
            world.transact();
            world.check();
            world.move_clock();
        }
        totals += world.attempts.len();
        let rows = "SELECT count(*) FROM delivery_chart";
        let rows: i64 = world
            .connection
            .query_row(rows, [], |row| row.get(0))
            .unwrap();
        assert!(rows > 0, "nothing was added to the table");
    }
    assert!(totals > 1000, "{totals}");
}

#[test]
fn a_snapshot_from_before_the_counts_moved_to_the_table_is_counted_by_its_rows() {
    let mut world = World::new(1);
    world.last = BLOCK - 1;
    world.insert();
    world
        .charts
        .write(&world.connection, &world.recent)
        .unwrap();
    world.charts.committed(&world.recent, 0);
    let rows = "SELECT count(*) FROM delivery_chart";
    let rows: i64 = world
        .connection
        .query_row(rows, [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 9, "a block is complete");
    let before =
        "DELETE FROM delivery_chart; UPDATE meta SET value = 0 WHERE key = 'delivery_charted'";
    world.connection.execute_batch(before).unwrap();
    for _ in 0..20 {
        world.check();
    }
}

#[test]
fn a_start_finds_the_last_deliveries_that_are_in_no_list_index() {
    let mut world = World::new(1);
    for _ in 0..3 {
        world.insert();
    }
    let last = world.attempts.last().unwrap().endpoint;
    world.charts = Charts::load(&world.connection, &world.recent).unwrap();
    let found = world.recent.unindexed_last(&world.connection, &[last, 9]);
    assert_eq!(
        found.unwrap().into_iter().collect::<Vec<_>>(),
        [(last, world.last)]
    );
}

#[test]
fn the_workspace_of_others_and_what_is_gone_has_no_chart() {
    let world = World::new(1);
    let find = |visibility, scope| {
        let range = ChartRange::Day;
        let found = chart(
            &world.connection,
            &world.recent,
            visibility,
            scope,
            range,
            world.now,
        );
        found.unwrap().is_some()
    };
    let own = Visibility::Workspace(id(1));
    assert!(find(own, ChartScope::All));
    assert!(find(own, ChartScope::Endpoint(id(2))));
    assert!(!find(own, ChartScope::Endpoint(id(3))));
    assert!(!find(own, ChartScope::Workspace(id(2))));
    assert!(!find(Visibility::All, ChartScope::Workspace(id(9))));
    let delete = "UPDATE endpoint SET deleted_at = 1 WHERE n = 2; UPDATE workspace SET deleted_at = 1 WHERE n = 2";
    world.connection.execute_batch(delete).unwrap();
    assert!(!find(own, ChartScope::Endpoint(id(2))));
    assert!(!find(Visibility::All, ChartScope::Workspace(id(2))));
    assert!(!find(Visibility::Workspace(id(2)), ChartScope::All));
}

#[test]
fn a_damaged_histogram_is_left_out() {
    let world = World::new(1);
    let minute = MinuteKey::new(0, 0, world.now).minute;
    let insert = "INSERT INTO delivery_chart VALUES (1, ?1, 0, 3, 4, 5, x'FF')";
    world.connection.execute(insert, [minute]).unwrap();
    let (all, range) = (Visibility::All, ChartRange::Hour);
    let found = chart(
        &world.connection,
        &world.recent,
        all,
        ChartScope::All,
        range,
        world.now,
    );
    let total = found.unwrap().unwrap().total;
    assert_eq!((total.succeeded, total.failed, total.retried), (3, 4, 5));
    assert_eq!(total.p50_ms, None);
}

#[test]
fn a_row_is_found_by_its_whole_key() {
    let step = "SEARCH delivery_chart USING PRIMARY KEY (period=? AND start=? AND scope=?)";
    assert_eq!(plan(ROW), [step]);
}
