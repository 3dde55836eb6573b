//! Slices of searches, on a database of random rows.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::storage::sqlite::reads::lists::tests::list_fixture::ListFixture;
use crate::storage::sqlite::reads::lists::tests::messages::is_missing;
use crate::storage::sqlite::reads::visible::tests::plan;

/// Makes a whole search of a range in slices. Returns the numbers it found, and how many messages it examined.
fn search(
    fixture: &ListFixture,
    endpoint: i64,
    (mut from, mut through): (i64, i64),
    direction: Direction,
    limits: SliceLimits,
) -> (Vec<i64>, u64) {
    let Some(mut search) = MissingSearch::new(&fixture.connection, endpoint).unwrap() else {
        return (Vec::new(), 0);
    };
    let (mut found, mut examined) = (Vec::new(), 0);
    loop {
        let slice = search
            .slice(&fixture.connection, (from, through), direction, limits)
            .unwrap();
        assert!(slice.messages.len() <= limits.found);
        found.extend(slice.messages.iter().map(|message| message.seq));
        examined += slice.examined;
        match (slice.next, direction) {
            (None, _) => return (found, examined),
            (Some(next), Direction::OldestFirst) => {
                assert!(next > from, "it goes on");
                from = next;
            }
            (Some(next), Direction::NewestFirst) => {
                assert!(next < through, "it goes on");
                through = next;
            }
        }
    }
}

#[test]
fn slices_find_what_an_endpoint_missed_each_once_and_in_order() {
    let mut total = 0;
    for seed in 0..60 {
        let fixture = ListFixture::generate(seed);
        let mut random = StdRng::seed_from_u64(seed);
        let last = fixture.messages.last().map_or(1, |message| message.seq);
        for endpoint in &fixture.endpoints {
            let range = match random.random_range(0..3) {
                0 => (i64::MIN, i64::MAX),
                _ => (
                    random.random_range(0..=last),
                    random.random_range(0..=last + 2),
                ),
            };
            let limits = SliceLimits {
                found: random.random_range(1..20),
                cost: random.random_range(1..300),
            };
            let in_range = |seq: &i64| (range.0..=range.1).contains(seq);
            let expected: Vec<i64> = (fixture.messages.iter())
                .filter(|row| in_range(&row.seq) && is_missing(&fixture, row, endpoint.id))
                .map(|row| row.seq)
                .collect();
            total += expected.len();
            let find = |direction| search(&fixture, endpoint.n, range, direction, limits);
            let (oldest_first, examined) = find(Direction::OldestFirst);
            assert_eq!(oldest_first, expected, "{seed}");
            let (mut newest_first, examined_down) = find(Direction::NewestFirst);
            newest_first.reverse();
            assert_eq!(newest_first, expected, "{seed}");
            assert_eq!(examined, examined_down, "{seed}");
            let own = (fixture.messages.iter())
                .filter(|row| row.workspace == endpoint.workspace && in_range(&row.seq));
            if !endpoint.deleted {
                assert_eq!(examined, own.count() as u64, "{seed}");
            }
        }
    }
    assert!(total > 300, "{total}");
}

#[test]
fn a_search_as_of_an_earlier_time_also_finds_what_got_its_event_since() {
    let mut since = 0;
    let limits = SliceLimits {
        found: usize::MAX,
        cost: u64::MAX,
    };
    for seed in 0..30 {
        let fixture = ListFixture::generate(seed);
        let connection = &fixture.connection;
        let last = fixture.events.last().map_or(0, |event| event.seq);
        let through = StdRng::seed_from_u64(seed).random_range(0..=last);
        for endpoint in fixture.endpoints.iter().filter(|it| !it.deleted) {
            let interest = connection
                .query_row(
                    "SELECT events, filter FROM endpoint WHERE n = ?1",
                    [endpoint.n],
                    |row| {
                        Ok(Interest {
                            subscriptions: row.get(0)?,
                            filter: row.get(1)?,
                        })
                    },
                )
                .unwrap();
            let find = |search: Option<MissingSearch>| {
                let all = (i64::MIN, i64::MAX);
                let slice = search
                    .unwrap()
                    .slice(connection, all, Direction::OldestFirst, limits);
                let found = slice.unwrap().messages.into_iter();
                found.map(|message| message.seq).collect::<Vec<_>>()
            };
            let now = find(MissingSearch::new(connection, endpoint.n).unwrap());
            let as_of = |through| {
                find(MissingSearch::as_of(connection, endpoint.n, &interest, through).unwrap())
            };
            assert_eq!(as_of(i64::MAX), now, "{seed}");
            let then = as_of(through);
            assert!(now.iter().all(|seq| then.contains(seq)), "{seed}");
            for message in then.iter().filter(|seq| !now.contains(seq)) {
                let first_event: i64 = connection
                    .query_row(
                        "SELECT min(seq) FROM event WHERE message = ?1 AND endpoint = ?2",
                        [message, &endpoint.n],
                        |row| row.get(0),
                    )
                    .unwrap();
                assert!(first_event > through, "{seed}");
                since += 1;
            }
        }
    }
    assert!(since > 100, "{since}");
}

#[test]
fn a_slice_reads_its_range_and_each_message_by_its_number() {
    for direction in [Direction::OldestFirst, Direction::NewestFirst] {
        let of_index = plan(statement(true, direction));
        assert_eq!(
            of_index[0],
            "SEARCH message_of_workspace USING PRIMARY KEY (workspace=? AND seq>? AND seq<?)"
        );
        let of_table = plan(statement(false, direction));
        assert_eq!(
            of_table,
            ["SEARCH message USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"]
        );
    }
    for step in plan(IS_MISSING) {
        assert!(
            !step.starts_with("SCAN") || step == "SCAN CONSTANT ROW",
            "{step}"
        );
        assert!(!step.contains("TEMP B-TREE"), "{step}");
    }
}
