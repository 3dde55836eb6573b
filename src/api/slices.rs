//! Rows rendered as JSON in slices, so that a response of any length takes the memory of one slice.
//!
//! A slice is the JSON of one read of the store. Reads are short, and no transaction is open between them.
//! So a client that reads its response slowly keeps no transaction open.

use serde::Serialize;

use super::objects::{Render, Rendered};
use crate::storage::{LongPayload, Paged, Part, Row, RowNumber, Store, StoreError};

/// The greatest length of a slice, in bytes.
pub(super) const SLICE_BYTES: usize = 256 * 1024;

/// The most bytes of text that are read for one slice: as JSON they can be twice as long.
pub(super) const READ_BYTES: usize = SLICE_BYTES / 2;

/// The mark in the JSON of a row at which a payload that is read in pieces is inserted. No text of a row can
/// contain it, since JSON escapes quotes within a text.
const NO_PAYLOAD: &str = "\"payload\":\"\"";

/// JSON that is rendered in slices.
pub(super) trait Slices: Send {
    /// Renders the next slice, which may be empty. Call this until [`is_over`](Self::is_over), and not again
    /// after an error.
    ///
    /// # Errors
    /// The store's. [`StoreError::EventArchived`] if a payload was archived after a part of it was sent.
    fn next(&mut self, store: &dyn Store) -> Result<Vec<u8>, StoreError>;

    /// Reports whether all slices are rendered.
    fn is_over(&self) -> bool;
}

/// A function that reads rows by number: as many of the first ones as fit in so many bytes.
pub(super) type Read<T> = fn(&dyn Store, &[RowNumber], usize) -> Result<Part<T>, StoreError>;

/// Rows as JSON, with a text before the first and a text after the last.
pub(super) struct Rows<T> {
    /// The text before the rows; empty once it is rendered.
    before: Vec<u8>,
    /// The text after the rows.
    after: Vec<u8>,
    is_first: bool,
    /// Rows that are read, but not rendered yet.
    ready: Vec<Row<T>>,
    /// The numbers of all rows to be read, and how many of them are read.
    numbers: Vec<RowNumber>,
    done: usize,
    read: Read<T>,
    open: Option<Open>,
}

/// A row of which only a part is rendered yet, because its payload is read in pieces.
struct Open {
    payload: LongPayload,
    from: u64,
    /// The JSON after the text of the payload.
    after: Vec<u8>,
}

impl<T: Render> Rows<T> {
    /// Returns a page of a list, followed by its `meta`.
    pub(super) fn list(paged: Paged<T>, meta: &impl Serialize, read: Read<T>) -> Self {
        Self {
            before: b"{\"data\":[".to_vec(),
            after: [b"],\"meta\":", &*to_json(meta), b"}"].concat(),
            is_first: true,
            ready: paged.rows,
            numbers: paged.rest,
            done: 0,
            read,
            open: None,
        }
    }

    /// Returns a single row.
    pub(super) fn one(row: Row<T>) -> Self {
        Self {
            before: Vec::new(),
            after: Vec::new(),
            is_first: true,
            ready: vec![row],
            numbers: Vec::new(),
            done: 0,
            read: |_, _, _| {
                Ok(Part {
                    rows: Vec::new(),
                    done: 0,
                })
            },
            open: None,
        }
    }

    fn render(&mut self, row: &Row<T>, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.is_first) {
            out.push(b',');
        }
        let json = to_json(&Rendered(&row.item));
        let place = row.payload.and_then(|payload| {
            let place = json
                .windows(NO_PAYLOAD.len())
                .position(|here| here == NO_PAYLOAD.as_bytes())?;
            Some((payload, place + NO_PAYLOAD.len() - 1))
        });
        let Some((payload, place)) = place else {
            out.extend_from_slice(&json);
            return;
        };
        out.extend_from_slice(&json[..place]);
        self.open = Some(Open {
            payload,
            from: 0,
            after: json[place..].to_vec(),
        });
    }

    /// Renders the next piece of a payload, and after the last piece the end of its row.
    fn render_piece(
        &mut self,
        open: Open,
        store: &dyn Store,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        let piece = store.read_payload(open.payload, open.from, READ_BYTES)?;
        let json = to_json(&piece.text);
        let quotes = 1..json.len().saturating_sub(1);
        out.extend_from_slice(json.get(quotes).unwrap_or_default());
        match piece.next {
            Some(from) => self.open = Some(Open { from, ..open }),
            None => out.extend_from_slice(&open.after),
        }
        Ok(())
    }
}

impl<T: Render + Send> Slices for Rows<T> {
    fn next(&mut self, store: &dyn Store) -> Result<Vec<u8>, StoreError> {
        let mut out = std::mem::take(&mut self.before);
        if let Some(open) = self.open.take() {
            self.render_piece(open, store, &mut out)?;
        } else {
            if self.ready.is_empty() {
                let part = (self.read)(store, &self.numbers[self.done..], READ_BYTES)?;
                self.done += part.done;
                self.ready = part.rows;
            }
            for row in std::mem::take(&mut self.ready) {
                self.render(&row, &mut out);
            }
        }
        if self.is_over() {
            out.append(&mut self.after);
        }
        Ok(out)
    }

    fn is_over(&self) -> bool {
        self.open.is_none() && self.ready.is_empty() && self.done == self.numbers.len()
    }
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("these types have string keys and cannot fail")
}
