//! The pages of the file, as `SQLite` checks them, and what each of its findings concerns.

use std::collections::HashMap;

use rusqlite::{Connection, ErrorCode};

use super::problem::{Found, Kind};
use super::tables::DERIVED;

/// The most findings that `SQLite` reports.
const FINDINGS_MAX: u32 = 1000;

/// A tree of pages: a table or an index.
struct Tree {
    name: String,
    /// Set if it can be made from other tables.
    is_derived: bool,
}

/// Checks all pages, and every index against its table.
pub(super) fn check(connection: &Connection) -> rusqlite::Result<Found> {
    let mut found = Found::default();
    let trees = trees(connection)?;
    let mut select = connection.prepare(&format!("PRAGMA integrity_check({FINDINGS_MAX})"))?;
    let mut rows = select.query([])?;
    loop {
        match rows.next() {
            Ok(None) => return Ok(found),
            Ok(Some(row)) => {
                let text: String = row.get(0)?;
                for line in text.lines() {
                    sort(line, &trees, &mut found);
                }
            }
            Err(error) if is_damage(&error) => {
                found.note(Kind::Unreadable, || format!("pages: {error}"));
                return Ok(found);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Reports whether an error means that a page is damaged.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt)
}

/// Returns the trees of the file, by their first page.
fn trees(connection: &Connection) -> rusqlite::Result<HashMap<String, Tree>> {
    let mut select =
        connection.prepare("SELECT rootpage, type, name FROM sqlite_schema WHERE rootpage > 0")?;
    let trees = select.query_map([], |row| {
        let root: i64 = row.get(0)?;
        let kind: String = row.get(1)?;
        let name: String = row.get(2)?;
        let is_derived = kind == "index" || DERIVED.contains(&name.as_str());
        Ok((root.to_string(), Tree { name, is_derived }))
    })?;
    trees.collect()
}

/// Notes a line of `SQLite`'s report under its kind.
fn sort(line: &str, trees: &HashMap<String, Tree>, found: &mut Found) {
    if line == "ok" || line.starts_with("***") || line.is_empty() {
        return;
    }
    if let Some((_, index)) = line.rsplit_once(" index ") {
        found.note(Kind::WrongIndex, || index.to_owned());
        return;
    }
    let root = line
        .strip_prefix("Tree ")
        .and_then(|rest| rest.split(' ').next());
    let in_words = |name: &str| format!("{name}: {line}");
    match root.and_then(|root| trees.get(root)) {
        Some(tree) if tree.is_derived => {
            found.note(Kind::DamagedIndex, || in_words(&tree.name));
        }
        _ if is_of_unused_pages(line) => found.note(Kind::LostPage, || line.to_owned()),
        Some(tree) => found.note(Kind::DamagedTable, || in_words(&tree.name)),
        None => match DERIVED.iter().find(|name| line.contains(*name)) {
            Some(name) => found.note(Kind::DamagedIndex, || in_words(name)),
            None => found.note(Kind::DamagedTable, || line.to_owned()),
        },
    }
}

/// Reports whether a line is about the accounting of pages, not about the content of one. A new file with the
/// same rows does not have the problem.
fn is_of_unused_pages(line: &str) -> bool {
    ["Freelist:", "Page ", "max rootpage", "incremental_vacuum"]
        .iter()
        .any(|start| line.starts_with(start))
        || [
            "2nd reference to page",
            "ptr map entry",
            "ptrmap",
            "never used",
        ]
        .iter()
        .any(|part| line.contains(part))
}
