//! Public ids: UUIDs of version 4 that sort by time.
//!
//! Clients check for version 4 (RFC 9562, section 5.4), in which all bits but those of version and variant
//! are free. Here the first 48 bits are the wall clock in milliseconds, so that ids of the same time are on
//! the same pages of the index of ids; each random id would be on another page. The other 74 bits are random,
//! so that nobody can guess an id.

use rand::RngExt;
use uuid::{Builder, Uuid};

use super::clock::Timestamp;

/// Makes an id for an object created at `now`.
#[must_use]
pub fn new_id(now: Timestamp) -> Uuid {
    let millis = u64::try_from(now.micros() / 1000).unwrap_or(0);
    let mut bytes: [u8; 16] = rand::rng().random();
    bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    Builder::from_random_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_4_and_sort_by_time() {
        let early = new_id(Timestamp::from_micros(1_700_000_000_000_000));
        let late = new_id(Timestamp::from_micros(1_700_000_000_001_000));
        assert_eq!(early.get_version_num(), 4);
        assert_eq!(early.get_variant(), uuid::Variant::RFC4122);
        assert!(early < late);
        assert_ne!(early, new_id(Timestamp::from_micros(1_700_000_000_000_000)));
    }
}
