//! Signing secrets of endpoints.
//!
//! A secret that begins with `whsec_` has the form of Standard Webhooks: the rest is base64 of the key. A
//! caller may also choose any other text of 32 to 256 characters; its UTF-8 bytes are then the key.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use rand::RngExt;

/// The prefix of a secret in the form of Standard Webhooks.
pub const WHSEC_PREFIX: &str = "whsec_";
/// The shortest secret, in characters.
pub const SECRET_MIN: usize = 32;
/// The longest secret, in characters.
pub const SECRET_MAX: usize = 256;
/// The fewest and the most bytes of a `whsec_` key (Standard Webhooks, "Symmetric").
pub const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A base64 decoder that accepts missing padding: some tools print secrets without it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

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
}

impl Secret {
    /// Makes a secret: `whsec_` and base64 of 32 random bytes.
    #[must_use]
    pub fn generate() -> Self {
        let key: [u8; 32] = rand::rng().random();
        Self(format!("{WHSEC_PREFIX}{}", STANDARD.encode(key)))
    }

    /// Reads a secret that a caller chose.
    pub fn parse(text: &str) -> Result<Self, SecretProblem> {
        let length = text.chars().count();
        if length < SECRET_MIN {
            return Err(SecretProblem::TooShort);
        }
        if length > SECRET_MAX {
            return Err(SecretProblem::TooLong);
        }
        let secret = Self(text.to_owned());
        if text.starts_with(WHSEC_PREFIX)
            && !secret
                .decoded_key()
                .is_some_and(|key| KEY_BYTES.contains(&key.len()))
        {
            return Err(SecretProblem::BadKey);
        }
        Ok(secret)
    }

    /// Takes a stored text, which was parsed before.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the secret itself, for its owner and for the database.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the decoded key of a `whsec_` secret.
    #[must_use]
    pub fn decoded_key(&self) -> Option<Vec<u8>> {
        LENIENT.decode(self.0.strip_prefix(WHSEC_PREFIX)?).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_secrets_hold_32_bytes_and_stay_out_of_debug() {
        let secret = Secret::generate();
        assert_eq!(secret.decoded_key().map(|key| key.len()), Some(32));
        assert_eq!(Secret::parse(secret.reveal()), Ok(secret.clone()));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_ne!(secret, Secret::generate());
    }

    #[test]
    fn lengths_count_characters_and_keys_count_bytes() {
        assert_eq!(Secret::parse(&"x".repeat(31)), Err(SecretProblem::TooShort));
        assert_eq!(Secret::parse(&"é".repeat(31)), Err(SecretProblem::TooShort));
        assert!(Secret::parse(&"é".repeat(256)).is_ok());
        assert_eq!(Secret::parse(&"x".repeat(257)), Err(SecretProblem::TooLong));
        let whsec = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        assert_eq!(Secret::parse(&whsec(23)), Err(SecretProblem::BadKey));
        assert!(Secret::parse(&whsec(24)).is_ok());
        assert!(Secret::parse(whsec(25).trim_end_matches('=')).is_ok());
        assert!(Secret::parse(&whsec(64)).is_ok());
        assert_eq!(Secret::parse(&whsec(65)), Err(SecretProblem::BadKey));
        let garbage = format!("whsec_{}", "!".repeat(40));
        assert_eq!(Secret::parse(&garbage), Err(SecretProblem::BadKey));
    }
}
