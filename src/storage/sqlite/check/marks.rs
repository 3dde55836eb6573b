//! The single values in the table `meta`: those that must be there, and those that name a row.

use rusqlite::Connection;

use super::examination::Examination;
use super::problem::Kind;
use super::rules::LAST_RUN;
use super::schema::required_marks;

/// The statement that finds the last number of a message that was given out.
const LAST_MESSAGE: &str = "SELECT max(
    coalesce((SELECT max(seq) FROM message), 0),
    coalesce((SELECT value FROM meta WHERE key = 'last_message'), 0))";

/// The same for deliveries.
const LAST_DELIVERY: &str = "SELECT max(
    coalesce((SELECT max(seq) FROM delivery), 0),
    coalesce((SELECT value FROM meta WHERE key = 'last_delivery'), 0))";

/// The mark of the last delivery that is in the table of charts.
const CHARTED: &str = "delivery_charted";

/// The marks that name a row, as a pattern of their keys, and the statement that finds the last row there is.
const MARKS: [(&str, &str); 6] = [
    ("event_indexed", LAST_RUN),
    ("message_indexed", LAST_MESSAGE),
    ("delivery_indexed", LAST_DELIVERY),
    (CHARTED, LAST_DELIVERY),
    ("archived*", LAST_MESSAGE),
    ("erase *", LAST_MESSAGE),
];

/// The marks of a workspace's own, each with the statement that finds the last row there is.
const OWN_MARKS: [(&str, &str); 2] = [
    ("archived_through", LAST_RUN),
    ("unrouted_archived_through", LAST_MESSAGE),
];

/// Checks the values.
pub(super) fn check(connection: &Connection, out: &mut Examination) -> rusqlite::Result<()> {
    for (key, _) in required_marks()? {
        let is_there = connection
            .prepare_cached("SELECT 1 FROM meta WHERE key = ?1")?
            .exists([&key])?;
        if !is_there {
            out.found.note(Kind::MissingMark, || key);
        }
    }
    for (pattern, last) in MARKS {
        let last: i64 = connection.query_row(last, [], |row| row.get(0))?;
        let mut beyond = connection.prepare_cached(
            "SELECT key FROM meta WHERE key GLOB ?1 AND (value > ?2 OR value < 0)",
        )?;
        for key in beyond.query_map((pattern, last), |row| row.get(0))? {
            let key: String = key?;
            out.found.note(Kind::WrongMark, || key);
        }
    }
    for (mark, last) in OWN_MARKS {
        let last: i64 = connection.query_row(last, [], |row| row.get(0))?;
        let beyond = format!("SELECT n FROM workspace WHERE {mark} > ?1 OR {mark} < 0");
        let mut beyond = connection.prepare(&beyond)?;
        for workspace in beyond.query_map([last], |row| row.get(0))? {
            let workspace: i64 = workspace?;
            out.found.note(Kind::WrongMark, || {
                format!("{mark} of workspace {workspace}")
            });
        }
    }
    Ok(())
}

/// Corrects the values, within the caller's transaction. A mark of progress that is wrong begins anew: the work
/// is made again on rows that have nothing left to do. All rows up to a mark of the list indexes are added to
/// them after this.
///
/// The mark of charts is an exception: deliveries would be counted a second time. It becomes the last delivery, so that
/// charts lack what was not counted yet.
pub(super) fn correct(connection: &Connection) -> rusqlite::Result<()> {
    let last: i64 = connection.query_row(LAST_DELIVERY, [], |row| row.get(0))?;
    connection.execute(
        "INSERT INTO meta (key, value) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET value = excluded.value WHERE value > excluded.value OR value < 0",
        (CHARTED, last),
    )?;
    for (key, value) in required_marks()? {
        connection.execute(
            "INSERT OR IGNORE INTO meta (key, value) VALUES (?1, ?2)",
            (key, value),
        )?;
    }
    for (pattern, last) in MARKS {
        let last: i64 = connection.query_row(last, [], |row| row.get(0))?;
        connection.execute(
            "DELETE FROM meta WHERE key GLOB 'archived *' AND key GLOB ?1 AND (value > ?2 OR value < 0)",
            (pattern, last),
        )?;
        connection.execute(
            "UPDATE meta SET value = 0 WHERE key GLOB ?1 AND (value > ?2 OR value < 0)",
            (pattern, last),
        )?;
    }
    for (mark, last) in OWN_MARKS {
        let last: i64 = connection.query_row(last, [], |row| row.get(0))?;
        let begin_anew = format!("UPDATE workspace SET {mark} = 0 WHERE {mark} > ?1 OR {mark} < 0");
        connection.execute(&begin_anew, [last])?;
    }
    Ok(())
}
