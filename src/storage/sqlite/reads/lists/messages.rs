//! The messages that a filter names.
//!
//! A message leads to its events ([`message_events`](crate::storage::sqlite::message_events)), so these need no
//! index. They are at most some for each endpoint that its workspace had, so a list checks each of them.

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::scope::Scope;
use super::statement::prepare;
use crate::domain::access::Visibility;

/// A message of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NamedMessage {
    /// Its id.
    pub(crate) id: Uuid,
    /// Its number.
    pub(crate) seq: i64,
}

/// Looks up the messages of a filter, each once. Leaves out ids that do not exist, and messages of workspaces that
/// are not in scope: their events are not even read, since a caller could tell that from the time that it takes.
pub(crate) fn named(
    connection: &Connection,
    scope: &Scope,
    ids: &[Uuid],
) -> rusqlite::Result<Vec<NamedMessage>> {
    let mut statement = prepare(
        connection,
        "SELECT workspace, seq FROM message WHERE id = ?",
    )?;
    let mut messages = Vec::new();
    for id in ids {
        let found: Option<(i64, i64)> = statement
            .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if let Some((workspace, seq)) = found
            && scope.includes_workspace(workspace)
        {
            messages.push(NamedMessage { id: *id, seq });
        }
    }
    messages.sort_unstable_by_key(|message| message.seq);
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
