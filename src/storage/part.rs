//! Pages that are read in parts, so that a page takes no more memory than one part.

use crate::storage::filter::RowNumber;

/// A row, whose payload may be left out because it is long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<T> {
    /// The object; a payload that was left out is empty.
    pub item: T,
    /// The payload that was left out, to be read in pieces.
    pub payload: Option<LongPayload>,
}

/// The row that a payload belongs to, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PayloadRow {
    /// An event, which may have its payload from another row.
    Event(i64),
    /// A message.
    Message(i64),
}

/// A payload that must be read in pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongPayload {
    /// The row that it belongs to.
    pub(super) row: PayloadRow,
    /// Its length in bytes.
    pub(super) bytes: u64,
}

/// A piece of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadPiece {
    /// The text; never a part of a character.
    pub text: String,
    /// The place where the next piece begins; `None` after the last.
    pub next: Option<u64>,
}

/// The first of the rows that were asked for: as many as fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<T> {
    /// The rows, without those that no longer exist.
    pub rows: Vec<Row<T>>,
    /// The number of rows that were asked for and are in `rows`, or no longer exist.
    pub done: usize,
}

/// A page of rows, of which the first are read, and the exact number of rows on all pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paged<T> {
    /// The first rows of the page, of the same moment as the total.
    pub rows: Vec<Row<T>>,
    /// The numbers of the other rows of the page.
    pub rest: Vec<RowNumber>,
    /// Rows on all pages.
    pub total: u64,
    /// With a text query: the number of rows that it searched.
    pub searched: Option<u64>,
}
