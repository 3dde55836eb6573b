//! The messages with some tags.
//!
//! Tags have a table of their own, in the order of workspaces and messages, so a search steps over the messages that have
//! tags and over no others. As a search for a text does, it looks at the newest messages only.

use std::fmt::Write;

use rusqlite::Connection;
use rusqlite::types::Value;

use super::message_selection::Selection;
use super::query::{Found, Pattern};
use super::search::newest;
use super::statement::{Table, prepare};
use crate::domain::tags::Tag;
use crate::storage::filter::{Page, QUERY_SCAN_MAX};
use crate::storage::sqlite::message_tags;

/// Returns the messages of a selection that have the tags and, if there is a pattern, contain it in their id.
pub(super) fn with_tags(
    selection: &Selection,
    connection: &Connection,
    wanted: &[Tag],
    pattern: Option<&Pattern>,
    page: Page,
) -> rusqlite::Result<Found> {
    let plan = selection.plan(connection)?;
    let total = selection.total(connection, &plan)?;
    let searched = Some(total.min(QUERY_SCAN_MAX));
    let ranges = selection.interval.ranges(connection, Table::Message)?;
    let ranges = newest(connection, &plan, ranges, total, QUERY_SCAN_MAX)?;
    let search = statement(selection, wanted, pattern);
    let mut statement = prepare(connection, &search.sql)?;
    let mut hits = Vec::new();
    for workspace in selection.scope.each_workspace(connection)? {
        for range in &ranges {
            let keys = [workspace, range.above, range.below].map(Value::Integer);
            for (at, value) in keys.iter().chain(&search.values).enumerate() {
                statement.raw_bind_parameter(at + 1, value)?;
            }
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                hits.push(row.get(0)?);
            }
        }
    }
    Ok(Found {
        searched,
        ..Found::of(hits, page)
    })
}

/// A statement, and its parameters after the workspace and the range.
struct Search {
    sql: String,
    values: Vec<Value>,
}

fn statement(selection: &Selection, wanted: &[Tag], pattern: Option<&Pattern>) -> Search {
    let (condition, texts) = message_tags::condition(wanted);
    let mut values: Vec<Value> = texts.into_iter().map(Value::Text).collect();
    let mut sql = format!(
        "SELECT message FROM message_tags WHERE workspace = ? AND message > ? AND message < ? AND {condition}"
    );
    let mut of_message = String::new();
    if let Some(types) = &selection.scope.types {
        let marks = vec!["?"; types.len()].join(", ");
        let _ = write!(of_message, " AND m.type IN ({marks})");
        values.extend(types.iter().copied().map(Value::Integer));
    }
    if let Some(unrouted) = selection.unrouted {
        of_message.push_str(if unrouted {
            " AND m.events = 0"
        } else {
            " AND m.events > 0"
        });
    }
    if let Some(pattern) = pattern {
        of_message.push_str(" AND sought(m.id, NULL, ?)");
        values.push(Value::Text(pattern.text().to_owned()));
    }
    if !of_message.is_empty() {
        let _ = write!(
            sql,
            " AND EXISTS (SELECT 1 FROM message m WHERE m.seq = message_tags.message{of_message})"
        );
    }
    Search { sql, values }
}
