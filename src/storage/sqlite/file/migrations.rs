//! The migrations, which bring a file up to date. Their result is in `schema.sql`, beside the sources.
//!
//! Append-only: a migration that was released is never changed, and uses no code that may change.

use rusqlite::{OptionalExtension, Transaction, params};
use rusqlite_migration::{HookResult, M, Migrations};

/// The number of migrations: the `user_version` of a file that is up to date.
pub(crate) const CURRENT_VERSION: i64 = 14;

/// Returns all migrations.
pub(crate) fn migrations() -> Migrations<'static> {
    Migrations::new(vec![
        M::up(include_str!("migrations/1.sql")),
        M::up_with_hook(include_str!("migrations/2.sql"), count_blocks),
        M::up(include_str!("migrations/3.sql")),
        M::up(include_str!("migrations/4.sql")),
        M::up(include_str!("migrations/5.sql")),
        M::up(include_str!("migrations/6.sql")),
        M::up(include_str!("migrations/7.sql")),
        M::up(include_str!("migrations/8.sql")),
        M::up(include_str!("migrations/9.sql")),
        M::up(include_str!("migrations/10.sql")),
        M::up(include_str!("migrations/11.sql")),
        M::up(include_str!("migrations/12.sql")),
        M::up(include_str!("migrations/13.sql")),
        M::up(include_str!("migrations/14.sql")),
    ])
}

/// Counts the rows that are there, block by block (migration 2). Counting all at once would need a sorter of
/// the size of the table, in memory or in a folder for temporary files, which a container may not have.
fn count_blocks(transaction: &Transaction<'_>) -> HookResult {
    for (rows, counters, kind, kind_of) in [
        (
            "delivery",
            "delivery_count",
            "class",
            "coalesce(code, 0) / 100",
        ),
        ("event", "event_count", "state", "state"),
    ] {
        let after = format!("SELECT seq FROM {rows} WHERE seq >= ? ORDER BY seq LIMIT 1");
        let mut after = transaction.prepare(&after)?;
        let mut count = transaction.prepare(&format!(
            "INSERT INTO {counters} (block, scope, type, {kind}, count)
             WITH counted AS MATERIALIZED (
               SELECT seq / 32768 AS block, endpoint, workspace, type, {kind_of} AS kind,
                      count(*) AS count
               FROM {rows} NOT INDEXED WHERE seq >= ?1 AND seq < ?2
               GROUP BY endpoint, workspace, type, kind
             )
             SELECT block, endpoint, type, kind, sum(count) FROM counted GROUP BY endpoint, type, kind
             UNION ALL
             SELECT block, -workspace, type, kind, sum(count) FROM counted
             GROUP BY workspace, type, kind
             UNION ALL
             SELECT block, 0, type, kind, sum(count) FROM counted GROUP BY type, kind"
        ))?;
        let newest = format!("SELECT coalesce(max(seq), 0) / 32768 FROM {rows}");
        let newest: i64 = transaction.query_row(&newest, [], |row| row.get(0))?;
        let mut from = 0;
        while let Some(seq) = after
            .query_row([from], |row| row.get::<_, i64>(0))
            .optional()?
            && seq / 32768 < newest
        {
            let start = seq / 32768 * 32768;
            from = start + 32768;
            count.execute(params![start, from])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    #[test]
    fn what_was_deleted_before_is_blanked_and_noted_for_erasing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations().to_version(&mut connection, 5).unwrap();
        let deleted = "PRAGMA foreign_keys = OFF;
             INSERT INTO workspace (n, id, name, created_at, deleted_at)
             VALUES (1, x'01', 'here', 0, NULL), (2, x'02', 'gone', 0, 1);
             INSERT INTO endpoint (n, id, workspace, url, format, secret, events, created_at, deleted_at)
             VALUES (1, x'01', 1, 'u', 0, 's', '*', 0, NULL), (2, x'02', 1, 'u', 0, 's', '*', 0, 1);";
        connection.execute_batch(deleted).unwrap();
        migrations().to_latest(&mut connection).unwrap();
        let text = |sql| {
            connection
                .query_row(sql, [], |row| row.get::<_, String>(0))
                .unwrap()
        };
        assert_eq!(
            text("SELECT group_concat(n || url || secret || events, ' ') FROM endpoint"),
            "1us* 2"
        );
        assert_eq!(
            text("SELECT group_concat(name, ' ') FROM workspace"),
            "here "
        );
        assert_eq!(
            text("SELECT key FROM meta WHERE key GLOB 'erase*'"),
            "erase 2"
        );
    }

    #[test]
    fn the_migrations_are_valid_and_end_in_the_current_version() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations().to_latest(&mut connection).unwrap();
        migrations().to_latest(&mut connection).unwrap();
        let version: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(version, CURRENT_VERSION);
    }

    /// Returns every row of a pragma or query, as text.
    fn table(connection: &Connection, sql: &str) -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<String> {
            let values: rusqlite::Result<Vec<rusqlite::types::Value>> =
                (0..columns).map(|at| row.get(at)).collect();
            Ok(format!("{:?}", values?))
        };
        let rows = statement.query_map([], row).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    /// Returns all that `SQLite` knows of the tables and indexes, except the names that it gives to indexes
    /// itself, and the statements that made them, which differ where a column was added later. Only those
    /// statements have an index's WHERE, and AUTOINCREMENT, so these are taken from them.
    fn shape(connection: &Connection) -> Vec<String> {
        let mut shape = table(
            connection,
            "SELECT name, type, ncol, wr, strict FROM pragma_table_list
             WHERE schema = 'main' AND name NOT LIKE 'sqlite_%' ORDER BY name",
        );
        for (from, order) in [
            ("pragma_table_xinfo(t.name) AS x", "x.cid"),
            ("pragma_foreign_key_list(t.name) AS x", "x.id, x.seq"),
            (
                "pragma_index_list(t.name) AS i JOIN pragma_index_xinfo(i.name) AS x",
                "i.name, x.seqno",
            ),
        ] {
            let index = if from.contains("index") {
                "i.name, i.\"unique\", i.origin, i.partial,"
            } else {
                ""
            };
            shape.extend(table(
                connection,
                &format!(
                    "SELECT t.name, {index} x.* FROM sqlite_schema AS t JOIN {from}
                     WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, {order}"
                ),
            ));
        }
        let ends = "SELECT name, sql LIKE '%AUTOINCREMENT%', sql LIKE '%CHECK%',
                           CASE WHEN type = 'index' THEN substr(sql, instr(sql, ' WHERE ')) END
                    FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
        shape.extend(table(connection, ends));
        shape
    }

    #[test]
    fn the_schema_for_readers_is_what_the_migrations_make() {
        let mut migrated = Connection::open_in_memory().unwrap();
        migrations().to_latest(&mut migrated).unwrap();
        let read = Connection::open_in_memory().unwrap();
        read.execute_batch(include_str!("../../../../schema.sql"))
            .unwrap();
        assert!(shape(&read).len() > 20);
        assert_eq!(shape(&migrated), shape(&read));
    }

    #[test]
    fn whatever_a_schema_for_readers_may_say_wrong_is_noticed() {
        let right = include_str!("../../../../schema.sql");
        let shape_of = |sql: &str| {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(sql).unwrap();
            shape(&connection)
        };
        for (from, to) in [
            // A column that is missing, has another type, default or place, or may be null.
            ("  modified_at INTEGER,   ", "  "),
            ("  comment      TEXT ", "  comment      BLOB "),
            (
                "NOT NULL DEFAULT 0,      -- events in a row",
                "NOT NULL DEFAULT 1, --",
            ),
            (
                "  comment      TEXT    NOT NULL,\n  scopes       INTEGER NOT NULL,",
                "  scopes       INTEGER NOT NULL,\n  comment      TEXT    NOT NULL,",
            ),
            (
                "  hash         BLOB    NOT NULL UNIQUE",
                "  hash         BLOB    UNIQUE",
            ),
            // What belongs to a column or a table.
            ("PRIMARY KEY AUTOINCREMENT", "PRIMARY KEY"),
            (" REFERENCES token (n)", ""),
            (") WITHOUT ROWID;", ");"),
            ("name TEXT NOT NULL UNIQUE", "name TEXT NOT NULL"),
            ("PRIMARY KEY (kind, seq)", "PRIMARY KEY (seq, kind)"),
            // Indexes.
            ("CREATE INDEX token_workspace ON token (workspace);", ""),
            (
                "CREATE UNIQUE INDEX workspace_name",
                "CREATE INDEX workspace_name",
            ),
            (
                "ON workspace (name) WHERE deleted_at IS NULL",
                "ON workspace (name)",
            ),
            ("WHERE state IN (3, 4);", "WHERE state IN (3);"),
            ("ON delivery (event)", "ON delivery (event DESC)"),
        ] {
            assert!(right.contains(from), "{from}");
            let wrong = shape_of(&right.replacen(from, to, 1));
            assert_ne!(wrong, shape_of(right), "{from}");
        }
    }

    #[test]
    fn the_comment_of_an_older_file_tells_which_token_came_with_the_settings() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations().to_version(&mut connection, 3).unwrap();
        connection
            .execute_batch(
                "INSERT INTO workspace (n, id, name, created_at) VALUES (1, x'00', 'w', 0);
                 INSERT INTO token (n, id, hash, workspace, comment, scopes, created_at)
                 VALUES (1, x'01', x'01', NULL, 'from the server''s settings', 127, 0),
                        (2, x'02', x'02', NULL, 'made at the first start', 127, 0),
                        (3, x'03', x'03', 1, 'from the server''s settings', 127, 0),
                        (4, x'04', x'04', NULL, '', 127, 0);",
            )
            .unwrap();
        migrations().to_latest(&mut connection).unwrap();
        let of_settings: Vec<i64> = connection
            .prepare("SELECT n FROM token WHERE origin = 1 AND parent IS NULL")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(of_settings, [1]);
    }
}
