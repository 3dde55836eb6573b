//! The keys with which secrets are encrypted in the database.
//!
//! A value is *sealed* with ChaCha20-Poly1305 (RFC 8439) under a random nonce. The 96 bits of the nonce are random,
//! which is safe for far more than the 2^32 values that one key should seal. The seal also covers the *place* of the
//! value, its column and the id of its endpoint, so that a value which was moved to another place does not open.
//!
//! A sealed value names its key by an id that is computed from the key. So the operator can add a new key, under which
//! new values are sealed, while older ones still open with the old one.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngExt;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use thiserror::Error;
use uuid::Uuid;

/// The bytes of a key.
pub const KEY_BYTES: usize = 32;
/// The most keys of a ring: a new one, and more old ones than a rotation leaves behind.
pub const KEYS_MAX: usize = 16;

/// The first byte of a sealed value; another form would get another number.
const FORM: u8 = 1;
/// The bytes of a key's id.
pub const KEY_ID_BYTES: usize = 8;
/// The bytes before the encrypted ones: the form, the key's id and the nonce.
const HEAD_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_LEN;

/// The id of a key. It tells nothing about the key.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; KEY_ID_BYTES]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The place of a sealed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The table and column, such as `endpoint.secret`.
    pub column: &'a str,
    /// The endpoint that the value belongs to.
    pub endpoint: Uuid,
}

impl Place<'_> {
    /// Returns the bytes that the seal covers besides the value. The id has a fixed length, so no two places have the
    /// same bytes.
    fn bytes(self) -> Vec<u8> {
        [self.endpoint.as_bytes(), self.column.as_bytes()].concat()
    }
}

/// The reason why a sealed value does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnsealError {
    /// No key of the ring sealed it.
    #[error("a secret is encrypted with the key {0}, which --encryption-key-file does not have")]
    UnknownKey(KeyId),
    /// It was changed, or is the value of another place.
    #[error("an encrypted secret was changed, or moved from another endpoint")]
    Forged,
}

/// The reason why a text has no keys. None quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyringProblem {
    /// It has no line with a key.
    #[error("it has no key")]
    Empty,
    /// A line has something else. Lines count from 1.
    #[error(
        "line {0} is no key: a key is 32 bytes in base64 or hex, as `openssl rand -base64 32` makes it"
    )]
    NoKey(usize),
    /// A key stands there twice.
    #[error("line {0} has a key that an earlier line has")]
    Twice(usize),
    /// It has more than [`KEYS_MAX`] keys.
    #[error("it has more than {KEYS_MAX} keys")]
    TooMany,
}

struct Key {
    id: KeyId,
    key: LessSafeKey,
}

/// The keys of a server: the first seals, all of them unseal. `Debug` does not show them.
#[derive(Default)]
pub struct Keyring {
    keys: Vec<Key>,
}

impl Keyring {
    /// Reads a text with a key on each line. Empty lines, and those that begin with `#`, are left out.
    ///
    /// # Errors
    /// [`KeyringProblem`]
    pub fn parse(text: &str) -> Result<Self, KeyringProblem> {
        let mut ring = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = key(line).ok_or(KeyringProblem::NoKey(number))?;
            if ring.find(key.id).is_some() {
                return Err(KeyringProblem::Twice(number));
            }
            if ring.keys.len() == KEYS_MAX {
                return Err(KeyringProblem::TooMany);
            }
            ring.keys.push(key);
        }
        if ring.keys.is_empty() {
            return Err(KeyringProblem::Empty);
        }
        Ok(ring)
    }

    /// Returns the id of the key that seals; `None` if the ring has no key, so that values stay plain.
    #[must_use]
    pub fn sealing_key(&self) -> Option<KeyId> {
        self.keys.first().map(|key| key.id)
    }

    /// Reports whether the ring has a key.
    #[must_use]
    pub fn has(&self, id: KeyId) -> bool {
        self.find(id).is_some()
    }

    fn find(&self, id: KeyId) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// Seals a value for its place; `None` if the ring has no key.
    #[must_use]
    pub fn seal(&self, value: &str, place: Place<'_>) -> Option<Vec<u8>> {
        let Key { id, key } = self.keys.first()?;
        let nonce: [u8; NONCE_LEN] = rand::rng().random();
        let mut encrypted = value.as_bytes().to_vec();
        let sealed = key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place.bytes()),
            &mut encrypted,
        );
        sealed.expect("a secret is far shorter than the limit of the cipher");
        Some([&[FORM][..], &id.0, &nonce, &encrypted].concat())
    }

    /// Opens a sealed value.
    ///
    /// # Errors
    /// [`UnsealError`]
    pub fn open(&self, sealed: &[u8], place: Place<'_>) -> Result<String, UnsealError> {
        let id = key_id(sealed).ok_or(UnsealError::Forged)?;
        let Key { key, .. } = self.find(id).ok_or(UnsealError::UnknownKey(id))?;
        let (head, encrypted) = sealed.split_at(HEAD_BYTES);
        let nonce = Nonce::try_assume_unique_for_key(&head[1 + KEY_ID_BYTES..]);
        let nonce = nonce.map_err(|_| UnsealError::Forged)?;
        let mut value = encrypted.to_vec();
        let length = key
            .open_in_place(nonce, Aad::from(place.bytes()), &mut value)
            .map_err(|_| UnsealError::Forged)?
            .len();
        value.truncate(length);
        String::from_utf8(value).map_err(|_| UnsealError::Forged)
    }
}

/// Returns the id of the key that sealed a value; `None` if it is no sealed value.
#[must_use]
pub fn key_id(sealed: &[u8]) -> Option<KeyId> {
    let (form, rest) = sealed.split_first()?;
    let id = rest.first_chunk()?;
    (*form == FORM && sealed.len() >= HEAD_BYTES).then_some(KeyId(*id))
}

/// Reads a key in base64 or hex.
fn key(text: &str) -> Option<Key> {
    let bytes = if text.len() == 2 * KEY_BYTES {
        from_hex(text)?
    } else {
        STANDARD.decode(text).ok()?
    };
    let bytes: [u8; KEY_BYTES] = bytes.try_into().ok()?;
    let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok()?;
    Some(Key {
        id: id_of(&bytes),
        key: LessSafeKey::new(key),
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let digits: Option<Vec<u8>> = text.as_bytes().iter().map(digit).collect();
    Some(
        digits?
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}

/// Returns the id of a key: the beginning of a hash of it, which has another use for no other value.
fn id_of(key: &[u8; KEY_BYTES]) -> KeyId {
    let hash = Sha256::new()
        .chain_update(b"hookpost encryption key id\0")
        .chain_update(key)
        .finalize();
    let mut id = [0; KEY_ID_BYTES];
    id.copy_from_slice(&hash[..KEY_ID_BYTES]);
    KeyId(id)
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.keys.iter().map(|key| key.id);
        f.debug_tuple("Keyring")
            .field(&ids.collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A text with these keys, each of 32 equal bytes.
    fn text(keys: &[u8]) -> String {
        let line = |byte: &u8| STANDARD.encode([*byte; KEY_BYTES]) + "\n";
        keys.iter().map(line).collect()
    }

    fn ring(keys: &[u8]) -> Keyring {
        Keyring::parse(&text(keys)).unwrap()
    }

    fn place(column: &str, endpoint: u128) -> Place<'_> {
        Place {
            column,
            endpoint: Uuid::from_u128(endpoint),
        }
    }

    proptest! {
        #[test]
        fn a_value_opens_at_its_place_alone_and_unchanged_alone(
            value in ".{0,80}",
            endpoint: u128,
            other: u128,
            at: prop::sample::Index,
            flip in 1..=255_u8,
        ) {
            prop_assume!(endpoint != other);
            let keys = ring(&[1]);
            let own = place("endpoint.secret", endpoint);
            let mut sealed = keys.seal(&value, own).unwrap();
            prop_assert_eq!(keys.open(&sealed, own), Ok(value.clone()));
            let moved = place("endpoint.secret", other);
            prop_assert_eq!(keys.open(&sealed, moved), Err(UnsealError::Forged));
            let column = place("old_secret.secret", endpoint);
            prop_assert_eq!(keys.open(&sealed, column), Err(UnsealError::Forged));
            if value.len() > 8 {
                let inside = sealed.windows(8).any(|part| part == &value.as_bytes()[..8]);
                prop_assert!(!inside);
            }
            let at = at.index(sealed.len());
            sealed[at] ^= flip;
            prop_assert!(keys.open(&sealed, own).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let opened = ring(&[1]).open(&bytes, place("endpoint.secret", 1));
            prop_assert!(opened.is_err());
        }
    }

    #[test]
    fn the_first_key_seals_and_every_key_opens() {
        let own = place("endpoint.secret", 7);
        let (old, both, new) = (ring(&[1]), ring(&[2, 1]), ring(&[2]));
        let sealed = old.seal("whsec_x", own).unwrap();
        assert_eq!(both.open(&sealed, own).as_deref(), Ok("whsec_x"));
        let id = old.sealing_key().unwrap();
        assert_eq!(key_id(&sealed), Some(id));
        assert_eq!(new.open(&sealed, own), Err(UnsealError::UnknownKey(id)));
        let again = both.seal("whsec_x", own).unwrap();
        assert_eq!(key_id(&again), new.sealing_key());
        assert_eq!(new.open(&again, own).as_deref(), Ok("whsec_x"));
        // The same value is sealed otherwise each time.
        assert_ne!(both.seal("whsec_x", own), Some(again));
        let none = Keyring::default();
        assert_eq!((none.seal("x", own), none.sealing_key()), (None, None));
        assert_eq!(none.open(&sealed, own), Err(UnsealError::UnknownKey(id)));
    }

    #[test]
    fn a_file_of_keys_is_read_line_by_line() {
        let hex = "ab".repeat(KEY_BYTES);
        let read = Keyring::parse(&format!("# old\r\n\n {hex} \n{}", text(&[1]))).unwrap();
        assert_eq!(read.sealing_key(), ring(&[0xab]).sealing_key());
        assert!(read.has(ring(&[1]).sealing_key().unwrap()));
        let upper = Keyring::parse(&hex.to_uppercase()).unwrap();
        assert_eq!(upper.sealing_key(), read.sealing_key());
        let many: Vec<u8> = (0..=16).collect();
        for (bad, problem) in [
            (String::new(), KeyringProblem::Empty),
            ("# none\n".to_owned(), KeyringProblem::Empty),
            ("secret".to_owned(), KeyringProblem::NoKey(1)),
            (format!("\n{}", &text(&[1])[..40]), KeyringProblem::NoKey(2)),
            (format!("{}g", &hex[1..]), KeyringProblem::NoKey(1)),
            (STANDARD.encode([1; 33]), KeyringProblem::NoKey(1)),
            (text(&[1, 2, 1]), KeyringProblem::Twice(3)),
            (text(&many), KeyringProblem::TooMany),
        ] {
            assert_eq!(Keyring::parse(&bad).unwrap_err(), problem, "{bad}");
        }
        let shown = format!("{read:?}");
        assert!(!shown.contains("abababab"), "{shown}");
    }
}
