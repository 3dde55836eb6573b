//! The checks of a copy: its header, its length, and all of its pages.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::CopyProblem;
use crate::storage::sqlite::check::first_wrong_table;
use crate::storage::sqlite::file::connection::immutable_uri;
use crate::storage::sqlite::file::migrations::CURRENT_VERSION;
use crate::storage::sqlite::file::open::APPLICATION_ID;

/// Bytes of the header at the beginning of a database (<https://sqlite.org/fileformat2.html#the_database_header>).
pub(super) const HEADER_BYTES: usize = 100;

/// The first bytes of every database.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Steps of the check of all pages between two looks at whether it shall end.
const CHECK_STEPS: i32 = 100_000;

/// The header of a database, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    page_bytes: u64,
    /// `None`: an old version of `SQLite` wrote it last, which did not note it.
    pages: Option<u64>,
    /// The schema version.
    pub(super) schema: i64,
    application: i64,
}

impl Header {
    /// Reads it from the first bytes of a database.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, CopyProblem> {
        let header = bytes.first_chunk::<HEADER_BYTES>();
        let Some(header) = header.filter(|header| header.starts_with(MAGIC)) else {
            // A part of the magic alone is what a cut file has.
            let is_part =
                bytes.len() < HEADER_BYTES && MAGIC.starts_with(&bytes[..bytes.len().min(16)]);
            return Err(if is_part && !bytes.is_empty() {
                CopyProblem::Cut
            } else {
                CopyProblem::Foreign
            });
        };
        let number = |at: usize| {
            u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let page_bytes = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            bytes => u64::from(bytes),
        };
        let is_noted = number(24) == number(92) && number(28) > 0;
        Ok(Self {
            page_bytes,
            pages: is_noted.then(|| number(28).into()),
            schema: number(60).into(),
            application: number(68).into(),
        })
    }

    /// Checks that this version of Hookpost can use the database.
    pub(super) fn check(&self) -> Result<(), CopyProblem> {
        if self.application != i64::from(APPLICATION_ID) || self.schema == 0 {
            return Err(CopyProblem::Foreign);
        }
        if self.schema > CURRENT_VERSION {
            return Err(CopyProblem::Newer(self.schema));
        }
        Ok(())
    }

    /// Returns the bytes of the database, if they were noted.
    pub(super) fn database_bytes(&self) -> Option<u64> {
        self.pages.map(|pages| pages * self.page_bytes)
    }

    /// Checks the length of the file.
    pub(super) fn check_length(&self, bytes: u64) -> Result<(), CopyProblem> {
        let is_whole = match self.pages {
            Some(pages) => bytes >= pages * self.page_bytes,
            None => bytes > 0 && bytes.is_multiple_of(self.page_bytes.max(1)),
        };
        if is_whole {
            Ok(())
        } else {
            Err(CopyProblem::Cut)
        }
    }
}

/// Checks all pages of a copy that no process writes. Takes as long as reading the file several times.
/// Returns `Ok(false)` if `is_stopped` has ended it.
pub(super) fn check_pages(copy: &Path, is_stopped: fn() -> bool) -> Result<bool, CopyProblem> {
    let damaged = |error: rusqlite::Error| CopyProblem::Damaged(error.to_string());
    // Immutable: no files are made beside it.
    let uri = immutable_uri(copy);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri, flags).map_err(damaged)?;
    connection
        .progress_handler(CHECK_STEPS, Some(is_stopped))
        .map_err(damaged)?;
    let found: rusqlite::Result<String> =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
    match found {
        Ok(found) if found == "ok" => check_tables(&connection).map(|()| true),
        Ok(found) => Err(CopyProblem::Damaged(found.replace('\n', " "))),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            Ok(false)
        }
        Err(error) => Err(damaged(error)),
    }
}

/// Checks that the tables of a copy are those of this version; those of an earlier one become so at the next start.
fn check_tables(connection: &Connection) -> Result<(), CopyProblem> {
    let damaged = |error: rusqlite::Error| CopyProblem::Damaged(error.to_string());
    let version: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(damaged)?;
    if version != CURRENT_VERSION {
        return Ok(());
    }
    match first_wrong_table(connection).map_err(damaged)? {
        None => Ok(()),
        Some(name) => Err(CopyProblem::Damaged(format!(
            "{name} is missing, has another form, or was added by another program"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..16].copy_from_slice(MAGIC);
        bytes[16..18].copy_from_slice(&4096_u16.to_be_bytes());
        bytes[28..32].copy_from_slice(&3_u32.to_be_bytes());
        bytes[60..64].copy_from_slice(&8_u32.to_be_bytes());
        bytes[68..72].copy_from_slice(&APPLICATION_ID.to_be_bytes());
        bytes
    }

    #[test]
    fn a_header_tells_what_it_belongs_to() {
        let with = |at: usize, byte: u8| {
            let mut bytes = header();
            bytes[at] = byte;
            Header::parse(&bytes).and_then(|header| header.check())
        };
        assert_eq!(with(0, b'S'), Ok(()));
        assert_eq!(with(0, b'X'), Err(CopyProblem::Foreign));
        assert_eq!(with(68, 1), Err(CopyProblem::Foreign));
        assert_eq!(with(63, 0), Err(CopyProblem::Foreign), "no table yet");
        assert_eq!(with(63, 99), Err(CopyProblem::Newer(99)));
        for (start, problem) in [
            (&b""[..], CopyProblem::Foreign),
            (b"SQLi", CopyProblem::Cut),
            (b"nope", CopyProblem::Foreign),
            (&header()[..99], CopyProblem::Cut),
        ] {
            assert_eq!(Header::parse(start), Err(problem));
        }
    }

    #[test]
    fn a_file_that_lacks_pages_is_cut() {
        let whole = Header::parse(&header()).unwrap();
        assert_eq!(whole.check_length(3 * 4096), Ok(()));
        assert_eq!(whole.check_length(3 * 4096 - 1), Err(CopyProblem::Cut));
        let mut old = header();
        old[24] = 1;
        let old = Header::parse(&old).unwrap();
        assert_eq!(old.check_length(4096), Ok(()));
        assert_eq!(old.check_length(4097), Err(CopyProblem::Cut));
    }
}
