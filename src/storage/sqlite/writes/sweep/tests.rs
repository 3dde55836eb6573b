//! The events that a sweep takes, and the number of pages that it writes for them.

use std::collections::HashMap;

use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::domain::clock::Timestamp;
use crate::metrics::StorageMetrics;
use crate::storage::sqlite::file::connection::write_connection;
use crate::storage::sqlite::file::open;
use crate::storage::sqlite::file::wal::checkpoint;
use crate::storage::sqlite::writer::cache::WriterCache;
use crate::storage::sqlite::writer::charts::Charts;
use crate::storage::sqlite::writer::counters::Counters;
use crate::storage::sqlite::writer::list_indexes::ListIndexes;
use crate::storage::sqlite::writer::recent_attempts::RecentAttempts;
use crate::storage::sqlite::writer::workspace_cache::PublishHints;

/// An event of the model.
#[derive(Clone, Copy, Debug)]
struct Event {
    endpoint: usize,
    state: EventState,
    /// The number of its run less its own number; it is above 0 after a redelivery.
    redelivered: i64,
}

struct SweepFixture {
    _folder: TempDir,
    connection: Connection,
}

impl SweepFixture {
    /// Makes a database with endpoints that skip up to the given runs, and with events numbered from 1.
    fn new(skips: &[i64], events: &[Event]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h.db");
        open::prepare(&path, true).unwrap();
        let connection = write_connection(&path).unwrap();
        connection.execute_batch("BEGIN").unwrap();
        for (n, skip_through) in (1..).zip(skips) {
            let insert = "INSERT INTO endpoint (n, id, workspace, url, format, secret, events, created_at,
                          disabled, skip_through, sweep) VALUES (?1, ?2, 1, 'u', 0, 's', '', 0, 0, ?3, 1)";
            let n: i64 = n;
            let row = params![n, n.to_be_bytes(), skip_through];
            connection.execute(insert, row).unwrap();
        }
        for (seq, event) in (1..).zip(events) {
            insert(&connection, seq, event);
        }
        connection.execute_batch("COMMIT").unwrap();
        Self {
            _folder: folder,
            connection,
        }
    }

    /// Sweeps until nothing is left, each step in a transaction; returns the number of steps.
    fn sweep(&self) -> usize {
        let mut state = WriterCache::load(&self.connection, PublishHints::default()).unwrap();
        let mut counters = Counters::load(&self.connection).unwrap();
        let mut list_indexes = ListIndexes::load(&self.connection).unwrap();
        let mut steps = 0;
        while !state.sweeping.is_empty() {
            self.connection.execute_batch("BEGIN").unwrap();
            let mut context = WriteContext {
                connection: &self.connection,
                cache: &mut state,
                counters: &mut counters,
                charts: &mut Charts::default(),
                recent: &RecentAttempts::default(),
                list_indexes: &mut list_indexes,
                metrics: &StorageMetrics::default(),
                notices: &mut Vec::new(),
                operator: None,
                is_size_limit_reached: false,
                has_erased: false,
                now: Timestamp::from_micros(7),
                weight: 0,
            };
            sweep_some(&mut context).unwrap();
            self.connection.execute_batch("COMMIT").unwrap();
            steps += 1;
            assert!(steps < 10_000, "it comes to no end");
        }
        steps
    }

    fn states(&self) -> HashMap<i64, EventState> {
        let mut statement = self
            .connection
            .prepare("SELECT seq, state FROM event")
            .unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    }

    fn left_to_sweep(&self) -> i64 {
        let count = "SELECT count(*) FROM endpoint WHERE sweep = 1";
        self.connection
            .query_row(count, [], |row| row.get(0))
            .unwrap()
    }
}

fn insert(connection: &Connection, seq: i64, event: &Event) {
    let endpoint = i64::try_from(event.endpoint).unwrap() + 1;
    let due = (event.state == EventState::Retry).then_some(seq);
    let row = params![
        seq,
        seq.to_be_bytes(),
        endpoint,
        event.state,
        seq + event.redelivered,
        due
    ];
    connection
        .prepare_cached(
            "INSERT INTO event (seq, id, message, endpoint, workspace, type, format, state, run,
                                run_attempt, attempts, due, created_at)
             VALUES (?1, ?2, 1, ?3, 1, 1, 0, ?4, ?5, 0, 0, ?6, 0)",
        )
        .unwrap()
        .execute(row)
        .unwrap();
}

fn any_event() -> impl Strategy<Value = Event> {
    let states = prop_oneof![
        4 => Just((EventState::Fresh, 0)),
        4 => (0..400_i64).prop_map(|later| (EventState::Retry, later)),
        1 => Just((EventState::Succeeded, 0)),
        1 => Just((EventState::Failed, 0)),
    ];
    (0..4_usize, states).prop_map(|(endpoint, (state, redelivered))| Event {
        endpoint,
        state,
        redelivered,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn exactly_the_pending_events_of_skipped_runs_are_swept(
        skips in prop::collection::vec(0..400_i64, 4),
        events in prop::collection::vec(any_event(), 0..300),
    ) {
        let fixture = SweepFixture::new(&skips, &events);
        fixture.sweep();
        let states = fixture.states();
        for (seq, event) in (1..).zip(&events) {
            let is_skipped = event.state.is_pending()
                && seq + event.redelivered <= skips[event.endpoint];
            let expected = if is_skipped { EventState::Skipped } else { event.state };
            prop_assert_eq!(states[&seq], expected, "{} {:?}", seq, event);
        }
        prop_assert_eq!(fixture.left_to_sweep(), 0);
    }
}

/// Endpoints whose events alternate, and events of each. All their events are many times more than a step or
/// a span takes.
const ENDPOINTS: usize = 300;
const EACH: usize = 200;

/// The distance between the events of endpoints with neighbouring numbers: they are on different pages.
const DISTANCE: usize = 71;

#[test]
fn many_endpoints_whose_events_alternate_cost_less_than_a_page_for_two_events() {
    let all = ENDPOINTS * EACH;
    let events: Vec<_> = (0..all)
        .map(|nth| Event {
            endpoint: nth * DISTANCE % ENDPOINTS,
            state: EventState::Fresh,
            redelivered: 0,
        })
        .collect();
    let skip_through = i64::try_from(all).unwrap();
    let fixture = SweepFixture::new(&[skip_through; ENDPOINTS], &events);
    let empty_log = checkpoint(&fixture.connection, "TRUNCATE").unwrap();
    assert_eq!(empty_log.log, 0);
    let steps = fixture.sweep();
    let pages = checkpoint(&fixture.connection, "NOOP").unwrap().log;
    assert_eq!(fixture.left_to_sweep(), 0);
    assert!(
        fixture
            .states()
            .values()
            .all(|at| *at == EventState::Skipped)
    );
    assert!(
        pages < skip_through / 2,
        "{pages} pages for {all} events in {steps} steps"
    );
}
