//! The steps that bring a file up to date. `schema.sql`, beside the sources, is what they make.
//!
//! Append-only: a step that was released is never changed, and uses nothing that may change.

use rusqlite::{OptionalExtension, Transaction, params};
use rusqlite_migration::{HookResult, M, Migrations};

/// How many steps there are: the `user_version` of a file that is up to date.
pub(super) const CURRENT_VERSION: i64 = 3;

/// All of them.
pub(super) fn migrations() -> Migrations<'static> {
    Migrations::new(vec![
        M::up(include_str!("migrations/1.sql")),
        M::up_with_hook(include_str!("migrations/2.sql"), count_blocks),
        M::up(include_str!("migrations/3.sql")),
    ])
}

/// Step 2: counts what is there, block by block. All at once would need a sorter of the size of the
/// table, in memory or in a folder for temporary files that a container may not have.
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
    fn the_migrations_are_valid_and_end_in_the_current_version() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations().to_latest(&mut connection).unwrap();
        migrations().to_latest(&mut connection).unwrap();
        let version: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(version, CURRENT_VERSION);
    }

    /// Tables and indexes as SQL, without comments and with single spaces.
    fn shape(connection: &Connection) -> Vec<String> {
        connection
            .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
            .unwrap()
            .query_map([], |row| row.get::<_, String>(0))
            .unwrap()
            .map(|sql| {
                let sql = sql.unwrap();
                let code = sql.lines().filter_map(|line| line.split("--").next());
                code.flat_map(str::split_whitespace)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect()
    }

    #[test]
    fn the_schema_for_readers_is_what_the_migrations_make() {
        let mut migrated = Connection::open_in_memory().unwrap();
        migrations().to_latest(&mut migrated).unwrap();
        let read = Connection::open_in_memory().unwrap();
        read.execute_batch(include_str!("../../../schema.sql"))
            .unwrap();
        assert!(shape(&read).len() > 20);
        assert_eq!(shape(&migrated), shape(&read));
    }
}
