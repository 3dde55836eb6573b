//! Retention: drops payloads and deletes messages that are older than they are kept.
//!
//! The server has a time for each; a workspace may have shorter ones. The searches run on a reading connection, in
//! short reads, and the writer gets the numbers of messages, some at a time. Whether a message is old enough is
//! judged by its own time. A search goes through messages in the order of their numbers, up to the first that is
//! not old enough, and then goes on where the wall clock was set back: see [`archive`].

mod search;
mod tombstones;

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, params};

use self::search::{
    FoundPayloads, Search, events_to_archive, events_to_delete, messages_to_delete,
    unrouted_to_archive, unrouted_to_delete,
};
use self::tombstones::clear_tombstones;
use super::work::Work;
use crate::domain::clock::Timestamp;
use crate::domain::retention::KeepFor;
use crate::storage::StoreError;
use crate::storage::sqlite::file::read_failure::read_error;
use crate::storage::sqlite::writes::archive::{archive, archive_messages};
use crate::storage::sqlite::writes::delete_messages::delete_messages;
use crate::storage::sqlite::writes::empty_blocks::delete_empty_blocks;

/// The rows deleted before their entries in the list indexes are: more of them share pages if they wait for
/// each other, and lists take longer while they wait.
const TOMBSTONES_MAX: usize = 1 << 15;

/// One application of the retention rules.
pub(super) struct Retention<'a> {
    pub(super) work: &'a Work<'a>,
    pub(super) connection: &'a Connection,
    pub(super) now: Timestamp,
    pub(super) keep_for: KeepFor,
}

/// A workspace with times of its own.
struct OwnRetention {
    workspace: i64,
    payloads: Option<Duration>,
    messages: Option<Duration>,
    /// Its payloads are dropped up to this event, and those of messages without events up to this message.
    archived_through: i64,
    unrouted_archived_through: i64,
}

/// The two passes over the payloads of a workspace: messages are found by their events, or, if they have none, by
/// themselves.
#[derive(Clone, Copy)]
struct WorkspacePass {
    search: fn(&Connection, i64, Timestamp, i64) -> rusqlite::Result<FoundPayloads>,
    /// The statement that notes the number up to which the pass is complete.
    note: &'static str,
}

const BY_EVENTS: WorkspacePass = WorkspacePass {
    search: events_to_archive,
    note: "UPDATE workspace SET archived_through = ?2 WHERE n = ?1",
};
const UNROUTED: WorkspacePass = WorkspacePass {
    search: unrouted_to_archive,
    note: "UPDATE workspace SET unrouted_archived_through = ?2 WHERE n = ?1",
};

impl Retention<'_> {
    pub(super) fn apply(&self) -> Result<(), StoreError> {
        let own = own_retentions(self.connection).map_err(|error| read_error(&error))?;
        if let Some(payloads) = self.keep_for.payloads {
            let before = self.now.before(payloads);
            self.work
                .pass(move |context, pass| archive(context, before, pass))?;
        }
        for own in &own {
            if let Some(payloads) = shorter(own.payloads, self.keep_for.payloads) {
                let (workspace, before) = (own.workspace, self.now.before(payloads));
                self.archive_workspace(BY_EVENTS, workspace, before, own.archived_through)?;
                let through = own.unrouted_archived_through;
                self.archive_workspace(UNROUTED, workspace, before, through)?;
            }
        }
        // Those of a run that was interrupted.
        clear_tombstones(self.work, self.connection)?;
        if let Some(messages) = self.keep_for.messages {
            let before = self.now.before(messages);
            self.delete(&|connection, after| messages_to_delete(connection, before, after))?;
        }
        for own in &own {
            if let Some(messages) = shorter(own.messages, self.keep_for.messages) {
                let (workspace, before) = (own.workspace, self.now.before(messages));
                self.delete(&|connection, after| {
                    events_to_delete(connection, workspace, before, after)
                })?;
                self.delete(&|connection, after| {
                    unrouted_to_delete(connection, workspace, before, after)
                })?;
            }
        }
        self.work
            .pass(|context, ()| Ok(delete_empty_blocks(context)?.then_some(())))
    }

    /// Deletes what the search finds, with its entries in the list indexes.
    fn delete(&self, search: &Search<'_>) -> Result<(), StoreError> {
        delete_found(self.work, self.connection, search, &|| false)?;
        clear_tombstones(self.work, self.connection)
    }

    /// Drops the payloads of a workspace from after `through` on, and notes how far it came.
    fn archive_workspace(
        &self,
        pass: WorkspacePass,
        workspace: i64,
        before: Timestamp,
        through: i64,
    ) -> Result<(), StoreError> {
        let mut after = through;
        let mut noted = after;
        let mut first_kept = None;
        while !self.work.is_stopping() {
            let found = (pass.search)(self.connection, workspace, before, after)
                .map_err(|error| read_error(&error))?;
            let messages: Arc<[i64]> = found.found.numbers.into();
            let mut done = 0;
            while done < messages.len() && !self.work.is_stopping() {
                let left = messages.clone();
                let step = self
                    .work
                    .step(move |context| archive_messages(context, &left[done..]))?;
                done += step.messages;
                if step.has_kept {
                    // Redelivered since the search: the next pass looks at all of these again.
                    first_kept = first_kept.or(Some(after + 1));
                }
            }
            first_kept = first_kept.or(found.first_kept);
            let through = first_kept.map_or(found.found.through, |kept| kept - 1);
            if through > noted && !self.work.is_stopping() {
                noted = through;
                self.work.step(move |context| {
                    let mut note = context.connection.prepare_cached(pass.note)?;
                    note.execute(params![workspace, through])?;
                    Ok(())
                })?;
            }
            if found.found.is_last {
                break;
            }
            after = found.found.through;
        }
        Ok(())
    }
}

/// Deletes what a search finds until there is no more, `is_enough` says so, or the thread must end. Returns the
/// rows deleted.
pub(super) fn delete_found(
    work: &Work<'_>,
    connection: &Connection,
    search: &Search<'_>,
    is_enough: &dyn Fn() -> bool,
) -> Result<usize, StoreError> {
    let (mut after, mut deleted, mut tombstones) = (0, 0, 0);
    while !work.is_stopping() && !is_enough() {
        let found = search(connection, after).map_err(|error| read_error(&error))?;
        let messages: Arc<[i64]> = found.numbers.into();
        let mut done = 0;
        while done < messages.len() && !work.is_stopping() && !is_enough() {
            let left = messages.clone();
            let step = work.step(move |context| delete_messages(context, &left[done..]))?;
            done += step.messages;
            deleted += step.rows;
            tombstones += step.rows;
        }
        if tombstones >= TOMBSTONES_MAX {
            clear_tombstones(work, connection)?;
            tombstones = 0;
        }
        if found.is_last {
            break;
        }
        after = found.through;
    }
    Ok(deleted)
}

/// Deletes the oldest finished events until `is_enough` says so.
pub(super) fn delete_oldest(
    work: &Work<'_>,
    before: Timestamp,
    is_enough: &dyn Fn() -> bool,
) -> Result<usize, StoreError> {
    let connection = work.connection()?;
    let search = |connection: &Connection, after| messages_to_delete(connection, before, after);
    let deleted = delete_found(work, &connection, &search, is_enough)?;
    clear_tombstones(work, &connection)?;
    Ok(deleted)
}

/// Returns a workspace's own time if it is shorter than the server's.
fn shorter(own: Option<Duration>, servers: Option<Duration>) -> Option<Duration> {
    own.filter(|own| servers.is_none_or(|servers| *own < servers))
}

fn own_retentions(connection: &Connection) -> rusqlite::Result<Vec<OwnRetention>> {
    let seconds = |value: u64| (value > 0).then(|| Duration::from_secs(value));
    connection
        .prepare_cached(
            "SELECT n, max(archive_after, 0), max(delete_after, 0), archived_through,
                    unrouted_archived_through FROM workspace
             WHERE archive_after > 0 OR delete_after > 0",
        )?
        .query_map([], |row| {
            Ok(OwnRetention {
                workspace: row.get(0)?,
                payloads: seconds(row.get(1)?),
                messages: seconds(row.get(2)?),
                archived_through: row.get(3)?,
                unrouted_archived_through: row.get(4)?,
            })
        })?
        .collect()
}

#[cfg(test)]
mod tests;
