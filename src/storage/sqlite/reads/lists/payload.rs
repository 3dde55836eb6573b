//! Payloads that are read in pieces: SQL reads a value only as a whole, but `SQLite` can open it like a file.

use std::io::{self, Read, Seek, SeekFrom};

use rusqlite::{Connection, OptionalExtension};

use super::statement::prepare;
use crate::storage::part::{LongPayload, PayloadPiece, PayloadRow};

/// A column of the event that holds the rendered body which event `e` of message `m` sends, if that is
/// another event: see [`body`](crate::storage::sqlite::rows::body).
macro_rules! of_holder {
    ($column:literal) => {
        concat!(
            "(SELECT ",
            $column,
            " FROM event f
              WHERE f.seq >= m.first_event AND f.seq < m.first_event + min(m.events, 2)
                AND f.format = e.format AND f.body IS NOT NULL)"
        )
    };
}
pub(crate) use of_holder;

/// The length of the body that `event e` of `message m` sends, in bytes; NULL once it is archived. `SQLite`
/// knows it without reading the value.
macro_rules! payload_bytes {
    () => {
        concat!(
            "coalesce(octet_length(e.body), CASE e.format WHEN 0 THEN octet_length(m.body) ELSE ",
            super::payload::of_holder!("octet_length(f.body)"),
            " END)"
        )
    };
}
pub(crate) use payload_bytes;

/// The most bytes of a character (UTF-8).
const CHARACTER_BYTES: usize = 4;

/// Returns a piece of a payload: at most `bytes` bytes, but at least one character; `None` if it is archived.
pub(crate) fn read_payload(
    connection: &Connection,
    payload: LongPayload,
    from: u64,
    bytes: usize,
) -> rusqlite::Result<Option<PayloadPiece>> {
    const OF_EVENT: &str = concat!(
        "SELECT CASE WHEN e.body IS NOT NULL THEN e.seq WHEN e.format <> 0 THEN ",
        of_holder!("f.seq"),
        " END, e.message, ",
        payload_bytes!(),
        " FROM event e JOIN message m ON m.seq = e.message WHERE e.seq = ?"
    );
    const OF_MESSAGE: &str = "SELECT NULL, seq, octet_length(body) FROM message WHERE seq = ?";
    let (place, number) = match payload.row {
        PayloadRow::Event(number) => (OF_EVENT, number),
        PayloadRow::Message(number) => (OF_MESSAGE, number),
    };
    // In one transaction, so that the value is opened as it was measured.
    let snapshot = connection.unchecked_transaction()?;
    let place = prepare(&snapshot, place)?
        .query_row([number], |row| {
            let event: Option<i64> = row.get(0)?;
            Ok((event, row.get(1)?, row.get::<_, Option<u64>>(2)?))
        })
        .optional()?;
    let (table, row) = match place {
        Some((None, message, Some(length))) if length == payload.bytes => ("message", message),
        Some((Some(event), _, Some(length))) if length == payload.bytes => ("event", event),
        _ => return Ok(None),
    };
    let mut value = snapshot.blob_open(c"main", table, "body", row, true)?;
    value.seek(SeekFrom::Start(from)).map_err(unwrapped)?;
    let left = payload.bytes.saturating_sub(from);
    let wanted = left.min(bytes.max(CHARACTER_BYTES) as u64);
    let mut piece = Vec::new();
    (&mut value)
        .take(wanted)
        .read_to_end(&mut piece)
        .map_err(unwrapped)?;
    if wanted < left {
        piece.truncate(whole_characters(&piece));
    }
    let next = from + piece.len() as u64;
    Ok(Some(PayloadPiece {
        text: String::from_utf8(piece)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        next: (next < payload.bytes).then_some(next),
    }))
}

/// Returns the database's error, which the driver wraps in a file error.
fn unwrapped(error: io::Error) -> rusqlite::Error {
    error
        .downcast()
        .unwrap_or_else(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// Returns the number of bytes without those of a character that is cut off at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_ends_with_a_whole_character() {
        let text = "aä€😀".as_bytes();
        let whole: Vec<usize> = (0..=text.len())
            .map(|end| whole_characters(&text[..end]))
            .collect();
        assert_eq!(whole, [0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10]);
        // What is no text is not waited for.
        assert_eq!(whole_characters(b"a\xffb"), 3);
    }
}
