//! The erasure of a deleted workspace's payloads and tags, receivers' answers and idempotency keys.
//!
//! The deletion itself removes the workspace's name, its tokens, and its endpoints' URLs and secrets. The
//! rest may be millions of rows. So the deletion leaves a note in `meta` (`erase N`), and the janitor erases
//! the rest later. It searches for rows on a connection of its own, and gives the writer small steps of a few
//! milliseconds. A crash only interrupts the erasure, since the note stays. Rows stay, with their ids, times
//! and states.

use rusqlite::{Connection, params};

use super::work::{Found, Work};
use crate::storage::StoreError;
use crate::storage::sqlite::file::read_failure::read_error;
use crate::storage::sqlite::writer::operation::WriteContext;
use crate::storage::sqlite::writes::archive::STEP_BYTES;
use crate::storage::sqlite::writes::drop_bodies::drop_bodies;
use crate::storage::sqlite::writes::erasure_notes::{key, noted};

/// Rows changed in one transaction: two or three milliseconds of the writer.
const ROWS: usize = 200;

/// Rows looked at in one read: a long read would keep the log from starting over.
const LOOK: i64 = 10_000;

/// Erases the workspaces that the notes name. Returns false if some are left, because the thread must end or
/// because events of a workspace are not swept yet.
pub(super) fn erase_deleted(work: &Work<'_>) -> Result<bool, StoreError> {
    let connection = work.connection()?;
    let mut is_complete = true;
    for note in noted(&connection).map_err(|error| read_error(&error))? {
        let workspace = note.workspace;
        let erasure = Erasure {
            workspace,
            work,
            connection: &connection,
        };
        let is_erased = note.is_swept
            && erasure.messages(note.through)?
            && erasure.answers()?
            && erasure.keys()?
            && erasure.tags()?;
        is_complete &= is_erased;
        if is_erased {
            work.step(move |context| {
                let mut forget = context
                    .connection
                    .prepare_cached("DELETE FROM meta WHERE key = ?1")?;
                forget.execute([key(workspace)])?;
                context.has_erased = true;
                Ok(())
            })?;
        }
    }
    Ok(is_complete)
}

/// The erasure of one workspace.
struct Erasure<'a> {
    workspace: i64,
    work: &'a Work<'a>,
    connection: &'a Connection,
}

impl Erasure<'_> {
    /// Erases the bodies of the workspace's messages and their events after message `through`. Returns false
    /// if it had to stop.
    fn messages(&self, through: i64) -> Result<bool, StoreError> {
        let workspace = self.workspace;
        self.each(through, messages_with_bodies, move |context, found| {
            let connection = context.connection;
            let mut date =
                connection.prepare_cached("UPDATE message SET timestamp = NULL WHERE seq = ?1")?;
            for message in &found.numbers {
                date.execute([message])?;
            }
            drop_bodies(connection, &found.numbers)?;
            connection
                .prepare_cached("UPDATE meta SET value = ?2 WHERE key = ?1")?
                .execute(params![key(workspace), found.through])?;
            Ok(())
        })
    }

    /// Erases the answers of receivers. Returns false if it had to stop.
    fn answers(&self) -> Result<bool, StoreError> {
        self.each(0, deliveries_with_answers, |context, found| {
            let mut erase = context
                .connection
                .prepare_cached("UPDATE delivery SET response = NULL WHERE seq = ?1")?;
            for delivery in &found.numbers {
                erase.execute([delivery])?;
            }
            Ok(())
        })
    }

    /// Erases the workspace's idempotency keys. Returns false if it had to stop.
    fn keys(&self) -> Result<bool, StoreError> {
        self.delete_all(
            "DELETE FROM idempotency WHERE message IN (
               SELECT message FROM idempotency WHERE workspace = ?1 LIMIT ?2)",
        )
    }

    /// Erases the tags of the workspace's messages. Returns false if it had to stop.
    fn tags(&self) -> Result<bool, StoreError> {
        self.delete_all(
            "DELETE FROM message_tags WHERE workspace = ?1 AND message IN (
               SELECT message FROM message_tags WHERE workspace = ?1 LIMIT ?2)",
        )
    }

    /// Deletes rows with a statement that deletes at most `?2` of those of the workspace `?1`, until there are no more.
    /// Returns false if it had to stop.
    fn delete_all(&self, statement: &'static str) -> Result<bool, StoreError> {
        let workspace = self.workspace;
        loop {
            let dropped = self.work.step(move |context| {
                let mut drop = context.connection.prepare_cached(statement)?;
                Ok(drop.execute(params![workspace, ROWS])?)
            })?;
            if dropped < ROWS {
                return Ok(true);
            }
            if self.work.is_stopping() {
                return Ok(false);
            }
        }
    }

    /// Searches for rows, and gives them to the writer to erase, until there are no more. Returns false if it
    /// had to stop.
    fn each(
        &self,
        from: i64,
        look: fn(&Connection, i64, i64) -> rusqlite::Result<Found>,
        erase: impl Fn(&mut WriteContext<'_>, &Found) -> rusqlite::Result<()> + Copy + Send + 'static,
    ) -> Result<bool, StoreError> {
        let mut after = from;
        loop {
            if self.work.is_stopping() {
                return Ok(false);
            }
            let found = look(self.connection, self.workspace, after);
            let found = found.map_err(|error| read_error(&error))?;
            let (through, is_last) = (found.through, found.is_last);
            if !found.numbers.is_empty() {
                self.work.step(move |context| Ok(erase(context, &found)?))?;
            }
            if is_last {
                return Ok(true);
            }
            after = through;
        }
    }
}

/// Returns messages of a workspace, after number `after`, that have something to erase.
fn messages_with_bodies(
    connection: &Connection,
    workspace: i64,
    after: i64,
) -> rusqlite::Result<Found> {
    let newest = newest(connection, "SELECT coalesce(max(seq), 0) FROM message")?;
    let end = newest.min(after + LOOK);
    let mut statement = connection.prepare_cached(
        "SELECT seq, coalesce(length(body), 0) FROM message
         WHERE seq > ?1 AND seq <= ?2 AND workspace = ?3
           AND (body IS NOT NULL OR timestamp IS NOT NULL) ORDER BY seq",
    )?;
    let mut rows = statement.query(params![after, end, workspace])?;
    let mut found = Found {
        numbers: Vec::new(),
        through: end,
        is_last: end >= newest,
    };
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        if found.numbers.len() == ROWS || bytes >= STEP_BYTES {
            found.through = seq - 1;
            found.is_last = false;
            break;
        }
        bytes += row.get::<_, i64>(1)?;
        found.numbers.push(seq);
    }
    Ok(found)
}

/// Returns deliveries of a workspace, after number `after`, that have an answer. Those that are in the list
/// index are found through it.
fn deliveries_with_answers(
    connection: &Connection,
    workspace: i64,
    after: i64,
) -> rusqlite::Result<Found> {
    let newest = newest(connection, "SELECT coalesce(max(seq), 0) FROM delivery")?;
    let indexed: i64 = connection
        .prepare_cached("SELECT value FROM meta WHERE key = 'delivery_indexed'")?
        .query_row([], |row| row.get(0))?;
    let sql = if after < indexed {
        "SELECT d.seq, d.response IS NOT NULL FROM delivery_of_workspace w
         JOIN delivery d ON d.seq = w.seq
         WHERE w.workspace = ?1 AND w.seq > ?2 AND w.seq <= ?3 ORDER BY w.seq LIMIT ?4"
    } else {
        "SELECT seq, workspace = ?1 AND response IS NOT NULL FROM delivery
         WHERE seq > ?2 AND seq <= ?3 ORDER BY seq LIMIT ?4"
    };
    let end = if after < indexed { indexed } else { newest };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![workspace, after, end, LOOK])?;
    let mut found = Found {
        numbers: Vec::new(),
        through: after,
        is_last: false,
    };
    let mut looked = 0;
    while let Some(row) = rows.next()? {
        looked += 1;
        found.through = row.get(0)?;
        if row.get(1)? {
            found.numbers.push(found.through);
        }
        if found.numbers.len() == ROWS {
            return Ok(found);
        }
    }
    if looked < LOOK {
        found.through = end;
        found.is_last = end == newest;
    }
    Ok(found)
}

fn newest(connection: &Connection, sql: &str) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::storage::Unavailable;
    use crate::storage::sqlite::SqliteStore;
    use crate::storage::sqlite::maintenance::background::WakeUp;
    use crate::storage::sqlite::writes::erasure_notes::add;

    fn swap(folder: &Path, from: &str, to: &str) {
        for end in ["", "-wal", "-shm"] {
            let name = |file: &str| folder.join(format!("{file}{end}"));
            if name(from).exists() {
                std::fs::rename(name(from), name(to)).unwrap();
            }
        }
    }

    /// In the other file the message belongs to a deleted workspace; in our file its workspace is in use.
    #[test]
    fn rows_that_another_file_names_are_not_erased() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let path = folder.join("h.db");
        let clock = Arc::new(SystemClock::new());
        // A tool's store has no janitor of its own.
        let store = SqliteStore::open_for_tool(&path, "test", clock).unwrap();
        let ours = Connection::open(&path).unwrap();
        let other = folder.join("other.db");
        let script = format!(
            "PRAGMA foreign_keys = OFF;
             INSERT INTO message (seq, id, workspace, type, created_at, first_event, events, body)
             VALUES (1, x'01', 1, 1, 0, 1, 0, x'7B7D');
             VACUUM INTO '{}'",
            other.display()
        );
        ours.execute_batch(&script).unwrap();
        let theirs = Connection::open(&other).unwrap();
        add(&theirs, 1).unwrap();
        drop(theirs);
        swap(folder, "h.db", "aside.db");
        swap(folder, "other.db", "h.db");
        let is_back = Cell::new(false);
        let back = || {
            if !is_back.replace(true) {
                swap(folder, "h.db", "other.db");
                swap(folder, "aside.db", "h.db");
            }
        };
        let wake_up = WakeUp::default();
        let work = Work::new(&store.writer, &store.files, &wake_up).before_each_look(&back);
        let done = erase_deleted(&work);
        assert_eq!(done, Err(StoreError::Unavailable(Unavailable::Moved)));
        back();
        let kept = "SELECT count(*) FROM message WHERE body IS NOT NULL";
        assert_eq!(ours.query_row(kept, [], |row| row.get(0)), Ok(1));
        store.stop();
    }
}
