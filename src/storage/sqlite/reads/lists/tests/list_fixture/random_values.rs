//! The random values of the rows: times, numbers, status codes and ids.

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use uuid::Uuid;

use crate::domain::clock::Timestamp;
use crate::storage::sqlite::writer::counters::BLOCK;

pub(super) const MINUTE_US: i64 = 60_000_000;

/// A wall clock that mostly rises, by very different amounts.
pub(super) struct WallClock(pub(super) i64);

impl WallClock {
    /// Returns the next time, and whether the clock was set back before it.
    pub(super) fn next(&mut self, random: &mut StdRng, steps: bool) -> (i64, bool) {
        let back = steps && random.random_ratio(1, 60);
        self.0 += match random.random_range(0..10) {
            _ if back => -random.random_range(2_000_000..600 * MINUTE_US),
            0..5 => random.random_range(0..3),
            5..9 => random.random_range(0..MINUTE_US),
            _ => random.random_range(0..90 * MINUTE_US),
        };
        (self.0, back)
    }
}

/// Returns the distance to the next number: rarely so large that one or more blocks of counters end within
/// it.
pub(super) fn next_number(random: &mut StdRng) -> i64 {
    match random.random_range(0..30) {
        0 => random.random_range(1..3 * BLOCK),
        1..4 => random.random_range(1..BLOCK / 3),
        _ => random.random_range(1..4),
    }
}

pub(super) fn random_code(random: &mut StdRng) -> Option<u16> {
    *[
        None,
        Some(200),
        Some(204),
        Some(301),
        Some(404),
        Some(410),
        Some(500),
        Some(503),
        Some(600),
    ]
    .choose(random)
    .unwrap()
}

/// Returns an id like those of the server: the time, then random bits.
pub(super) fn random_id(random: &mut StdRng, now: i64) -> Uuid {
    let mut bytes: [u8; 16] = random.random();
    let millis = u64::try_from(Timestamp::from_micros(now).micros() / 1000).unwrap();
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
