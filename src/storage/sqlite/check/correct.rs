//! The correction of rows that break a rule, some thousand in each transaction.

use rusqlite::Connection;

use super::batches::{BATCH, Corrected, breaking, transaction};
use super::blocks::count_again;
use super::examination::Examination;
use super::lists::{Entry, delete_wrong_tombstones, missing_entries, wrong_entries};
use super::problem::{Found, Kind};
use super::references::correct_references;
use super::rules::{self, Rule, RuledTable, TOO_MANY_DELIVERIES};
use super::tables::{DELIVERIES, EVENTS, GrowingTable, LISTS, List};
use super::{charts, marks, message_lists, schema};

/// The wrong entries of a list index that are deleted in one transaction. Each takes a pass over the index, so they
/// are more than other rows.
const ENTRIES: usize = 100_000;

/// Corrects everything that a check found, once. A correction can be the reason for others.
pub(super) fn correct_all(
    connection: &Connection,
    examined: &Examination,
    done: &mut Corrected,
) -> rusqlite::Result<()> {
    let found = &examined.found;
    if found.has(Kind::MissingIndex) {
        transaction(connection, || schema::make_missing(connection))?;
        done.add(Kind::MissingIndex, found.count(Kind::MissingIndex));
    }
    for kind in [Kind::MissingMark, Kind::WrongMark] {
        done.add(kind, found.count(kind));
    }
    if found.has(Kind::MissingMark) || found.has(Kind::WrongMark) {
        transaction(connection, || marks::correct(connection))?;
    }
    correct_references(connection, found, done)?;
    for table in [
        rules::endpoints(),
        rules::old_secrets(),
        rules::tokens(),
        rules::jobs(),
        rules::places(),
        rules::messages(),
        rules::keys(),
        rules::tags(),
        rules::events(),
        rules::deliveries(),
    ] {
        correct_table(connection, &table, found, done)?;
    }
    if found.has(Kind::WrongChart) {
        charts::correct(connection, done)?;
    }
    if found.has(Kind::TooManyDeliveries) {
        raise_attempts(connection, done)?;
    }
    for (kind, seq) in &examined.missing_steps {
        transaction(connection, || {
            connection
                .prepare_cached("INSERT OR IGNORE INTO clock_step (kind, seq) VALUES (?1, ?2)")?
                .execute((kind, seq))
        })?;
        done.add(Kind::MissingStep, 1);
    }
    correct_derived(connection, examined, done)
}

/// Corrects the rows of a table, rule by rule.
fn correct_table(
    connection: &Connection,
    table: &RuledTable,
    found: &Found,
    done: &mut Corrected,
) -> rusqlite::Result<()> {
    for rule in &table.rules {
        if found.has(rule.kind)
            && let Some(correct) = &rule.correct
        {
            correct_rule(connection, table, rule, correct, done)?;
        }
    }
    Ok(())
}

fn correct_rule(
    connection: &Connection,
    table: &RuledTable,
    rule: &Rule,
    correct: &str,
    done: &mut Corrected,
) -> rusqlite::Result<()> {
    let mut after = i64::MIN;
    loop {
        let rows = breaking(connection, table, rule, after)?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = *last;
        transaction(connection, || {
            let mut correct = connection.prepare_cached(correct)?;
            for row in &rows {
                correct.execute([row])?;
            }
            Ok(())
        })?;
        done.add(rule.kind, rows.len() as u64);
    }
}

/// Gives events with more deliveries than attempts the number of their deliveries.
fn raise_attempts(connection: &Connection, done: &mut Corrected) -> rusqlite::Result<()> {
    let mut after = i64::MIN;
    loop {
        let sql = format!("{TOO_MANY_DELIVERIES} AND e.seq > {after} ORDER BY e.seq LIMIT {BATCH}");
        let rows: Vec<(i64, i64)> = connection
            .prepare(&sql)?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let Some((last, _)) = rows.last() else {
            return Ok(());
        };
        after = *last;
        transaction(connection, || {
            let mut raise =
                connection.prepare_cached("UPDATE event SET attempts = ?2 WHERE seq = ?1")?;
            for row in &rows {
                raise.execute(*row)?;
            }
            Ok(())
        })?;
        done.add(Kind::TooManyDeliveries, rows.len() as u64);
    }
}

/// Makes what is derived from messages anew: the writer fills it from the beginning, as in a file of an earlier version.
fn correct_messages(
    connection: &Connection,
    examined: &Examination,
    done: &mut Corrected,
) -> rusqlite::Result<()> {
    let found = &examined.found;
    let kinds = [Kind::MessageList, Kind::MessageCounters];
    if !kinds.into_iter().any(|kind| found.has(kind)) {
        return Ok(());
    }
    transaction(connection, || message_lists::begin_anew(connection))?;
    for kind in kinds {
        done.add(kind, found.count(kind));
    }
    Ok(())
}

/// Returns the table with a name.
fn table_named(name: &str) -> &'static GrowingTable {
    if name == EVENTS.name {
        &EVENTS
    } else {
        &DELIVERIES
    }
}

/// Corrects counters and list indexes, block by block. The corrections of rows before may have changed others,
/// which the next check finds.
pub(super) fn correct_derived(
    connection: &Connection,
    examined: &Examination,
    done: &mut Corrected,
) -> rusqlite::Result<()> {
    if examined.found.has(Kind::WrongTombstone) {
        let deleted = transaction(connection, || {
            message_lists::delete_wrong_tombstones(connection)
        })?;
        done.add(Kind::WrongTombstone, deleted as u64);
        for table in [&EVENTS, &DELIVERIES] {
            let deleted = transaction(connection, || delete_wrong_tombstones(connection, table))?;
            done.add(Kind::WrongTombstone, deleted as u64);
        }
    }
    correct_messages(connection, examined, done)?;
    for (name, blocks) in &examined.wrong_counters {
        let table = table_named(name);
        for block in blocks {
            transaction(connection, || count_again(connection, table, *block))?;
            done.add(table.wrong_counters, 1);
        }
    }
    for (name, wrong) in &examined.wrong_lists {
        let table = table_named(name);
        for (at, blocks) in wrong {
            let list = &LISTS[*at];
            loop {
                let mut entries: Vec<Entry> = Vec::new();
                wrong_entries(connection, table, list, blocks, |entry| {
                    entries.push(entry);
                    entries.len() < ENTRIES
                })?;
                transaction(connection, || {
                    delete_entries(connection, table, list, &entries)
                })?;
                done.add(Kind::WrongEntry, entries.len() as u64);
                if entries.len() < ENTRIES {
                    break;
                }
            }
            for block in blocks {
                let added = add_entries(connection, table, list, *block)?;
                done.add(Kind::MissingEntry, added);
            }
        }
    }
    Ok(())
}

fn delete_entries(
    connection: &Connection,
    table: &GrowingTable,
    list: &List,
    entries: &[Entry],
) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached(&format!(
        "DELETE FROM {}_{} WHERE {}",
        table.name, list.end, list.key
    ))?;
    for entry in entries {
        delete.execute(*entry)?;
    }
    Ok(())
}

/// Adds the entries of a block that are missing, in the order of the key.
fn add_entries(
    connection: &Connection,
    table: &GrowingTable,
    list: &List,
    block: i64,
) -> rusqlite::Result<u64> {
    let mut entries: Vec<Entry> = Vec::new();
    missing_entries(connection, table, list, block, |entry| entries.push(entry))?;
    entries.sort_unstable_by_key(|(owner, seq, event_type)| (*owner, *event_type, *seq));
    transaction(connection, || {
        let mut insert = connection.prepare_cached(&list.insert(table.name))?;
        for entry in &entries {
            insert.execute(*entry)?;
        }
        Ok(())
    })?;
    Ok(entries.len() as u64)
}
