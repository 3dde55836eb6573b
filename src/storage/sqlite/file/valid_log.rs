//! A write-ahead log as far as it is valid, read without `SQLite`: a start looks at it before its first
//! connection.

use std::io::{self, Read};

/// Bytes before the first frame (<https://sqlite.org/fileformat2.html#the_write_ahead_log>).
pub(super) const HEADER_BYTES: usize = 32;

/// Bytes of a frame before its page.
pub(super) const FRAME_HEADER_BYTES: usize = 24;

/// The first number of a log whose checksums are of little-endian words; that of big-endian ones is 1 higher.
const MAGIC: u32 = 0x377f_0682;

/// The largest page that `SQLite` knows.
const PAGE_MAX: u32 = 65_536;

/// The log as far as it is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValidLog {
    pub(super) salts: [u8; 8],
    /// Frames up to the last one that ends a transaction.
    pub(super) frames: u64,
}

impl ValidLog {
    /// Reads a log as `SQLite` does. `None` if its header is not valid, so that none of it counts.
    pub(super) fn read(log: &mut dyn Read) -> io::Result<Option<Self>> {
        let mut header = [0; HEADER_BYTES];
        if !fill(log, &mut header)? {
            return Ok(None);
        }
        let (magic, page) = (big(&header, 0), big(&header, 8));
        let mut sum = Checksum {
            is_big: magic & 1 == 1,
            ..Checksum::default()
        };
        sum.add(&header[..24]);
        let is_valid = magic & !1 == MAGIC && sum.is(&header[24..]) && page <= PAGE_MAX;
        let (true, Ok(page)) = (is_valid, usize::try_from(page)) else {
            return Ok(None);
        };
        let mut valid = Self {
            salts: [0; 8],
            frames: 0,
        };
        valid.salts.copy_from_slice(&header[16..24]);
        let mut frame = vec![0; FRAME_HEADER_BYTES + page];
        let mut read = 0;
        while fill(log, &mut frame)? && frame[8..16] == valid.salts {
            sum.add(&frame[..8]);
            sum.add(&frame[FRAME_HEADER_BYTES..]);
            if !sum.is(&frame[16..24]) {
                break;
            }
            read += 1;
            if big(&frame, 4) > 0 {
                valid.frames = read;
            }
        }
        Ok(Some(valid))
    }
}

/// The running checksum of a log.
#[derive(Default)]
struct Checksum {
    is_big: bool,
    sums: [u32; 2],
}

impl Checksum {
    /// Adds bytes, whose number can be divided by 8.
    fn add(&mut self, bytes: &[u8]) {
        let [mut first, mut second] = self.sums;
        for pair in bytes.chunks_exact(8) {
            first = first
                .wrapping_add(self.word(&pair[..4]))
                .wrapping_add(second);
            second = second
                .wrapping_add(self.word(&pair[4..]))
                .wrapping_add(first);
        }
        self.sums = [first, second];
    }

    fn word(&self, bytes: &[u8]) -> u32 {
        let word = big(bytes, 0);
        if self.is_big { word } else { word.swap_bytes() }
    }

    /// Reports whether it is the stored one.
    fn is(&self, stored: &[u8]) -> bool {
        self.sums == [big(stored, 0), big(stored, 4)]
    }
}

/// Returns the big-endian number at `at`.
pub(super) fn big(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// Fills `bytes`; false if there are fewer left.
fn fill(log: &mut dyn Read, bytes: &mut [u8]) -> io::Result<bool> {
    match log.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::storage::sqlite::file::connection::write_connection;
    use crate::storage::sqlite::file::open;
    use crate::storage::sqlite::file::place::beside;
    use crate::storage::sqlite::file::wal::checkpoint;

    /// The log of a database with some transactions, and the number of its frames.
    fn log() -> (Vec<u8>, u64, Connection, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h.db");
        open::prepare(&path, true).unwrap();
        let connection = write_connection(&path).unwrap();
        for n in 0..20 {
            let insert = "INSERT INTO meta (key, value) VALUES (?1, ?1)";
            connection.execute(insert, [n]).unwrap();
        }
        let frames = checkpoint(&connection, "NOOP").unwrap().log;
        let bytes = std::fs::read(beside(&path, "-wal")).unwrap();
        (bytes, frames.try_into().unwrap(), connection, folder)
    }

    fn frames(mut log: &[u8]) -> Option<u64> {
        ValidLog::read(&mut log).unwrap().map(|log| log.frames)
    }

    #[test]
    fn a_log_counts_up_to_the_first_frame_that_is_not_valid() {
        let (log, all, connection, _folder) = log();
        assert!(all >= 20);
        assert_eq!(frames(&log), Some(all));
        let page = connection.pragma_query_value(None, "page_size", |row| row.get::<_, usize>(0));
        let frame = FRAME_HEADER_BYTES + page.unwrap();
        // The last transactions are of one or two frames.
        let whole = usize::try_from(all).unwrap() - 5;
        let cut = HEADER_BYTES + whole * frame;
        let counted = frames(&log[..cut]);
        assert!((all - 7..=all - 5).contains(&counted.unwrap()));
        assert_eq!(frames(&log[..=cut]), counted);
        for at in [0, 9, 17, FRAME_HEADER_BYTES, frame - 1] {
            let mut damaged = log.clone();
            damaged[cut + at] ^= 1;
            assert_eq!(frames(&damaged), counted, "{at}");
        }
        for at in [3, 17, 31] {
            let mut damaged = log.clone();
            damaged[at] ^= 1;
            assert_eq!(frames(&damaged), None, "{at}");
        }
        assert_eq!(frames(&log[..HEADER_BYTES - 1]), None);
        assert_eq!(frames(&[]), None);
    }
}
