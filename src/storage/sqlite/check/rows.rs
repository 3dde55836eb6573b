//! The scans of the tables: each row is tested by its rules, counted, and compared with the row before.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params_from_iter};

use super::blocks::{BlockCount, StoredCounters, newest_block, stored_counters};
use super::clock::StepCheck;
use super::examination::Examination;
use super::lists::ListSums;
use super::message_lists::MessageSums;
use super::problem::Kind;
use super::progress::Progress;
use super::rules::{LAST_RUN, RuledTable, TOO_MANY_DELIVERIES, messages};
use super::tables::GrowingTable;
use crate::storage::sqlite::writer::counters::block_of;

/// A number that no row has, in place of a value that is no number.
const NO_NUMBER: i64 = i64::MIN;

/// Returns the parameters of a statement with rules: the last run, if a rule needs it.
pub(super) fn parameters(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<i64>> {
    Ok(if sql.contains("?1") {
        vec![connection.query_row(LAST_RUN, [], |row| row.get(0))?]
    } else {
        Vec::new()
    })
}

/// Tests the rows of a table that does not grow much.
pub(super) fn check_small(
    connection: &Connection,
    table: &RuledTable,
    out: &mut Examination,
) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT {}, {} FROM {}",
        table.number,
        table.breaches(),
        table.from
    );
    let mut select = connection.prepare(&sql)?;
    let mut rows = select.query(params_from_iter(parameters(connection, &sql)?))?;
    while let Some(row) = rows.next()? {
        note(table, row, out)?;
    }
    Ok(())
}

/// Tests the messages, their times, and what is derived from them.
pub(super) fn check_messages(
    connection: &Connection,
    out: &mut Examination,
    progress: &mut Progress<'_>,
) -> rusqlite::Result<()> {
    let table = messages();
    let sql = format!(
        "SELECT m.seq, {}, m.created_at, m.workspace, m.type, m.events > 0 FROM {} ORDER BY m.seq",
        table.breaches(),
        table.from
    );
    let mut derived = MessageSums::new(connection, &mut out.found)?;
    let mut steps = StepCheck::messages(connection)?;
    let mut select = connection.prepare(&sql)?;
    let mut rows = select.query(params_from_iter(parameters(connection, &sql)?))?;
    while let Some(row) = rows.next()? {
        progress.advance();
        note(&table, row, out)?;
        let seq = number(row, 0)?;
        steps.next(seq, number(row, 2)?, out);
        derived.add_row(seq, number(row, 3)?, number(row, 4)?, number(row, 5)?);
    }
    derived.compare(connection, &mut out.found, progress)
}

/// Tests the rows of a table that grows, and everything that is derived from them.
pub(super) fn check_growing(
    connection: &Connection,
    table: &GrowingTable,
    rules: &RuledTable,
    out: &mut Examination,
    progress: &mut Progress<'_>,
) -> rusqlite::Result<()> {
    let row = table.row;
    let sql = format!(
        "SELECT {row}.seq, {}, {row}.created_at, {row}.workspace, {row}.endpoint, {row}.type, {}
         FROM {} ORDER BY {row}.seq",
        rules.breaches(),
        table.kind_in_rules,
        rules.from
    );
    super::lists::check_tombstones(connection, table, &mut out.found)?;
    let mut steps = StepCheck::of(connection, table.name)?;
    let mut sums = ListSums::new(connection, table)?;
    let mut counters = stored_counters(connection, table)?;
    let mut counters = StoredCounters::new(counters.query([])?)?;
    let newest = newest_block(connection, table)?;
    let mut wrong_blocks = Vec::new();
    let mut count = BlockCount::default();
    let mut block = 0;
    let mut select = connection.prepare(&sql)?;
    let mut rows = select.query(params_from_iter(parameters(connection, &sql)?))?;
    while let Some(row) = rows.next()? {
        progress.advance();
        let seq = number(row, 0)?;
        note(rules, row, out)?;
        steps.next(seq, number(row, 2)?, out);
        let [workspace, endpoint] = [number(row, 3)?, number(row, 4)?];
        let [event_type, kind] = [number(row, 5)?, number(row, 6)?];
        sums.add_row(seq, workspace, endpoint, event_type);
        if block_of(seq) != block {
            counters.compare(block, &count, &mut wrong_blocks)?;
            count = BlockCount::default();
            block = block_of(seq);
        }
        if block < newest {
            count.count(endpoint, workspace, event_type, kind);
        }
    }
    counters.compare(block, &count, &mut wrong_blocks)?;
    counters.finish(&mut wrong_blocks)?;
    for block in &wrong_blocks {
        out.found.note_row(table.wrong_counters, *block);
    }
    out.wrong_counters.push((table.name, wrong_blocks));
    let wrong = sums.compare(connection, table, progress)?;
    super::lists::describe(connection, table, &wrong, &mut out.found)?;
    out.wrong_lists.push((table.name, wrong));
    Ok(())
}

/// Compares the attempts of events with their deliveries.
pub(super) fn check_attempts(
    connection: &Connection,
    out: &mut Examination,
) -> rusqlite::Result<()> {
    let mut select = connection.prepare(TOO_MANY_DELIVERIES)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        out.found.note_row(Kind::TooManyDeliveries, number(row, 0)?);
    }
    Ok(())
}

/// Notes the rules that a row breaks. Its number and its breaches are the first columns.
fn note(table: &RuledTable, row: &Row<'_>, out: &mut Examination) -> rusqlite::Result<()> {
    let breaches = number(row, 1)?;
    if breaches != 0 {
        let seq = number(row, 0)?;
        for kind in table.kinds(breaches) {
            out.found.note_row(kind, seq);
        }
    }
    Ok(())
}

/// Reads a number. A damaged row may have something else in its place.
fn number(row: &Row<'_>, at: usize) -> rusqlite::Result<i64> {
    Ok(match row.get_ref(at)? {
        ValueRef::Integer(number) => number,
        _ => NO_NUMBER,
    })
}
