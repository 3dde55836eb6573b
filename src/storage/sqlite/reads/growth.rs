//! The sample of messages from which the growth of the database is estimated: some hundred rows, and no scan.
//!
//! Numbers of messages rise with time, except where the wall clock was set back, and a message that was deleted
//! leaves a hole. So the first message of a time is found by bisection, and how many there are by looking at some
//! numbers. Both are good enough for an estimate.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::clock::Timestamp;
use crate::domain::growth::{GrowthSample, LOOK_BACK};

/// The rows looked at to count messages, and to weigh payloads.
const SAMPLES: i64 = 64;

/// A message: its number and its time.
#[derive(Clone, Copy)]
struct Row {
    seq: i64,
    created_at: Timestamp,
}

/// Takes a sample. Payloads are dropped after `payloads`. Returns `None` if there is no message.
pub(crate) fn sample(
    connection: &Connection,
    now: Timestamp,
    payloads: Option<Duration>,
) -> rusqlite::Result<Option<GrowthSample>> {
    let (Some(first), Some(newest)) = (from(connection, 0)?, newest(connection)?) else {
        return Ok(None);
    };
    let messages = count(connection, first.seq, newest.seq)?;
    let recent = first_since(connection, first, newest, now.before(LOOK_BACK))?;
    let (published, period) = match recent {
        None => (0, LOOK_BACK),
        Some(row) => {
            let published = last_number(connection)?.max(newest.seq) - row.seq + 1;
            // If rows before it were deleted, it is unknown how long before it the one before came.
            let is_whole = exists(connection, row.seq - 1)?;
            let period = if is_whole {
                LOOK_BACK
            } else {
                now.since(row.created_at)
            };
            (number(published), period)
        }
    };
    let young = match payloads {
        None => Some(first),
        Some(age) => first_since(connection, first, newest, now.before(age))?,
    };
    let unarchived = young.map_or(0, |row| number(newest.seq - row.seq + 1));
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
    let (pages, free, size) = (
        pragma("page_count")?,
        pragma("freelist_count")?,
        pragma("page_size")?,
    );
    Ok(Some(GrowthSample {
        used_bytes: pages.saturating_sub(free) * size,
        spare_bytes: free * size,
        messages,
        unarchived: unarchived.min(messages),
        payload_bytes: young.map_or(Ok(0), |row| payload(connection, row.seq, newest.seq))?,
        oldest: now.since(first.created_at),
        published,
        period,
    }))
}

fn number(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// Returns the first message from this number on.
fn from(connection: &Connection, seq: i64) -> rusqlite::Result<Option<Row>> {
    let sql = "SELECT seq, created_at FROM message WHERE seq >= ?1 ORDER BY seq LIMIT 1";
    let row = |row: &rusqlite::Row<'_>| {
        Ok(Row {
            seq: row.get(0)?,
            created_at: Timestamp::from_micros(row.get(1)?),
        })
    };
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row([seq], row).optional()
}

fn newest(connection: &Connection) -> rusqlite::Result<Option<Row>> {
    let seq: Option<i64> =
        connection.query_row("SELECT max(seq) FROM message", [], |row| row.get(0))?;
    seq.map_or(Ok(None), |seq| from(connection, seq))
}

/// Returns the highest number that was given out before some rows were deleted.
fn last_number(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT value FROM meta WHERE key = 'last_message'";
    connection.query_row(sql, [], |row| row.get(0))
}

fn exists(connection: &Connection, seq: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM message WHERE seq = ?1")?
        .exists([seq])
}

/// Returns the first message made at `time` or later.
fn first_since(
    connection: &Connection,
    first: Row,
    newest: Row,
    time: Timestamp,
) -> rusqlite::Result<Option<Row>> {
    let (mut low, mut high) = (first.seq, newest.seq + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        match from(connection, middle)? {
            Some(row) if row.created_at < time => low = row.seq + 1,
            _ => high = middle,
        }
    }
    from(connection, low)
}

/// Returns numbers that are spread evenly from `first` to `last`.
fn spread(first: i64, last: i64) -> impl Iterator<Item = i64> {
    let samples = SAMPLES.min(last - first + 1);
    // The distance from the first to the last number, in steps between the samples.
    let steps = (samples - 1).max(1);
    (0..samples).map(move |sample| {
        let at = i128::from(last - first) * i128::from(sample) / i128::from(steps);
        first + i64::try_from(at).unwrap_or(0)
    })
}

/// Returns about how many messages there are from `first` to `last`.
fn count(connection: &Connection, first: i64, last: i64) -> rusqlite::Result<u64> {
    let (mut looked, mut found) = (0, 0);
    for seq in spread(first, last) {
        looked += 1;
        found += u64::from(exists(connection, seq)?);
    }
    let all = u128::from(number(last - first + 1)) * u128::from(found);
    Ok(u64::try_from(all / u128::from(looked.max(1_u64))).unwrap_or(u64::MAX))
}

/// Returns the bytes of the bodies of a message, on average over some. A rendered body is stored with one of the
/// first two events of its message; their lengths are read without the bodies.
fn payload(connection: &Connection, first: i64, last: i64) -> rusqlite::Result<u64> {
    let mut bodies = connection.prepare_cached(
        "SELECT coalesce(octet_length(m.body), 0) + coalesce((
             SELECT sum(octet_length(e.body)) FROM event e
             WHERE e.seq >= m.first_event AND e.seq < m.first_event + min(m.events, 2)), 0)
         FROM message m WHERE m.seq >= ?1 ORDER BY m.seq LIMIT 1",
    )?;
    let (mut looked, mut bytes) = (0, 0);
    for seq in spread(first, last) {
        let found = bodies.query_row(params![seq], |row| row.get::<_, u64>(0));
        if let Some(found) = found.optional()? {
            looked += 1;
            bytes += found;
        }
    }
    Ok(bytes / looked.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    /// A time that is not the beginning of anything.
    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

    /// A database with the columns that the sample reads, and messages of these numbers and ages.
    fn database(rows: impl IntoIterator<Item = (i64, Duration)>) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE message (seq INTEGER PRIMARY KEY, created_at, first_event, events, body);
                 CREATE TABLE event (seq INTEGER PRIMARY KEY, body);
                 CREATE TABLE meta (key, value);
                 INSERT INTO meta VALUES ('last_message', 0);
                 INSERT INTO event VALUES (1, zeroblob(50)), (2, NULL), (3, zeroblob(9));
                 BEGIN;",
            )
            .unwrap();
        for (seq, age) in rows {
            let insert = "INSERT INTO message VALUES (?1, ?2, 1, 3, zeroblob(100))";
            let row = params![seq, NOW.before(age).micros()];
            connection.execute(insert, row).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        connection
    }

    /// A message for each hour, the newest an hour old, with the highest number.
    fn hourly(messages: i64) -> impl Iterator<Item = (i64, Duration)> {
        (1..=messages).map(move |seq| (seq, HOUR * u32::try_from(messages - seq + 1).unwrap()))
    }

    fn sampled(connection: &Connection, payloads: Option<Duration>) -> GrowthSample {
        sample(connection, NOW, payloads).unwrap().unwrap()
    }

    #[test]
    fn what_came_in_is_counted_by_numbers() {
        let all = database(hourly(1000));
        let found = sampled(&all, Some(HOUR * 100));
        assert_eq!((found.messages, found.unarchived), (1000, 100));
        assert_eq!((found.published, found.period), (168, LOOK_BACK));
        assert_eq!(found.oldest, HOUR * 1000);
        assert_eq!(found.payload_bytes, 150);
        assert_eq!(found.used_bytes % 4096, 0);
        assert!(found.used_bytes > 100_000);
        assert_eq!(sampled(&all, None).unarchived, 1000);
        // A history of less than a week is all that there is.
        let young = sampled(&database(hourly(10)), None);
        assert_eq!((young.published, young.period), (10, HOUR * 10));
        assert_eq!(young.messages, 10);
    }

    #[test]
    fn deleted_messages_count_for_the_rate_and_not_for_the_size() {
        // All between the oldest one and those of the last two days are deleted.
        let kept = |(seq, age): &(i64, Duration)| *seq == 1 || *age <= HOUR * 48;
        let connection = database(hourly(1000).filter(kept));
        connection
            .execute("UPDATE meta SET value = 1010", [])
            .unwrap();
        let found = sampled(&connection, None);
        assert_eq!((found.published, found.period), (58, HOUR * 48));
        let even = database(hourly(100_000).filter(|(seq, _)| seq % 4 != 0));
        let found = sampled(&even, None).messages;
        assert!((70_000..80_000).contains(&found), "{found}");
    }

    #[test]
    fn a_server_that_got_nothing_for_a_week_has_a_rate_of_nothing() {
        let old = database(hourly(10).map(|(seq, age)| (seq, age + LOOK_BACK)));
        let found = sampled(&old, Some(HOUR));
        assert_eq!((found.published, found.period), (0, LOOK_BACK));
        assert_eq!((found.messages, found.unarchived), (10, 0));
        let none = sample(&database([]), NOW, None).unwrap();
        assert_eq!(none, None);
    }

    #[test]
    fn a_clock_that_was_set_back_does_no_harm() {
        let future = database([(1, HOUR), (2, HOUR * 30), (3, HOUR * 2)]);
        sampled(&future, Some(HOUR));
        let connection = database([(7, Duration::ZERO)]);
        let earlier = NOW.before(HOUR);
        let found = sample(&connection, earlier, None).unwrap().unwrap();
        assert_eq!(
            (found.oldest, found.period),
            (Duration::ZERO, Duration::ZERO)
        );
    }
}
