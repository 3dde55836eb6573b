//! The tables and indexes of the file, compared with those that the migrations make.
//!
//! Tables of other programs do no harm and are left out: those that replicate the file make some. What another
//! program has put on our tables is reported, since a trigger would change what we write.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::problem::{Found, Kind};
use super::tables::{CHARTS, DERIVED};
use crate::storage::sqlite::file::migrations::migrations;

/// A table or an index: its table, and the statement that made it. `SQLite`'s own indexes have none.
#[derive(Debug, PartialEq, Eq)]
struct Object {
    table: String,
    sql: Option<String>,
}

/// Returns a database in memory as the migrations make it.
fn model() -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    migrations()
        .to_latest(&mut connection)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    Ok(connection)
}

/// Returns the values that a new file has in the table `meta`.
pub(super) fn required_marks() -> rusqlite::Result<Vec<(String, i64)>> {
    let model = model()?;
    let mut select = model.prepare("SELECT key, value FROM meta")?;
    let marks = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    marks.collect()
}

/// Returns all tables, indexes, triggers and views, by type and name.
fn objects(connection: &Connection) -> rusqlite::Result<BTreeMap<(String, String), Object>> {
    let mut select = connection.prepare(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema
         WHERE name NOT GLOB 'sqlite_stat*' AND name <> 'sqlite_sequence'",
    )?;
    let objects = select.query_map([], |row| {
        let object = Object {
            table: row.get(2)?,
            sql: row.get(3)?,
        };
        Ok(((row.get(0)?, row.get(1)?), object))
    })?;
    objects.collect()
}

/// Compares the file with the model.
pub(super) fn check(connection: &Connection, found: &mut Found) -> rusqlite::Result<()> {
    let model = objects(&model()?)?;
    let mut there = objects(connection)?;
    for (id, wanted) in &model {
        let (kind, name) = id;
        match there.remove(id) {
            Some(object) if object == *wanted => {}
            None if can_be_made(kind, name, wanted) => {
                found.note(Kind::MissingIndex, || name.clone());
            }
            _ => found.note(Kind::WrongTable, || name.clone()),
        }
    }
    let is_ours = |object: &Object| {
        let table = ("table".to_owned(), object.table.clone());
        model.contains_key(&table)
    };
    for ((_, name), _) in there.into_iter().filter(|(_, object)| is_ours(object)) {
        found.note(Kind::ForeignObject, || name);
    }
    Ok(())
}

/// Returns the name of a table that is missing or has another form, or of a trigger or an index on our tables that is
/// not ours; `None` if there is none.
pub(crate) fn first_wrong_table(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut found = Found::default();
    check(connection, &mut found)?;
    let kinds = [Kind::WrongTable, Kind::ForeignObject];
    Ok(kinds.into_iter().find_map(|kind| found.first_name(kind)))
}

/// Reports whether an index or a table that is missing can be made from the other tables.
fn can_be_made(kind: &str, name: &str, object: &Object) -> bool {
    object.sql.is_some() && (kind == "index" || DERIVED.contains(&name))
}

/// Makes the tables of a new file, with no row and no index but those that belong to a table.
pub(super) fn make_tables(connection: &Connection) -> rusqlite::Result<()> {
    for ((kind, name), object) in objects(&model()?)? {
        if let Some(sql) = &object.sql
            && kind == "table"
            && !name.starts_with("sqlite_")
        {
            connection.execute_batch(sql)?;
        }
    }
    Ok(())
}

/// Returns the tables of a file whose rows are copied: all that are ours and not derived.
pub(super) fn copied_tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let ours = objects(&model()?)?;
    let there = objects(connection)?;
    let is_copied =
        |kind: &str, name: &str| kind == "table" && (!DERIVED.contains(&name) || name == CHARTS);
    let tables = ours
        .into_keys()
        .filter(|id| there.contains_key(id) && is_copied(&id.0, &id.1))
        .map(|(_, name)| name)
        .collect();
    Ok(tables)
}

/// Makes the indexes and derived tables that are missing, within the caller's transaction.
pub(super) fn make_missing(connection: &Connection) -> rusqlite::Result<()> {
    let there = objects(connection)?;
    for (id, object) in objects(&model()?)? {
        if let Some(sql) = &object.sql
            && !there.contains_key(&id)
            && can_be_made(&id.0, &id.1, &object)
        {
            connection.execute_batch(sql)?;
        }
    }
    Ok(())
}
