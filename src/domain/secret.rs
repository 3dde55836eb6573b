//! Signing secrets of endpoints.
//!
//! A secret that begins with `whsec_` has the form of Standard Webhooks: the rest is base64 of the key. One that
//! begins with `whsk_` is an ed25519 key pair in the form of the same specification. A caller may also choose any
//! other text of 32 to 256 characters; its UTF-8 bytes are then the key of HMAC signatures.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use rand::RngExt;
use ring::signature::{Ed25519KeyPair, KeyPair};

use thiserror::Error;

use super::words::words;

/// The prefix of a secret in the form of Standard Webhooks.
pub const WHSEC_PREFIX: &str = "whsec_";
/// The prefix of an ed25519 key pair in the form of Standard Webhooks.
pub const WHSK_PREFIX: &str = "whsk_";
/// The prefix of an ed25519 public key in the form of Standard Webhooks.
pub const WHPK_PREFIX: &str = "whpk_";
/// The shortest secret, in characters.
pub const SECRET_MIN: usize = 32;
/// The longest secret, in characters.
pub const SECRET_MAX: usize = 256;
/// The fewest and the most bytes of a `whsec_` key (Standard Webhooks, "Symmetric").
pub const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// The bytes of the seed of an ed25519 key pair, from which the pair is computed (RFC 8032, section 5.1.5).
pub const SEED_BYTES: usize = 32;
/// The bytes of an ed25519 key pair: the seed and the public key, which is as long.
pub const KEY_PAIR_BYTES: usize = 2 * SEED_BYTES;

/// A base64 decoder that accepts missing padding: some tools print secrets without it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

words! {
    /// The kind of signature that a secret makes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum SecretType {
        /// HMAC-SHA256 (`v1`): the receiver verifies with the secret itself.
        Hmac = "hmac",
        /// Ed25519 (`v1a`): the receiver verifies with the public key, with which nobody can sign.
        Ed25519 = "ed25519",
    }
}

/// The signing secret of an endpoint. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The reason why a text cannot be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretProblem {
    /// Under [`SECRET_MIN`] characters.
    TooShort,
    /// Over [`SECRET_MAX`] characters.
    TooLong,
    /// Begins with `whsec_`, but the rest is not base64 of 24 to 64 bytes.
    BadKey,
    /// Was meant to begin with `whsec_`, but is in another case, or has something before it. As a text it
    /// would be another key than the receiver has.
    NearlyWhsec,
    /// Begins with `whsk_`, but the rest is not base64 of a key pair or of a seed.
    BadKeyPair,
    /// Is a key pair whose public key is not that of its seed.
    KeysDisagree,
    /// Was meant to begin with `whsk_` or `whpk_`, but is in another case, or has something before it.
    NearlyKeyPair,
    /// Is a public key, which cannot sign.
    PublicKey,
}

impl Secret {
    /// Makes a secret for HMAC signatures: `whsec_` and base64 of 32 random bytes.
    #[must_use]
    pub fn generate() -> Self {
        Self::generate_of(SecretType::Hmac)
    }

    /// Makes a random secret of a type: `whsec_` and base64 of 32 bytes, or `whsk_` and base64 of a key pair.
    #[must_use]
    pub fn generate_of(kind: SecretType) -> Self {
        let bytes: [u8; 32] = rand::rng().random();
        match kind {
            SecretType::Hmac => Self(format!("{WHSEC_PREFIX}{}", STANDARD.encode(bytes))),
            SecretType::Ed25519 => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&bytes);
                Self::of_pair(
                    &bytes,
                    &pair.expect("any 32 bytes are a seed (RFC 8032, section 5.1.5)"),
                )
            }
        }
    }

    fn of_pair(seed: &[u8], pair: &Ed25519KeyPair) -> Self {
        let both = [seed, pair.public_key().as_ref()].concat();
        Self(format!("{WHSK_PREFIX}{}", STANDARD.encode(both)))
    }

    /// Reads a secret that a caller chose. A key pair gets the one spelling in which it is stored.
    pub fn parse(text: &str) -> Result<Self, SecretProblem> {
        check_length(text)?;
        if text.starts_with(WHPK_PREFIX) {
            return Err(SecretProblem::PublicKey);
        }
        if let Some(encoded) = text.strip_prefix(WHSK_PREFIX) {
            return Self::parse_pair(encoded);
        }
        let secret = Self(text.to_owned());
        if text.starts_with(WHSEC_PREFIX) {
            let key = secret.decoded_key();
            return match key {
                Some(key) if KEY_BYTES.contains(&key.len()) => Ok(secret),
                _ => Err(SecretProblem::BadKey),
            };
        }
        match mistaken(text) {
            None => Ok(secret),
            Some(problem) => Err(problem),
        }
    }

    /// Reads what follows `whsk_`: base64 of a seed and its public key, or of the seed alone.
    fn parse_pair(encoded: &str) -> Result<Self, SecretProblem> {
        let bytes = LENIENT.decode(encoded);
        let bytes = bytes.map_err(|_| SecretProblem::BadKeyPair)?;
        let pair = match bytes.len() {
            SEED_BYTES => Ed25519KeyPair::from_seed_unchecked(&bytes),
            KEY_PAIR_BYTES => {
                let (seed, public) = bytes.split_at(SEED_BYTES);
                Ed25519KeyPair::from_seed_and_public_key(seed, public)
            }
            _ => return Err(SecretProblem::BadKeyPair),
        };
        let pair = pair.map_err(|_| SecretProblem::KeysDisagree)?;
        Ok(Self::of_pair(&bytes[..SEED_BYTES], &pair))
    }

    /// Takes a stored text, which was parsed before.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the secret itself, for the database and for signatures. For people and for clients there is
    /// [`Secret::shown`].
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the text that the owner of the endpoint sees, and gives to the receiver: the secret itself, or the
    /// public key of a key pair. The private key of a pair never leaves the server.
    #[must_use]
    pub fn shown(&self) -> Cow<'_, str> {
        match self.key_pair_bytes() {
            None => Cow::Borrowed(&self.0),
            Some(bytes) => Cow::Owned(format!(
                "{WHPK_PREFIX}{}",
                STANDARD.encode(&bytes[SEED_BYTES..])
            )),
        }
    }

    /// Returns its type.
    #[must_use]
    pub fn secret_type(&self) -> SecretType {
        match self.key_pair_bytes() {
            None => SecretType::Hmac,
            Some(_) => SecretType::Ed25519,
        }
    }

    /// Returns the decoded key of a `whsec_` secret.
    #[must_use]
    pub fn decoded_key(&self) -> Option<Vec<u8>> {
        LENIENT.decode(self.0.strip_prefix(WHSEC_PREFIX)?).ok()
    }

    /// Returns the key pair of an ed25519 secret.
    #[must_use]
    pub fn key_pair(&self) -> Option<Ed25519KeyPair> {
        let bytes = self.key_pair_bytes()?;
        let (seed, public) = bytes.split_at(SEED_BYTES);
        Ed25519KeyPair::from_seed_and_public_key(seed, public).ok()
    }

    /// Returns seed and public key of an ed25519 secret.
    fn key_pair_bytes(&self) -> Option<Vec<u8>> {
        let bytes = STANDARD.decode(self.0.strip_prefix(WHSK_PREFIX)?).ok()?;
        (bytes.len() == KEY_PAIR_BYTES).then_some(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A secret as a caller sends it for an endpoint that exists: a new one, or the text that answers show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GivenSecret {
    /// A secret that can sign; it may be the one that the endpoint has.
    Secret(Secret),
    /// The public key of an ed25519 secret. It names the secret that the endpoint has, and no other.
    PublicKey(String),
    /// The secret that the endpoint has, whichever that is.
    Present,
}

/// The error of a public key that is not that of the endpoint's present secret: nothing can sign with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the public key is not that of the endpoint's secret")]
pub struct OtherPublicKey;

impl GivenSecret {
    /// Reads a secret or a public key that a caller sent.
    pub fn parse(text: &str) -> Result<Self, SecretProblem> {
        match Secret::parse(text) {
            Ok(secret) => Ok(Self::Secret(secret)),
            Err(SecretProblem::PublicKey) => Ok(Self::PublicKey(text.to_owned())),
            Err(problem) => Err(problem),
        }
    }

    /// Returns the type of the secret, if the caller sent it.
    #[must_use]
    pub fn secret_type(&self) -> Option<SecretType> {
        match self {
            Self::Secret(secret) => Some(secret.secret_type()),
            Self::PublicKey(_) => Some(SecretType::Ed25519),
            Self::Present => None,
        }
    }

    /// Returns the new secret of an endpoint that has `present`; `None` if the caller sent that one.
    ///
    /// # Errors
    /// [`OtherPublicKey`].
    pub fn unless_present(&self, present: &Secret) -> Result<Option<Secret>, OtherPublicKey> {
        match self {
            Self::Present => Ok(None),
            Self::Secret(secret) if secret == present => Ok(None),
            Self::Secret(secret) => Ok(Some(secret.clone())),
            Self::PublicKey(text) => {
                let unpadded = |text: &str| text.trim_end_matches('=').to_owned();
                let is_present = unpadded(text) == unpadded(&present.shown());
                is_present.then_some(None).ok_or(OtherPublicKey)
            }
        }
    }
}

fn check_length(text: &str) -> Result<(), SecretProblem> {
    match text.chars().count() {
        length if length < SECRET_MIN => Err(SecretProblem::TooShort),
        length if length > SECRET_MAX => Err(SecretProblem::TooLong),
        _ => Ok(()),
    }
}

/// Returns the problem of a text that is nearly a secret of Standard Webhooks; `None` for any other text.
///
/// Receivers and environment files have such secrets with something before them: `v1,whsec_…` (Supabase),
/// `SECRET=whsec_…`, a quote, white space.
fn mistaken(text: &str) -> Option<SecretProblem> {
    let text = text.to_ascii_lowercase();
    let start = |text: &str| {
        text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric())
            .to_owned()
    };
    let bare = start(&text);
    // The versions of signatures (Standard Webhooks, "Signature scheme").
    let version = ["v1a,", "v1,"].into_iter();
    let bare = version
        .filter_map(|version| bare.strip_prefix(version))
        .map(start)
        .next()
        .unwrap_or(bare);
    let has = |prefix: &str| bare.starts_with(prefix) || text.contains(&format!("={prefix}"));
    if has(WHSK_PREFIX) || has(WHPK_PREFIX) {
        Some(SecretProblem::NearlyKeyPair)
    } else if bare.starts_with("whsec") || text.contains(WHSEC_PREFIX) {
        Some(SecretProblem::NearlyWhsec)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
