//! The soundness of a file: references, counters and list indexes, recomputed from the rows.

use std::path::Path;

use rusqlite::Connection;

/// Returns the first column of a query, joined.
fn text(connection: &Connection, sql: &str) -> String {
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    rows.map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

/// Checks that nothing refers to a deleted row, and that counters and list indexes have what the rows say.
#[track_caller]
pub(super) fn assert_sound(database: &Path, seed: u64) {
    let connection = Connection::open(database).unwrap();
    let none = |sql: &str| {
        let found: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(found, 0, "{seed}: {sql}");
    };
    none("SELECT count(*) FROM event WHERE message NOT IN (SELECT seq FROM message)");
    none("SELECT count(*) FROM delivery WHERE event NOT IN (SELECT seq FROM event)");
    none("SELECT count(*) FROM later_event WHERE message NOT IN (SELECT seq FROM message)");
    none("SELECT count(*) FROM message_tombstone");
    none("SELECT count(*) FROM event_tombstone");
    none("SELECT count(*) FROM delivery_tombstone");
    assert_eq!(text(&connection, "PRAGMA integrity_check"), "ok", "{seed}");
    assert_messages_are_sound(&connection, seed);
    for (table, kind, kind_of) in [
        ("event", "state", "state"),
        ("delivery", "class", "coalesce(code, 0) / 100"),
    ] {
        // The newest block that ever was has no counters yet.
        let newest = format!(
            "max((SELECT coalesce(max(seq), 0) FROM {table}),
                 (SELECT value FROM meta WHERE key = 'last_{table}')) / 32768"
        );
        let key = format!("block || ' ' || scope || ' ' || type || ' ' || {kind} || ' ' || n");
        let counted = text(
            &connection,
            &format!(
                "SELECT {key} FROM (SELECT block, scope, type, {kind}, count AS n FROM {table}_count
                 WHERE count <> 0) ORDER BY 1"
            ),
        );
        let of_scope = |scope: &str| {
            format!(
                "SELECT seq / 32768 AS block, {scope} AS scope, type, {kind_of} AS {kind}, count(*) AS n
                 FROM {table} WHERE seq / 32768 < {newest} GROUP BY 1, 2, 3, 4"
            )
        };
        let rows = text(
            &connection,
            &format!(
                "SELECT {key} FROM ({} UNION ALL {} UNION ALL {}) ORDER BY 1",
                of_scope("endpoint"),
                of_scope("-workspace"),
                of_scope("0")
            ),
        );
        assert_eq!(counted, rows, "{seed}: {table}_count");
        for (index, columns) in [
            ("of_workspace", "workspace || ' ' || seq"),
            ("of_endpoint", "endpoint || ' ' || seq || ' ' || type"),
            ("of_type", "workspace || ' ' || type || ' ' || seq"),
        ] {
            let through = format!("(SELECT value FROM meta WHERE key = '{table}_indexed')");
            let up_to = |from: &str| {
                format!("SELECT {columns} FROM {from} WHERE seq <= {through} ORDER BY 1")
            };
            let entries = text(&connection, &up_to(&format!("{table}_{index}")));
            assert_eq!(
                entries,
                text(&connection, &up_to(table)),
                "{seed}: {table}_{index}"
            );
        }
    }
}

/// Checks the list index and the counters of messages, both up to the mark.
#[track_caller]
fn assert_messages_are_sound(connection: &Connection, seed: u64) {
    let within = "seq <= (SELECT value FROM meta WHERE key = 'message_indexed')";
    let entries = |from: &str| {
        let columns = "workspace || ' ' || seq || ' ' || type";
        text(
            connection,
            &format!("SELECT {columns} FROM {from} WHERE {within} ORDER BY 1"),
        )
    };
    assert_eq!(
        entries("message_of_workspace"),
        entries("message"),
        "{seed}"
    );
    let of_scope = |scope: &str| {
        format!(
            "SELECT seq / 32768 AS block, {scope} AS scope, type, events > 0 AS routed, count(*) AS count
             FROM message WHERE {within} GROUP BY 1, 2, 3, 4"
        )
    };
    let counters = |from: &str| {
        let columns = "block || ' ' || scope || ' ' || type || ' ' || routed || ' ' || count";
        text(
            connection,
            &format!("SELECT {columns} FROM ({from}) ORDER BY 1"),
        )
    };
    assert_eq!(
        counters("SELECT * FROM message_count WHERE count <> 0"),
        counters(&format!(
            "{} UNION ALL {}",
            of_scope("-workspace"),
            of_scope("0")
        )),
        "{seed}"
    );
}
