//! What is dropped with time: payloads and idempotency keys.

use rusqlite::params;

use super::operation::{OperationError, WriteContext};
use super::publish::IDEMPOTENCY_US;
use crate::domain::clock::Timestamp;
use crate::fail_point::{FailPoint, reach};

/// Messages looked at in one transaction: a few milliseconds of the writer.
const STEP: i64 = 500;

/// Drops the oldest idempotency keys past their time; answers whether there may be more.
pub(super) fn drop_idempotency_keys(
    context: &mut WriteContext<'_>,
) -> Result<bool, OperationError> {
    // The oldest come first, so the first one still in time ends the look.
    let oldest: Vec<(i64, i64)> = context
        .connection
        .prepare_cached(
            "SELECT i.message, m.created_at FROM idempotency i JOIN message m ON m.seq = i.message
             ORDER BY i.message LIMIT ?1",
        )?
        .query_map([STEP], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let before = context.now.micros() - IDEMPOTENCY_US;
    let mut delete = context
        .connection
        .prepare_cached("DELETE FROM idempotency WHERE message = ?1")?;
    let mut dropped = 0;
    for (message, _) in oldest.iter().take_while(|(_, at)| *at < before) {
        delete.execute([message])?;
        dropped += 1;
    }
    Ok(dropped == STEP)
}

/// How long a message that no endpoint wanted keeps its body, in microseconds: 24 hours, in which whoever
/// runs the server can see what was published.
const UNWANTED_US: i64 = 24 * 3600 * 1_000_000;

/// Bytes of bodies dropped in one transaction, about: each page of them is looked at.
const STEP_BYTES: i64 = 4 << 20;

/// Drops the bodies of the oldest messages that no endpoint wanted, past their time; answers whether there
/// may be more.
pub(super) fn drop_unwanted_bodies(context: &mut WriteContext<'_>) -> Result<bool, OperationError> {
    let before = context.now.micros() - UNWANTED_US;
    let oldest: Vec<(i64, i64, i64)> = context
        .connection
        .prepare_cached(
            "SELECT u.created_at, u.message, coalesce(length(m.body), 0)
             FROM unwanted_message u JOIN message m ON m.seq = u.message
             WHERE u.created_at < ?1 ORDER BY u.created_at, u.message LIMIT ?2",
        )?
        .query_map([before, STEP], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut drop_body = context
        .connection
        .prepare_cached("UPDATE message SET body = NULL WHERE seq = ?1")?;
    let mut forget = context
        .connection
        .prepare_cached("DELETE FROM unwanted_message WHERE created_at = ?1 AND message = ?2")?;
    let mut bytes = 0;
    for (at, message, size) in &oldest {
        if bytes > STEP_BYTES {
            return Ok(true);
        }
        bytes += size;
        drop_body.execute([message])?;
        forget.execute([at, message])?;
    }
    Ok(!oldest.is_empty())
}

/// Where an archive pass stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ArchivePass {
    /// The last message looked at.
    after: i64,
    /// The first one that must be looked at again next time.
    kept: Option<i64>,
}

/// Drops the payloads of some messages published before `before`, those with a pending event excepted;
/// `None` when the pass is complete.
pub(super) fn archive(
    context: &mut WriteContext<'_>,
    before: Timestamp,
    pass: ArchivePass,
) -> Result<Option<ArchivePass>, OperationError> {
    let mut pass = pass;
    if pass.after == 0 {
        pass.after = context
            .connection
            .prepare_cached("SELECT coalesce((SELECT value FROM meta WHERE key = 'archived'), 0)")?
            .query_row([], |row| row.get(0))?;
    }
    let oldest: Vec<(i64, i64, bool, bool)> = context
        .connection
        .prepare_cached(
            "SELECT m.seq, m.created_at, m.body IS NOT NULL, EXISTS (
                SELECT 1 FROM event e
                WHERE e.seq >= m.first_event AND e.seq < m.first_event + m.events
                  AND e.state IN (0, 1))
             FROM message m WHERE m.seq > ?1 ORDER BY m.seq LIMIT ?2",
        )?
        .query_map(params![pass.after, STEP], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let in_time = |(_, at, ..): &&(i64, i64, bool, bool)| *at < before.micros();
    let mut looked_at = 0;
    for (seq, _, has_body, pending) in oldest.iter().take_while(in_time) {
        looked_at += 1;
        pass.after = *seq;
        if *pending {
            pass.kept.get_or_insert(*seq);
        } else if *has_body {
            archive_one(context, *seq)?;
        }
    }
    let complete = looked_at < STEP;
    let next_time = pass.kept.map_or(pass.after, |kept| kept - 1);
    context
        .connection
        .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES ('archived', ?1)")?
        .execute([next_time])?;
    Ok((!complete).then_some(pass))
}

fn archive_one(context: &WriteContext<'_>, message: i64) -> rusqlite::Result<()> {
    context
        .connection
        .prepare_cached(
            "UPDATE event SET body = NULL WHERE body IS NOT NULL
               AND seq >= (SELECT first_event FROM message WHERE seq = ?1)
               AND seq < (SELECT first_event + events FROM message WHERE seq = ?1)",
        )?
        .execute([message])?;
    reach(FailPoint::Archiving);
    context
        .connection
        .prepare_cached("UPDATE message SET body = NULL WHERE seq = ?1")?
        .execute([message])?;
    Ok(())
}
