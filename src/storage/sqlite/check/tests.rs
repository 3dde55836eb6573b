//! Random damage to counters and list indexes, and rules that each find their own breach.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rusqlite::types::Value;
use rusqlite::{Connection, params};

use super::batches::Corrected;
use super::correct::correct_derived;
use super::examination::Examination;
use super::problem::{Kind, Part};
use super::progress::Progress;
use super::rows::check_growing;
use super::rules::RuledTable;
use super::tables::{DELIVERIES, EVENTS, GrowingTable, LISTS};
use crate::storage::sqlite::reads::lists::tests::list_fixture::ListFixture;

/// Returns all rows of a query.
fn table(connection: &Connection, sql: &str) -> Vec<Vec<Value>> {
    let mut select = connection.prepare(sql).unwrap();
    let columns = select.column_count();
    let row = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect();
    select
        .query_map([], row)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// The derived tables of a table that grows, as they are stored and as its rows say, by the plainest statements.
fn stored_and_naive(connection: &Connection, of: &GrowingTable) -> Vec<[Vec<Vec<Value>>; 2]> {
    let name = of.name;
    let newest = format!(
        "(SELECT max((SELECT coalesce(max(seq), 0) FROM {name}),
            (SELECT value FROM meta WHERE key = 'last_{name}')) / 32768)"
    );
    let each = |scope: &str| {
        format!(
            "SELECT seq / 32768 AS block, {scope} AS scope, type, {} AS kind FROM {name}
             WHERE seq / 32768 < {newest}",
            of.kind
        )
    };
    let counted = format!(
        "SELECT block, scope, type, kind, count(*) FROM ({} UNION ALL {} UNION ALL {})
         GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        each("0"),
        each("-workspace"),
        each("endpoint")
    );
    let kept = format!(
        "SELECT block, scope, type, {}, count FROM {} WHERE count <> 0 ORDER BY 1, 2, 3, 4",
        of.kind_column, of.counters
    );
    let mut tables = vec![[table(connection, &kept), table(connection, &counted)]];
    for list in &LISTS {
        let columns = list.columns.join(", ");
        let within = format!(
            "seq <= (SELECT value FROM meta WHERE key = '{}')
             AND seq NOT IN (SELECT seq FROM {})",
            of.mark, of.tombstones
        );
        tables.push(
            [format!("{name}_{}", list.end), name.to_owned()].map(|from| {
                let sql = format!("SELECT {columns} FROM {from} WHERE {within} ORDER BY 1, 2, 3");
                table(connection, &sql)
            }),
        );
    }
    tables
}

/// Checks the derived tables alone.
fn examine(connection: &Connection) -> Examination {
    let mut out = Examination::default();
    let mut watch = |_, _| {};
    let mut progress = Progress::new(0, &mut watch);
    for (table, from) in [(&EVENTS, "event e"), (&DELIVERIES, "delivery d")] {
        let rules = RuledTable {
            number: "seq",
            from,
            rules: Vec::new(),
        };
        check_growing(connection, table, &rules, &mut out, &mut progress).unwrap();
    }
    out
}

fn finds_derived(examined: &Examination) -> bool {
    let mut kinds = examined.found.kinds();
    kinds.any(|(kind, _)| matches!(kind.part(), Part::Counters | Part::Lists))
}

/// Changes a few counters and entries.
fn damage(connection: &Connection, random: &mut StdRng) {
    for _ in 0..random.random_range(0..6) {
        let name = *["event", "delivery"].choose(random).unwrap();
        let list = LISTS.choose(random).unwrap();
        let kind = if name == "event" { "state" } else { "class" };
        let pick = random.random_range(0..1000);
        let one = |table: &str, key: &str| {
            format!(
                "({key}) IN (SELECT {key} FROM {table} ORDER BY {key} LIMIT 1
                   OFFSET {pick} % max(1, (SELECT count(*) FROM {table})))"
            )
        };
        let (counters, key) = (
            format!("{name}_count"),
            format!("block, scope, type, {kind}"),
        );
        let counter = one(&counters, &key);
        let entries = format!("{name}_{}", list.end);
        let entry = one(&entries, "seq");
        let sql = match random.random_range(0..7) {
            0 => format!("DELETE FROM {counters} WHERE {counter}"),
            1 => format!("UPDATE {counters} SET count = count + 1 WHERE {counter}"),
            2 => format!("UPDATE OR IGNORE {counters} SET block = block + 1 WHERE {counter}"),
            3 => format!(
                "INSERT OR IGNORE INTO {counters} VALUES ({}, -1, 1, 2, 3)",
                pick % 9
            ),
            4 => format!("DELETE FROM {entries} WHERE {entry}"),
            5 => format!("UPDATE OR IGNORE {entries} SET seq = seq + 1 WHERE {entry}"),
            _ => format!(
                "UPDATE OR IGNORE {entries} SET {} = {} + 1 WHERE {entry}",
                list.columns[0], list.columns[0]
            ),
        };
        connection.execute(&sql, []).unwrap();
    }
}

#[test]
fn random_damage_is_found_and_repaired_to_what_the_rows_say() {
    let mut damaged = 0;
    for seed in 0..60 {
        let fixture = ListFixture::generate(seed);
        let connection = &fixture.connection;
        assert!(!finds_derived(&examine(connection)), "sound, seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        damage(connection, &mut random);
        let is_right = || {
            [&EVENTS, &DELIVERIES].iter().all(|of| {
                stored_and_naive(connection, of)
                    .iter()
                    .all(|[stored, naive]| stored == naive)
            })
        };
        let examined = examine(connection);
        assert_eq!(finds_derived(&examined), !is_right(), "seed {seed}");
        damaged += u32::from(!is_right());
        let mut done = Corrected::default();
        correct_derived(connection, &examined, &mut done).unwrap();
        assert!(is_right(), "seed {seed}");
        assert!(!finds_derived(&examine(connection)), "seed {seed}");
    }
    assert!(damaged > 20, "{damaged}");
}

#[test]
fn a_block_without_rows_must_not_be_counted_and_zero_is_no_count() {
    let fixture = ListFixture::generate(0);
    let connection = &fixture.connection;
    let insert = "INSERT INTO event_count VALUES (?1, 0, 1, 2, ?2)";
    connection.execute(insert, params![900, 0]).unwrap();
    assert_eq!(examine(connection).found.count(Kind::EventCounters), 0);
    connection.execute(insert, params![901, 1]).unwrap();
    let examined = examine(connection);
    assert_eq!(examined.found.count(Kind::EventCounters), 1);
    assert_eq!(examined.wrong_counters[0].1, [901]);
}
