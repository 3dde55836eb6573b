//! The tags of messages, as SQL: the one place that says where they are.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use crate::domain::tags::{Tag, Tags};

/// The tags of a message `m`; NULL if it has none.
macro_rules! tags_column {
    () => {
        "(SELECT g.tags FROM message_tags g WHERE g.workspace = m.workspace AND g.message = m.seq)"
    };
}
pub(crate) use tags_column;

/// Stores the tags of a message that is being published.
pub(crate) fn insert(
    connection: &Connection,
    workspace: i64,
    message: i64,
    tags: &Tags,
) -> rusqlite::Result<()> {
    if let Some(stored) = tags.to_stored() {
        connection
            .prepare_cached(
                "INSERT INTO message_tags (workspace, message, tags) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![workspace, message, stored])?;
    }
    Ok(())
}

/// Deletes the tags of a message, with the message.
pub(crate) fn delete(
    connection: &Connection,
    workspace: i64,
    message: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM message_tags WHERE workspace = ?1 AND message = ?2")?
        .execute([workspace, message])?;
    Ok(())
}

/// A condition on the column `tags`, and the texts of its parameters: of the wanted tags with the same name one, and so
/// for each name.
///
/// The stored text is searched for each tag as it is written there.
pub(crate) fn condition(wanted: &[Tag]) -> (String, Vec<String>) {
    let mut by_name: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for tag in wanted {
        by_name.entry(&tag.name).or_default().push(tag.to_stored());
    }
    let any =
        |texts: &Vec<String>| format!("({})", vec!["instr(tags, ?)"; texts.len()].join(" OR "));
    let conditions: Vec<String> = by_name.values().map(any).collect();
    (
        conditions.join(" AND "),
        by_name.into_values().flatten().collect(),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::params_from_iter;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        "[ab\\\"{}:,\né]{0,4}"
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..Default::default() })]

        #[test]
        fn the_condition_finds_what_the_tags_themselves_say(
            tags in prop::collection::vec((text(), text()), 0..4),
            wanted in prop::collection::vec((text(), text()), 1..4),
        ) {
            let connection = Connection::open_in_memory().unwrap();
            let mut stored = Tags::NONE;
            for (name, value) in tags {
                stored.set(name, value);
            }
            let wanted: Vec<Tag> = wanted.into_iter().map(|(name, value)| Tag { name, value }).collect();
            let (condition, texts) = condition(&wanted);
            let sql = format!("SELECT {condition} FROM (SELECT ? AS tags)");
            let parameters = texts.into_iter().chain([stored.to_stored().unwrap_or("{}".to_owned())]);
            let found: bool = connection
                .query_row(&sql, params_from_iter(parameters), |row| row.get(0))
                .unwrap();
            prop_assert_eq!(found, stored.has(&wanted));
        }
    }
}
