//! The correction of references that take more than one row to judge: lost types, wrong ranges of events, and
//! events between two workspaces.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension};

use super::batches::{Corrected, breaking, transaction};
use super::problem::{Found, Kind};
use super::rules::{self, Rule, RuledTable, WRONG_LATER_EVENT};

/// Corrects such references, once.
pub(super) fn correct_references(
    connection: &Connection,
    found: &Found,
    done: &mut Corrected,
) -> rusqlite::Result<()> {
    if found.has(Kind::MessageWithoutType) {
        each_batch(
            connection,
            &rules::messages(),
            Kind::MessageWithoutType,
            done,
            restore_type,
        )?;
    }
    if found.has(Kind::EventOutsideRange) {
        each_batch(
            connection,
            &rules::events(),
            Kind::EventOutsideRange,
            done,
            find_message,
        )?;
    }
    if found.has(Kind::MessageRange) {
        each_batch(
            connection,
            &rules::messages(),
            Kind::MessageRange,
            done,
            measure_again,
        )?;
    }
    if found.has(Kind::WrongLaterEvent) {
        let delete = format!(
            "DELETE FROM later_event WHERE event IN (SELECT l.event FROM {} WHERE {WRONG_LATER_EVENT})",
            rules::later_events().from
        );
        let deleted = transaction(connection, || connection.execute(&delete, []))?;
        done.add(Kind::WrongLaterEvent, deleted as u64);
    }
    if found.has(Kind::EventOfOtherWorkspace) {
        correct_endpoints(connection)?;
        each_batch(
            connection,
            &rules::events(),
            Kind::EventOfOtherWorkspace,
            done,
            decide_workspace,
        )?;
    }
    Ok(())
}

/// Corrects the rows that break a rule, a batch in each transaction, until no row is left.
fn each_batch(
    connection: &Connection,
    table: &RuledTable,
    kind: Kind,
    done: &mut Corrected,
    correct: fn(&Connection, &[i64]) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let is_of_kind = |rule: &&Rule| rule.kind == kind;
    let Some(rule) = table.rules.iter().find(is_of_kind) else {
        return Ok(());
    };
    let mut after = i64::MIN;
    loop {
        let rows = breaking(connection, table, rule, after)?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = *last;
        transaction(connection, || correct(connection, &rows))?;
        done.add(kind, rows.len() as u64);
    }
}

/// Gives messages a type again. The body of a message begins with its type's name. A name that is stored means
/// that the message had the wrong number; any other, that the type's row is lost.
fn restore_type(connection: &Connection, messages: &[i64]) -> rusqlite::Result<()> {
    let mut type_of = connection.prepare_cached("SELECT type FROM message WHERE seq = ?1")?;
    let mut is_stored = connection.prepare_cached("SELECT 1 FROM event_type WHERE n = ?1")?;
    let mut name_of = connection.prepare_cached(
        "SELECT CASE WHEN json_valid(CAST(body AS TEXT))
                THEN json_extract(CAST(body AS TEXT), '$.type') END FROM message WHERE seq = ?1",
    )?;
    let mut number_of = connection.prepare_cached("SELECT n FROM event_type WHERE name = ?1")?;
    for message in messages {
        let lost: i64 = type_of.query_row([message], |row| row.get(0))?;
        let name: Option<String> = name_of.query_row([message], |row| row.get(0))?;
        let known: Option<i64> = match &name {
            Some(name) => number_of.query_row([name], |row| row.get(0)).optional()?,
            None => None,
        };
        if let Some(known) = known {
            connection
                .prepare_cached("UPDATE message SET type = ?2 WHERE seq = ?1")?
                .execute((message, known))?;
        } else if !is_stored.exists([lost])? {
            let name = match name {
                Some(name) => name,
                None => name_in_another(connection, lost)?,
            };
            connection
                .prepare_cached("INSERT OR IGNORE INTO event_type (n, name) VALUES (?1, ?2)")?
                .execute((lost, name))?;
        }
    }
    Ok(())
}

/// Returns the name of a lost type as some message has it, or one in its place.
fn name_in_another(connection: &Connection, lost: i64) -> rusqlite::Result<String> {
    let name: Option<Option<String>> = connection
        .prepare_cached(
            "SELECT json_extract(CAST(body AS TEXT), '$.type') FROM message NOT INDEXED
             WHERE type = ?1 AND body IS NOT NULL AND json_valid(CAST(body AS TEXT)) LIMIT 1",
        )?
        .query_row([lost], |row| row.get(0))
        .optional()?;
    Ok(name.flatten().unwrap_or_else(|| format!("unknown.{lost}")))
}

/// Gives events back to the message in whose range they are. If there is none, the range of their own message is
/// wrong, and is measured again.
fn find_message(connection: &Connection, events: &[i64]) -> rusqlite::Result<()> {
    let wanted: BTreeSet<i64> = events.iter().copied().collect();
    let mut owners: BTreeMap<i64, i64> = BTreeMap::new();
    let mut select = connection.prepare(
        "SELECT seq, first_event, first_event + events FROM message NOT INDEXED WHERE events > 0",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (message, from, end): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if from < end {
            owners.extend(wanted.range(from..end).map(|event| (*event, message)));
        }
    }
    let mut own = connection.prepare_cached("SELECT message FROM event WHERE seq = ?1")?;
    let mut give = connection.prepare_cached("UPDATE event SET message = ?2 WHERE seq = ?1")?;
    let mut wrong = Vec::new();
    for event in events {
        match owners.get(event) {
            Some(owner) => {
                give.execute((event, owner))?;
            }
            None => wrong.push(own.query_row([event], |row| row.get(0))?),
        }
    }
    measure_again(connection, &wrong)
}

/// The events of a message, as they are found in the order of their numbers.
#[derive(Debug, Default)]
struct Measured {
    /// The first and the last event before the first one of another message.
    range: Option<(i64, i64)>,
    /// The events after that: no publish made them.
    later: Vec<i64>,
}

/// Gives messages the range of the events that they have, and notes the later ones. A message that has none becomes one
/// that was never wanted.
fn measure_again(connection: &Connection, messages: &[i64]) -> rusqlite::Result<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let mut found: HashMap<i64, Measured> = messages
        .iter()
        .map(|message| (*message, Measured::default()))
        .collect();
    let mut select =
        connection.prepare("SELECT seq, message FROM event NOT INDEXED ORDER BY seq")?;
    let mut rows = select.query([])?;
    let mut before = None;
    while let Some(row) = rows.next()? {
        let (seq, message): (i64, i64) = (row.get(0)?, row.get(1)?);
        if let Some(measured) = found.get_mut(&message) {
            match &mut measured.range {
                None => measured.range = Some((seq, seq)),
                Some((_, last)) if before == Some(message) && measured.later.is_empty() => {
                    *last = seq;
                }
                Some(_) => measured.later.push(seq),
            }
        }
        before = Some(message);
    }
    let mut measure = connection
        .prepare_cached("UPDATE message SET first_event = ?2, events = ?3 WHERE seq = ?1")?;
    let mut forget = connection.prepare_cached("DELETE FROM later_event WHERE message = ?1")?;
    let mut note =
        connection.prepare_cached("INSERT INTO later_event (message, event) VALUES (?1, ?2)")?;
    for (message, Measured { range, later }) in found {
        let (first, last) = range.unwrap_or((1, 0));
        measure.execute((message, first, last - first + 1))?;
        forget.execute([message])?;
        for event in later {
            note.execute((message, event))?;
        }
    }
    Ok(())
}

/// Gives an endpoint the workspace that most messages of its events have.
fn correct_endpoints(connection: &Connection) -> rusqlite::Result<()> {
    let mut votes: HashMap<(i64, i64), u64> = HashMap::new();
    let mut select = connection.prepare(
        "SELECT e.endpoint, m.workspace FROM event e NOT INDEXED JOIN message m ON m.seq = e.message
         JOIN workspace w ON w.n = m.workspace",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        *votes.entry((row.get(0)?, row.get(1)?)).or_default() += 1;
    }
    let mut most: BTreeMap<i64, (u64, i64)> = BTreeMap::new();
    for ((endpoint, workspace), count) in &votes {
        let best = most.entry(*endpoint).or_default();
        *best = (*best).max((*count, *workspace));
    }
    transaction(connection, || {
        let mut own = connection.prepare_cached("SELECT workspace FROM endpoint WHERE n = ?1")?;
        let mut give =
            connection.prepare_cached("UPDATE endpoint SET workspace = ?2 WHERE n = ?1")?;
        for (endpoint, (count, workspace)) in most {
            let own: Option<i64> = own.query_row([endpoint], |row| row.get(0)).optional()?;
            let for_own = own.and_then(|own| votes.get(&(endpoint, own)));
            if own.is_some() && for_own.is_none_or(|votes| *votes < count) {
                give.execute((endpoint, workspace))?;
            }
        }
        Ok(())
    })
}

/// Judges events whose endpoint and message are of two workspaces by the workspace that the event itself has.
/// If that is the endpoint's, the message has a wrong one. Otherwise the event has lost its endpoint, and must
/// not be sent to the one that it has.
fn decide_workspace(connection: &Connection, events: &[i64]) -> rusqlite::Result<()> {
    let mut correct = connection.prepare_cached(
        "UPDATE message SET workspace = (SELECT workspace FROM event WHERE seq = ?1)
         WHERE seq = (SELECT message FROM event WHERE seq = ?1)
           AND (SELECT e.workspace = p.workspace FROM event e JOIN endpoint p ON p.n = e.endpoint
                WHERE e.seq = ?1)",
    )?;
    let mut delete = connection.prepare_cached("DELETE FROM event WHERE seq = ?1")?;
    for event in events {
        if correct.execute([event])? == 0 {
            delete.execute([event])?;
        }
    }
    Ok(())
}
