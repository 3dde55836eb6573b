//! The check that a database file is sound: its pages, and the relations between its tables.

use rusqlite::Connection;

/// The rules that hold for the tables at any moment, and for each a query that counts the rows that break
/// it.
const RULES: [(&str, &str); 7] = [
    (
        "events that are not in the range of their message",
        "SELECT count(*) FROM event e JOIN message m ON m.seq = e.message
         WHERE NOT (e.seq >= m.first_event AND e.seq < m.first_event + m.events)
           AND (m.events = 0 OR e.seq NOT IN (SELECT event FROM later_event l WHERE l.message = m.seq))",
    ),
    (
        "tags without their message",
        "SELECT count(*) FROM message_tags WHERE message NOT IN (SELECT seq FROM message)",
    ),
    (
        "notes of later events without their message",
        "SELECT count(*) FROM later_event WHERE message NOT IN (SELECT seq FROM message)",
    ),
    (
        "deliveries without their event",
        "SELECT count(*) FROM delivery WHERE event NOT IN (SELECT seq FROM event)",
    ),
    (
        "events without their message",
        "SELECT count(*) FROM event WHERE message NOT IN (SELECT seq FROM message)",
    ),
    (
        "events whose attempts are not all recorded",
        "SELECT count(*) FROM event e WHERE attempts <>
           (SELECT count(*) FROM delivery d WHERE d.event = e.seq)",
    ),
    (
        "succeeded events without a delivery that did",
        "SELECT count(*) FROM event e WHERE state = 2 AND NOT EXISTS
           (SELECT 1 FROM delivery d WHERE d.event = e.seq AND d.succeeded)",
    ),
];

/// Checks all of a file from which nothing was deleted.
#[track_caller]
pub(super) fn check(connection: &Connection) {
    let sql = "SELECT count(*) FROM message m
        WHERE events + (SELECT count(*) FROM later_event l WHERE l.message = m.seq) <>
        (SELECT count(*) FROM event e WHERE e.message = m.seq)";
    let breaches: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(breaches, 0, "messages whose events are not all there");
    check_after_deletions(connection);
}

/// Checks all of a file from which retention may have deleted rows.
#[track_caller]
pub(super) fn check_after_deletions(connection: &Connection) {
    let integrity: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(integrity, "ok");
    for (what, sql) in RULES {
        let breaches: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(breaches, 0, "{what}");
    }
    check_messages(connection);
    for (rows, kind, counts, kinds) in [
        ("event", "state", "event_count", "state"),
        (
            "delivery",
            "coalesce(code, 0) / 100",
            "delivery_count",
            "class",
        ),
    ] {
        // The block of the newest row is not counted yet.
        let newest = format!("(SELECT value FROM meta WHERE key = 'last_{rows}')");
        let complete =
            format!("seq < (SELECT max(max(seq), {newest}) / 32768 * 32768 FROM {rows})");
        let each = |scope: &str| {
            format!(
                "SELECT seq / 32768 AS block, {scope} AS scope, type, {kind} AS kind
                 FROM {rows} WHERE {complete}"
            )
        };
        let counted = format!(
            "SELECT block, scope, type, kind, count(*) FROM ({} UNION ALL {} UNION ALL {})
             GROUP BY 1, 2, 3, 4",
            each("0"),
            each("-workspace"),
            each("endpoint"),
        );
        let kept =
            format!("SELECT block, scope, type, {kinds}, count FROM {counts} WHERE count <> 0");
        for (more, less) in [(&counted, &kept), (&kept, &counted)] {
            let sql = format!(
                "SELECT count(*) FROM (SELECT * FROM ({more}) EXCEPT SELECT * FROM ({less}))"
            );
            let breaches: i64 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
            assert_eq!(breaches, 0, "{counts} disagrees with its rows");
        }
    }
    for rows in ["event", "delivery"] {
        for (index, columns) in [
            ("of_workspace", "workspace, seq"),
            ("of_endpoint", "endpoint, seq, type"),
            ("of_type", "workspace, type, seq"),
        ] {
            let index = format!("{rows}_{index}");
            let in_it = format!(
                "SELECT {columns} FROM {index}
                 WHERE seq <= (SELECT value FROM meta WHERE key = '{rows}_indexed')"
            );
            let to_be = format!(
                "SELECT {columns} FROM {rows}
                 WHERE seq <= (SELECT value FROM meta WHERE key = '{rows}_indexed')"
            );
            let every = format!(
                "SELECT * FROM (SELECT {columns} FROM {rows}
                 UNION ALL SELECT {columns} FROM {rows}_tombstone)"
            );
            let entries = format!("SELECT {columns} FROM {index}");
            // What an attempt that was cut short left beyond the number also is of some row.
            for (these, those) in [(&to_be, &in_it), (&entries, &every)] {
                let sql = format!("SELECT count(*) FROM ({these} EXCEPT {those})");
                let breaches: i64 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
                assert_eq!(breaches, 0, "{index} disagrees with its rows");
            }
        }
    }
}

/// Checks the list index and the counters of messages.
#[track_caller]
fn check_messages(connection: &Connection) {
    let within = "seq <= (SELECT value FROM meta WHERE key = 'message_indexed')";
    let columns = "workspace, seq, type";
    let each = |scope: &str| {
        format!(
            "SELECT seq / 32768, {scope}, type, events > 0, count(*) FROM message WHERE {within}
             GROUP BY 1, 2, 3, 4"
        )
    };
    for (what, stored, rows) in [
        (
            "message_of_workspace",
            format!("SELECT {columns} FROM message_of_workspace WHERE {within}"),
            format!(
                "SELECT {columns} FROM message WHERE {within}
                 UNION SELECT {columns} FROM message_of_workspace JOIN message_tombstone USING (seq, workspace)"
            ),
        ),
        (
            "message_count",
            "SELECT * FROM message_count WHERE count <> 0".to_owned(),
            format!("{} UNION ALL {}", each("0"), each("-workspace")),
        ),
    ] {
        for (more, less) in [(&stored, &rows), (&rows, &stored)] {
            let sql = format!(
                "SELECT count(*) FROM (SELECT * FROM ({more}) EXCEPT SELECT * FROM ({less}))"
            );
            let breaches: i64 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
            assert_eq!(breaches, 0, "{what} disagrees with its rows");
        }
    }
}
