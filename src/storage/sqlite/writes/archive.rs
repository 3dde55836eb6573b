//! The deletion of old payloads and idempotency keys.
//!
//! Messages are numbered in the order of their publish, so the oldest come first, and a search ends at the
//! first that is not old enough. That holds within a *stretch*, which ends where the wall clock was set back
//! (table `clock_step`). A message that was published while the clock was ahead waits for its time at the end
//! of its stretch, and does not delay the stretches after it.
//!
//! # Markers
//! A pass over the payloads goes on where the one before ended. For that, two kinds of marker in the table
//! `meta` hold the number of a message:
//!
//! - `archived`: all payloads are dropped up to this message, over all stretches. It stays before the first
//!   message that keeps its payload, because it has a pending event or is not old enough.
//! - `archived N`: all payloads are dropped from message N up to this one. The stretches after the one in
//!   which `archived` stays each have such a marker, and N is the first message of the stretch. A message that
//!   keeps its payload for long would otherwise make every pass look at all of them again.
//!
//! A pass deletes the markers of the second kind that `archived` has reached.

use rusqlite::{Connection, OptionalExtension, params};

use super::drop_bodies::drop_bodies;
use crate::domain::clock::Timestamp;
use crate::domain::message::IDEMPOTENCY_PERIOD;
use crate::storage::sqlite::event_state::state_is;
use crate::storage::sqlite::message_events::{has_event, sum_over_events};
use crate::storage::sqlite::writer::operation::{OperationError, WriteContext};

/// Messages looked at in one transaction: two or three milliseconds of the writer.
const STEP: usize = 200;

/// The bytes of payloads dropped in one transaction, roughly: `SQLite` overwrites each page that they leave.
pub(crate) const STEP_BYTES: i64 = 1 << 20;

/// Stretches looked at in one pass. If the clock is set back more often than that while payloads are kept,
/// later stretches wait for earlier ones.
const STRETCHES_MAX: u32 = 100;

/// A number above that of every message.
const END: i64 = i64::MAX;

/// Returns the end of the stretch that `message` is in: the first message of the next one, or [`END`].
pub(crate) fn stretch_end(connection: &Connection, message: i64) -> rusqlite::Result<i64> {
    let noted: Option<i64> = connection
        .prepare_cached("SELECT min(seq) FROM clock_step WHERE kind = 'message' AND seq > ?1")?
        .query_row([message], |row| row.get(0))?;
    // Earlier versions stored the steps of events only, not those of messages.
    let inferred: Option<i64> = connection
        .prepare_cached(
            "SELECT e.message FROM clock_step s JOIN event e ON e.seq = s.seq
             WHERE s.kind = 'event' AND e.message > ?1
               AND s.seq >= coalesce((SELECT first_event FROM message WHERE seq = ?1), 0)
             ORDER BY s.seq LIMIT 1",
        )?
        .query_row([message], |row| row.get(0))
        .optional()?;
    Ok(noted.unwrap_or(END).min(inferred.unwrap_or(END)))
}

/// The progress of a pass over the idempotency keys.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyPass {
    /// The last message whose key was looked at.
    after: i64,
    stretches: u32,
}

/// Drops some expired idempotency keys; `None` when the pass is complete.
pub(crate) fn drop_idempotency_keys(
    context: &mut WriteContext<'_>,
    pass: KeyPass,
) -> Result<Option<KeyPass>, OperationError> {
    let connection = context.connection;
    let first: Option<i64> = connection
        .prepare_cached("SELECT min(message) FROM idempotency WHERE message > ?1")?
        .query_row([pass.after], |row| row.get(0))?;
    let Some(first) = first else {
        return Ok(None);
    };
    let end = stretch_end(connection, first)?;
    let oldest: Vec<(i64, i64)> = connection
        .prepare_cached(
            "SELECT i.message, m.created_at FROM idempotency i JOIN message m ON m.seq = i.message
             WHERE i.message >= ?1 AND i.message < ?2 ORDER BY i.message LIMIT ?3",
        )?
        .query_map(params![first, end, STEP], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let before = context.now.before(IDEMPOTENCY_PERIOD).micros();
    let mut delete = connection.prepare_cached("DELETE FROM idempotency WHERE message = ?1")?;
    let mut dropped = 0;
    for (message, _) in oldest.iter().take_while(|(_, at)| *at < before) {
        delete.execute([message])?;
        dropped += 1;
    }
    if dropped == STEP {
        return Ok(Some(pass));
    }
    let next = KeyPass {
        after: end - 1,
        stretches: pass.stretches + 1,
    };
    Ok((end < END && next.stretches < STRETCHES_MAX).then_some(next))
}

/// The progress of an archive pass. The default is its beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ArchivePass {
    /// The stretch begins after this message, or with it.
    stretch: i64,
    /// The last message looked at.
    after: i64,
    /// The first one in this stretch that must be looked at again next time.
    kept: Option<i64>,
    /// Set if a message in an earlier stretch must be looked at again.
    is_held_up: bool,
    stretches: u32,
}

/// Returns the key of the marker for the stretch that the pass is in.
fn marker(pass: &ArchivePass) -> String {
    if pass.is_held_up {
        format!("archived {}", pass.stretch)
    } else {
        "archived".to_owned()
    }
}

fn read_marker(connection: &Connection, key: &str) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT coalesce((SELECT value FROM meta WHERE key = ?1), 0)")?
        .query_row([key], |row| row.get(0))
}

/// A message that an archive pass looks at.
struct Looked {
    seq: i64,
    created_at: i64,
    /// Bytes of its bodies; `None`: archived.
    bytes: Option<i64>,
    pending: bool,
}

/// Drops the payloads of some messages published before `before`, those with a pending event excepted;
/// `None` when the pass is complete.
pub(crate) fn archive(
    context: &mut WriteContext<'_>,
    before: Timestamp,
    pass: ArchivePass,
) -> Result<Option<ArchivePass>, OperationError> {
    let mut pass = pass;
    if pass.stretches == 0 {
        pass.after = read_marker(context.connection, "archived")?;
        pass.stretch = pass.after;
        pass.stretches = 1;
        context
            .connection
            .prepare_cached("DELETE FROM meta WHERE key GLOB 'archived *' AND value <= ?1")?
            .execute([pass.after])?;
    }
    let end = stretch_end(context.connection, pass.stretch.max(pass.after))?;
    let oldest = look(context.connection, pass.after, end)?;
    let mut bytes = 0;
    let mut in_time = None;
    let mut dropped = Vec::new();
    for message in &oldest {
        if message.created_at >= before.micros() {
            in_time = Some(message.seq);
            break;
        }
        if bytes >= STEP_BYTES {
            drop_bodies(context.connection, &dropped)?;
            return Ok(Some(pass));
        }
        pass.after = message.seq;
        if message.pending {
            pass.kept.get_or_insert(message.seq);
        } else if let Some(size) = message.bytes {
            bytes += size;
            dropped.push(message.seq);
            context.metrics.archived_messages.inc();
        }
    }
    drop_bodies(context.connection, &dropped)?;
    if in_time.is_none() && oldest.len() == STEP {
        return Ok(Some(pass));
    }
    leave_stretch(context.connection, pass, in_time, end)
}

fn look(connection: &Connection, after: i64, end: i64) -> rusqlite::Result<Vec<Looked>> {
    connection
        .prepare_cached(concat!(
            "SELECT m.seq, m.created_at, length(m.body) + ",
            sum_over_events!("length(e.body)"),
            ", ",
            has_event!(concat!("e.", state_is!(pending))),
            " FROM message m WHERE m.seq > ?1 AND m.seq < ?2 ORDER BY m.seq LIMIT ?3"
        ))?
        .query_map(params![after, end, STEP], |row| {
            Ok(Looked {
                seq: row.get(0)?,
                created_at: row.get(1)?,
                bytes: row.get(2)?,
                pending: row.get(3)?,
            })
        })?
        .collect()
}

/// Stores the progress in the stretch, and goes on to the next one.
fn leave_stretch(
    connection: &Connection,
    pass: ArchivePass,
    in_time: Option<i64>,
    end: i64,
) -> Result<Option<ArchivePass>, OperationError> {
    let kept = pass.kept.or(in_time);
    let through = match kept {
        Some(kept) => kept - 1,
        None if end < END => end - 1,
        None => pass.after,
    };
    let key = marker(&pass);
    if read_marker(connection, &key)? != through {
        connection
            .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
            .execute(params![key, through])?;
    }
    if end == END || pass.stretches == STRETCHES_MAX {
        return Ok(None);
    }
    let mut next = ArchivePass {
        stretch: end,
        after: end - 1,
        kept: None,
        is_held_up: pass.is_held_up || kept.is_some(),
        stretches: pass.stretches + 1,
    };
    if next.is_held_up {
        next.after = next.after.max(read_marker(connection, &marker(&next))?);
    }
    Ok(Some(next))
}

/// The result of dropping the payloads of some messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ArchiveStep {
    /// The messages that are done, from the first one on: at least one.
    pub(crate) messages: usize,
    /// Set if one of these keeps its payload, because one of its events is pending by now.
    pub(crate) has_kept: bool,
}

/// Drops the payloads of some of these messages, from the first one on, if none of their events is pending. The
/// caller has found out that they are old enough.
pub(crate) fn archive_messages(
    context: &mut WriteContext<'_>,
    messages: &[i64],
) -> Result<ArchiveStep, OperationError> {
    let mut bytes = 0;
    let mut done = 0;
    let mut has_kept = false;
    let mut dropped = Vec::new();
    for message in messages.iter().take(STEP) {
        if bytes >= STEP_BYTES {
            break;
        }
        let looked = look(context.connection, message - 1, message + 1)?;
        if let Some(found) = looked.first()
            && let Some(size) = found.bytes
        {
            if found.pending {
                has_kept = true;
            } else {
                bytes += size;
                dropped.push(*message);
                context.metrics.archived_messages.inc();
            }
        }
        done += 1;
    }
    drop_bodies(context.connection, &dropped)?;
    Ok(ArchiveStep {
        messages: done,
        has_kept,
    })
}
