//! The messages that a filter names.
//!
//! The events of a message have numbers in a row, so they need no index. They are at most as many as its
//! workspace had endpoints, so a list checks each of them.

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::scope::Scope;
use super::statement::prepare;
use crate::domain::access::Visibility;

/// A message, and the numbers of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NamedMessage {
    /// Its id.
    pub(crate) id: Uuid,
    /// The number of its first event.
    pub(crate) first: i64,
    /// The number after that of its last event.
    pub(crate) end: i64,
}

/// Looks up the messages of a filter, newest first. Leaves out ids that do not exist, and messages of
/// workspaces that are not in scope: their events are not even read, since a caller could tell that from the
/// time that it takes.
pub(crate) fn named(
    connection: &Connection,
    scope: &Scope,
    ids: &[Uuid],
) -> rusqlite::Result<Vec<NamedMessage>> {
    let sql = "SELECT workspace, first_event, events FROM message WHERE id = ?";
    let mut statement = prepare(connection, sql)?;
    let mut messages = Vec::new();
    for id in ids {
        let found: Option<(i64, i64, i64)> = statement
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        if let Some((workspace, first, events)) = found
            && scope.includes_workspace(workspace)
        {
            let end = first + events;
            messages.push(NamedMessage {
                id: *id,
                first,
                end,
            });
        }
    }
    messages.sort_unstable_by_key(|message| std::cmp::Reverse(message.first));
    // A message without events has the first number of the next message. It may stand between two that name
    // the same one.
    messages.retain(|message| message.first < message.end);
    messages.dedup();
    Ok(messages)
}

/// Reports whether a message has this id, if the caller may see it.
pub(crate) fn has_message(
    connection: &Connection,
    visibility: Visibility,
    id: Uuid,
) -> rusqlite::Result<bool> {
    let sql = "SELECT w.id FROM message m JOIN workspace w ON w.n = m.workspace WHERE m.id = ?";
    let workspace: Option<Uuid> = prepare(connection, sql)?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(workspace.is_some_and(|workspace| visibility.includes(workspace)))
}
