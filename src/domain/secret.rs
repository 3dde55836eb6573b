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
    /// Was meant to begin with `whsec_`, but is in another case, or has something before it. As a text it
    /// would be another key than the receiver has.
    NearlyWhsec,
    /// Is a key of the asymmetric signatures of Standard Webhooks.
    Asymmetric,
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
        match mistaken(text) {
            None => Ok(secret),
            Some(problem) => Err(problem),
        }
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

/// Returns the problem of a text that is nearly a `whsec_` secret; `None` for a `whsec_` secret and for any
/// other text.
///
/// Receivers and environment files have such secrets with something before them: `v1,whsec_…` (Supabase),
/// `SECRET=whsec_…`, a quote, white space.
fn mistaken(text: &str) -> Option<SecretProblem> {
    if text.starts_with(WHSEC_PREFIX) {
        return None;
    }
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
    if ["whsk_", "whpk_"].iter().any(|key| bare.starts_with(key)) {
        Some(SecretProblem::Asymmetric)
    } else if bare.starts_with("whsec") || text.contains(WHSEC_PREFIX) {
        Some(SecretProblem::NearlyWhsec)
    } else {
        None
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

    #[test]
    fn texts_that_are_nearly_whsec_secrets_are_refused() {
        let key = STANDARD.encode([7; 32]);
        for before in [
            " whsec_",
            "\twhsec_",
            "\"whsec_",
            "'whsec_",
            "\u{feff}whsec_",
            "WHSEC_",
            "Whsec_",
            "v1,whsec_",
            "V1, whsec_",
            "SECRET=whsec_",
            "whsec-",
            "whsec:",
            "whsec ",
        ] {
            let text = format!("{before}{key}");
            assert_eq!(
                Secret::parse(&text),
                Err(SecretProblem::NearlyWhsec),
                "{text}"
            );
        }
        for before in ["whsk_", "whpk_", " WHSK_", "v1a,whpk_"] {
            let text = format!("{before}{key}");
            assert_eq!(
                Secret::parse(&text),
                Err(SecretProblem::Asymmetric),
                "{text}"
            );
        }
        for before in ["whse_", "wh_sec_", "sk_whs", "v1,", " ", "sec_"] {
            assert!(Secret::parse(&format!("{before}{key}")).is_ok(), "{before}");
        }
    }
}
