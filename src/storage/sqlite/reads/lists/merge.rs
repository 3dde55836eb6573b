//! The merge of several ordered scans.

use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use rusqlite::Connection;

use super::scan::Scan;
use super::statement::size;
use super::time_range::SeqRange;

/// The fewest rows that one statement of a scan fetches: the statement itself costs as much as about 50.
const FETCH_MIN: usize = 32;
/// The most rows that one statement fetches, so that a merge of many scans stays small.
const FETCH_MAX: usize = 4096;

/// Several scans of one range, merged newest first.
///
/// Each scan is read in pieces, every piece by a statement of its own: cached statements of the same
/// shape could not be open at the same time.
pub(crate) struct Merge<'a> {
    connection: &'a Connection,
    open_scans: Vec<OpenScan<'a>>,
    /// The next number of each scan that has any, highest first.
    heads: BinaryHeap<(i64, usize)>,
}

struct OpenScan<'a> {
    scan: &'a Scan,
    rest: SeqRange,
    piece: Vec<i64>,
    at: usize,
    fetch: usize,
}

impl<'a> Merge<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        scans: &'a [Scan],
        range: SeqRange,
        expected: u64,
    ) -> rusqlite::Result<Self> {
        // Each scan is expected to give its share; a scan that gives more is read again.
        let share = size(expected) / scans.len().max(1) * 2;
        let mut merge = Self {
            connection,
            open_scans: Vec::with_capacity(scans.len()),
            heads: BinaryHeap::with_capacity(scans.len()),
        };
        for scan in scans {
            merge.open_scans.push(OpenScan {
                scan,
                rest: range,
                piece: Vec::new(),
                at: 0,
                fetch: share.clamp(FETCH_MIN, FETCH_MAX),
            });
            let at = merge.open_scans.len() - 1;
            if let Some(seq) = merge.open_scans[at].next(connection)? {
                merge.heads.push((seq, at));
            }
        }
        Ok(merge)
    }

    pub(super) fn next(&mut self) -> rusqlite::Result<Option<i64>> {
        let Some(mut head) = self.heads.peek_mut() else {
            return Ok(None);
        };
        let (seq, at) = *head;
        match self.open_scans[at].next(self.connection)? {
            Some(next) => head.0 = next,
            None => {
                PeekMut::pop(head);
            }
        }
        Ok(Some(seq))
    }

    /// Skips to `seq`; returns whether it is there.
    pub(super) fn next_is(&mut self, seq: i64) -> rusqlite::Result<bool> {
        while let Some((head, _)) = self.heads.peek() {
            if *head <= seq {
                return Ok(*head == seq);
            }
            self.next()?;
        }
        Ok(false)
    }
}

impl OpenScan<'_> {
    pub(super) fn next(&mut self, connection: &Connection) -> rusqlite::Result<Option<i64>> {
        if self.at == self.piece.len() {
            self.at = 0;
            self.scan
                .fetch(connection, self.rest, 0, self.fetch, &mut self.piece)?;
            if self.piece.len() < self.fetch {
                self.rest = SeqRange::NONE;
            } else if let Some(last) = self.piece.last() {
                self.rest.below = *last;
            }
            self.fetch = (self.fetch * 4).min(FETCH_MAX);
        }
        let next = self.piece.get(self.at).copied();
        self.at += usize::from(next.is_some());
        Ok(next)
    }
}
